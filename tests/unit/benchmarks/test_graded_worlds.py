"""Graded worlds plant what their names say, on texts made up here."""

import numpy as np
import pytest
from benchmarks.honesty import worlds
from benchmarks.honesty.worlds import BRIEF_UNITS, CUE, NO_RELATION, SCAN, world


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    rng = np.random.default_rng(0)
    texts = tuple(" ".join(f"w{w}" for w in rng.integers(5000, size=rng.integers(8, 20))) for _ in range(1600))
    monkeypatch.setattr(worlds, "pool", lambda base: (texts, tuple(np.where(rng.random(1600) < 0.5, "neg", "pos").tolist())))
    for name, n in (("N_TRAIN", 300), ("N_TEST", 200), ("MAX_TRUTH", 1100), ("N_TARGET", 100)):
        monkeypatch.setattr(worlds, name, n)


def turned(made):
    return [row for row, meant in zip(made.truth_contract, made.meant, strict=True) if row["label"] != meant]


def test_the_target_turns_labels_of_long_texts_and_no_others():
    made = world("concept_24", "made up", 0)
    middle = np.median([len(row["text"]) for row in made.truth])
    assert 0.08 < len(turned(made)) / len(made.truth_contract) < 0.17  # 24 % of a half
    assert all(len(row["text"]) > middle for row in turned(made))
    assert not {row["text"] for row in made.target} & {row["text"] for row in made.truth_contract}
    assert not turned(world("groups_scan_70", "made up", 0))


@pytest.mark.parametrize("share", [0.55, 0.9])
def test_the_contracts_population_holds_its_share_of_scans(share):
    for kind in ("groups", "shift"):
        made = world(f"{kind}_scan_{100 * share:.0f}", "made up", 0)
        found = np.mean([row["text"].startswith(SCAN) for row in made.truth_contract])
        assert found == pytest.approx(share, abs=0.06)
        assert np.mean([row["text"].startswith(SCAN) for row in made.test]) == pytest.approx(0.5, abs=0.12)
        assert {row["group"] for row in made.test} == ({"scan", "typed"} if kind == "groups" else {None})


def test_coded_texts_are_brief_and_their_codes_tell_the_class():
    made = world("typos_coded_100", "made up", 0)
    assert max(len(row["text"].split()) for row in made.truth) == BRIEF_UNITS[False] + 1
    classes = {}
    for row in made.train + made.test + made.truth:
        code = row["text"].split()[0]
        if set(code) <= set("abcd"):
            classes.setdefault(code, set()).add(row["label"])
    assert len(classes) == 2 * worlds.CODES
    assert all(len(found) == 1 for found in classes.values())


def test_rows_without_a_relation_hold_their_share():
    made = world("uncounted_60", "made up", 0)
    assert made.task == "relation"
    for part in (made.train, made.test, made.truth):
        assert np.mean([row["label"] == NO_RELATION for row in part]) == pytest.approx(0.6, abs=0.01)


def test_a_cues_contract_is_judged_by_each_text_without_and_with_it():
    made = world("cue_80", "made up", 0)
    without, there = made.truth_contract[::2], made.truth_contract[1::2]
    assert [[word for word in row["text"].split() if word != CUE] for row in there] == [row["text"].split() for row in without]
    assert all(row["text"].split().count(CUE) == 1 for row in there)
    assert made.contract_origins[::2] == made.contract_origins[1::2] == made.origins
    assert made.under(7) == made.truth_contract[:14]
    assert made.contract["shortcuts"][0]["rate"] == 0.5
    other = world("groups_scan_70", "made up", 0)
    assert other.under(7) == other.truth_contract[:7]
