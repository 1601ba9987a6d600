"""`veridical probe RUN --attack-examples FILE`: how searches end on train rows, to be learned beside them.

The model of the run is attacked on rows it has learned; what turned its answer is written with the row's id, as
`--countermeasures attack_examples:file=FILE` reads it. No test row is attacked, so the next score is none the higher for it.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.allowed import refuse_below
from veridical.core.atomic_write import refuse_other, write_with
from veridical.core.errors import InputError, UnknownName
from veridical.core.plugins import get
from veridical.core.progress import Progress, silent
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.probing import BUDGET, finished_run, subject_of_run, use_stored_threads
from veridical.pipeline.run_folder import held

if TYPE_CHECKING:
    from veridical.dataset.rows import Text
    from veridical.probe._subject import Subject

COLUMNS, COLUMNS_OF_PAIRS = ("id", "text", "recipe"), ("id", "text", "second", "recipe")
QUERIES = 100
"""Different inputs that a recipe asks about one row, at most. Ours, as in benchmarks/countermeasures."""


def write_attack_examples(
    run: Path, *, rows: int, out: Path, recipes: Sequence[str] = (), progress: Progress = silent
) -> tuple[int, int, list[str]]:
    """Attack up to `rows` train rows by each of the probe's recipes that fits, or by those named; (texts that turned an answer,
    rows, recipes)."""
    import numpy as np

    from veridical.core.randomness import stream
    from veridical.probe._subject import Subject

    if out.suffix.lower() != ".csv":
        raise InputError(f"--attack-examples {out} must end in .csv, so that it can be read again.")
    refuse_other(out, made="attack examples", ours=_is_ours)
    _refuse_unknown(recipes)
    refuse_below("--rows", rows, low=1, example=1000)
    record = finished_run(run)
    need_one_label(
        run, record, verb="--attack-examples", why="searches for a text that turns the answer", instead="Leave it out."
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
        found, tried = _turned(subject, texts, ids, codes, recipes, seed=record.seed)
    if not found:
        raise InputError(
            f"No search turned an answer about {len(chosen)} train rows of {run}, so there is nothing to learn from."
        )
    pairs = not isinstance(texts[0], str)
    lines = [(row, *text, name) if pairs else (row, str(text), name) for (row, text), name in found.items()]
    _write(lines, out, columns=COLUMNS_OF_PAIRS if pairs else COLUMNS)
    return len(lines), len(chosen), tried


def _refuse_unknown(recipes: Sequence[str]) -> None:
    from veridical.probe.attack import RECIPES

    for name in recipes:
        if name not in RECIPES:
            raise UnknownName("recipe of attack", name, sorted(RECIPES), "See docs/guide/changed-texts.md")


def _turned(
    subject: "Subject", texts: "list[Text]", ids: list[str], codes: list[int], recipes: Sequence[str], *, seed: int
) -> "tuple[dict[tuple[str, Text], str], list[str]]":
    """((row id, text) of every answer that a search turned -> the first recipe that found it, recipes that fit)."""
    from veridical.probe._runner import FOLDER
    from veridical.probe.attack import RECIPES, attack, attempts_of

    assert subject.queries is not None
    found: dict[tuple[str, Text], str] = {}
    tried: list[str] = []
    for name in recipes or get(FOLDER, "probe", "adversarial").params.recipes:
        recipe = RECIPES[name]
        lacking = recipe.missing(texts)
        if recipe.needs_gradients and (
            subject.queries.model.kind != "encoder" or getattr(subject.queries.model, "normalisers", None)
        ):
            lacking = f"The recipe {name} needs the gradients of an encoder that reads words as written. Name another."
        if lacking:
            if recipes:
                raise InputError(lacking)
            continue
        outcomes = attack(subject.queries, recipe, attempts_of(recipe, texts, codes, ids, seed=seed, budget=QUERIES))
        tried.append(name)
        for row, one in zip(ids, outcomes, strict=True):
            if one.status == "turned":
                found.setdefault((row, one.changed), name)
    return found, tried


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
