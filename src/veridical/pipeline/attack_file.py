"""`veridical probe RUN --attack-examples FILE`: how searches end on train rows, to be learned beside them.

The model of the run is attacked on rows it has learned; what turned its answer is written with the row's id, as
`--countermeasures attack_examples:file=FILE` reads it. No test row is attacked, so the next score is none the higher for it.
What was searched is kept in the run's folder until all is, so that an interrupted command goes on.
"""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core.allowed import refuse_below
from veridical.core.atomic_write import refuse_other, write_json, write_with
from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.core.progress import Progress, silent
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.probing import BUDGET, finished_run, subject_of_run, use_stored_threads
from veridical.pipeline.run_folder import held, stored_identity

if TYPE_CHECKING:
    from veridical.dataset.rows import Text
    from veridical.probe._subject import Subject

COLUMNS, COLUMNS_OF_PAIRS = ("id", "text", "recipe"), ("id", "text", "second", "recipe")
QUERIES = 100
"""Different inputs that a recipe asks about one row, at most. Ours, as in benchmarks/countermeasures."""
KEPT = "attack_examples.part.json"
TOGETHER = 100
"""Rows that are attacked together, and kept when all of them are. Ours: fuller batches save nothing measurable."""


@dataclass(eq=False)
class Found:
    """texts: of every (row id, text) that turned an answer, the recipe that found it first. rows: how many were attacked. tried:
    recipes that fit. without: recipe that does not -> why."""

    texts: "dict[tuple[str, Text], str]" = field(default_factory=dict)
    rows: int = 0
    tried: list[str] = field(default_factory=list)
    without: dict[str, str] = field(default_factory=dict)

    def told(self) -> tuple[int, int, list[str], dict[str, str]]:
        """(texts that turned an answer, rows, recipes, those left out and why)."""
        return len(self.texts), self.rows, self.tried, self.without


def write_attack_examples(run: Path, *, rows: int, out: Path, recipes: Sequence[str] = (), progress: Progress = silent) -> Found:
    """Attack up to `rows` train rows by each of the probe's recipes that fits, or by those named."""
    import numpy as np

    from veridical.core.randomness import stream
    from veridical.probe._runner import FOLDER
    from veridical.probe._subject import Subject
    from veridical.probe.attack import recipes_named

    if out.suffix.lower() != ".csv":
        raise InputError(f"--attack-examples {out} must end in .csv, so that it can be read again.")
    refuse_other(out, made="attack examples", ours=_is_ours)
    recipes_named(recipes)
    refuse_below("--rows", rows, low=1, example=1000)
    record = finished_run(run)
    need_one_label(
        run,
        record,
        why="--attack-examples searches for a text that turns the answer.",
        instead="Probe it without --attack-examples.",
    )
    with held(run):
        use_stored_threads(run)
        subject = subject_of_run(run, record, budget=BUDGET, progress=progress)
        assert isinstance(subject, Subject)
        data = subject.data
        learned = data.rows("train")[data.codes[data.rows("train")] >= 0]
        if subject.queries is None or subject.trained.external or not len(learned):
            raise InputError(
                f"The run in {run} has no model that learned from train rows here. Give one that was trained by a run."
            )
        rng = stream(record.seed, "attack examples")
        chosen = np.sort(rng.permutation(learned)[:rows])
        texts = data.inputs(chosen)
        ids, codes = [data.ids[row] for row in chosen], data.codes[chosen].tolist()
        found = Found(rows=len(chosen))
        for name in recipes or get(FOLDER, "probe", "adversarial").params.recipes:
            lacking = _lacking(subject, name, texts)
            if not lacking:
                found.tried.append(name)
            elif recipes:
                raise InputError(lacking)
            else:
                found.without[name] = lacking
        _search(subject, _Kept.of(run, ids, texts, found.tried), texts, ids, codes, found, seed=record.seed)
    if not found.texts:
        raise InputError(
            f"No search turned an answer about {len(chosen)} train rows of {run}, so there is nothing to learn from."
        )
    pairs = not isinstance(texts[0], str)
    lines = [(row, *text, name) if pairs else (row, str(text), name) for (row, text), name in found.texts.items()]
    _write(lines, out, columns=COLUMNS_OF_PAIRS if pairs else COLUMNS)
    (run / KEPT).unlink(missing_ok=True)
    return found


def _lacking(subject: "Subject", name: str, texts: "list[Text]") -> str:
    """Why a recipe does not fit, as a sentence; empty where it does."""
    from veridical.probe.attack import RECIPES

    assert subject.queries is not None
    recipe, model = RECIPES[name], subject.queries.model
    if recipe.needs_gradients and (model.kind != "encoder" or getattr(model, "normalisers", None)):
        return f"The recipe {name} needs the gradients of an encoder that reads words as written. Name another."
    return recipe.missing(texts) or ""


@dataclass(eq=False)
class _Kept:
    """What an interrupted command had found, in the run's folder; of another question it is started over. done: recipe -> rows
    searched. turned: [place of the row, its texts, recipe] each."""

    path: Path
    asked: str
    done: dict[str, int] = field(default_factory=dict)
    turned: list[list[Any]] = field(default_factory=list)

    @classmethod
    def of(cls, run: Path, ids: Sequence[str], texts: "Sequence[Text]", recipes: Sequence[str]) -> "_Kept":
        question = [stored_identity(run), list(ids), list(texts), list(recipes), QUERIES]
        asked = hashlib.sha256(json.dumps(question, sort_keys=True).encode("utf-8")).hexdigest()
        try:
            found = json.loads((run / KEPT).read_text(encoding="utf-8"))
            if found["asked"] == asked:
                return cls(run / KEPT, asked, dict(found["done"]), list(found["turned"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass  # no such file, none of JSON, or none of ours: the search starts over, and writes it anew
        return cls(run / KEPT, asked)

    def write(self) -> None:
        write_json(self.path, {"asked": self.asked, "done": self.done, "turned": self.turned})


def _search(
    subject: "Subject", kept: _Kept, texts: "list[Text]", ids: list[str], codes: list[int], found: Found, *, seed: int
) -> None:
    """Attack the rows that were not before, and enter what turned an answer."""
    from veridical.probe.attack import RECIPES, attack, attempts_of

    assert subject.queries is not None
    for name in found.tried:
        for start in range(kept.done.get(name, 0), len(ids), TOGETHER):
            part = slice(start, start + TOGETHER)
            attempts = attempts_of(RECIPES[name], texts[part], codes[part], ids[part], seed=seed, budget=QUERIES)
            for place, one in enumerate(attack(subject.queries, RECIPES[name], attempts), start):
                if one.status == "turned":
                    kept.turned.append([place, [one.changed] if isinstance(one.changed, str) else list(one.changed), name])
            kept.done[name] = min(start + TOGETHER, len(ids))
            kept.write()
    for place, parts, name in kept.turned:
        found.texts.setdefault((ids[place], parts[0] if len(parts) == 1 else (parts[0], parts[1])), name)


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(next(csv.reader(file), ())) in (COLUMNS, COLUMNS_OF_PAIRS)


def _write(lines: Sequence[Sequence[str]], out: Path, *, columns: Sequence[str]) -> None:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(columns)
            sheet.writerows(lines)

    write_with(out, write)
