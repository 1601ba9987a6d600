"""Behavioural test suites as data: our own in probe/suites, a user's YAML file with templates, or JSON lines of written cases.

A line is {"test", "type", "capability", "examples", "label"}: MFT has one example a case; of INV and DIR the first is the
original; an example is a text, or a list of two for models of pairs. label: a name, or a list of names that are allowed; for
DIR the one to watch (none: the one predicted), with "goes_not" (down or up), "against" and "unless" as in YAML. The released
CheckList sentiment suite has numbers instead (0 negative, 1 neutral, 2 positive; null on an MFT: not negative), and what its DIR
tests expect is told by their names (Ribeiro et al. 2020; as in notebooks/Sentiment.ipynb of its repository).
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import regex

from veridical.core.errors import InputError
from veridical.dataset.rows import Text

PREDICTED = "predicted"
"""Instead of a label: the one that the model gives to the first variant."""
KINDS = ("MFT", "INV", "DIR")
KEYS = ("name", "language", "labels", "words", "tests")
TEST_KEYS = ("name", "capability", "type", "expect", "templates", "vary", "variants", "label", "goes_not", "against", "unless")
MOST_VARIED = 4
"""Fillers of the slot that varies, in one case. Ours; no source."""
SOLID = 50_000
"""Combinations of fillers listed at most before they are drawn from. Ours; no source."""
_SLOT = regex.compile(r"\{(\w+)\}")
_ARTICLE = regex.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
DUMP_LABELS = ("negative", "neutral", "positive")
DUMP_DIRECTIONS = {
    "intensifiers": {"label": PREDICTED, "goes_not": "down", "unless": "neutral"},
    "reducers": {"label": PREDICTED, "goes_not": "up", "unless": "neutral"},
    "add positive phrases": {"label": "positive", "goes_not": "down", "against": "negative"},
    "add negative phrases": {"label": "positive", "goes_not": "up", "against": "negative"},
    '"used to" should reduce': {"label": PREDICTED, "goes_not": "up", "unless": "neutral"},
}
"""What the DIR tests of the released suite expect, by their names."""


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """kind: MFT, INV or DIR. cases: variants of each case, the original first; one for MFT. expect: labels allowed (MFT).
    label, goes_not: whose probability must not go down or up (DIR). against: label whose probability is taken off. unless: a case
    whose original is answered so is left out."""

    name: str
    capability: str
    kind: str
    cases: tuple[tuple[Text, ...], ...]
    expect: tuple[str, ...] = ()
    label: str = ""
    goes_not: str = ""
    against: str = ""
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """language: of its sentences, "" for any. labels: suite label -> what data sets call it. unread: tests of the file that
    cannot be asked, since what they expect is not told."""

    name: str
    language: str
    labels: Mapping[str, tuple[str, ...]]
    tests: tuple[SuiteTest, ...]
    unread: tuple[str, ...] = ()


@cache
def own_suites() -> tuple[str, ...]:
    """Names of the suites in probe/suites."""
    return tuple(
        sorted(file.name for file in files("veridical.probe").joinpath("suites").iterdir() if file.name.endswith(".yaml"))
    )


def _own_text(name: str) -> str:
    return files("veridical.probe").joinpath("suites", name).read_text(encoding="utf-8")


def content_of(name: str) -> Any:
    """One of our own suites as it stands in its file."""
    import yaml

    return yaml.safe_load(_own_text(name))


def own_suite(name: str, *, most: int, rng: np.random.Generator) -> Suite:
    return parsed(_own_text(name), most=most, rng=rng, where=name)


def read_suite(path: Path, *, most: int, rng: np.random.Generator) -> Suite:
    """A user's file, or one of ours by its name. YAML in the form of probe/suites: of its templates at most `most` cases a test
    are made, drawn evenly. JSON lines: every case is read."""
    own = f"{path.name.removesuffix('.yaml')}.yaml"
    if not path.exists() and own in own_suites():
        return own_suite(own, most=most, rng=rng)
    if not path.is_file():
        names = ", ".join(name.removesuffix(".yaml") for name in own_suites())
        raise InputError(
            f"There is no suite of tests at {path}. Give a YAML file, JSON lines like those of CheckList, or one of ours: "
            f"{names}."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The suite {path} cannot be read ({error}). Save it as UTF-8.") from error
    if path.suffix in (".jsonl", ".json", ".ndjson"):
        return dumped(text, where=str(path))
    return parsed(text, most=most, rng=rng, where=str(path))


def parsed(text: str, *, most: int, rng: np.random.Generator, where: str) -> Suite:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The suite {where} is no YAML ({error}).") from error
    if not isinstance(content, dict):
        raise InputError(f"The suite {where} must be a mapping with the keys {', '.join(KEYS)}; got {type(content).__name__}.")
    _known(content, KEYS, where=f"The suite {where}")
    labels = _named_lists(content, "labels", where=where)
    if not labels or not content.get("tests"):
        raise InputError(f"The suite {where} names no {'tests' if labels else 'labels'}; a suite needs both.")
    if not isinstance(content["tests"], list):
        raise InputError(f"The suite {where} has tests of type {type(content['tests']).__name__}; a list of tests is allowed.")
    words = _named_lists(content, "words", where=where)
    tests = tuple(_test(entry, words, labels, most=most, rng=rng, where=where) for entry in content["tests"])
    return Suite(str(content.get("name", where)), str(content.get("language", "")), labels, tests)


def _named_lists(content: Mapping[str, Any], key: str, *, where: str) -> dict[str, tuple[str, ...]]:
    """A mapping of names to lists of texts."""
    given = content.get(key) or {}
    if not isinstance(given, dict) or not all(isinstance(texts, list) for texts in given.values()):
        raise InputError(f"The suite {where}: {key} must give each name a list, like {{positive: [pos, good]}}; got {given!r}.")
    return {str(name): tuple(map(str, texts)) for name, texts in given.items()}


def _known(entry: Mapping[str, Any], known: Sequence[str], *, where: str) -> None:
    unknown = [key for key in entry if key not in known]
    if unknown:
        raise InputError(f"{where} has the unknown key {unknown[0]!r}. Known: {', '.join(known)}.")


def _test(
    entry: Any, words: Mapping[str, tuple[str, ...]], labels: Mapping[str, Any], *, most: int, rng: np.random.Generator,
    where: str,
) -> SuiteTest:  # fmt: skip
    if not isinstance(entry, dict) or "name" not in entry:
        raise InputError(f"A test of the suite {where} is {entry!r}; a test is a mapping with name, type and sentences.")
    said = f"The test {entry['name']!r} of {where}"
    _known(entry, TEST_KEYS, where=said)
    kind = entry.get("type")
    if kind not in KINDS:
        raise InputError(f"{said} has the type {kind!r}. Allowed: {', '.join(KINDS)}.")
    expect = entry.get("expect", [])
    expect = tuple(expect) if isinstance(expect, list) else (str(expect),)
    label, goes_not = str(entry.get("label", "")), str(entry.get("goes_not", ""))
    against, unless = str(entry.get("against", "")), str(entry.get("unless", ""))
    watched = [label] if kind == "DIR" and label != PREDICTED else []
    for name in (*expect, *watched, *(name for name in (against, unless) if name)):
        if name not in labels:
            raise InputError(f"{said} expects {name!r}, which is none of the suite's labels: {', '.join(labels)}.")
    if kind == "MFT" and not expect:
        raise InputError(f"{said} says not what to expect. Add: expect: {next(iter(labels))}")
    if kind == "DIR" and goes_not not in ("down", "up"):
        raise InputError(f"{said} says not where the probability must not go. Add: goes_not: down (or up)")
    groups = _groups(entry, kind, words, said)
    cases = tuple(_filled(groups, words, str(entry.get("vary", "")), most=most, rng=rng, said=said))
    return SuiteTest(str(entry["name"]), str(entry.get("capability", "")), kind, cases, expect, label, goes_not, against, unless)


def _groups(entry: dict[str, Any], kind: str, words: Mapping[str, tuple[str, ...]], said: str) -> list[list[str]]:
    """Templates that are filled alike: one (MFT, or `vary`) or several."""
    if "variants" in entry:
        groups = [list(map(str, group)) for group in entry["variants"]]
        if kind == "MFT" or any(len(group) < 2 for group in groups):
            raise InputError(f"{said} has variants; they are for INV and DIR, two or more sentences each.")
        return groups
    templates = entry.get("templates")
    if not isinstance(templates, list) or not templates:
        raise InputError(f"{said} has neither templates nor variants.")
    vary = entry.get("vary")
    if kind != "MFT" and (vary not in words or any(f"{{{vary}}}" not in str(one) for one in templates)):
        raise InputError(f"{said} varies {vary!r}, which is no slot of its templates with a list under `words`.")
    return [[str(one)] for one in templates]


def _filled(
    groups: Sequence[Sequence[str]], words: Mapping[str, tuple[str, ...]], vary: str, *, most: int, rng: np.random.Generator,
    said: str,
) -> Iterator[tuple[str, ...]]:  # fmt: skip
    """Cases, the same number from every group where it has so many; fillers drawn without replacement."""
    share = max(1, -(-most // len(groups)))
    for group in groups:
        slots = sorted({slot for template in group for slot in _SLOT.findall(template)} - {vary})
        for slot in slots:
            if slot not in words:
                raise InputError(f"{said} has the slot {{{slot}}}, for which `words` has no list.")
        total = int(np.prod([len(words[slot]) for slot in slots])) if slots else 1
        if total <= SOLID:
            known = list(product(*[words[slot] for slot in slots]))
            chosen = [known[i] for i in rng.permutation(total)[:share]]
        else:
            chosen = [tuple(str(rng.choice(words[slot])) for slot in slots) for _ in range(share)]
        for fillers in chosen:
            values = dict(zip(slots, fillers, strict=True))
            if vary:
                varied = [words[vary][i] for i in rng.permutation(len(words[vary]))[:MOST_VARIED]]
                yield tuple(_sentence(group[0], {**values, vary: one}) for one in varied)
            else:
                yield tuple(_sentence(template, values) for template in group)


def _sentence(template: str, values: Mapping[str, str]) -> str:
    filled = str(_ARTICLE.sub(r"\1n ", _SLOT.sub(lambda slot: values[slot.group(1)], template)))
    return filled[:1].upper() + filled[1:] if not filled.startswith("@") else filled


@dataclass(frozen=True, slots=True)
class _Line:
    """One case of a file of JSON lines. name, direction: of its test; direction is (label, goes_not, against, unless) of a DIR
    test, None where it is not told."""

    name: str
    capability: str
    kind: str
    expect: tuple[str, ...]
    direction: tuple[str, str, str, str] | None
    case: tuple[Text, ...]


def dumped(text: str, *, where: str) -> Suite:
    """The tests of a file of JSON lines, all their cases. Raises InputError for a line that is none."""
    lines = [_line(line, number, where=where) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    found: dict[tuple[str, str, str, tuple[str, ...], tuple[str, str, str, str] | None], list[tuple[Text, ...]]] = {}
    for one in lines:
        if len(one.case) >= (1 if one.kind == "MFT" else 2):
            found.setdefault((one.name, one.capability, one.kind, one.expect, one.direction), []).append(one.case)
    tests, unread, shared = [], [], Counter(name for name, *_ in found)
    for (test, capability, kind, expect, direction), cases in found.items():
        name = f"{test}: {' or '.join(expect)}" if shared[test] > 1 and expect else test
        if kind == "DIR" and direction is None:
            unread.append(name)
            continue
        tests.append(SuiteTest(name, capability, kind, tuple(cases), expect, *(direction or ("", "", "", ""))))
    if not tests:
        raise InputError(
            f"{where} holds no case that can be asked; its lines need test, type, examples and label, and two examples where the "
            "type is INV or DIR."
        )
    named = dict.fromkeys(name for test in tests for name in (*test.expect, test.label, test.against, test.unless) if name)
    own = [name for name in named if name != PREDICTED]
    sentiment = set(own) <= set(DUMP_LABELS)
    labels = _sentiment_names() if sentiment else {name: (name,) for name in own}
    return Suite(
        "sentiment, CheckList" if sentiment else Path(where).stem, "en" if sentiment else "", labels, tuple(tests), tuple(unread)
    )


def _line(line: str, number: int, *, where: str) -> _Line:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TypeError("it is no object with test, type, examples and label")
        name, kind = str(row["test"]), str(row["type"])
        examples = row["examples"]
        if not isinstance(examples, list):
            raise TypeError("examples must be a list of texts")
        case = tuple(_example(one) for one in examples if one is not None)
        if kind not in KINDS:
            raise ValueError(f"type is {kind!r}; allowed: {', '.join(KINDS)}")
        expect = _labels_of(row) if kind == "MFT" else ()
        direction = _direction(row, name) if kind == "DIR" else None
        return _Line(name, str(row.get("capability", "")), kind, expect, direction, case[:1] if kind == "MFT" else case)
    except KeyError as error:
        raise InputError(
            f"Line {number} of {where} has no {error.args[0]!r}; it needs test, type, examples and label."
        ) from error
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"Line {number} of {where} is no case of a test ({error}).") from error
    except RecursionError as error:
        raise InputError(f"Line {number} of {where} is nested too deeply; each line is a case of a test.") from error


def _example(given: Any) -> Text:
    if isinstance(given, str):
        return given
    if isinstance(given, list) and len(given) == 2 and all(isinstance(part, str) for part in given):
        return (given[0], given[1])
    raise TypeError("an example is a text, or a list of two texts")


def _labels_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels that an MFT case allows."""
    given = row["label"]
    if given is None:
        return ("neutral", "positive")
    named = given if isinstance(given, list) else [given]
    return tuple(DUMP_LABELS[one] if isinstance(one, int) else str(one) for one in named)


def _direction(row: Mapping[str, Any], test: str) -> tuple[str, str, str, str] | None:
    """What a DIR case expects, in its own words or by the name of its test; None where neither tells."""
    told = {key: row[key] for key in ("label", "goes_not", "against", "unless") if row.get(key)}
    if "goes_not" not in told:
        told = dict(DUMP_DIRECTIONS.get(test, {}))
    if told.get("goes_not") not in ("down", "up"):
        if told:
            raise ValueError(f"goes_not is {told['goes_not']!r}; allowed: down, up")
        return None
    return str(told.get("label", PREDICTED)), told["goes_not"], str(told.get("against", "")), str(told.get("unless", ""))


def _sentiment_names() -> Mapping[str, tuple[str, ...]]:
    return {label: tuple(names) for label, names in content_of("sentiment_en.yaml")["labels"].items()}
