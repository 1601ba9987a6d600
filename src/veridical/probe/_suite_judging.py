"""Suites put to a model: which tests its labels can fail, the failure rate of each, and an example."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Example, Measure
from veridical.core.proportion import wilson
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray
from veridical.models.queries import Queries
from veridical.probe._contract import Measured
from veridical.probe._said import in_percent
from veridical.probe._suites import PREDICTED, Suite, SuiteTest

Codes = Mapping[str, tuple[int, ...]]
"""Label of a suite -> codes of the model's labels that mean it."""


@dataclass(frozen=True, slots=True)
class Judging:
    """labels: (label of the suite, label of the data) pairs where names do not tell. tolerated: failure rate up to which nothing
    is called found. tolerance: change of a probability that counts as none. fewest: cases a test must have. examples: failures
    shown, one a test."""

    labels: tuple[tuple[str, str], ...]
    tolerated: float
    tolerance: float
    fewest: int
    examples: int
    level: float


@dataclass(frozen=True, eq=False)
class Tested:
    """One test after it was asked. failed: (cases,); NaN for a case that tells nothing (its original is answered as `unless`
    says, or is so sure or unsure that the test could not fail)."""

    suite: Suite
    test: SuiteTest
    failed: FloatArray
    example: Example | None

    @property
    def told(self) -> FloatArray:
        return self.failed[np.isfinite(self.failed)]

    @property
    def rate(self) -> float:
        return float(self.told.mean())


def judged(queries: Queries, suites: Sequence[Suite], labels: tuple[str, ...], params: Judging) -> Measured | Skipped:
    """Every test of the suites that these labels can fail, asked in one list."""
    notes: list[str] = []
    asked: list[tuple[Suite, SuiteTest, Codes]] = []
    for suite in suites:
        codes = _codes(suite, labels, params.labels)
        if codes is None:
            return Skipped(_unmapped(suite, labels))
        asked += [(suite, test, codes) for test in _askable(suite, codes, labels, params, notes)]
    texts: list[Text] = [text for _, test, _ in asked for case in test.cases for text in case]
    answers = queries.ask(texts)
    found, start = [], 0
    for suite, test, codes in asked:
        end = start + sum(map(len, test.cases))
        found.append(_tested(suite, test, codes, answers[start:end], labels, params))
        start = end
    found = _telling(found, params, notes)
    if not found:
        return Skipped("No test of the suite can be asked with these labels. " + " ".join(notes))
    measures = tuple(_measure(one, params) for one in found)
    failing = sorted((one for one in found if one.example), key=lambda one: -one.rate)
    examples = tuple(one.example for one in failing if one.example)[: params.examples]
    n_cases = sum(len(one.told) for one in found)
    return Measured(n_cases, _summary(found, measures), measures, examples=examples, notes=tuple(notes))


def _telling(found: list[Tested], params: Judging, notes: list[str]) -> list[Tested]:
    """Tests with enough cases that tell something; what was left out stands in `notes`."""
    left = sum(len(one.failed) - len(one.told) for one in found)
    if left:
        notes.append(f"{left} cases of tests of direction tell nothing (their original could not fail) and were left out.")
    few = [one.test.name for one in found if len(one.told) < params.fewest]
    if few:
        notes.append(f"Fewer than {params.fewest} cases that tell something: {', '.join(few)}.")
    return [one for one in found if len(one.told) >= params.fewest]


def _codes(suite: Suite, labels: Sequence[str], given: Sequence[tuple[str, str]]) -> Codes | None:
    """What the labels of the suite are in the model, by `given` or else by name; None unless two of them are known and every
    label of the model means something."""
    pairs = {data: own for own, data in given}
    names = {name.casefold(): own for own, known in suite.labels.items() for name in (own, *known)}
    found: dict[str, list[int]] = {}
    for code, label in enumerate(labels):
        own = pairs.get(label) if given else names.get(label.casefold())
        if own not in suite.labels:
            return None
        found.setdefault(str(own), []).append(code)
    return {own: tuple(codes) for own, codes in found.items()} if len(found) > 1 else None


def _unmapped(suite: Suite, labels: Sequence[str]) -> str:
    example = f"{next(iter(suite.labels))}={labels[0]},..."
    return (
        f"The labels of the data ({', '.join(labels[:8])}) are not known to mean those of the suite {suite.name!r} "
        f"({', '.join(suite.labels)}). If they do, say which is which: veridical probe RUN --suite FILE (or sentiment_en, "
        f"sentiment_zh) --suite-labels {example}, or list the data's names under `labels:` in a suite file of your own."
    )


