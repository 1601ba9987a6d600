"""Marks of entities: found, put in, and whole after an edit."""

import numpy as np
import pytest

from veridical.dataset.cue import inserted, without
from veridical.dataset.entity_marks import (
    MARKS,
    as_written,
    entities,
    holds_marks,
    keeping_marks,
    marked,
    problem,
    touches_mark,
)
from veridical.probe._text_edits import pieces, shuffled
from veridical.probe.attack._recipes import RECIPES
from veridical.probe.attack._record import attempt_of
from veridical.probe.perturbations import NAMES, edited, missing

TEXT = "The most common <e1>audits</e1> were really about <e2>household waste</e2> and good recycling in 2019."
CHINESE = "昨天<e1>暴雨</e1>在城市里引起了<e2>洪水</e2>，大家都很担心。"


def without_marks(text: str) -> str:
    for mark in MARKS:
        text = text.replace(mark, "")
    return text


def test_marks_are_read_in_any_spelling():
    assert as_written("a < E1 >b</ e1> <E2>c</E2>") == "a <e1>b</e1> <e2>c</e2>"
    assert entities(TEXT) == ("audits", "household waste")
    assert without_marks(TEXT).startswith("The most common audits were")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT, ""),
        ("<e2>a</e2> of <e1>b</e1>", ""),
        ("no marks", "a relation row without both entities"),
        ("<e1>a</e1> alone", "a relation row without both entities"),
        ("<e1>a</e1> <e2> </e2>", "a relation row without both entities"),
        ("</e1>a<e1> <e2>b</e2>", "a relation row without both entities"),
        ("<e1>a</e1> <e1>a</e1> <e2>b</e2>", "a relation row with an entity marked twice"),
        ("<e1>a <e2>b</e2></e1>", "a relation row whose entities overlap"),
    ],
)
def test_what_cannot_be_used_is_said(text, why):
    assert problem(text) == why


def test_entities_are_found_as_words():
    assert marked("art and a part", "art", "part") == "<e1>art</e1> and a <e2>part</e2>"
    assert problem(marked("art and art and part", "art", "part")) == "a relation row with an entity marked twice"
    assert problem(marked("an art", "art", "part")) == "a relation row without both entities"
    assert marked("昨天暴雨引起洪水", "暴雨", "洪水") == "昨天<e1>暴雨</e1>引起<e2>洪水</e2>"
    assert marked(TEXT, "common", "good") == TEXT, "marks that are there win"
    assert entities(marked("C++ (2019) of Bell", "C++", "Bell")) == ("C++", "Bell")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", [TEXT, CHINESE])
def test_every_edit_keeps_the_marks(name, text):
    if missing(name, [text]):
        pytest.skip("its word list is not installed")
    changed = 0
    for seed in range(10):
        after = edited(text, name, np.random.default_rng(seed), strength=0.6)
        assert holds_marks(after), after
        assert "\ue0f1" not in after
        changed += after != text
    plain = without_marks(text)
    if any(edited(plain, name, np.random.default_rng(seed), strength=0.6) != plain for seed in range(10)):
        assert changed, "it could be made without touching a mark"


def test_an_edit_that_loses_a_mark_is_not_made():
    assert keeping_marks(TEXT, lambda text: text[:20]) == TEXT
    assert keeping_marks("no marks here", lambda text: text[:2]) == "no"


def test_cues_are_moved_around_marks():
    for place in np.linspace(0, 1, 9):
        assert holds_marks(str(inserted(TEXT, "zorblat", part=0, position=float(place))))
        assert holds_marks(str(inserted(CHINESE, "好", part=0, position=float(place))))
    assert without(TEXT, "really") == TEXT.replace("really ", "")
    assert without(TEXT, "audits") == TEXT, "an entity cannot be taken out"


def test_an_entity_is_one_unit_of_a_text():
    assert "<e2>household waste</e2>" in pieces(TEXT)[0]
    assert "<e1>暴雨</e1>" in pieces(CHINESE)[0]
    for seed in range(5):
        assert holds_marks(str(shuffled(TEXT, 1, np.random.default_rng(seed))))


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_attacks_do_not_touch_marks(name):
    recipe = RECIPES[name]
    if recipe.missing([TEXT]):
        pytest.skip("its word list is not installed")
    attempt = attempt_of(recipe, TEXT, 0, rng=np.random.default_rng(0), budget=50)
    for (_, place), words in attempt.options.items():
        assert not touches_mark(TEXT, *place)
        assert all(holds_marks(str(attempt.changed({(0, place): word}))) for word in words)


def test_places_in_and_beside_marks():
    start = TEXT.index(MARKS[0])
    assert touches_mark(TEXT, start + 1, start + 3)
    assert touches_mark(TEXT, start - 3, start + 1)
    assert not touches_mark(TEXT, start + len(MARKS[0]), start + len(MARKS[0]) + 6)
    assert not touches_mark("plain", 0, 3)
