"""Behavioural test suites as data: our own in probe/suites, a user's YAML file, or the CheckList sentiment suite as a dump.

A dump is JSON lines {"test", "type", "capability", "examples", "label"}: MFT has one example a case; of INV and DIR the first is
the original. Its labels are 0 negative, 1 neutral, 2 positive; null on an MFT means "not negative". What a DIR test expects is
told by its name (Ribeiro et al. 2020, sentiment suite).
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

PREDICTED = "predicted"
"""Instead of a label: the one that the model gives to the first variant."""
KINDS = ("MFT", "INV", "DIR")
KEYS = ("name", "language", "labels", "words", "tests")
TEST_KEYS = ("name", "capability", "type", "expect", "templates", "vary", "variants", "label", "goes_not")
MOST_VARIED = 4
"""Fillers of the slot that varies, in one case. Ours; no source."""
SOLID = 50_000
"""Combinations of fillers listed at most before they are drawn from. Ours; no source."""
_SLOT = regex.compile(r"\{(\w+)\}")
_ARTICLE = regex.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
DUMP_LABELS = ("negative", "neutral", "positive")
DUMP_DIRECTIONS = {
    "intensifiers": (PREDICTED, "down"),
    "reducers": (PREDICTED, "up"),
    "add positive phrases": ("positive", "down"),
    "add negative phrases": ("positive", "up"),
    '"used to" should reduce': (PREDICTED, "up"),
}


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """kind: MFT, INV or DIR. cases: variants of each case, the original first; one for MFT. expect: labels allowed (MFT).
    label, goes_not: whose probability must not go down or up (DIR)."""

    name: str
    capability: str
    kind: str
    cases: tuple[tuple[str, ...], ...]
    expect: tuple[str, ...] = ()
    label: str = ""
    goes_not: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """language: of its sentences, "" for any. labels: suite label -> what data sets call it."""

    name: str
    language: str
    labels: Mapping[str, tuple[str, ...]]
    tests: tuple[SuiteTest, ...]


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
    """A user's file: YAML in the form of probe/suites, or a JSON-lines dump. At most `most` cases a test, drawn evenly."""
    if not path.is_file():
        raise InputError(f"There is no suite of tests at {path}. Give a YAML file, or the JSON lines of a CheckList dump.")
    text = path.read_text(encoding="utf-8")
    if path.suffix in (".jsonl", ".json"):
        return dumped(text, most=most, rng=rng, where=str(path))
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
    labels = {str(label): tuple(map(str, names)) for label, names in (content.get("labels") or {}).items()}
    if not labels or not content.get("tests"):
        raise InputError(f"The suite {where} names no {'tests' if labels else 'labels'}; a suite needs both.")
    words = {str(slot): tuple(map(str, fillers)) for slot, fillers in (content.get("words") or {}).items()}
    tests = tuple(_test(entry, words, labels, most=most, rng=rng, where=where) for entry in content["tests"])
    return Suite(str(content.get("name", where)), str(content.get("language", "")), labels, tests)


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
    for name in (*expect, *([label] if kind == "DIR" and label != PREDICTED else [])):
        if name not in labels:
            raise InputError(f"{said} expects {name!r}, which is none of the suite's labels: {', '.join(labels)}.")
    if kind == "MFT" and not expect:
        raise InputError(f"{said} says not what to expect. Add: expect: {next(iter(labels))}")
    if kind == "DIR" and goes_not not in ("down", "up"):
        raise InputError(f"{said} says not where the probability must not go. Add: goes_not: down (or up)")
    groups = _groups(entry, kind, words, said)
    cases = tuple(_filled(groups, words, str(entry.get("vary", "")), most=most, rng=rng, said=said))
    return SuiteTest(str(entry["name"]), str(entry.get("capability", "")), kind, cases, expect, label, goes_not)


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


def dumped(text: str, *, most: int, rng: np.random.Generator, where: str) -> Suite:
    """The tests of a dump, at most `most` cases of each."""
    found: dict[tuple[str, str, str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            row = json.loads(line)
            examples = tuple(one for one in row["examples"] if isinstance(one, str))
            key = (str(row["test"]), str(row.get("capability", "")), str(row["type"]), _dump_labels(row))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"Line {number} of {where} is no case of a CheckList dump: {error!r}.") from error
        if len(examples) >= (1 if key[2] == "MFT" else 2):
            found.setdefault(key, []).append(examples)
    tests, shared = [], Counter(name for name, *_ in found)
    for (test, capability, kind, expect), cases in found.items():
        name = f"{test}: {' or '.join(expect)}" if shared[test] > 1 else test
        label, goes_not = DUMP_DIRECTIONS.get(test, ("", "")) if kind == "DIR" else ("", "")
        if kind not in KINDS or (kind == "DIR" and not label):
            continue
        kept = [cases[i] for i in np.sort(rng.permutation(len(cases))[:most])]
        kept = [case[: 1 if kind == "MFT" else MOST_VARIED + 1] for case in kept]
        tests.append(SuiteTest(name, capability, kind, tuple(kept), expect, label, goes_not))
    if not tests:
        raise InputError(f"{where} holds no case that can be asked; its lines need test, type, examples and label.")
    return Suite("sentiment, CheckList", "en", _sentiment_names(), tuple(tests))


def _dump_labels(row: Mapping[str, Any]) -> tuple[str, ...]:
    if row["type"] != "MFT":
        return ()
    return ("neutral", "positive") if row["label"] is None else (DUMP_LABELS[row["label"]],)


def _sentiment_names() -> Mapping[str, tuple[str, ...]]:
    return {label: tuple(names) for label, names in content_of("sentiment_en.yaml")["labels"].items()}
