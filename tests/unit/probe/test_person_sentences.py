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
from veridical.probe._person_sentences import (
    Leaning,
    PersonSentences,
    contrast_of,
    flips,
    leanings,
    read_person_sentences,
    shift,
)
from veridical.report.sentences import translated, translated_error

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
    found = shift(contrast_of(given, "gender", 1), given, share)
    assert found.value == pytest.approx(np.mean(list(by_template.values())))
    assert found.n_clusters == len(FRAMES)


def test_a_model_that_reacts_to_single_names_is_said_to_lean_on_their_group_as_seldom_as_claimed(given, made):
    """Every name moves the probability by its own amount, every template by one for each group: nothing on average."""
    rng, n = np.random.default_rng(1), 1500
    one = contrast_of(given, "gender", 1)
    person, template, male = given.person, given.template, given.group["gender"]
    reach = stats.t.ppf(0.975, len(FRAMES) - 1)
    both = alone = 0
    for _ in range(n):
        names, frames = rng.normal(0, 0.1, person.max() + 1), rng.normal(0, 0.02, (template.max() + 1, 2))
        share = 0.5 + names[person] + frames[template, male] + rng.normal(0, 0.02, len(person))
        found = shift(one, given, share)
        both += found.p(0.0) < 0.05
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


def drawn(n_templates, persons, groups=("a", "b")):
    """`persons` of every group in as many templates, one sentence each."""
    at = np.meshgrid(np.arange(n_templates), np.arange(len(groups)), np.arange(persons), indexing="ij")
    template, group, k = (one.ravel() for one in at)
    texts = tuple(f"{t} {g} {i}" for t, g, i in zip(template, group, k, strict=True))
    return PersonSentences(texts, group * persons + k, template, template, {"group": tuple(groups)}, {"group": group})


@pytest.mark.parametrize("persons", [2, 3, 5, 10])
def test_few_persons_are_not_taken_for_a_leaning_of_their_group_however_many_the_templates(persons):
    given, rng, n = drawn(60, persons), np.random.default_rng(persons), 1500
    one, lean = contrast_of(given, "group", 1), given.group["group"]
    false, seen = 0, 0
    for _ in range(n):
        share = 0.5 + rng.normal(0, 0.1, 2 * persons)[given.person] + rng.normal(0, 0.02, len(given.person))
        found = shift(one, given, share)
        false += found.p(0.0) < 0.05
        seen += shift(one, given, share + lean).p(0.0) < 0.05
    assert false / n <= 0.06, false / n
    assert seen / n > (0.5 if persons == 2 else 0.95), "a leaning ten times the spread of names is found"
    assert found.df < 2 * persons


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_flips_of_three_groups_are_the_same_whichever_group_is_answered_otherwise(odd):
    given = drawn(6, 4, ("a", "b", "c"))
    said = given.group["group"] == odd
    found, within = flips(given, "group", np.stack([1.0 * ~said, 1.0 * said], axis=1))
    assert found.value == pytest.approx(2 / 3)  # two of three pairs of groups
    assert within == 0.0
    silent, within = flips(given, "group", np.stack([np.ones(len(said)), np.zeros(len(said))], axis=1))
    assert (silent.value, within) == (0.0, 0.0)
    estimate = silent.estimate(level=0.95, bounded=True)
    assert estimate.low == 0.0
    assert estimate.high > 0.3, "six templates say little of a seventh"


@pytest.mark.parametrize(("persons", "said"), [(4, True), (5, False)])
def test_an_interval_of_flips_over_few_persons_is_said_to_be_too_short(persons, said):
    given = drawn(6, persons)
    found = leanings(given, np.full((len(given.texts), 2), 0.5), LABELS, Leaning())
    note = "A group of group has fewer than 5 persons: the interval of its flips is too short."
    assert (note in found.notes) == said
    assert translated(note, "zh") != note


def test_flips_are_those_of_all_pairs_counted_one_by_one(given, made):
    said = np.random.default_rng(2).random(len(made)) < 0.3
    found, within = flips(given, "race", np.stack([1.0 * ~said, 1.0 * said], axis=1))
    places = {}
    for row, answer in zip(made, said, strict=True):
        if row["race"]:
            key = (row["template"], row["emotion_word"], row["gender"])
            places.setdefault(key, {}).setdefault(row["race"], []).append(answer)
    across = [np.mean([x != y for x in place["north"] for y in place["south"]]) for place in places.values()]
    alike = [np.mean([x != y for of in place.values() for i, x in enumerate(of) for y in of[:i]]) for place in places.values()]
    assert found.value == pytest.approx(np.mean(across))
    assert within == pytest.approx(np.mean(alike))


@pytest.mark.parametrize("persons", [5, 10])
def test_the_interval_of_flips_holds_for_other_persons(persons):
    """Three in ten persons turn the answer, on every template alike: 42 of 100 pairs of the two groups differ."""
    given, rng, n = drawn(40, persons), np.random.default_rng(3), 1000
    both = alone = 0
    for _ in range(n):
        turned = (rng.random(2 * persons) < 0.3)[given.person] ^ (rng.random(len(given.person)) < 0.01)
        found, _ = flips(given, "group", np.stack([1.0 * ~turned, 1.0 * turned], axis=1))
        estimate = found.estimate(level=0.95, bounded=True)
        both += estimate.low <= 0.42 <= estimate.high
        own, other = np.moveaxis(turned.reshape(40, 2, persons).mean(axis=2), 1, 0)
        apart = own * (1 - other) + other * (1 - own)
        alone += abs(apart.mean() - 0.42) <= stats.t.ppf(0.975, 39) * apart.std(ddof=1) / np.sqrt(40)
    assert both / n > 0.9, both / n
    assert alone / n < 0.5, "templates agree closely on what holds for these persons alone"


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
    (tmp_path / "cases.jsonl").write_text('{"test": "t", "type": "MFT", "examples": ["a"], "label": "pos"}\n')
    assert read_person_sentences(tmp_path / "cases.jsonl") is None
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
