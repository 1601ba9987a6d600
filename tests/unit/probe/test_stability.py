"""Churn, spread and learning curves on answers whose truth is known; retraining by the scored model's own recipe."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Skipped
from veridical.models.linear import train_linear
from veridical.probe import stability
from veridical.probe._learning_curve import continued
from veridical.probe._retraining import LinearAgain, retraining
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, subject_of
from veridical.probe.stability import Params, disagreement, probe, run, sd_interval, sd_mde


def test_disagreement_is_the_mean_over_pairs_of_models():
    answers = np.random.default_rng(0).integers(0, 3, (5, 40))
    pairs = np.mean([answers[i] != answers[j] for i, j in combinations(range(5), 2)], axis=0)
    np.testing.assert_allclose(disagreement(answers, 3), pairs, atol=1e-12)


def test_a_power_law_is_continued_exactly():
    sizes = np.array([50.0, 100.0, 200.0, 400.0])
    errors = np.array([0.1 + 0.8 * (sizes / 50) ** -0.5, np.full(4, 0.25), 0.6 * (sizes / 50) ** -0.3])
    ahead = continued(sizes, errors, np.array([400.0, 800.0]))
    assert ahead[0, 1] == pytest.approx(0.1 + 0.8 * 16**-0.5, abs=1e-6)
    assert ahead[1].tolist() == pytest.approx([0.25, 0.25])
    assert ahead[2, 1] == pytest.approx(0.6 * 16**-0.3, abs=1e-6)
    assert ahead[2, 0] == pytest.approx(errors[2, -1], abs=1e-6)


def test_the_fit_stays_in_the_quarter_plane_and_is_the_best_there():
    from scipy.optimize import nnls

    rng = np.random.default_rng(1)
    sizes = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    errors = rng.random((30, 5))
    found = continued(sizes, errors, sizes)
    best = []
    from veridical.probe._learning_curve import EXPONENTS

    for row in errors:
        fits = [nnls(np.column_stack([np.ones(5), (sizes / 16) ** -c]), row)[1] for c in EXPONENTS]
        best.append(min(fits))
    np.testing.assert_allclose(np.linalg.norm(found - errors, axis=1), best, atol=1e-8)


def test_the_interval_of_the_gain_covers_the_true_one():
    rng, covered = np.random.default_rng(2), 0
    sizes = np.array([100.0, 180.0, 320.0, 560.0, 1000.0])
    truth = 1 - (0.1 + 0.35 * (sizes / 100) ** -0.6)
    gain = 100 * 0.35 * (10**-0.6 - 20**-0.6)
    for _ in range(100):
        mean = truth + rng.normal(0, 0.01, 5) + rng.normal(0, 0.01)
        drawn = mean + rng.normal(0, 0.01, (300, 5)) + rng.normal(0, 0.01, (300, 1))
        measure, _ = stability._continued(sizes, mean, drawn, n=500, clusters=500, params=Params())
        covered += measure.estimate.low <= gain <= measure.estimate.high
    assert covered >= 90


def test_the_interval_of_a_standard_deviation_covers_and_its_mde_is_seen():
    rng, covered, seen = np.random.default_rng(3), 0, 0
    for _ in range(1000):
        sd = rng.normal(0, 1, 8).std(ddof=1)
        low, high = sd_interval(sd, 8, 0.95)
        covered += low <= 1 <= high
        seen += sd_interval(sd * (1 + sd_mde(8, 0.95)), 8, 0.95)[0] > 1
    assert 0.93 <= covered / 1000 <= 0.97
    assert 0.76 <= seen / 1000 <= 0.84


def _subject(n=700, *, cues=1, noise=0.0, seed=0, copies=1, recipe=True):
    rng, rows = np.random.default_rng(seed), []
    words = [f"{a}{b}{c}" for a in "xqvjkwyh" for b in "aeiou" for c in ("zz", "ff", "pp", "cc", "nn", "dd")]
    for i in range(n):
        positive = bool(rng.random() < 0.5)
        word = words[2 * int(rng.integers(cues)) + int(positive)]
        label = positive != (rng.random() < noise)
        text = f"{word} {nonsense(rng, 4)}"
        rows += [(f"{i}-{k}", "train" if i < n // 2 else "test", text, "pos" if label else "neg") for k in range(copies)]
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    return subject_of(data, model, recipe=Recipe("linear") if recipe else None, budget="quick")


def test_a_task_learned_at_once_is_stable_and_one_half_learned_is_not():
    calm, torn = (run_probe("stability", probe, subject=_subject(cues=cues, noise=0.0)) for cues in (1, 100))
    assert calm.status == "not_detected"
    assert calm.measure("churn: resampled").estimate.value < 0.01
    assert torn.measure("churn: resampled").estimate.value > 0.05
    assert torn.measure("gain_from_more_rows").status == "found"
    values = [point.value for point in torn.curves[0].estimates]
    assert values[-1] > values[0] + 0.1
    assert torn.examples
    assert " by " in torn.examples[0].said_before


def test_what_twice_the_rows_bring_lies_in_the_promised_interval():
    """The curve of half the train rows, against the model of all of them."""
    whole = _subject(1400, cues=60, seed=3)
    data = whole.data
    train = data.rows("train")
    half = np.concatenate([train[: len(train) // 2], data.rows("test")])
    again = LinearAgain(data, Recipe("linear"))
    scores = [
        float(np.mean(again.predict(rows, whole.rows, seed=0).argmax(axis=1) == whole.codes))
        for rows in (train[: len(train) // 2], train)
    ]
    less = data.take(half)
    model = train_linear(less.inputs(less.rows("train")), less.codes[less.rows("train")], labels=less.labels)
    found = run_probe("stability", probe, subject=subject_of(less, model, recipe=Recipe("linear"), budget="quick"))
    promised = found.measure("gain_from_more_rows").estimate
    assert promised.low - 1 <= 100 * (scores[1] - scores[0]) <= promised.high + 1


def test_retraining_is_the_recipe_itself():
    subject = _subject(400, cues=40)
    again = retraining(subject)
    assert isinstance(again, LinearAgain)
    train = subject.data.rows("train")
    np.testing.assert_allclose(again.predict(train, subject.rows, seed=0), subject.model.predict(subject.inputs), atol=1e-5)
    twice = again.predict(train, subject.rows, seed=0, times=np.full(len(train), 2))
    np.testing.assert_allclose(twice, again.predict(train, subject.rows, seed=0), atol=1e-5)


def test_copies_of_rows_do_not_make_it_surer():
    once, often = (run_probe("stability", probe, subject=_subject(500, cues=60, copies=copies)) for copies in (1, 3))
    first, second = (found.measure("churn: resampled").estimate for found in (once, often))
    assert second.n_clusters == first.n_clusters
    assert second.width == pytest.approx(first.width, rel=0.6)


def test_what_cannot_be_trained_again_is_skipped_with_the_way_out():
    found = run(_subject(recipe=False), Params(), np.random.default_rng(0))
    assert isinstance(found, Skipped)
    assert "--model linear" in found.why
    slow = run(replace(_subject(), recipe=Recipe("minilm")), Params(), np.random.default_rng(0))
    assert isinstance(slow, Skipped)
    assert "--budget thorough" in slow.why
    small = run(_subject(120), Params(), np.random.default_rng(0))
    assert isinstance(small, Skipped)
    assert "distinct train texts" in small.why
