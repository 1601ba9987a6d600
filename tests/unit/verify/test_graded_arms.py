"""Arms and comparisons under metrics that know their classes: the same scores as counted row by row."""

import numpy as np
import pytest

from veridical.core.randomness import stream
from veridical.tasks._class_metrics import scored as direct
from veridical.tasks.ordinal import task as ordinal
from veridical.tasks.relation import task as relation
from veridical.verify.paired_terms import Rows, drawn_scores, reported_terms
from veridical.verify.scoring import gain, recall_gains, scored, value, yardstick

GRADES = ("1", "2", "3", "4", "5")
RELATIONS = ("A(e1,e2)", "A(e2,e1)", "B(e1,e2)", "B(e2,e1)", "Other")
METRICS = [(ordinal, name, GRADES) for name in ordinal.metrics] + [(relation, name, RELATIONS) for name in relation.metrics]


def _answers(codes, rng, *, near):
    """One model's probabilities, right in half of the rows and, if `near`, off by one in the others."""
    said = np.where(rng.random(len(codes)) < 0.5, codes, np.clip(codes + rng.choice([-1, 1], len(codes)), 0, 4) if near else
                    rng.integers(5, size=len(codes)))  # fmt: skip
    return np.eye(5)[said][None] * 0.9 + 0.02


@pytest.mark.parametrize(("task", "name", "labels"), METRICS, ids=lambda value: value if isinstance(value, str) else "")
def test_arms_are_scored_as_row_by_row(task, name, labels):
    rng = np.random.default_rng(0)
    codes, rows = rng.integers(5, size=200), np.arange(200)
    metric = task.metric(name, labels)
    ruler = yardstick(rows, codes, rows, n_classes=5, metric=metric, votes="rows")
    said = _answers(codes, rng, near=False)
    found = scored(said, ruler)
    assert value(found, ruler) == pytest.approx(direct(codes, said[0].argmax(axis=1), n_classes=5, metric=metric), abs=1e-12)


def test_an_arm_that_is_nearer_wins_by_kappa_and_its_recall_is_still_recall():
    rng = np.random.default_rng(1)
    codes, rows = rng.integers(5, size=600), np.arange(600)
    ruler = yardstick(rows, codes, rows, n_classes=5, metric=ordinal.metric("quadratic_kappa", GRADES), votes="rows")
    near, far = (scored(_answers(codes, rng, near=side), ruler) for side in (True, False))
    won = gain(near, far, ruler, stream(0, "test"))
    assert won.points.low > 10
    assert won.p_better < 0.01
    recalls = recall_gains(near, near, ruler, stream(0, "test"))
    assert recalls
    assert all(each.value == 0 for each in recalls.values())
    shares = near.hits.sum(axis=0) / np.bincount(codes)
    assert np.abs(shares[1:4] - 0.5).max() < 0.15, "what is nearly right is no recall"


@pytest.mark.parametrize(("task", "name", "labels"), METRICS, ids=lambda value: value if isinstance(value, str) else "")
def test_compared_runs_are_scored_as_row_by_row(task, name, labels):
    rng = np.random.default_rng(2)
    codes = rng.choice([0, 1, 3, 4], 150)  # one class never occurs
    predicted = np.stack([np.where(rng.random(150) < share, codes, rng.choice([0, 1, 3, 4], 150)) for share in (0.4, 0.7)])
    metric = task.metric(name, labels)
    rows = Rows(codes, predicted, np.arange(150), 5, metric)
    exact = [direct(codes, said, n_classes=5, metric=metric) for said in predicted]
    terms = reported_terms(rows)
    assert terms.scores == pytest.approx(exact, abs=1e-12)
    assert drawn_scores(rows, terms.weights, [codes])[0] == pytest.approx(exact, abs=1e-12)
    assert np.abs(terms.draws(stream(0, "test")).mean(axis=0) - exact).max() < 0.03
