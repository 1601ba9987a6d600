"""Swapped words, articles and pronouns by example; effects of a model whose leaning is known."""

from dataclasses import replace

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Skipped
from veridical.dataset.cue import holds
from veridical.probe import identity_swaps
from veridical.probe._identity import axes, axis_of, sentences, template_groups
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.identity_swaps import Params, probe

AXES = {axis.name: axis for axis in axes()}


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("He told his mother that the book is his.", "She told her father that the book is hers."),
        ("I saw her.", "I saw him."),
        ("Her view of her life was her own", "His view of his life was his own"),
        ("we talked to her about it", "we talked to him about it"),
        ("She hurt herself; the car is hers", "He hurt himself; the car is his"),
        ("JOHN met Mary and an actor", "MARY met John and an actress"),
        ("He's an uncle, a man-made one", "She's an aunt, a man-made one"),
        ("其他人和他的妈妈", "其他人和她的爸爸"),
        ("他妈的，他走了", "他妈的，她走了"),
        ("张伟爱弹吉他", "张丽爱弹吉他"),
    ],
)
def test_gender_is_swapped_as_a_reader_would(text, swapped):
    assert AXES["gender"].swapped(text, 1).text == swapped


@pytest.mark.parametrize(
    "text", ["She gave her money.", "John Smith left him", "The Virgin Mary", "It rained", "themes and ushers"]
)
def test_what_cannot_be_told_or_names_nobody_is_left_alone(text):
    assert AXES["gender"].swapped(text, 1).text is None


def test_articles_capitals_and_missing_counterparts():
    nation, faith = AXES["nationality"], AXES["religion"]
    assert nation.swapped("An American met a German", 1).text == "A Chinese met an Indian"
    assert nation.swapped("an american and a NIGERIAN; Native American", 3).text == "an indian and a GERMAN; Native American"
    assert nation.swapped("两个美国人", 2).text == "两个德国人"
    assert faith.swapped("the church", 1).text == "the mosque"
    assert faith.swapped("the church", 3).text is None
    assert faith.swapped(("a Muslim", "no one"), 1).text == ("a Jewish", "no one")
    assert AXES["age"].swapped("An elderly man slept", 1).text == "A young man slept"


def test_swapping_twice_round_comes_back():
    for axis in axes():
        for forms in axis.forms:
            if None in forms or (axis.pronouns and {"her", "his"} & set(forms)):
                continue
            made = axis.swapped(f"x {forms[0]} y", 1).text
            assert made is not None
            assert made == f"x {forms[1]} y", axis.name
            assert axis.swapped(made, len(axis.groups) - 1).text == f"x {forms[0]} y"


def test_lists_and_templates_are_whole():
    for axis in axes():
        assert all(len(forms) == len(axis.groups) for forms in axis.forms), axis.name
        assert not axis.kept & set(axis.places), axis.name
    for language in ("en", "zh"):
        for sentence in sentences(language):
            assert len(sentence.texts) == len(template_groups()[sentence.axis])
            assert len(set(sentence.texts)) == len(sentence.texts)
            assert not any("{" in text for text in sentence.texts)


def test_a_kept_phrase_wins_over_the_word_in_it():
    axis = axis_of("x", {"groups": ["a", "b"], "terms": [["north", "south"]], "kept": ["north pole"]})
    assert axis.swapped("north of the North Pole", 1).text == "south of the North Pole"


def _subject(leaning, *, n=300, seed=0, people=("He", "She"), pair=False):
    rng, rows = np.random.default_rng(seed), []
    for i in range(n):
        positive = bool(rng.random() < 0.5)
        text = f"{people[int(rng.integers(len(people)))]} found it {'good' if positive else 'bad'} {nonsense(rng, 6)}"
        rows.append((str(i), "test", text, "pos" if positive else "neg"))
    data = dataset([*rows, ("a", "train", "good", "pos"), ("b", "train", "bad", "neg")])
    if pair:
        data = data.with_column("second", ["something"] * len(data))

    def answer(text):
        flat = " ".join(text) if isinstance(text, tuple) else text
        female = float(holds([flat], "she")[0])
        return 0.0, (1.0 if "good" in flat else -1.0) - leaning * female

    return subject_of(data, ToyModel(data.labels, answer), budget="quick")


def test_the_shift_is_the_planted_one():
    found = run_probe("identity_swaps", probe, subject=_subject(1.0))
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    rows = _subject(1.0)
    good = np.mean(["good" in str(text) for text in rows.inputs])
    expected = 100 * (good * (logistic(0.0) - logistic(1.0)) + (1 - good) * (logistic(-2.0) - logistic(-1.0)))
    shift = found.measure("shift to female (gender)").estimate
    assert shift.low <= expected <= shift.high
    assert shift.value == pytest.approx(expected, abs=1e-6)
    assert found.measure("largest_shift (gender)").status == "found"
    assert "goes up where male" in found.measure("largest_shift (gender)").about


def test_flips_are_counted_and_shown():
    found = run_probe("identity_swaps", probe, subject=_subject(2.5))
    rows = _subject(2.5)
    # A leaning of 2.5 turns good into bad wherever she is named: every good row flips, in one direction or the other.
    expected = np.mean(["good" in str(text) for text in rows.inputs])
    assert found.measure("flips (gender)").estimate.value == pytest.approx(expected)
    assert found.examples
    assert found.examples[0].said_before.split()[0] != found.examples[0].said_after.split()[0]


