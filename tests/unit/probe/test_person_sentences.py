"""Sentences that differ in the person alone: known leanings, models that react to single names, and the released corpus."""

import csv
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.probe._person_file import PersonSentences, read_person_sentences
from veridical.probe._person_sentences import (
    Flips,
    Leaning,
    Spread,
    contrast_of,
    flips,
    leanings,
    shift,
)
from veridical.report.sentences import translated_error

LABELS = ("neg", "pos")
KEYS = ("template", "emotion_word", "race", "gender")
WORDS = {"joy": ["glad", "happy", "elated"], "anger": ["angry", "furious", "annoyed"]}
FRAMES = [f"template {k}: {{person}} {verb} {{word}}" for k in range(4) for verb in ("feels", "is")]
EEC = Path(os.environ.get("VERIDICAL_DATA", "")) / "eec" / "test.jsonl"


def rows(*, persons=12, races=("north", "south", "")):
    made = []
    for frame in FRAMES:
        for emotion, words in WORDS.items():
            for word in words:
                for race in races:
                    for gender in ("male", "female"):
                        for k in range(persons):
                            person = f"{gender[0]}{race[:1]}{k}"
                            made.append(
                                {
                                    "id": str(len(made)), "text": frame.format(person=person, word=word), "template": frame,
                                    "person": person, "gender": gender, "race": race, "emotion": emotion, "emotion_word": word,
                                }
                            )  # fmt: skip
    return made


def written(path, made):
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made():
    return rows()


@pytest.fixture(scope="module")
def given(made, tmp_path_factory):
    return read_person_sentences(written(tmp_path_factory.mktemp("persons") / "persons.jsonl", made))


def answers(made, lean):
    """P(pos): by the emotion, moved by `lean(row)`; the two classes."""
    share = np.array([(0.8 if row["emotion"] == "joy" else 0.3) + lean(row) for row in made])
    return np.stack([1 - share, share], axis=1)


def test_columns_of_persons_and_of_frames_are_told_apart(given, made):
    assert given.groups == {"gender": ("female", "male"), "race": ("north", "south")}
    assert len(np.unique(given.frame)) == len(FRAMES) * 6
    assert len(np.unique(given.template)) == len(FRAMES)
    assert (given.group["race"] == -1).sum() == sum(row["race"] == "" for row in made)


def test_a_planted_leaning_is_told_at_its_size_and_the_other_axis_is_silent(given, made):
    found = leanings(given, answers(made, lambda row: 0.06 * (row["gender"] == "male")), LABELS, Leaning())
    measures = {m.name: m for m in found.measures}
    largest = measures["largest_shift (gender)"]
    assert largest.estimate.value == pytest.approx(6.0)
    assert largest.estimate.low > 2.0
    assert "'pos' goes up where male is named" in largest.about
    assert measures["shift to male (gender)"].estimate.value == pytest.approx(6.0)
    assert measures["shift to female (gender)"].estimate.value == pytest.approx(-6.0)
    assert measures["largest_shift (race)"].estimate.value == pytest.approx(0.0)
    assert measures["largest_shift (race)"].estimate.high < 2.0
    assert "comes with gender: 6.0 points" in found.summary
    assert {example.note for example in found.examples[:3]} == {"gender"}
    assert largest.estimate.level == pytest.approx(1 - 0.05 / 2), "two axes of two groups, of two classes one"
    silent = leanings(given, answers(made, lambda row: 0.0), LABELS, Leaning())
    assert all(m.estimate.high <= m.null for m in silent.measures if m.null is not None)


def test_the_value_is_the_mean_difference_of_pairs_that_differ_in_the_person_alone(given, made):
    rng = np.random.default_rng(0)
    share = rng.random(len(made))
    by_template = {}
    for frame in FRAMES:
        differences = []
        for word in [w for words in WORDS.values() for w in words]:
            for race in ("north", "south", ""):
                own = [
                    [share[i] for i, r in enumerate(made) if [r[key] for key in KEYS] == [frame, word, race, gender]]
                    for gender in ("male", "female")
                ]
                differences.append(np.mean([a - b for a in own[0] for b in own[1]]))
        by_template[frame] = np.mean(differences)
    found = shift(contrast_of(given, "gender", 1), share)
    assert found.value == pytest.approx(np.mean(list(by_template.values())))
    assert found.n_templates == len(FRAMES)


