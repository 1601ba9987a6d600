"""Two samples told apart, and points split into inputs and labels, on worlds whose shift is known."""

from dataclasses import replace

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.models.linear import train_linear
from veridical.models.text_features import hashed
from veridical.probe import _domains
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.shift import Params, _alike, estimated_shares, ordered_times, probe, run


def _world(rng, n, *, easy, right_easy, right_hard):
    """(texts, right): easy and hard rows are told by a word."""
    kind = rng.random(n) < easy
    right = rng.random(n) < np.where(kind, right_easy, right_hard)
    return [f"{'easy' if k else 'hard'} case {nonsense(rng, 3)}" for k in kind], right.astype(float)


@pytest.mark.parametrize(
    ("target", "inputs", "labels"),
    [
        ({"easy": 0.2, "right_easy": 0.95, "right_hard": 0.6}, 21.0, 0.0),
        # Same words, other labels: on the shared rows (the source's own mix) 0.8 x 0 + 0.2 x 30 points.
        ({"easy": 0.8, "right_easy": 0.95, "right_hard": 0.3}, 0.0, 6.0),
        ({"easy": 0.8, "right_easy": 0.95, "right_hard": 0.6}, 0.0, 0.0),
    ],
)
def test_points_go_to_inputs_or_labels_as_planted(target, inputs, labels):
    rng, seen = np.random.default_rng(0), []
    for seed in range(8):
        texts, right = _world(rng, 600, easy=0.8, right_easy=0.95, right_hard=0.6)
        more, also = _world(rng, 600, **target)
        features, side = hashed([*texts, *more]), np.repeat([0, 1], 600)
        told = _domains.told_apart(features, np.arange(1200), side, seed=seed, rng=rng)
        found = _domains.parts(np.concatenate([right, also]), told, replicates=200, rng=rng)
        assert found.total.value == pytest.approx(found.inputs.value + found.labels_given_inputs.value)
        seen.append((100 * found.inputs.value, 100 * found.labels_given_inputs.value))
    mean, error = np.mean(seen, axis=0), np.std(seen, axis=0) / np.sqrt(len(seen))
    # The classifier shrinks towards even odds: what it misses of the inputs is left with the labels, up to a fifth here.
    assert abs(mean[0] - inputs) < 3 * error[0] + 0.2 * inputs
    assert abs(mean[1] - labels) < 3 * error[1] + 0.2 * inputs


def test_the_area_and_its_chance_are_right_where_nothing_differs():
    rng, p, covered, areas, luck = np.random.default_rng(1), [], [], [], None
    for seed in range(100):
        features, rows = hashed([nonsense(rng, 12) for _ in range(160)]), rng.permutation(160)
        told = _domains.told_apart(features, rows, np.repeat([0, 1], 80), seed=seed, rng=rng)
        luck = _domains.by_luck(features, rows, told, replicates=99, rng=rng)
        found = luck.added_to(told.separation())
        areas.append(found.value)
        p.append((1 + (luck.areas >= found.value).sum()) / 100)
        interval = found.estimate(level=0.95)
        covered.append(interval.low <= 0.5 <= interval.high)
        assert luck.areas.mean() == pytest.approx(0.5, abs=0.03)
    assert np.mean(np.array(p) <= 0.05) <= 0.1
    assert np.mean(np.array(p) <= 0.1) <= 0.16
    assert np.mean(covered) >= 0.9
    assert luck.areas.std() == pytest.approx(np.std(areas), rel=0.25)
    assert luck.areas.std() > 1.2 * luck.told


def test_what_would_have_been_seen_is_that_of_sides_learned_anew():
    rng = np.random.default_rng(3)
    features, side = hashed([nonsense(rng, 12) for _ in range(200)]), np.repeat([0, 1], 100)
    told = _domains.told_apart(features, np.arange(200), side, seed=0, rng=rng)
    found = _domains.separation("a", features, np.arange(200), told, replicates=199, level=0.95, rng=np.random.default_rng(4))
    luck = _domains.by_luck(features, np.arange(200), told, replicates=199, rng=np.random.default_rng(4))
    assert found.mde == pytest.approx(2.8 * luck.areas.std(), rel=0.01)
    assert found.mde > 1.2 * 2.8 * luck.told