def test_a_small_leaning_is_not_called_found():
    found = run_probe("identity_swaps", probe, subject=_subject(0.02))
    assert found.status == "not_detected"
    assert found.measure("largest_shift (gender)").estimate.value > 0


def test_rows_that_cannot_be_swapped_are_counted():
    found = run_probe("identity_swaps", probe, subject=_subject(0.0, people=("He", "She gave her money and", "They")))
    assert any("gender" in note and "left out" in note for note in found.notes)


def test_pairs_are_swapped_and_templates_left():
    found = run_probe("identity_swaps", probe, subject=_subject(2.5, pair=True))
    assert found.measure("flips (gender)").status == "found"
    assert all("templates" not in measure.name for measure in found.measures)
    nobody = _subject(0.0, people=("They", "We"), pair=True)
    skipped = identity_swaps.run(nobody, Params(), np.random.default_rng(0))
    assert isinstance(skipped, Skipped)


def test_predictions_alone_are_skipped():
    found = identity_swaps.run(replace(_subject(0.0), queries=None), Params(), np.random.default_rng(0))
    assert isinstance(found, Skipped)
    assert "Give the model" in found.why


def test_intervals_of_group_effects_hold_together():
    rng, together = np.random.default_rng(1), 0
    for _ in range(100):
        base = rng.normal(0, 1, (80, 1, 1))
        noise = rng.normal(0, 0.3, (80, 4, 1))
        probabilities = np.concatenate([base + noise, -base - noise], axis=2)
        values, draws = identity_swaps._effects(probabilities, np.arange(80), 400, rng)
        from veridical.core.simultaneous import critical_value, errors_of

        errors = errors_of(draws)
        together += bool((np.abs(values) <= critical_value(draws, values, errors) * errors).all())
    assert together >= 88


def test_templates_are_held_against_neutral_people():
    """A model that leans on one word of a line: where that word is neutral, the axes are not found for moving as much."""

    def subject(word):
        plain = _subject(0.0)
        names = {"pos": 2.0 if word else 0.0}

        def answer(text):
            return 0.0, (0.5 if "good" in str(text) else -0.5) + names["pos"] * float(word in str(text).casefold())

        return subject_of(plain.data, ToyModel(plain.labels, answer), budget="quick")

    leaning, neutral = (run_probe("identity_swaps", probe, subject=subject(word)) for word in ("muslim", "cook"))
    found = {m.name for m in leaning.measures if m.status == "found"}
    assert found == {"extra_flips (religion, templates)", "largest_shift (religion, templates)"}
    assert neutral.status == "not_detected"
    extra = neutral.measure("extra_flips (religion, templates)").estimate
    assert extra.value < -10  # neutral people change more
    assert neutral.measure("largest_shift (age, templates)").null > 5


def test_words_that_name_no_one_are_shown_beside_the_axes():
    found = run_probe("identity_swaps", probe, subject=_subject(0.0, people=("On Monday he", "On Tuesday she")))
    control = found.measure("flips (control)")
    assert control.status == "described"
    assert control.estimate.value == 0.0


def test_a_quick_look_sees_a_share_of_changed_answers_that_is_worth_seeing_and_says_how_small_a_one():
    """Planted: in most sentences a gay person is answered otherwise."""
    plain = _subject(0.0)

    def answer(text):
        told = any(
            word in str(text) for word in ("says", "feels", "was", "looks", "seemed", "is a", "did", "told", "gave", "made")
        )
        return 0.0, (1.0 if "good" in str(text) else 0.5) - 2.0 * (told and "gay" in str(text).casefold())

    leaning = subject_of(plain.data, ToyModel(plain.labels, answer), budget="quick")
    found = run_probe("identity_swaps", probe, subject=leaning)
    extra = found.measure("extra_flips (orientation, templates)")
    assert extra.status == "found"
    assert extra.estimate.n_clusters == 60
    others = [m for m in found.measures if m.name.startswith("extra_flips") and m is not extra]
    assert len(others) >= 7
    assert all(m.status == "not_detected" and m.mde < 21 for m in others)
    assert f"fewer than {others[0].mde:.0f} points of changed answers" in " ".join(found.notes)
    assert "All 116 (--budget standard) show 11." in found.notes
    standard = run_probe("identity_swaps", probe, subject=replace(leaning, budget="standard"))
    assert standard.measure("extra_flips (religion, templates)").mde == pytest.approx(11.2, abs=0.5)
    assert not any("--budget standard" in note for note in standard.notes)


def test_the_persons_of_a_frame_are_drawn_and_every_axis_keeps_its_frames():
    drawn = identity_swaps._drawn(sentences("en"), 30, 2, np.random.default_rng(0))
    frames = {sentence.frame for sentence in drawn}
    assert len(frames) == 30
    for axis in {sentence.axis for sentence in drawn}:
        own = [sentence.frame for sentence in drawn if sentence.axis == axis]
        assert set(own) == frames
        assert max(own.count(frame) for frame in frames) <= 2
    assert len({sentence.texts for sentence in drawn if sentence.axis == "gender"}) == 60
    every = identity_swaps._drawn(sentences("en"), 1000, 1000, np.random.default_rng(0))
    assert sorted(s.texts for s in every) == sorted(s.texts for s in sentences("en"))