def seen_in(found, null=0.0):
    """Whether the interval, by which a finding is decided, leaves out the null (points)."""
    estimate = found.estimate(0.95)
    return not estimate.low <= null <= estimate.high


def test_a_model_that_reacts_to_single_names_is_said_to_lean_on_their_group_as_seldom_as_claimed(given, made):
    """Every name moves the probability by its own amount, every template by one for each group: nothing on average."""
    rng, n = np.random.default_rng(1), 1000
    one = contrast_of(given, "gender", 1)
    person, template, male = given.person, given.template, given.group["gender"]
    reach = stats.t.ppf(0.975, len(FRAMES) - 1)
    both = alone = 0
    for _ in range(n):
        names, frames = rng.normal(0, 0.1, person.max() + 1), rng.normal(0, 0.02, (template.max() + 1, 2))
        share = 0.5 + names[person] + frames[template, male] + rng.normal(0, 0.02, len(person))
        both += seen_in(shift(one, share))
        place = np.bincount(2 * one.place + one.own, share[one.sentence]) / np.bincount(2 * one.place + one.own)
        apart = [np.mean((place[1::2] - place[::2])[one.template == t]) for t in np.unique(one.template)]
        alone += abs(stats.ttest_1samp(apart, 0.0).statistic) > reach
    assert 0.01 < both / n < 0.06, both / n
    assert alone / n > 0.2, "templates alone take the luck of the names for a leaning of the group"


def test_flips_across_groups_stand_beside_those_within_one(given, made):
    def lean(row):  # only men called m?0 to m?5 turn anger into joy
        return 0.4 * (
            row["gender"] == "male" and row["emotion"] == "anger" and int(row["person"][-1]) < 6 and len(row["person"]) < 4
        )

    found = {m.name: m for m in leanings(given, answers(made, lean), LABELS, Leaning()).measures}["flips (gender)"]
    turned = [r["person"] for r in made if lean(r)]
    share = len(set(turned)) / len({r["person"] for r in made if r["gender"] == "male"}) / 2
    assert found.estimate.value == pytest.approx(share, abs=0.01)
    assert found.null is None
    assert "pairs within a group" in found.about


def drawn(n_templates, sizes, each=1):
    """Persons of groups of these sizes in as many templates, so many sentences about each."""
    at = np.meshgrid(np.arange(n_templates), np.arange(sum(sizes)), np.arange(each), indexing="ij")
    template, person, k = (one.ravel() for one in at)
    group = np.repeat(np.arange(len(sizes)), sizes)[person]
    texts = tuple(f"{t} {i} {j}" for t, i, j in zip(template, person, k, strict=True))
    return PersonSentences(texts, person, template, template, {"group": tuple("abcdef"[: len(sizes)])}, {"group": group})


def met(*meetings, kin=None):
    """Of each meeting the template, the frame, the person and its group."""
    template, frame, person, group = np.array(meetings, np.int64).T
    groups, codes = {"group": tuple("abc"[: group.max() + 1])}, {"group": group}
    if kin is not None:
        groups["kin"], codes["kin"] = ("k", "l"), np.array(kin)[person]
    return PersonSentences(tuple(map(str, meetings)), person, template, frame, groups, codes)


@pytest.mark.parametrize("persons", [2, 3, 5, 10])
def test_few_persons_are_not_taken_for_a_leaning_of_their_group_however_many_the_templates(persons):
    given, rng, n = drawn(60, (persons, persons)), np.random.default_rng(persons), 600
    one, lean = contrast_of(given, "group", 1), given.group["group"]
    false, seen = 0, 0
    for _ in range(n):
        share = 0.5 + rng.normal(0, 0.1, 2 * persons)[given.person] + rng.normal(0, 0.02, len(given.person))
        found = shift(one, share)
        false += seen_in(found)
        seen += seen_in(shift(one, share + lean))
    assert false / n <= 0.06, false / n
    assert seen / n > (0.5 if persons == 2 else 0.95), "a leaning ten times the spread of names is found"
    assert found.persons[1] <= 2 * persons - 2


