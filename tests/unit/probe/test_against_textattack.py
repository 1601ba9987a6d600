"""Recipes against what TextAttack 0.3.11 found for the same texts, candidates and model (textattack.json).

Written by `python -m benchmarks.speed.attack_side_by_side --vectors tests/unit/probe/textattack.json`, whose head says how
TextAttack is installed for that.
"""

import json
import zlib
from pathlib import Path

import pytest

from veridical.models.queries import Queries
from veridical.probe._toys import ToyModel
from veridical.probe.attack import RECIPES, Attempt, attack
from veridical.probe.attack._recipes import FEW_EDITS, UNTARGETED
from veridical.probe.attack._searches import UNKNOWN, Asked, left_out, saliency_order

WRITTEN = json.loads((Path(__file__).parent / "textattack.json").read_text(encoding="utf-8"))
CASES = {"deepwordbug": ("deepwordbug", left_out(UNKNOWN)), "pwws": ("pwws_asking_again", saliency_order)}
NO_LIMIT = 10**6


def by_checksum(text):
    """2.5 and the mean of weights in [-4, 4] that the checksums of the words give."""
    weights = [zlib.crc32(word.encode()) / 2**29 - 4 for word in str(text).split()]
    return 0.0, 2.5 + sum(weights) / max(len(weights), 1)


def attempt_of(row, recipe):
    options = {(0, tuple(row["spots"][number])): words for number, words in row["offered"].items()}
    return Attempt(row["text"], row["label"], UNTARGETED, options, (FEW_EDITS,) if recipe == "deepwordbug" else (), NO_LIMIT)


@pytest.mark.parametrize("theirs", CASES)
def test_every_text_ends_as_in_textattack(theirs):
    rows, (ours, _) = WRITTEN[theirs], CASES[theirs]
    found = attack(Queries(ToyModel(("neg", "pos"), by_checksum)), RECIPES[ours], [attempt_of(row, theirs) for row in rows])
    assert [(one.status, one.changed, one.queries) for one in found] == [
        (row["status"], row["changed"], row["seen"]) for row in rows
    ]
    assert {row["status"] for row in rows} == {"turned", "held", "wrong"}


@pytest.mark.parametrize("theirs", CASES)
def test_words_are_tried_in_textattack_s_order(theirs):
    _, ranking = CASES[theirs]

    def ranked(row):
        asked, attempt = Asked(NO_LIMIT), attempt_of(row, theirs)
        first = yield from asked.ask([row["text"]])
        order = yield from ranking(attempt, asked, first[0])
        number = {tuple(spot): int(index) for index, spot in row["spots"].items()}
        return [number[spot] for (_, spot), _ in order]

    attacked = [row for row in WRITTEN[theirs] if row["status"] != "wrong"]
    orders = Queries(ToyModel(("neg", "pos"), by_checksum)).run(ranked(row) for row in attacked)
    assert orders == [row["order"] for row in attacked]
