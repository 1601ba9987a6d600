"""Answers of more than one label in one cell of a review sheet: what is written is read back, and slips are named."""

import json

import numpy as np
import pytest

from veridical.dataset.row_shape import BadCell
from veridical.tasks import multilabel, ner, qa
from veridical.tasks._contract import Structure
from veridical.tasks._tags import SCHEMES, encode

TOKENS = "Ann met Ann ; Bob in New York"


def structure(task: object) -> Structure:
    found = task.task.structure  # type: ignore[attr-defined]
    assert isinstance(found, Structure)
    return found


def tagged(*spans: tuple[int, int, str], n: int = 8) -> str:
    return " ".join(encode(spans, n, scheme="iob2"))


@pytest.mark.parametrize(
    ("spans", "cell"),
    [
        ([(0, 1, "PER"), (6, 8, "LOC")], "Ann [PER]; New York [LOC]"),
        ([(0, 1, "PER"), (2, 3, "PER")], "Ann [PER]; Ann [PER]"),
        ([(2, 3, "PER")], "Ann@3 [PER]"),
        ([(2, 5, "PER")], "Ann ; Bob [PER]"),
        ([], "[]"),
    ],
)
def test_entities_are_written_as_a_person_reads_them(spans: list[tuple[int, int, str]], cell: str) -> None:
    task, answer = structure(ner), tagged(*spans)
    assert task.in_sheet(TOKENS, answer, "iob2") == cell
    assert task.from_sheet(TOKENS, cell, "iob2", ("LOC", "PER")) == answer


@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_tags_come_back_from_their_cell(scheme: str) -> None:
    rng, task = np.random.default_rng(0), structure(ner)
    words = np.array(["Ann", "Ann", "a@2", ";", "[x]", "New", "York", "New"])
    for _ in range(300):
        text = " ".join(rng.choice(words, 8))
        letters = rng.choice(["O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC"], 8)
        stored = " ".join(letters)
        if scheme != "iob2":  # other schemes are stored as the entities that they name
            stored = tagged(*[(at, at + 1, tag[2:]) for at, tag in enumerate(letters) if tag != "O"])
        cell = task.in_sheet(text, stored, scheme)
        assert cell.strip()
        assert task.from_sheet(text, cell, scheme, ("LOC", "PER")) == stored


def test_a_person_may_write_tags_or_drop_spaces_and_capitals_of_types() -> None:
    task, answer = structure(ner), tagged((0, 1, "PER"), (6, 8, "LOC"))
    for cell in (
        answer,
        "Ann [per]; NewYork [loc]",
        " Ann[PER]；New York 【LOC】 ",
        "New York [LOC]; Ann [PER]",
    ):
        assert task.from_sheet(TOKENS, cell, "iob2", ("LOC", "PER")) == answer
    bilou = "U-PER O O O O O B-LOC L-LOC"
    assert task.from_sheet(TOKENS, bilou, "bilou", ("LOC", "PER")) == answer
    assert task.from_sheet("北 京 人", "北京 [LOC]", "iob2", ("LOC",)) == "B-LOC I-LOC O"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("New Yrok [LOC]", "holds no 'New Yrok'"),
        ("Ann [PRE]", "no type is called 'PRE'. Did you mean 'PER'? Types: LOC, PER"),
        ("Ann", "not written like New York [LOC]; Ann [PER]"),
        ("Ann [PER]; Ann [PER]; Ann [PER]", "that is not named before"),
        ("Ann@2 [PER]", "at word 2"),
        ("Ann@99 [PER]", "at word 99"),
        ("O O B-PER", "3 tags for a text of 8 words"),
        ("O O O O O O O B-X", "no type is called 'X'"),
        ("[PER]", "is not written like"),
    ],
)
def test_a_slip_in_entities_is_named(cell: str, says: str) -> None:
    with pytest.raises(BadCell) as found:
        structure(ner).from_sheet(TOKENS, cell, "iob2", ("LOC", "PER"))
    assert says in str(found.value)


ASKED = ("The tower is 300 m high. [sic] It says unsure.", "how high?")


@pytest.mark.parametrize(
    ("texts", "cell"),
    [
        ([], "[]"),
        (["300 m"], "300 m"),
        (["300 m", "300 m high", "300 m"], '["300 m", "300 m high"]'),
        (["[sic]"], '["[sic]"]'),
        (["unsure"], '["unsure"]'),
    ],
)
def test_answers_to_questions(texts: list[str], cell: str) -> None:
    task = structure(qa)
    assert task.in_sheet(ASKED, json.dumps([[text, -1] for text in texts]), "") == cell
    read = task.from_sheet(ASKED, cell, "", ())
    assert [text for text, _ in json.loads(read)] == list(dict.fromkeys(texts))
    assert task.in_sheet(ASKED, read, "") == cell


def test_an_answer_that_is_not_in_its_context_is_named() -> None:
    with pytest.raises(BadCell, match=r"'400 m' does not stand in the context"):
        structure(qa).from_sheet(ASKED, "400 m", "", ())


@pytest.mark.parametrize(
    ("names", "cell"),
    [([], "[]"), (["a"], "a"), (["a", "b c"], "a | b c"), (["a|b", "c"], '["a|b", "c"]'), (["unsure"], '["unsure"]')],
)
def test_label_sets(names: list[str], cell: str) -> None:
    task, known = structure(multilabel), ("a", "a|b", "b c", "c", "unsure")
    assert task.in_sheet("text", json.dumps(names), "") == cell
    assert task.from_sheet("text", cell, "", known) == json.dumps(names)


def test_labels_are_read_in_any_order_and_unknown_ones_are_named() -> None:
    task = structure(multilabel)
    assert task.from_sheet("text", "SPORT; music|sport", "", ("music", "sport")) == '["music", "sport"]'
    with pytest.raises(BadCell, match=r"no label is called 'sprot'. Did you mean 'sport'\? Labels: music, sport"):
        task.from_sheet("text", "sprot", "", ("music", "sport"))
