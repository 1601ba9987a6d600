"""Scores and gains agree with what can be computed by other means."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from veridical.core.paired_test import sign_flip_p
from veridical.tasks._confusion_metrics import accuracy, macro_f1
from veridical.verify.placebo import matched_rows
from veridical.verify.scoring import gain, log_loss_gain, recall_gains, score_draws, score_estimate, scored, value, yardstick


def said(codes, share_right, rng, *, seeds=5, n_classes=3):
    """(S, L, C): all seeds say the same, right in about `share_right` of the rows."""
    predicted = np.where(rng.random(len(codes)) < share_right, codes, (codes + 1) % n_classes)
    return np.repeat(np.eye(n_classes)[predicted][None] * 0.8 + 0.2 / n_classes, seeds, axis=0)


def ruler(n, rng, *, metric=accuracy, votes="rows", clusters=None):
    codes = rng.integers(0, 3, n)
    at = np.arange(n) if clusters is None else clusters
    return yardstick(np.arange(n), codes, at, n_classes=3, metric=metric, votes=votes)


def test_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    on = ruler(300, rng, metric=macro_f1)
    answers = said(on.codes, 0.7, rng)
    assert value(scored(answers, on), on) == pytest.approx(f1_score(on.codes, answers[0].argmax(1), average="macro"))
    assert score_draws([scored(answers, on)], on, rng).mean() == pytest.approx(value(scored(answers, on), on), abs=0.01)


def test_one_vote_per_cluster():
    on = yardstick(np.arange(4), np.array([0, 0, 0, 1]), np.array([5, 5, 5, 9]), n_classes=2, metric=accuracy, votes="clusters")
    arm = scored(np.repeat(np.array([[[1.0, 0.0]] * 4]), 5, axis=0), on)
    assert value(arm, on) == pytest.approx(0.5)


def test_unlabelled_rows_are_not_scored():
    on = yardstick(np.arange(3), np.array([0, -1, 1]), np.arange(3), n_classes=2, metric=accuracy, votes="rows")
    assert on.rows.tolist() == [0, 2]


def test_gain_is_the_sign_test_when_seeds_agree():
    rng = np.random.default_rng(1)
    on = ruler(400, rng)
    a, b = (scored(said(on.codes, p, rng), on) for p in (0.8, 0.74))
    found = gain(a, b, on, np.random.default_rng(2))
    differences = a.table[:, :3].sum(1) - b.table[:, :3].sum(1)
    assert found.p_better == pytest.approx(sign_flip_p(differences, np.arange(400), rng), abs=0.01)
    assert found.points.value == pytest.approx(100 * differences.mean())
    assert found.p_better + found.p_worse == pytest.approx(1, abs=0.05)


def test_seeds_that_disagree_widen_the_gain():
    rng = np.random.default_rng(3)
    on = ruler(2000, rng)
    base = scored(said(on.codes, 0.7, rng), on)
    steady = said(on.codes, 0.74, rng)
    uneven = np.concatenate([said(on.codes, p, rng, seeds=1) for p in (0.6, 0.7, 0.74, 0.78, 0.88)])
    sure, unsure = (gain(scored(s, on), base, on, np.random.default_rng(4)) for s in (steady, uneven))
    assert sure.p_better < 0.05 < unsure.p_better
    assert unsure.points.width > 2 * sure.points.width


def test_no_interval_reaches_beyond_what_two_models_can_differ_by():
    rng = np.random.default_rng(0)
    on = ruler(60, rng)
    wild = np.concatenate([said(on.codes, share, rng, seeds=1) for share in (1.0, 0.0, 1.0, 0.0, 0.0)])
    over = scored(said(on.codes, 1.0, rng), on)
    found = gain(scored(wild, on), over, on, np.random.default_rng(1)).points
    assert found.low == -100
    assert found.high <= 100


def test_log_loss_gain_has_the_right_sign():
    rng = np.random.default_rng(5)
    on = ruler(500, rng)
    good, bad = (scored(said(on.codes, p, rng), on) for p in (0.9, 0.5))
    found = log_loss_gain(good, bad, on, rng)
    assert 0 < found.low < found.value < found.high


def test_a_placebo_matches_labels_and_confidence():
    rng = np.random.default_rng(6)
    codes, confidence = rng.integers(0, 2, 1000), rng.random(1000)
    edited = np.flatnonzero((codes == 1) & (confidence > 0.83))[:40]
    drawn = matched_rows(edited, np.arange(1000), codes=codes, confidence=confidence, rng=rng)
    assert len(drawn) == len(set(drawn.tolist())) == 40
    assert 0 < len(set(drawn) & set(edited)) < 40
    assert np.mean(codes[drawn]) == 1
    assert confidence[drawn].min() > 0.75


def test_a_placebo_makes_do_with_what_there_is():
    rng = np.random.default_rng(7)
    codes = np.array([1] * 10 + [0] * 10)
    edited, confidence = np.arange(8), np.linspace(0, 1, 20)
    drawn = matched_rows(edited, np.arange(8, 20), codes=codes, confidence=confidence, rng=rng)
    assert len(drawn) == 8
    assert {8, 9} <= set(drawn.tolist())
    assert len(matched_rows(edited, np.arange(8, 11), codes=codes, confidence=confidence, rng=rng)) == 3


def test_training_error_of_seeds_of_placebos_and_of_one_fit():
    from veridical.verify.scoring import Scored, training_error

    def told(*scores):
        return Scored(np.zeros((1, 3)), np.array(scores), np.zeros(1), np.zeros((1, 1)))

    several, other = told(0.80, 0.82, 0.84, 0.86, 0.88), told(0.70, 0.72, 0.74, 0.76, 0.78)
    widened, sd = np.sqrt(4 / 2), np.std([0.80, 0.82, 0.84, 0.86, 0.88], ddof=1)
    assert training_error(several, other) < 1e-12  # seeds move both alike: paired
    assert training_error(told(0.9), several) == training_error(several, told(0.9))
    np.testing.assert_allclose(training_error(told(0.9), several), sd * np.sqrt(1 + 1 / 5) * widened)
    assert training_error(told(0.9), told(0.8)) == 0.0


def test_arms_that_say_the_same_and_are_always_right_still_have_intervals():
    rng = np.random.default_rng(7)
    on = ruler(300, rng)
    perfect = scored(said(on.codes, 1.0, rng), on)
    reach = 1 - 0.025 ** (1 / 300)
    score = score_estimate(value(perfect, on), score_draws([perfect], on, rng)[:, 0], on, method="m")
    assert (score.value, score.high) == (1.0, 1.0)
    assert score.low == pytest.approx(1 - reach)
    same = gain(perfect, perfect, on, rng)
    assert (same.points.value, same.points.low, same.points.high) == pytest.approx((0.0, -100 * reach, 100 * reach))
    assert same.standard_error > 0  # or the smallest visible effect would be none
    for code, recall in recall_gains(perfect, perfect, on, rng).items():
        n = int((on.codes == code).sum())
        assert recall.high == pytest.approx(100 * (1 - 0.025 ** (1 / n)))


def test_votes_that_differ_leave_more_open():
    codes, clusters = np.zeros(100, np.int64), np.repeat(np.arange(11), [90, *[1] * 10])
    on = yardstick(np.arange(100), codes, clusters, n_classes=2, metric=accuracy, votes="rows")
    arm = scored(np.repeat(np.array([[[1.0, 0.0]] * 100]), 5, axis=0), on)
    worth = 100**2 / (90**2 + 10)
    assert gain(arm, arm, on, np.random.default_rng(0)).points.high == pytest.approx(100 * (1 - 0.025 ** (1 / worth)))