def test_sides_dealt_anew_are_told_by_their_mean_rows():
    """Against the same, deal by deal, in plain words."""
    rng = np.random.default_rng(2)
    texts = [nonsense(rng, 3) for _ in range(60)]
    features, side, fold = hashed(texts), np.tile([0, 1, 1], 20), np.arange(60) % 5
    told = _domains.Told(np.zeros(60), fold, side)
    luck = _domains.by_luck(features, np.arange(60), told, replicates=2000, rng=rng)
    frequency = np.asarray((features.matrix > 0).sum(axis=0))[0]
    kept = frequency >= 2
    rows = (1 + np.log(np.maximum(features.matrix.toarray()[:, kept], 1))) * (features.matrix.toarray()[:, kept] > 0)
    rows = rows * (np.log(61 / (1 + frequency[kept])) + 1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    direct, as_they_are = [], []
    for _ in range(600):
        mixed, logits = side.copy(), np.zeros(60)
        for k in range(5):
            mixed[fold == k] = rng.permutation(side[fold == k])
        for k in range(5):
            inside = fold == k
            high, low = (rows[~inside & (mixed == which)].mean(axis=0) for which in (1, 0))
            logits[inside] = rows[inside] @ (high - low)
        direct.append(_domains.Told(logits, fold, mixed).separation().value)
        as_they_are.append(_domains.Told(rng.normal(0, 1, 60), fold, mixed).separation().value)
    assert luck.areas.mean() == pytest.approx(np.mean(direct), abs=0.015)
    assert luck.areas.std() == pytest.approx(np.std(direct), rel=0.12)
    assert luck.told == pytest.approx(np.std(as_they_are), rel=0.1)


def test_shares_behind_predictions_by_hand():
    # Class 0 is recognised in 3 of 4, class 1 in 1 of 1; half of the new predictions say 0: 0.5 = 0.75 q, q = 2/3.
    joint = np.array([[0, 0, 0, 0, 1], [0, 0, 0, 1, 1]])
    shares = estimated_shares(joint, np.array([0, 1]), n_classes=2, smallest=0.05)
    assert shares == pytest.approx([2 / 3, 1 / 3])
    blind = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    assert estimated_shares(blind, np.array([0, 1]), n_classes=2, smallest=0.05) is None
    assert estimated_shares(np.array([[0, 0], [0, 1]]), np.array([0]), n_classes=2, smallest=0.0) is None


def test_times_are_ordered_as_numbers_or_dates():
    assert ordered_times(["3", None, "20"])[[0, 2]].tolist() == [3.0, 20.0]
    dates = ordered_times(["2024-02-01", "2023-12-31T23:00:00+00:00"])
    assert dates[1] < dates[0]
    assert ordered_times(["last year", "2024-01-01"]) is None


WORDS = {"a": ("good", "bad"), "b": ("fine", "poor"), "c": ("great", "awful")}


def _sources(n=900, *, odd="c", linear=True, seed=0, shift=0.0):
    """Three sources with words of their own; in the odd one labels of test rows turn with the chance `shift`."""
    rng, rows, sources, times = np.random.default_rng(seed), [], [], []
    for i in range(n):
        source, split, positive = "abc"[i % 3], ("train", "test")[int(rng.random() < 0.5)], bool(rng.random() < 0.5)
        turned = split == "test" and source == odd and rng.random() < shift
        word = WORDS[source][1 - int(positive)]
        rows.append((str(i), split, f"{word} {nonsense(rng, 6)}", "pos" if positive != turned else "neg"))
        sources.append(source)
        times.append(f"2024-01-{1 + i * 27 // n:02d}")
    data = dataset(rows).with_column("source", sources).with_column("time", times)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    return subject_of(data, model, recipe=Recipe("linear") if linear else None, budget="quick")


def test_a_source_with_words_of_its_own_needs_its_rows_in_train():
    found = run_probe("shift", probe, subject=_sources())
    for source in "abc":
        lost = found.measure(f"left_out: {source}")
        assert lost.status == "found"
        assert lost.estimate.value > 20
        assert found.measure(f"told_apart: other sources to {source}").status == "found"
    assert found.measure("told_apart: train to test").status == "not_detected"
    assert found.measure("told_apart: earlier to later").status == "not_detected"


def test_other_labels_in_one_source_are_found_there():
    found = run_probe("shift", probe, subject=_sources(shift=0.4))
    lost = found.measure("lost: other sources to c")
    assert lost.status == "found"
    assert lost.estimate.low <= 40 <= lost.estimate.high
    # The sources share hardly a word, so there is nothing to compare like with like on, or it is said how little.
    split = found.measure("labels_given_inputs: other sources to c")
    assert split is not None or any("hardly overlap" in note for note in found.notes)


def _one_pot(*, wrong, other=0.0, n=1200):
    """Train and test of one pot; a share `wrong` of the test labels is turned, a share `other` of the test rows is worded so that
    no train row helps."""
    rng, rows = np.random.default_rng(7), []
    for i in range(n):
        split, positive = ("train", "test")[i % 2], bool(rng.random() < 0.5)
        turned, strange = (split == "test" and rng.random() < share for share in (wrong, other))
        word = ("zyx" if strange else ("good", "bad")[1 - int(positive)]) + (" abroad" if strange else " here")
        rows.append((str(i), split, f"{word} {nonsense(rng, 5)}", "pos" if positive != turned else "neg"))
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    return subject_of(data, model, recipe=Recipe("linear"), budget="standard")


def test_wrong_test_labels_are_not_said_to_be_a_shift_of_texts():
    noisy, moved, calm = (run_probe("shift", probe, subject=_one_pot(**planted))
                          for planted in ({"wrong": 0.2}, {"wrong": 0.0, "other": 0.5}, {"wrong": 0.0}))  # fmt: skip
    assert noisy.measure("lost: train to test").status == "found"
    assert noisy.measure("told_apart: train to test").status == "not_detected"
    (note,) = [note for note in noisy.notes if "were not told apart" in note]
    visible = 100 * (0.5 + noisy.measure("told_apart: train to test").mde)
    assert note.startswith("train to test: ")
    assert f"(visible from {visible:.1f} % up); wrong labels, labels given otherwise, or harder texts" in note
    assert "labels that differ, or harder texts, may be behind it" in noisy.summary
    assert note.endswith("Reading test labels tells: veridical review.")
    assert "Its texts were not told apart" in noisy.summary
    assert moved.measure("lost: train to test").status == "found"
    assert moved.measure("told_apart: train to test").status == "found"
    for other in (moved, calm):
        assert not any("were not told apart" in note for note in other.notes)
        assert "not told apart" not in other.summary


def test_points_that_are_not_found_to_be_lost_have_no_note():
    """One of twenty intervals lies beyond 0 where nothing is lost, and what counts is what the probe found."""
    told = Measure("told_apart: a", Estimate(0.5, 0.4, 0.6, 0.95, 100, 100, "m"), "share", "about", null=0.5, mde=0.1, p=0.5)
    lost = Measure("lost: a", Estimate(4.0, 0.2, 7.8, 0.95, 100, 100, "m"), "points", "about", null=0.0, mde=5.4, p=0.04)
    assert _alike([told, lost]) == {}
    assert _alike([told, replace(lost, p=0.001)]) == {"a": 0.6}
    apart = replace(told, estimate=Estimate(0.6, 0.55, 0.65, 0.95, 100, 100, "m"), p=0.001)
    assert _alike([apart, replace(lost, p=0.001)]) == {}
    assert _alike([told, replace(lost, estimate=Estimate(-4.0, -7.8, -0.2, 0.95, 100, 100, "m"), p=0.001)]) == {}


def test_what_was_read_of_test_labels_is_said_beside_points_that_no_text_explains():
    subject = _one_pot(wrong=0.2)
    read = replace(subject.label_given, n_read=40, n_changed=8)
    found = run_probe("shift", probe, subject=replace(subject, read=read))
    assert any(note.endswith("Of 40 test labels that were read, 8 were changed.") for note in found.notes)


def test_without_overlap_the_split_is_refused_and_the_weights_are_named():
    rng, rows = np.random.default_rng(3), []
    for i in range(600):
        split = ("train", "test")[i % 2]
        word = "alpha beta gamma delta" if split == "train" else "omega psi chi phi"
        rows.append((f"row{i}", split, f"{word} {('good', 'bad')[i // 2 % 2]} {nonsense(rng, 2)}", ("pos", "neg")[i // 2 % 2]))
    data = dataset(rows)
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 2.0 if "good" in str(text) else -2.0)), budget="quick")
    found = run_probe("shift", probe, subject=subject)
    assert found.measure("told_apart: train to test").estimate.value > 0.99
    assert found.measure("inputs: train to test") is None
    (note,) = [note for note in found.notes if "hardly overlap" in note]
    assert "row" in note
    assert "effective rows" in note


def test_label_shift_is_seen_in_labels_and_in_predictions():
    rng, rows = np.random.default_rng(4), []
    for i in range(1000):
        split = ("train", "test")[i % 2]
        positive = rng.random() < (0.5 if split == "train" else 0.75)
        word = ("good", "bad")[int(positive == (rng.random() < 0.1))]
        rows.append((str(i), split, f"{word} {nonsense(rng, 4)}", "pos" if positive else "neg"))
    data = dataset(rows)
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 2.0 if "good" in str(text) else -2.0)), budget="quick")
    found = run_probe("shift", probe, subject=subject)
    given, told = found.measure("label_shift"), found.measure("label_shift_from_predictions")
    assert given.status == "found"
    assert given.estimate.low <= 0.25 <= given.estimate.high
    moved = (
        told.estimate
        if "'pos'" in told.about
        else replace(told.estimate, value=-told.estimate.value, low=-told.estimate.high, high=-told.estimate.low)
    )
    assert moved.low <= 25 <= moved.high


