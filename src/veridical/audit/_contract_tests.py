"""What every check must keep: used by our tests for our checks and by users for theirs.

from veridical.audit._contract_tests import check_contract
check_contract("my_check")
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from veridical.audit._contract import Check
from veridical.audit._evidence import Evidence
from veridical.audit._runner import FOLDER, run_check
from veridical.core.field_docs import field_docs
from veridical.core.finding import CheckRecord
from veridical.core.plugins import get, module
from veridical.dataset.rows import Dataset

QUESTIONS = ("What it measures:", "Why it inflates a score:", "How it errs:", "Source:")
LEAST_WORDS = 4
"""Words that an answer needs to be one; "Ours; no source." is allowed as a source."""


def unanswered(docstring: str) -> list[str]:
    """The questions that a plug-in's docstring leaves open."""
    pieces = re.split("|".join(rf"^{re.escape(q)}" for q in QUESTIONS), docstring, flags=re.MULTILINE)
    asked = re.findall("|".join(rf"^{re.escape(q)}" for q in QUESTIONS), docstring, re.MULTILINE)
    answers = dict(zip(asked, pieces[1:], strict=True))
    least = {question: 3 if question == "Source:" else LEAST_WORDS for question in QUESTIONS}
    return [q for q in QUESTIONS if "TODO" in answers.get(q, "") or len(answers.get(q, "").split()) < least[q]]


def undocumented(params: Any) -> list[str]:
    """Fields of a parameter record without a docstring."""
    return [name for name, text in field_docs(type(params)).items() if not text or "TODO" in text]


def outcome(name: str, check: Check, data: Dataset, *, seed: int = 0) -> CheckRecord:
    return run_check(name, check, evidence=Evidence(data, seed=seed), seed=seed)


def failures(name: str, *, folder: str = FOLDER) -> list[str]:
    """What the check called `name` breaks, as sentences; [] when it keeps the whole contract."""
    check: Check = get(folder, "check", name)
    said = [f"The docstring does not answer {q!r}" for q in unanswered(module(folder, name).__doc__ or "")]
    said += [f"The parameter {field!r} has no docstring" for field in undocumented(check.params)]
    try:
        planted = check.planted()
    except NotImplementedError:
        return [*said, "planted() is not written yet"]
    first = outcome(name, check, planted.data)
    ids = {finding.row for finding in first.findings}
    if not planted.bad or ids != planted.bad:
        said.append(f"Planted {_few(planted.bad)}, found {_few(ids)} ({first.status})")
    if (twin := outcome(name, check, planted.twin)).status != "clean":
        said.append(
            f"On the twin without the defect it is {twin.status}, not clean: {twin.why or _few(f.row for f in twin.findings)}"
        )
    mixed = planted.data.take(np.random.default_rng(1).permutation(len(planted.data)).astype(np.int64))
    if {finding.row for finding in outcome(name, check, mixed).findings} != ids:
        said.append("It finds other rows when the rows come in another order")
    if replace(outcome(name, check, planted.data), seconds=0.0) != replace(first, seconds=0.0):
        said.append("The same seed gives another answer")
    if outcome(name, check, planted.data.take(np.zeros(0, np.int64))).status != "skipped":
        said.append("Empty data is not skipped")
    try:
        json.dumps(asdict(first), allow_nan=False)
    except (TypeError, ValueError) as error:
        said.append(f"Its record is no JSON: {error}")
    return said


def _few(ids: Any) -> Sequence[str]:
    return sorted(ids)[:5]


def check_contract(name: str) -> None:
    """Raises AssertionError with all that the check called `name` breaks."""
    broken = failures(name)
    if broken:
        raise AssertionError(f"check {name!r}: " + "; ".join(broken))
