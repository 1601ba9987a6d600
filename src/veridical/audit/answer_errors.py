"""Rows in which a tag, a label of a set or the place of an answer is probably wrong, by models that never saw the row.

What it measures: confident learning on out-of-fold probabilities, part by part. Tags: a linear tagger, and what the same word is
elsewhere. Label sets: a linear model of the text, and the row's other labels. Answers to questions: a linear model of what places
of a text answer what questions. A row is as suspect as the worst of its parts.
Why it inflates a score: wrong answers in the test set reward models that share the annotators' mistakes and hide differences.
How it errs: rare names, words with two meanings and labels that hang on the whole text look wrong to linear models; a word that
stands nowhere else is not judged, nor a question without an answer; an answer swapped with another question's is mostly missed.
Source: Northcutt et al. 2021, arXiv:1911.00068; Wang and Mueller 2022, arXiv:2210.03920 (worst token). Places: ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import nonsense
from veridical.audit._place_errors import place_errors
from veridical.audit._set_errors import set_errors
from veridical.audit._suspects import Judged, Suspect
from veridical.audit._tag_errors import tag_errors
from veridical.core.finding import Finding, Looked, Skipped
from veridical.core.plugins import get
from veridical.dataset.rows import Dataset
from veridical.tasks._contract import Structure

SHOWN = 3
"""Parts of one row that its evidence names, the worst first. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """When a part of an answer is called probably wrong."""

    reach: float = 0.9
    """Share of the threshold of the type or label expected instead (its mean probability where it is given) that it must reach.
    Unitless, 0..1; Northcutt et al. use 1. As the check label_errors."""
    least: int = 20
    """Words of a type, rows with and rows without a label, or answers to learn from, below which none is judged. Count. As the
    check label_errors."""
    elsewhere: int = 2
    """Places in other folds at which a word must stand before its tag is judged. Count. Ours, on WNUT17."""
    unlike: float = 1.0
    """How little like an answer a place must look, as a share of how little other places of the texts do in the mean. Unitless,
    above 0; Northcutt et al. use 1. At 0.9 it named 16 % of XQuAD's answers as they are, at 1 it names 5 %."""
    agreeing: float = 0.7
    """Share of these places that must carry the expected type, 0..1. Ours: .5 to .9 tried on WNUT17, CrossNER and Weibo."""
    given: float = 0.05
    """Probability of a label of a set as it is given, 0..1, above which it is left alone. Ours: at 0.1 two of three rows found in
    CrossNER's types of entities were right as they were."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    structure: Structure | None = get("veridical.tasks", "task", data.task).structure
    if structure is None:
        return Skipped(f"Rows of task {data.task} have one label each; the check label_errors looks at these.")
    judged = _judged(evidence, structure, params)
    if isinstance(judged, str):
        return Skipped(judged)
    rows: dict[int, list[Suspect]] = {}
    for suspect in sorted(judged.suspects, key=lambda one: (-one.doubt, one.place, one.what)):
        rows.setdefault(suspect.row, []).append(suspect)
    findings = [_finding(data, row, suspects) for row, suspects in rows.items()]
    findings.sort(key=lambda finding: (-finding.score, finding.row))
    said = f"In {len(findings)} of {judged.n_rows} rows that could be judged an answer is probably wrong."
    drawn = f"Models learned from {judged.n_drawn} rows each, drawn at random, to save time." if judged.n_drawn else ""
    return Looked(judged.n_rows, tuple(findings), " ".join(part for part in (said, *judged.power, drawn) if part))


def _judged(evidence: Evidence, structure: Structure, params: Params) -> Judged | str:
    if structure.head == "span":
        return place_errors(evidence, unlike=params.unlike, least=params.least)
    folds = evidence.answer_folds
    if folds is None:
        return "Fold models need labelled train rows; add rows with split train."
    if structure.head == "words":
        return tag_errors(
            evidence, folds, reach=params.reach, least=params.least, elsewhere=params.elsewhere, agreeing=params.agreeing
        )
    return set_errors(evidence, folds, reach=params.reach, least=params.least, given=params.given)


def _finding(data: Dataset, row: int, suspects: list[Suspect]) -> Finding:
    worst = suspects[0]
    shown = "; ".join(suspect.seen for suspect in suspects[:SHOWN])
    score = float(min(max(worst.doubt, 0.0), 1.0))
    return Finding(data.ids[row], str(data.splits[row]), score, worst.what, shown, repair="set_aside_label_errors")


Spoil = Callable[[int, list[str]], list[str]]
"""(number of the row, its tags) -> the tags given."""


def planted() -> Planted:
    """Places stand behind `in`, and the same few names come again and again."""
    rng = np.random.default_rng(8)
    names, found = [nonsense(rng, 1).capitalize() for _ in range(12)], []
    for number in range(260):
        words = f"{nonsense(rng, 3)} in {names[int(rng.integers(len(names)))]} {nonsense(rng, 3)}".split(" ")
        tags = ["B-LOC" if at == 4 else "O" for at in range(len(words))]
        found.append((f"row-{number}", "test" if number % 5 == 4 else "train", " ".join(words), tags))
    bad = set(range(7, 260, 26))

    def made(spoil: Spoil) -> Dataset:
        import pyarrow as pa

        from veridical.dataset.rows import SCHEMA

        rows = [
            {"id": row, "split": split, "text": text, "label": " ".join(spoil(number, tags))}
            for number, (row, split, text, tags) in enumerate(found)
        ]
        none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
        return Dataset("ner", pa.Table.from_pylist(rows, schema=SCHEMA), ("LOC",), none)

    spoilt = made(lambda number, tags: ["O"] * len(tags) if number in bad else tags)
    return Planted(spoilt, frozenset(f"row-{number}" for number in bad), made(lambda number, tags: tags))


check = Check(run, Params(), planted)