def test_too_few_rows_and_models_that_cannot_be_retrained_are_said():
    found = run_probe("shift", probe, subject=_sources(linear=False))
    assert found.measure("left_out: a") is None
    assert any("not trained by veridical" in note for note in found.notes)
    small = run(_sources(60), Params(), np.random.default_rng(0))
    assert isinstance(small, Skipped)
    assert "--source" in small.why


def test_the_split_raises_no_false_alarm_where_nothing_differs():
    rng, p = np.random.default_rng(5), []
    for seed in range(40):
        easy = rng.random(200) < 0.6
        right = (rng.random(200) < np.where(easy, 0.95, 0.6)).astype(float)
        texts = [f"{'easy' if k else 'hard'} case {nonsense(rng, 2)}" for k in easy]
        told = _domains.told_apart(hashed(texts), np.arange(200), np.repeat([0, 1], 100), seed=seed, rng=rng)
        answers = np.column_stack([np.where(easy, 0.95, 0.6), np.where(easy, 0.05, 0.4)])
        found = _domains.parts(right, told.with_answers(answers), replicates=100, rng=rng)
        p.append([part.p(0.0) for part in (found.total, found.inputs, found.labels_given_inputs)])
    assert (np.mean(np.array(p) <= 0.05, axis=0) <= 0.15).all()


def test_calibration_is_the_logistic_regression_and_counts_are_copies():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(6)
    side = np.repeat([0, 1], [60, 120])
    logits = rng.normal(side * 1.0, 1.0)
    told = _domains.Told(logits, np.zeros(180, np.int64), side)
    fitted = LogisticRegression(C=1e4, class_weight="balanced", tol=1e-8).fit(logits[:, None], side)
    np.testing.assert_allclose(told.balanced(), fitted.predict_proba(logits[:, None])[:, 1], atol=5e-3)
    times = rng.integers(0, 3, 180).astype(float)
    copied = np.repeat(np.arange(180), times.astype(int))
    again = _domains.Told(logits[copied], np.zeros(len(copied), np.int64), side[copied])
    np.testing.assert_allclose(told.balanced(times)[copied], again.balanced(), atol=5e-3)
