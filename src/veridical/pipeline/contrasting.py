"""`veridical probe RUN --contrast FILE`: originals and revisions that someone has written, put to the model of a finished run."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from veridical.core import probe_record
from veridical.core.errors import InputError, UnknownName
from veridical.core.probe_record import REVISIONS, ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.pipeline import records
from veridical.pipeline.config import calls_of
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.probing import configuration_of, finished_run, use_stored_threads
from veridical.pipeline.run_folder import content_hash, held

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset, Text

PAIR_NAMES = ("pair_id", "pair", "set_id", "set", "group_id", "group")
VARIANT_NAMES = ("variant", "version", "kind")
ORIGINAL = "orig"
"""How the variant of an original begins; without such a column the first row of a set is the original."""
Row = tuple["Text", str]


def contrast_run(
    run: Path,
    file: Path,
    *,
    pair: str | None = None,
    variant: str | None = None,
    text: str | None = None,
    label: str | None = None,
    progress: Progress = silent,
) -> ProbeRecord:
    """The probes of the run, with what the rows of `file` say: accuracy on originals and revisions, and sets right as a whole.

    pair, variant: columns with the name of a row's set, and whether it is the original; guessed by their names. Raises InputError
    for sets without a revision, and labels the model does not have.
    """
    from veridical.core.randomness import stream
    from veridical.models.queries import Queries
    from veridical.probe._contract import Measured
    from veridical.probe._revisions import consistency
    from veridical.probe._runner import outcome_of
    from veridical.probe._said import in_percent

    record = finished_run(run)
    need_one_label(
        run, record, why="--contrast compares the label of an original with that of its revision.",
        instead="Probe it without --contrast.",
    )  # fmt: skip
    with held(run):
        use_stored_threads(run)
        began, config = perf_counter(), configuration_of(record)
        model = records.read_trained(run, model=config.model, seconds=0.0, calls=calls_of(config), progress=progress).model
        if model is None:
            raise InputError(
                f"The run in {run} judged a file of predictions; --contrast asks the model itself. Give it with --model."
            )
        data, roles = _loaded(file, pair=pair, variant=variant, text=text, label=label, progress=progress)
        originals, revised = paired(data, file=file)
        rng = stream(record.seed, f"probe/{REVISIONS}/{content_hash(file)}")
        queries = Queries(model, progress=progress)
        measures = consistency(queries, originals, revised, rng=rng)
        first, second = (in_percent(next(m for m in measures if m.name == f"{side}_accuracy").estimate) for side in SIDES)
        summary = f"{len(revised)} revisions: originals right {first}, their revisions right {second}."
        found = outcome_of(
            REVISIONS,
            Measured(len(revised), summary, measures),
            params={"file": file.name, "sha256": content_hash(file), **roles},
            counts=queries.counts,
            seconds=round(perf_counter() - began, 3),
        )
        before = probe_record.read(run)
        earlier = tuple(outcome for outcome in (before.probes if before else ()) if outcome.probe != REVISIONS)
        budget, fingerprints = (before.budget, before.fingerprints) if before else ("standard", {})
        made = ProbeRecord((*earlier, found), record.seed, record.metric, budget, fingerprints)
        probe_record.save(made, run)
    return ProbeRecord((found,), made.seed, made.metric, made.budget, made.fingerprints)


SIDES = ("original", "revised")


def _loaded(
    file: Path, *, pair: str | None, variant: str | None, text: str | None, label: str | None, progress: Progress
) -> "tuple[Dataset, dict[str, str]]":
    """The rows, with their set as group and their variant as source; and which columns these are."""
    from veridical.dataset.loading import columns_of, load

    there = columns_of(file)
    for name in (pair, variant):
        if name is not None and name not in there:
            raise UnknownName("column", name, there, f"It must be one of {file}.")
    sets = pair or next((name for name in PAIR_NAMES if name in there), None)
    if sets is None:
        raise InputError(
            f"{file} has no column that says which rows belong together (looked for {', '.join(PAIR_NAMES)}). "
            "Name it with --contrast-pair COLUMN."
        )
    kind = variant or next((name for name in VARIANT_NAMES if name in there), None)
    data = load(file, split="folds", text=text, label=label, group=sets, source=kind, progress=progress)
    return data, {"pair": sets, **({"variant": kind} if kind else {})}


def paired(data: "Dataset", *, file: Path) -> tuple[list[Row], list[Row]]:
    """(originals, revisions), the i-th revision made from the i-th original; an original is listed once for each of its own."""
    inputs, sets = data.inputs(), data.table.column("group").to_pylist()
    variants = [(value or "").casefold() for value in data.table.column("source").to_pylist()]
    members: dict[str, list[int]] = {}
    for row, name in enumerate(sets):
        if name is not None:
            members.setdefault(name, []).append(row)
    originals: list[Row] = []
    revised: list[Row] = []
    for name, rows in members.items():
        named = [row for row in rows if variants[row].startswith(ORIGINAL)]
        if any(variants[row] for row in rows) and len(named) != 1:
            raise InputError(f"{file}: set {name!r} has {len(named)} originals; one variant must begin with {ORIGINAL!r}.")
        first = named[0] if named else rows[0]
        for row in rows:
            if row != first:
                originals.append((inputs[first], data.labels[data.codes[first]]))
                revised.append((inputs[row], data.labels[data.codes[row]]))
    if not revised:
        raise InputError(f"{file} holds no set of two rows or more, so there is no revision to compare with its original.")
    return originals, revised
