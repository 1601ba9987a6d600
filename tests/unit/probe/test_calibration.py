"""Calibration measures against hand-computed answers and simulation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.review import AGREEING, STRATA, Frame, ReviewParams, allocation, apply_answers, draw, frame
from veridical.probe._read_labels import ReadLabels, read_answers
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.calibration import (
    AS_GIVEN,
    Params,
    _as_read,
    _look,
    _overconfidence,
    _right_labels,
    log_loss,
    probe,
    run,
    squared_error,
    temperature,
)


def test_the_debiased_error_is_right_on_average():
    rng = np.random.default_rng(0)
    even = np.ones(500)
    calm, off = [], []
    for _ in range(400):
        confidence = rng.uniform(0.5, 1.0, 500)
        calm.append(squared_error(confidence, (rng.random(500) < confidence) * 1.0, even, bins=15))
        off.append(squared_error(confidence, (rng.random(500) < confidence - 0.1) * 1.0, even, bins=15))
    assert abs(np.mean(calm)) < 3 * np.std(calm) / 20
    # A constant shift of 0.1 is a squared error of 0.01; the naive estimator adds about 15 x 0.17 / 500 = 0.005.
    assert np.mean(off) == pytest.approx(0.01, abs=3 * np.std(off) / 20)


def test_weights_count_as_that_many_rows_in_the_bins():
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    right = np.array([1.0, 0.0, 1.0, 1.0])
    one_bin = squared_error(confidence, right, np.ones(4), bins=1)
    # mean confidence 0.75, accuracy 0.75, variance 0.1875 / 3
    assert one_bin == pytest.approx(-0.0625)


def test_temperature_finds_the_planted_one():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 3))
    truth = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    codes = np.array([rng.choice(3, p=row) for row in truth])
    sharp = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(1, keepdims=True)
    assert temperature(sharp, codes) == pytest.approx(2.5, rel=0.1)
    assert log_loss(np.log(np.array([[0.25, 0.75]])), np.array([1]))[0] == pytest.approx(-np.log(0.75))


N = 600
CHEAP = Params(replicates=200)


def world(seed, *, noise=0.0):
    """(subject, truth, what fold models expect): the model's probabilities are right, a share of the labels is not."""
    rng = np.random.default_rng(seed)
    positive = 1 / (1 + np.exp(-rng.normal(0, 2, N)))
    truth = (rng.random(N) < positive).astype(np.int64)
    given = np.where(rng.random(N) < noise, 1 - truth, truth)
    sure = dict(zip([f"r{i} {nonsense(rng, 8)}" for i in range(N)], positive, strict=True))
    rows = [(str(i), "test", text, ("neg", "pos")[label]) for i, (text, label) in enumerate(zip(sure, given, strict=True))]
    data = dataset([*rows, ("a", "train", "good start", "pos"), ("b", "train", "bad end", "neg")])

    def rule(text):
        share = sure.get(str(text), 0.5)
        return 0.0, float(np.log(share / (1 - share)))

    blurred = 0.9 * positive + 0.05
    return subject_of(data, ToyModel(data.labels, rule)), truth, np.column_stack([1 - blurred, blurred])


def read_of(subject, truth, expected, *, rows):
    """What the review of so many rows says, as a run has it."""
    codes, predicted, noise = subject.codes, subject.predicted, LabelNoise(np.eye(2), "none", 0.0, 0.1, expected)
    n = len(codes)
    ids, leaked = [str(i) for i in range(n)], np.zeros(n, bool)
    strata = frame(noise, ids=ids, codes=codes, predicted=predicted, leaked=leaked, params=ReviewParams())
    none = np.zeros(0, np.int64)
    given = allocation(strata, np.full(n, 1 / n), rows=rows, done=none, params=ReviewParams())
    drawn = draw(strata, given, done=none, seed=0)
    answers = np.full(n, -1)
    answers[drawn] = truth[drawn]
    found = apply_answers(noise, strata, truth=answers, codes=codes, predicted=predicted, params=ReviewParams())
    moves = found.change * found.spread[found.stratum][:, None]
    return ReadLabels(subject.rows, found.labels, moves, found.stratum, len(drawn), found.wrong_seen)


def looked(subject):
    return run(subject, CHEAP, np.random.default_rng(0))


def figures(found):
    return {measure.name: measure.estimate for measure in found.measures}


def test_what_unread_labels_may_be_lies_in_the_intervals_of_the_parts_and_of_the_curve():
    noisy, truth, expected = world(1, noise=0.3)
    few, every = (looked(replace(noisy, read=read_of(noisy, truth, expected, rows=rows))) for rows in (60, N))
    for name in ("brier_resolution", "log_loss_resolution"):
        narrow, wide = (figures(found)[name].high - figures(found)[name].low for found in (every, few))
        assert wide > 1.2 * narrow, name
    narrow, wide = (found.curves[0].estimates[0].high - found.curves[0].estimates[0].low for found in (every, few))
    assert wide > 1.2 * narrow