UNEQUAL = {
    "two against twenty": ((2, 20), 1, (0.1, 0.1), 0.0),
    "three against twenty": ((3, 20), 1, (0.1, 0.1), 0.0),
    "two, two and twenty": ((2, 2, 20), 1, (0.1, 0.1, 0.1), 0.0),
    "two who differ much": ((2, 20), 1, (0.3, 0.1), 0.0),
    "two who differ, and templates": ((2, 20), 1, (0.3, 0.1), 0.35),
    "three who differ, and templates": ((3, 3), 1, (0.3, 0.1), 0.2),
    "twenty sentences each": ((2, 2), 20, (0.1, 0.1), 0.0),
    "twenty sentences each of three": ((3, 3), 20, (0.1, 0.1), 0.0),
}
"""Persons of the groups, sentences of each in a template, how much persons of a group differ, how much templates do."""


@pytest.mark.parametrize("what", UNEQUAL)
def test_unequal_groups_and_several_sentences_give_no_more_false_leanings_than_claimed(what):
    sizes, each, differ, of_templates = UNEQUAL[what]
    n_templates, n = 60 if each == 1 else 8, 600
    given, rng = drawn(n_templates, sizes, each), np.random.default_rng(len(what))
    one, scale = contrast_of(given, "group", 0), np.repeat(differ, sizes)
    false = 0
    for _ in range(n):
        apart = rng.normal(0, of_templates, n_templates)[given.template] * (given.group["group"] == 0)
        share = 0.5 + (scale * rng.normal(size=sum(sizes)))[given.person] + apart + rng.normal(0, 0.02, len(given.person))
        false += seen_in(shift(one, share))
    assert false / n <= 0.065, false / n


@pytest.mark.parametrize(("sizes", "n_classes"), [((2, 20), 4), ((2, 2, 20), 2)])
def test_the_largest_of_many_changes_is_found_no_more_often_where_nothing_is(sizes, n_classes):
    given, rng, n, false = drawn(20, sizes), np.random.default_rng(4), 150, 0
    for _ in range(n):
        share = 1 / n_classes + rng.normal(0, 0.1, (sum(sizes), n_classes))[given.person]
        share += rng.normal(0, 0.02, share.shape)
        share[:, 0] = 1 - share[:, 1:].sum(axis=1)
        largest = leanings(given, share, tuple("pqrs"[:n_classes]), Leaning()).measures[0]
        false += largest.estimate.low > largest.null
    assert false / n <= 0.03, false / n
    family = 4 if n_classes == 4 else 3  # of two groups, and of two classes, the other goes the other way
    assert largest.estimate.level == pytest.approx(1 - 0.05 / family)


def test_over_templates_that_agree_the_interval_is_that_of_welch():
    given, value = drawn(30, (4, 6)), np.array([0.1, 0.9, 0.4, 0.2, 0.5, 0.52, 0.49, 0.51, 0.5, 0.48])
    found = shift(contrast_of(given, "group", 1), value[given.person])
    welch = stats.ttest_ind(value[4:], value[:4], equal_var=False).confidence_interval(0.99)
    estimate = found.estimate(0.99)
    assert (estimate.low, estimate.high) == pytest.approx((100 * welch.low, 100 * welch.high))
    assert found.templates[0] == pytest.approx(0.0, abs=1e-12)
    assert (estimate.n, estimate.n_clusters) == (300, 30)


def test_two_persons_who_agree_are_not_taken_for_surely_alike():
    given, value = drawn(30, (2, 20)), np.append([0.5, 0.5001], np.linspace(0.3, 0.7, 20))
    found = shift(contrast_of(given, "group", 0), value[given.person])
    alike = (1 / 2 + 1 / 20) ** 2 / (1 / 2**2 / 1 + 1 / 20**2 / 19)  # by Welch of equal variances; of those found 19
    assert found.persons[1] == pytest.approx(alike)
    assert stats.ttest_ind(value[:2], value[2:], equal_var=False).df > 18


