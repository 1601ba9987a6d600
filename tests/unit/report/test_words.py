"""Both languages say the same things; every word a record can ask for is there."""

import re
import string
from pathlib import Path
from typing import get_args

import pytest

from veridical.core.finding import Status
from veridical.core.ledger_record import ComponentStatus, Kind
from veridical.report import wording
from veridical.report.figures import points, score
from veridical.report.safe_text import one_line, visible

EN, ZH = wording.words("en"), wording.words("zh")
COMPONENTS = ("protocol", "leakage", "sample", "noise", "reuse", "shortcut", "groups", "fragility", "shift")
OUTCOMES = ("accepted", "harmless", "rejected", "skipped")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_same_keys() -> None:
    assert set(EN.table) == set(ZH.table)


@pytest.mark.parametrize("key", sorted(EN.table))
def test_same_placeholders(key: str) -> None:
    assert isinstance(EN.table[key], str)
    assert isinstance(ZH.table[key], str)
    assert placeholders(EN.table[key]) == placeholders(ZH.table[key])


@pytest.mark.parametrize("said", [EN, ZH], ids=["en", "zh"])
def test_every_status_and_component_has_a_word(said: wording.Words) -> None:
    keys = {f"status.{s}" for s in (*get_args(ComponentStatus), "exact")} | {f"check_status.{s}" for s in get_args(Status)}
    keys |= {f"component.{name}" for name in COMPONENTS} | {f"meaning.other.{s}" for s in (*get_args(ComponentStatus), "exact")}
    keys |= {f"kind.{k}" for k in get_args(Kind)} | {f"outcome.{o}" for o in OUTCOMES}
    keys |= {f"outcome_means.{kind}.{outcome}" for kind in ("training", "measurement") for outcome in OUTCOMES}
    assert keys <= set(said.table), sorted(keys - set(said.table))


def test_a_plug_in_without_a_word_is_called_by_its_own_name() -> None:
    """A new check or repair touches one file, so its word may be missing."""
    assert ZH.name("check", "a_new_check") == "a new check"
    assert ZH.name("check", "label_words") == "泄露标签的词"


def test_no_key_is_unused_and_none_is_missing() -> None:
    folder = Path(wording.__file__).parent
    code = "\n".join(p.read_text(encoding="utf-8") for p in [*folder.glob("*.py"), *folder.glob("templates/*.jinja")])
    asked = set(re.findall(r'\bw\("([a-z_.]+)"[,)]', code)) | set(re.findall(r'(?:words|said|say)\("([a-z_.]+)"[,)]', code))
    assert asked <= set(EN.table), sorted(asked - set(EN.table))
    plain = {key for key in EN.table if "." not in key}
    assert not {key for key in plain if f'"{key}"' not in code}, "words that no report uses"


def test_never_the_words_we_do_not_use() -> None:
    assert not [key for key, text in EN.table.items() if re.search(r"clean data|debiased|\bproves\b|\bfixed\b", text)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 中文 text", "plain 中文 text"),
        ("a\u202eb", "a[U+202E]b"),
        ("\x1b[31mred", "[U+001B][31mred"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("👩‍👧 family", "👩‍👧 family"),
        ("a\u200db", "a[U+200D]b"),
        ("line\nbreak", "line\nbreak"),
        ("lone \ud800 surrogate", "lone [U+D800] surrogate"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_one_line_is_one_line() -> None:
    assert one_line("a\n\tb " + "c" * 300, limit=10) == "a b ccccc…"


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (10.83, "+10.8"), (-0.43, "-0.4")])
def test_points_carry_their_sign(value: float, text: str) -> None:
    assert points(value) == text


def test_scores_are_out_of_100() -> None:
    assert score(0.9612) == "96.1"