def _askable(suite: Suite, codes: Codes, labels: Sequence[str], params: Judging, notes: list[str]) -> list[SuiteTest]:
    """Tests that the model's labels can fail: some label allowed, not all of them; a known label for a direction."""
    kept, left = [], []
    for test in suite.tests:
        allowed = {code for own in test.expect for code in codes.get(own, ())}
        fits = {
            "MFT": 0 < len(allowed) < len(labels),
            "INV": True,
            "DIR": (test.label == PREDICTED or test.label in codes) and (not test.against or test.against in codes),
        }[test.kind]
        if fits and len(test.cases) >= params.fewest:
            kept.append(test)
        else:
            left.append(test.name)
    if left:
        notes.append(f"Not asked, for want of a label or of cases: {', '.join(left)}.")
    if suite.unread:
        notes.append(f"Not asked, since the file does not say what they expect (goes_not): {', '.join(suite.unread)}.")
    return kept


def _tested(suite: Suite, test: SuiteTest, codes: Codes, answers: FloatArray, labels: Sequence[str], params: Judging) -> Tested:
    failed, example, start = np.zeros(len(test.cases)), None, 0
    for number, case in enumerate(test.cases):
        own = answers[start : start + len(case)]
        start += len(case)
        if not _tells(test, codes, own[0], params.tolerance):
            failed[number] = np.nan
            continue
        wrong = _wrong(test, codes, own, params.tolerance)
        if wrong is None:
            continue
        failed[number] = 1.0
        if example is None:
            said = [f"{labels[int(own[i].argmax())]} {100 * own[i].max():.0f} %" for i in (0, wrong)]
            after = _shown(case[wrong]) if wrong else ""
            expected = f"expected: {' or '.join(test.expect)}" if test.kind == "MFT" else _expected(test)
            example = Example("", _shown(case[0]), after, said[0], said[1] if wrong else "", f"{test.name}, {expected}")
    return Tested(suite, test, failed, example)


def _shown(text: Text) -> str:
    return text if isinstance(text, str) else " | ".join(text)


def _watched(test: SuiteTest, codes: Codes, first: int) -> list[int]:
    return [first] if test.kind == "INV" or test.label == PREDICTED else list(codes[test.label])


def _tells(test: SuiteTest, codes: Codes, original: FloatArray, tolerance: float) -> bool:
    """Whether a case of a test of direction can fail at all, as CheckList has it (expect.py, monotonic)."""
    first = int(original.argmax())
    if test.kind != "DIR":
        return True
    if first in codes.get(test.unless, ()):
        return False
    share = float(original[_watched(test, codes, first)].sum())
    if test.against:
        return True
    return share > tolerance if test.goes_not == "down" else share < 1 - tolerance


def _wrong(test: SuiteTest, codes: Codes, answers: FloatArray, tolerance: float) -> int | None:
    """The variant that fails (0 for the sentence itself); None where the case is passed."""
    first = int(answers[0].argmax())
    if test.kind == "MFT":
        return None if first in {code for own in test.expect for code in codes.get(own, ())} else 0
    watched = _watched(test, codes, first)
    change = answers[1:, watched].sum(axis=1) - answers[0, watched].sum()
    if test.against:
        off = list(codes[test.against])
        change -= answers[1:, off].sum(axis=1) - answers[0, off].sum()
    if test.kind == "INV":
        beyond = (answers[1:].argmax(axis=1) != first) & (np.abs(change) > tolerance)
    else:
        beyond = change < -tolerance if test.goes_not == "down" else change > tolerance
    return int(np.flatnonzero(beyond)[0]) + 1 if beyond.any() else None


def _expected(test: SuiteTest) -> str:
    return "expected: the same answer" if test.kind == "INV" else f"expected: {test.label} not to go {test.goes_not}"


def _measure(one: Tested, params: Judging) -> Measure:
    from scipy.stats import binom

    n, k = len(one.told), int(one.told.sum())
    low, high = wilson(k, n, params.level)
    estimate = Estimate(k / n, low, high, params.level, n, n, "Wilson over cases of the templates")
    expected = (
        f"the label is {' or '.join(one.test.expect)}"
        if one.test.kind == "MFT"
        else _expected(one.test).removeprefix("expected: ")
    )
    about = f"{one.test.kind}, {one.test.capability}: share of cases in which the model fails; {expected}."
    mde = minimum_detectable_effect(float(np.sqrt(params.tolerated * (1 - params.tolerated) / n)), level=params.level)
    name = f"fails: {one.test.name} ({one.suite.language or one.suite.name})"
    p = float(binom.sf(k - 1, n, params.tolerated))
    return Measure(name, estimate, "share", about, null=params.tolerated, mde=mde, p=p)


def _summary(found: Sequence[Tested], measures: Sequence[Measure]) -> str:
    worst, measure = max(zip(found, measures, strict=True), key=lambda pair: pair[0].rate)
    cases = sum(len(one.told) for one in found)
    return (
        f"{len(found)} tests of {cases} cases; most fail of {worst.test.name!r} ({worst.test.kind}, {worst.test.capability}): "
        f"{in_percent(measure.estimate)}."
    )