def test_persons_of_one_kind_scatter_alike_and_those_of_another_on_their_own():
    """Two of each group and kin; those of the kin k alone differ, in both groups as much: of Welch's two degrees none more."""
    kin, value = [0, 0, 1, 1, 0, 0, 1, 1], np.array([0.4, 0.6, 0.5, 0.5, 0.4, 0.6, 0.5, 0.5])
    given = met(*((t, t, i, i // 4) for t in range(5) for i in range(8)), kin=kin)
    found = shift(contrast_of(given, "group", 1), value[given.person])
    assert found.persons == pytest.approx((np.sqrt(2 * 0.02 / 2) / 2, 2.0))
    equal = shift(contrast_of(given, "group", 1), np.tile([0.4, 0.6], 4)[given.person])
    assert equal.persons == pytest.approx((np.sqrt(4 * 0.02 / 2) / 2, 4.0))


def test_a_side_has_no_less_than_one_degree_of_freedom():
    """One person of each group is met in all templates, each time with another."""
    given = met(*((t, t, i, g) for t in range(3) for g in (0, 1) for i in (4 * g, 4 * g + 1 + t)))
    found = shift(contrast_of(given, "group", 1), np.random.default_rng(0).random(len(given.texts)))
    assert 1.0 <= found.persons[1] <= 2.0
    same = shift(contrast_of(given, "group", 1), np.tile([0.4, 0.6], len(given.texts) // 2))
    assert same.persons[1] == pytest.approx(2.0)


def test_reaches_of_templates_and_of_persons_add_as_squares():
    """Quantiles as in tables of Student's t."""
    spread = Spread(0.1, (0.03, 59), (0.04, 2), 100, 60)
    assert spread.reach(0.95) == pytest.approx(np.hypot(0.03 * 2.0010, 0.04 * 4.3027), rel=1e-4)
    assert spread.reach(0.99) == pytest.approx(np.hypot(0.03 * 2.6618, 0.04 * 9.9248), rel=1e-4)
    estimate = spread.estimate(0.95)
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((10 - 18.224, 10, 10 + 18.224), abs=0.01)


@pytest.mark.parametrize("df", [1, 2, 4, 20])
def test_four_looks_in_five_see_the_smallest_visible_change(df):
    """Against the noncentral t where one source varies; by drawing where both do."""
    visible = Spread(0.0, (0.0, 59), (0.04, df), 100, 60).mde(0.95) / 4
    assert stats.nct.sf(stats.t.ppf(0.975, df), df, visible) == pytest.approx(0.8, abs=0.004)
    rng, n, both = np.random.default_rng(df), 40_000, Spread(0.0, (0.03, 9), (0.04, df), 100, 10)
    errors = (part * np.sqrt(rng.chisquare(of, n) / of) * stats.t.ppf(0.975, of) for part, of in (both.templates, both.persons))
    seen = both.mde(0.95) / 100 + 0.05 * rng.normal(size=n) > np.hypot(*errors)
    assert seen.mean() == pytest.approx(0.8, abs=0.01)


def test_a_person_of_many_sentences_counts_once():
    """Every sentence twenty times over says nothing more; of several unlike ones the mean counts."""
    once, often = drawn(6, (3, 4)), drawn(6, (3, 4), each=20)
    share = np.random.default_rng(7).random(len(once.texts))
    found, again = (shift(contrast_of(given, "group", 1), of) for given, of in ((once, share), (often, np.repeat(share, 20))))
    assert (found.value, *found.templates, *found.persons) == pytest.approx((again.value, *again.templates, *again.persons))
    flipped, flipped_again = (
        flips(given, "group", np.stack([of, 1 - of], axis=1)) for given, of in ((once, share), (often, np.repeat(share, 20)))
    )
    told = [(one.value, one.within, one.error, one.pairs) for one in (flipped, flipped_again)]
    assert told[0] == pytest.approx(told[1])

    uneven = met(*((t, t, i, g) for t in range(2) for g, who in ((0, (0, 0, 0, 1)), (1, (2, 3))) for i in who))
    share = np.tile([0.9, 0.9, 0.6, 0.2, 0.1, 0.3], 2)
    assert shift(contrast_of(uneven, "group", 0), share).value == pytest.approx((0.8 + 0.2) / 2 - 0.2)
    said = np.tile([1.0, 1.0, 0.0, 0.0, 0.0, 1.0], 2)  # of the first person two in three
    found = flips(uneven, "group", np.stack([1 - said, said], axis=1))
    assert found.value == pytest.approx((2 / 3 + 1 / 3 + 0 + 1) / 4)
    assert found.within == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_flips_of_three_groups_are_the_same_whichever_group_is_answered_otherwise(odd):
    given = drawn(6, (8, 8, 8))
    said = given.group["group"] == odd
    found = flips(given, "group", np.stack([1.0 * ~said, 1.0 * said], axis=1))
    assert found.value == pytest.approx(2 / 3)  # two of three pairs of groups
    assert found.within == 0.0
    silent = flips(given, "group", np.stack([np.ones(len(said)), np.zeros(len(said))], axis=1))
    assert (silent.value, silent.within) == (0.0, 0.0)
    estimate = silent.estimate(0.95)
    assert estimate.low == 0.0
    assert estimate.high == pytest.approx(1 - 0.025 ** (1 / 6)), "six templates say little of a seventh"


def test_flips_are_those_of_all_pairs_counted_one_by_one(given, made):
    said = np.random.default_rng(2).random(len(made)) < 0.3
    found = flips(given, "race", np.stack([1.0 * ~said, 1.0 * said], axis=1))
    places = {}
    for row, answer in zip(made, said, strict=True):
        if row["race"]:
            key = (row["template"], row["emotion_word"], row["gender"])
            places.setdefault(key, {}).setdefault(row["race"], []).append(answer)
    across = [np.mean([x != y for x in place["north"] for y in place["south"]]) for place in places.values()]
    alike = [np.mean([x != y for of in place.values() for i, x in enumerate(of) for y in of[:i]]) for place in places.values()]
    assert found.value == pytest.approx(np.mean(across))
    assert found.within == pytest.approx(np.mean(alike))


def test_flips_are_told_of_places_with_two_persons_of_two_groups_and_templates_vote_once():
    """Template 0: two frames, 1: one, with a group of which one person is met; that one is left out."""
    places = [(0, 0, (0, 0, 1, 1)), (0, 1, (0, 0, 1, 1)), (1, 2, (0, 0, 1, 1, 2))]
    given = met(*((t, f, i, g) for t, f, who in places for i, g in enumerate(who)))
    said = np.array([0, 0, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1])
    found = flips(given, "group", np.stack([1 - said, said], axis=1))
    assert found.value == pytest.approx(((1 + 1 / 2) / 2 + 0) / 2)
    assert found.within == pytest.approx(((0 + 1) / 2 + 0) / 2)
    assert found.error == pytest.approx(np.std([0.75, 0.0], ddof=1) / np.sqrt(2))


@pytest.mark.parametrize(("sizes", "pairs"), [((5, 5), 5), ((2, 20), 2), ((5, 5, 5), 7.5), ((2, 2, 20), 84 / 22)])
def test_so_many_pairs_can_be_made_that_share_no_person(sizes, pairs):
    """All pairs, over those in which one person at most stands."""
    given = drawn(6, sizes)
    assert flips(given, "group", np.full((len(given.texts), 2), 0.5)).pairs == pytest.approx(pairs)


def test_pairs_are_made_among_persons_alike_otherwise(given):
    assert flips(given, "gender", np.full((len(given.texts), 2), 0.5)).pairs == pytest.approx(36)
    assert flips(given, "race", np.full((len(given.texts), 2), 0.5)).pairs == pytest.approx(24)


@pytest.mark.parametrize("sizes", [(2, 2), (5, 5), (10, 10), (2, 20)])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_interval_of_flips_holds_whatever_share_of_persons_turn_the_answer(sizes, level):
    """Exactly, over all outcomes, for every share of either group that turns it on every template."""
    own, other = np.meshgrid(*(np.arange(n + 1) for n in sizes), indexing="ij")
    told = own / sizes[0] * (1 - other / sizes[1]) + other / sizes[1] * (1 - own / sizes[0])
    ends = [Flips(v, 0.0, 0.0, min(sizes), 1, 1000).estimate(level) for v in told.ravel()]
    low, high = (np.array([getattr(e, end) for e in ends]).reshape(told.shape) for end in ("low", "high"))
    for first in np.linspace(0.01, 0.99, 30):
        for second in np.linspace(0.0, 1.0, 21):
            chance = np.outer(*(stats.binom.pmf(np.arange(n + 1), n, q) for n, q in zip(sizes, (first, second), strict=True)))
            true = first * (1 - second) + second * (1 - first)
            assert chance[(low <= true + 1e-9) & (true - 1e-9 <= high)].sum() >= level, (first, second)


@pytest.mark.parametrize(("persons", "turn"), [(5, 0.05), (10, 0.05), (10, 0.3)])
def test_the_interval_of_flips_holds_for_other_persons(persons, turn):
    """So many persons turn the answer on every template alike, but for one answer in a hundred."""
    given, rng, n = drawn(40, (persons, persons)), np.random.default_rng(3), 300
    share = 0.99 * turn + 0.01 * (1 - turn)
    true = 2 * share * (1 - share)
    both = alone = 0
    for _ in range(n):
        turned = (rng.random(2 * persons) < turn)[given.person] ^ (rng.random(len(given.person)) < 0.01)
        estimate = flips(given, "group", np.stack([1.0 * ~turned, 1.0 * turned], axis=1)).estimate(0.95)
        both += estimate.low <= true <= estimate.high
        own, other = np.moveaxis(turned.reshape(40, 2, persons).mean(axis=2), 1, 0)
        apart = own * (1 - other) + other * (1 - own)
        alone += abs(apart.mean() - true) <= stats.t.ppf(0.975, 39) * apart.std(ddof=1) / np.sqrt(40)
    assert both / n >= 0.95, both / n
    assert alone / n < 0.5, "templates agree closely on what holds for these persons alone"


def test_templates_that_differ_widen_the_interval_of_flips():
    told = [Flips(0.3, 0.0, error, 1e9, 1, 6).estimate(0.95) for error in (0.0, 0.05)]
    assert told[0].high - told[0].low < 0.001
    n = 0.3 * 0.7 / (0.05 * 2.5706 / 1.95996) ** 2  # t of 5 degrees, and the normal
    assert (told[1].low, told[1].high) == pytest.approx(
        (stats.beta.ppf(0.025, 0.3 * n, 0.7 * n + 1), stats.beta.ppf(0.975, 0.3 * n + 1, 0.7 * n)), rel=1e-4
    )


def test_the_released_form_and_what_cannot_be_used(tmp_path, made):
    names = {"text": "Sentence", "template": "Template", "person": "Person", "gender": "Gender", "race": "Race",
             "emotion": "Emotion", "emotion_word": "Emotion word", "id": "ID"}  # fmt: skip
    path = tmp_path / "corpus.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(names.values()))
        out.writeheader()
        out.writerows({names[key]: value for key, value in row.items()} for row in made)
    found = read_person_sentences(path)
    assert found is not None
    assert found.groups == {"gender": ("female", "male"), "race": ("north", "south")}
    assert read_person_sentences(tmp_path / "absent.jsonl") is None
    for line in ('{"test": "t", "type": "MFT", "examples": ["a"], "label": "pos"}', '{"text": "a", "label": "pos"}'):
        (tmp_path / "cases.jsonl").write_text(line + "\n")
        assert read_person_sentences(tmp_path / "cases.jsonl") is None, "a suite of tests, or no suite"
    with pytest.raises(InputError, match=r"Line 2 of .* has no person; "):
        read_person_sentences(written(tmp_path / "b.jsonl", [made[0], {**made[1], "person": ""}]))
    with pytest.raises(InputError, match="Leave out columns that number rows"):
        read_person_sentences(written(tmp_path / "c.jsonl", [{**row, "number": k} for k, row in enumerate(made[:500])]))
    few = read_person_sentences(written(tmp_path / "d.jsonl", rows(persons=1, races=("",))))
    why = leanings(few, np.full((len(few.texts), 2), 0.5), LABELS, Leaning())
    assert isinstance(why, Skipped)
    assert why.why.startswith("gender was left out")


def test_the_order_of_keys_means_nothing(tmp_path, made):
    turned = [dict(reversed(row.items())) if k % 2 else row for k, row in enumerate(made)]
    found, same = (read_person_sentences(written(tmp_path / f"{k}.jsonl", of)) for k, of in enumerate((turned, made)))
    assert found.texts == same.texts
    assert found.groups == same.groups
    np.testing.assert_array_equal(found.frame, same.frame)


HEADER = "text,template,person,gender\n"
ROW = "Ann is glad,{} is glad,Ann,female\n"
BROKEN = {
    "no object": ("jsonl", lambda lines: [*lines[:3], "[1, 2]", *lines[4:]], "Line 4 of {} is no JSON object; "),
    "the first no object": ("jsonl", lambda lines: ["7", *lines[1:]], "Line 1 of {} is no JSON object; "),
    "cut off": ("jsonl", lambda lines: [*lines[:500], lines[500][:20]], "Line 501 of {} is no JSON from character 10 on; "),
    "after an empty line": ("jsonl", lambda lines: [lines[0], "", '{"text": '], "Line 3 of {} is no JSON from character 10 on; "),
    "no person": ("jsonl", lambda lines: ['{"text": "a", "template": "b"}'], "Line 1 of {} has no person; "),
    "text twice": (
        "jsonl",
        lambda lines: [lines[0], lines[1].replace('"gender"', '"Sentence": "b", "gender"')],
        "Line 2 of {} has the column text more than once, and which counts is not told; ",
    ),
    "a key twice": (
        "jsonl",
        lambda lines: [lines[0].replace('"gender"', '"gender": "male", "gender"')],
        "Line 1 of {} has the column gender more than once, ",
    ),
    "a list": (
        "jsonl",
        lambda lines: [lines[0], '{"text": ["a"], "template": "b", "person": "c"}'],
        "Line 2 of {} has a list or an object as text, where a text or a number stands.",
    ),
    "an object": (
        "jsonl",
        lambda lines: ['{"text": "a", "template": "b", "person": {"c": 1}}'],
        "Line 1 of {} has a list or an object as person, ",
    ),
    "nested": ("jsonl", lambda lines: [lines[0], '{"text": ' + "[" * 100_000], "Line 2 of {} is nested too deeply; "),
    "the first nested": ("jsonl", lambda lines: ['{"text": ' + "[" * 100_000, lines[1]], "Line 1 of {} is nested too deeply; "),
    "another key": (
        "jsonl",
        lambda lines: [lines[0], lines[1].replace('"gender"', '"sex"')],
        "Line 2 of {} has not the columns of the first row: gender, sex differs.",
    ),
    "semicolons": (
        "csv",
        lambda _: [HEADER.replace(",", ";") + ROW.replace(",", ";")],
        "{} needs the columns text (or sentence), template and person, separated by commas; its first line names "
        "'text;template;person;gender'.",
    ),
    "tabs": ("tsv", lambda _: [HEADER.replace(",", "\t") + ROW], "{} needs the columns text (or sentence), "),
    "a column twice": (
        "csv",
        lambda _: ["text,template,person,Gender,gender\na,b,c,d,e\n"],
        "Line 1 of {} has the column gender more than once, ",
    ),
    "both names of a column": (
        "csv",
        lambda _: ["text,sentence,template,person\na,b,c,d\n"],
        "Line 1 of {} has the column text more than once, ",
    ),
    "no column": ("csv", lambda _: ["text,template\na,b\n"], "its first line names 'text', 'template'."),
    "a header only": ("csv", lambda _: [HEADER], "{} has a header and no rows; "),
    "nothing": ("csv", lambda _: [""], "separated by commas; its first line names none."),
    "a comma too many": ("csv", lambda _: [HEADER + ROW + "Well, " + ROW], "Line 3 of {} has 5 fields and the first 4; "),
    "an open quote": ("csv", lambda _: [HEADER + ROW + '"' + ROW], "Line 4 of {} cannot be read as CSV (unexpected "),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused_in_a_sentence_that_names_the_line_or_the_columns(tmp_path, made, what):
    kind, broken, said = BROKEN[what]
    path = tmp_path / f"persons.{kind}"
    path.write_text("\n".join(broken([json.dumps({"text": row["text"], **row}) for row in made[:600]])) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_person_sentences(path)
    assert said.format(path) in str(refused.value)
    chinese = translated_error(str(refused.value), "zh")
    assert chinese != str(refused.value)
    assert not re.search(r"[a-z]+ [a-z]+ [a-z]+", chinese.replace(str(path), "").replace("unexpected end of data", ""))


@pytest.mark.skipif(not EEC.is_file(), reason="the shared data are not here")
def test_the_equity_evaluation_corpus_is_read_as_it_is():
    given = read_person_sentences(EEC)
    assert given is not None
    assert given.groups == {"gender": ("female", "male"), "race": ("African-American", "European")}
    assert (len(given.texts), len(np.unique(given.template)), len(np.unique(given.frame))) == (8640, 11, 144)
    share = np.array([0.4 + 0.2 * ("happy" in text) for text in given.texts])
    male = given.group["gender"] == 1
    for planted, status in ((0.05, True), (0.0, False)):
        said = share + planted * male
        found = leanings(given, np.stack([1 - said, said], axis=1), LABELS, Leaning())
        measures = {m.name: m for m in found.measures}
        assert (measures["largest_shift (gender)"].estimate.low > 2.0) == status
        assert measures["shift to male (gender)"].estimate.value == pytest.approx(100 * planted)
        assert measures["largest_shift (race)"].estimate.high < 2.0
