"""Scores of tags, label sets and answers: known answers, and what counting the wrong things would have bought."""

import json

import numpy as np
import pytest

from veridical.core.plugins import get
from veridical.tasks._answers import exact_match, f1
from veridical.tasks._contract import Measure


def _score(task: str, name: str, gold: list[str], said: list[str], names: tuple[str, ...]) -> float:
    measure: Measure = get("veridical.tasks", "task", task).structure.measures[name]
    rows = measure.margins(gold, said, names)
    return measure.metric(rows.right.sum(axis=0), rows.true.sum(axis=0), rows.predicted.sum(axis=0))


GOLD = ["O B-A I-A O O", "B-B O O O O"]
SAID = ["O B-A O O O", "B-B O O O B-A"]
"""One entity of two found, three said: F1 2 * 1 / (2 + 3)."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("entity_f1", 2 / 5),
        ("entity_macro_f1", (0.0 + 1.0) / 2),
        ("token_accuracy", 8 / 10),
        ("token_f1", 2 * 2 / (3 + 3)),
        ("padded_accuracy", (8 + 2 * 123) / (10 + 2 * 123)),
    ],
)
def test_known_scores_of_tags(name: str, expected: float) -> None:
    assert _score("ner", name, GOLD, SAID, ("A", "B")) == pytest.approx(expected, abs=1e-12)


def test_types_that_train_lacks_count_as_missed() -> None:
    assert _score("ner", "entity_f1", ["B-C O", "B-A O"], ["O O", "B-A O"], ("A",)) == pytest.approx(2 / 3)


SETS = (['["a", "b"]', "[]", '["c"]'], ['["a"]', "[]", '["a", "c"]'])
"""Two of three labels found, three said."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [("micro_f1", 2 * 2 / 6), ("subset_accuracy", 1 / 3), ("jaccard", (0.5 + 1 + 0.5) / 3), ("hamming_score", 7 / 9)],
)
def test_known_scores_of_label_sets(name: str, expected: float) -> None:
    assert _score("multilabel", name, *SETS, ("a", "b", "c")) == pytest.approx(expected, abs=1e-12)


def test_label_sets_score_as_scikit_learn_does() -> None:
    from sklearn.metrics import accuracy_score, f1_score, hamming_loss, jaccard_score

    rng, names = np.random.default_rng(0), tuple("abcdef")
    true, said = rng.random((200, 6)) < 0.3, rng.random((200, 6)) < 0.3
    gold, answers = ([json.dumps([n for n, yes in zip(names, row, strict=True) if yes]) for row in part] for part in (true, said))
    expected = {
        "micro_f1": f1_score(true, said, average="micro"),
        "macro_f1": f1_score(true, said, average="macro"),
        "subset_accuracy": accuracy_score(true, said),
        "jaccard": jaccard_score(true, said, average="samples", zero_division=1.0),
        "hamming_score": 1 - hamming_loss(true, said),
    }
    for name, score in expected.items():
        assert _score("multilabel", name, gold, answers, names) == pytest.approx(score, abs=1e-12), name


@pytest.mark.parametrize(
    ("said", "answers", "em", "overlap"),
    [
        ("The Denver Broncos!", ["Denver Broncos"], 1.0, 1.0),
        ("Broncos", ["Denver Broncos", "the Broncos"], 1.0, 1.0),
        ("a team of Denver", ["Denver Broncos"], 0.0, 2 * 1 / (3 + 2)),
        ("", [], 1.0, 1.0),
        ("Denver", [], 0.0, 0.0),
        ("", ["Denver"], 0.0, 0.0),
        ("卡万·肖特", ["卡万·肖特"], 1.0, 1.0),
        ("肖特先生", ["卡万·肖特"], 0.0, 2 * 2 / (4 + 4)),
        ("308分", ["308"], 1.0 * 0, 0.0),
    ],
)
def test_known_scores_of_answers(said: str, answers: list[str], em: float, overlap: float) -> None:
    assert exact_match(said, answers) == em
    assert f1(said, answers) == pytest.approx(overlap, abs=1e-12)