def test_right_labels_are_drawn_by_their_chances_and_left_alone_where_nobody_read():
    chances = np.tile([0.2, 0.8], (4000, 1))
    labels = ReadLabels(np.arange(4000), chances, np.zeros((4000, 2)), np.zeros(4000, np.int64), 0, 0)
    drawn = _right_labels(labels, np.zeros(1), np.random.default_rng(0))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert drawn.mean(axis=0) == pytest.approx([0.2, 0.8], abs=0.02)
    assert _right_labels(labels, np.zeros(1), None) is labels.labels


def test_labels_as_given_are_said_to_be_so():
    found = looked(world(0)[0])
    assert AS_GIVEN in found.notes
    assert not [name for name in figures(found) if "as given" in name]


def test_with_every_label_read_the_figures_are_those_of_the_right_labels():
    noisy, truth, expected = world(1, noise=0.2)
    right = figures(looked(world(1)[0]))
    found = looked(replace(noisy, read=read_of(noisy, truth, expected, rows=N)))
    for name in ("calibration_error", "overconfidence", "log_loss", "brier", "brier_reliability", "log_loss_resolution"):
        assert figures(found)[name].value == pytest.approx(right[name].value), name
    as_given = figures(looked(noisy))
    for name in ("calibration_error", "overconfidence", "log_loss", "brier"):
        kept = figures(found)[f"{name} (labels as given)"]
        assert (kept.value, kept.low, kept.high) == (as_given[name].value, as_given[name].low, as_given[name].high)
    changed = int((noisy.codes != truth).sum())
    assert f"Labels as reviewed: {changed} of {N} read were changed." in found.summary
    assert any(f"Of {N} test labels that were reviewed {changed} were changed." in note for note in found.notes)


def test_a_calibrated_model_is_not_called_too_sure_for_labels_that_are_wrong():
    noisy, truth, expected = world(2, noise=0.15)
    before = run_probe("calibration", probe, subject=noisy)
    after = run_probe("calibration", probe, subject=replace(noisy, read=read_of(noisy, truth, expected, rows=150)))
    assert before.measure("overconfidence").status == "found"
    assert before.measure("overconfidence").estimate.low > 4  # wrong labels alone: 15 % of twice the accuracy less one
    assert after.measure("overconfidence").status == "not_detected"
    assert after.measure("overconfidence (labels as given)").status == "described"
    assert after.measure("overconfidence").estimate.width > before.measure("overconfidence").estimate.width  # what was not read


def test_the_interval_after_a_review_holds_the_right_figures():
    inside = {"overconfidence": 0, "log_loss": 0, "brier": 0}
    for seed in range(10):
        noisy, truth, expected = world(10 + seed, noise=0.15)
        found = figures(looked(replace(noisy, read=read_of(noisy, truth, expected, rows=150))))
        logs, codes = np.log(np.maximum(noisy.probabilities, 1e-12)), np.eye(2)[truth]
        right = {
            "overconfidence": 100 * float((noisy.probabilities.max(1) - (noisy.predicted == truth)).mean()),
            "log_loss": float(-(codes * logs).sum(1).mean()),
            "brier": float(((noisy.probabilities - codes) ** 2).sum(1).mean()),
        }
        for name, value in right.items():
            inside[name] += found[name].low <= value <= found[name].high
    assert min(inside.values()) >= 8, inside  # of 10, were it 95 %: 7 or fewer come once in 900 times


TABLES, SMALL = 200, 300


def test_after_a_review_false_alarms_are_as_rare_as_is_said():
    """A calibrated model, 30 % of the labels wrong, half of the rows read. Without what a read row tells of itself and of those
    it stands for at once, 9 % of these tables raise an alarm, and the claimed variance is 0.8 of the true one."""
    gaps, errors, alarms = [], [], 0
    for seed in range(TABLES):
        rng = np.random.default_rng(seed)
        positive = 1 / (1 + np.exp(-rng.normal(0, 2, SMALL)))
        truth = (rng.random(SMALL) < positive).astype(np.int64)
        given = np.where(rng.random(SMALL) < 0.3, 1 - truth, truth)
        probabilities = np.column_stack([1 - positive, positive])
        subject = SimpleNamespace(
            rows=np.arange(SMALL), clusters=np.arange(SMALL), codes=given, predicted=probabilities.argmax(1)
        )
        read = read_of(subject, truth, 0.9 * probabilities + 0.05, rows=SMALL // 2)
        right = np.asarray(subject.predicted == given, np.float64)
        look = _look(subject, probabilities.max(1), right, Params(replicates=1), rng)
        found = _overconfidence(_as_read(look, subject.predicted, read, rng))
        gaps.append(found.estimate.value)
        errors.append(found.estimate.width / 2 / 1.96)
        alarms += found.p < 0.05
    assert alarms / TABLES <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / TABLES)
    assert np.mean(np.square(errors)) / np.var(gaps) > 0.85  # of 1; two standard errors of 200 tables are 0.2


def answers_of(rng, n, *, wrong, read):
    """(confidence, whether answers are right, the same by answers given, what was read): a calibrated model, a share of the
    answers given is wrong; where the model is wrong too it says that very answer in 3 of 10."""
    confidence = 1 / (1 + np.exp(-rng.normal(0.5, 1.5, n)))
    right = (rng.random(n) < confidence).astype(np.int64)
    spoilt = rng.random(n) < wrong
    given = np.where(spoilt, ((right == 0) & (rng.random(n) < 0.3)).astype(np.int64), right)
    cell = np.where(given == 0, 0, AGREEING[0]) + rng.integers(0, 3, n)
    foreseen = np.where(given == 0, 0.2, 0.03)
    strata, none = Frame(cell, foreseen, STRATA, ""), np.zeros(0, np.int64)
    allowed = allocation(strata, np.full(n, 1 / n), rows=read, done=none, params=ReviewParams())
    seen = np.zeros(n, bool)
    seen[draw(strata, allowed, done=none, seed=int(rng.integers(2**31)))] = True
    return confidence, right, given, read_of_answers(given, right, seen, cell=cell, foreseen=foreseen, changed=spoilt & seen)


def read_of_answers(given, right, seen, *, cell, foreseen, changed, unsure=None):
    return read_answers(
        np.arange(len(given)), given=given, found=np.where(seen, right, given), seen=seen,
        unsure=np.zeros(len(given), bool) if unsure is None else unsure, changed=changed, cell=cell, foreseen=foreseen,
        trusted=np.where(given == 0, 4.0, 12.0),
    )  # fmt: skip


def test_answers_that_were_all_read_are_as_they_were_read():
    _, right, given, found = answers_of(np.random.default_rng(0), 200, wrong=0.3, read=200)
    assert found.labels[:, 1].tolist() == right.tolist() != given.tolist()
    assert not found.moves.any()
    assert found.n_read == 200
    part = found.of(np.array([3, 5, 999]), np.array([0, 1, 1]))
    assert part.labels[:, 1].tolist() == [right[3], right[5], 1]  # a row that no review covers is as given


def test_unread_answers_are_as_the_read_ones_of_their_kind():
    given, seen = np.array([0] * 10 + [1] * 10), np.tile([True] * 4 + [False] * 6, 2)
    right, unsure = given.copy(), np.zeros(20, bool)
    right[0] = 1  # one of four that were read there
    alike = {"cell": np.zeros(20, np.int64), "foreseen": np.full(20, 0.1), "changed": given != right}
    found = read_of_answers(given, right, seen, **alike)
    assert found.labels[4:10, 1] == pytest.approx(0.25)
    assert found.labels[14:, 1] == pytest.approx(1.0)
    share = (1 + 0.4 + 0.5) / (4 + 4 + 1)
    assert found.moves[4:10, 1] == pytest.approx(np.sqrt(share * (1 - share) / 4))
    assert found.moves[14:, 1].max() < 0  # none seen is not none
    assert (found.n_read, found.n_changed) == (8, 1)
    unsure[9] = True
    doubtful = read_of_answers(given, right, seen, **alike, unsure=unsure)
    assert doubtful.labels == pytest.approx(found.labels)
    assert doubtful.moves[5, 1] > found.moves[5, 1]


def test_after_a_review_of_answers_intervals_cover():
    """A calibrated model, a quarter of the answers given is wrong, 120 of 300 read: the interval holds 0 as often as it says,
    and without the review it hardly ever does."""
    gaps, errors, inside, before = [], [], 0, 0
    for seed in range(TABLES):
        rng = np.random.default_rng(seed)
        confidence, _, given, read = answers_of(rng, SMALL, wrong=0.25, read=120)
        rows = SimpleNamespace(rows=np.arange(SMALL), clusters=np.arange(SMALL))
        look = _look(rows, confidence, given.astype(np.float64), Params(replicates=1), rng)
        before += _overconfidence(look).p >= 0.05
        found = _overconfidence(_as_read(look, np.ones(SMALL, np.int64), read, rng))
        gaps.append(found.estimate.value)
        errors.append(found.estimate.width / 2 / 1.96)
        inside += found.estimate.low <= 0 <= found.estimate.high
    assert abs(np.mean(gaps)) < 1
    assert before / TABLES < 0.1
    assert 0.95 - 2 * np.sqrt(0.05 * 0.95 / TABLES) <= inside / TABLES <= 0.995
    assert 0.85 < np.mean(np.square(errors)) / np.var(gaps) < 1.5


def test_the_surest_answers_that_are_all_right_are_not_right_for_sure():
    found = looked(replace_probabilities(world(3)[0]))
    (curve,) = found.curves
    assert [estimate.value for estimate in curve.estimates] == [1.0] * len(curve.estimates)
    for estimate in curve.estimates:
        assert estimate.low == pytest.approx(0.025 ** (1 / estimate.n_clusters))


def replace_probabilities(subject):
    """The same rows, every one answered rightly."""
    sure = np.full_like(subject.trained.probabilities, 0.01)
    codes = subject.data.codes
    sure[np.arange(len(codes)), codes] = 0.99
    return replace(subject, trained=replace(subject.trained, probabilities=sure))
