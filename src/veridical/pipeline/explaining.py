"""`veridical explain`: the rows behind each component of a finished run's ledger, as explain.json and explain.parquet."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import explain_record, run_record
from veridical.core.allowed import refuse_below
from veridical.core.errors import InputError, UnknownName
from veridical.core.explain_record import ExplainedComponent, ExplainRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord
from veridical.core.surroundings import threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.config import calls_of
from veridical.pipeline.explaining_answers import LEAKED, NONE_LEAKED, attributed_answers
from veridical.pipeline.run_folder import RETRAINED, held, stored_identity
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    import pyarrow as pa

    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Component, Ledger
    from veridical.dataset.rows import Dataset
    from veridical.explain.attribution import Attributed
    from veridical.explain.models import Traceable
    from veridical.ledger.coalitions import Coalitions
    from veridical.tasks._contract import Structure

FEWEST_RETRAININGS = 8
"""Trainings under which even a rank correlation of 0.72 has an interval that reaches 0. From Fisher's z."""
EXCERPT = 300
"""Characters of a row's text that are kept beside its points. Ours; no source."""
NOT_OURS = (
    "The model was not trained by veridical, so no training row can be followed into its predictions; leaked rows and labels can."
)
MANY_MODELS = "There is no test set: each row was predicted by a model of its own fold, so there is no one training to follow."
REVIEWED = "Test labels: reviewed rows count with the answer given, the others with their modelled chance of another label."
MODELLED = "Test labels, before any review: each row with its modelled chance of another label; points need not add up."
NO_NOISE = "No wrong label is expected under the noise model, so there is no row to name."


def explain_run(run: Path, *, retrainings: int | None = None, fresh: bool = False, progress: Progress = silent) -> ExplainRecord:
    """What is stored for this ledger, else computed and stored. retrainings: trainings without some rows that check what can be
    checked; when not given, as many as are stored, else as the kind of model usually gets. What they answered stays in the run's
    folder, so that a killed check goes on. Raises InputError where the folder holds no finished run, or not
    its texts."""
    _refuse_few(retrainings)
    record = run_record.read(run)
    if not record.complete or record.ledger is None:
        raise InputError(f"The run in {run} is not finished. Give the command of that run again; it goes on where it stopped.")
    with held(run):
        if fresh:
            shutil.rmtree(run / RETRAINED, ignore_errors=True)
        before = None if fresh else explain_record.read(run)
        if before is not None and _stands(before, record.ledger, retrainings):
            return before
        identity = stored_identity(run)
        use_threads(int(identity["machine"]["threads"]) if identity else threads())
        found, data, n = _attributed_in(run, record, record.ledger, retrainings=retrainings, progress=progress)
        made = ExplainRecord(
            components=tuple(_summary(one) for one in found),
            metric=record.metric,
            model=record.model,
            seed=record.seed,
            ledger_sha256=explain_record.ledger_sha256(record.ledger),
            retrainings=n,
        )
        explain_record.save(made, _table(found, data), run)
        return made


def _refuse_few(retrainings: int | None) -> None:
    if retrainings is not None and (retrainings < 0 or 0 < retrainings < FEWEST_RETRAININGS):
        raise InputError(
            f"--retrainings is {retrainings}; it must be 0, or {FEWEST_RETRAININGS} or more: fewer say nothing. Try 24."
        )


def _stands(before: ExplainRecord, ledger: "Ledger", retrainings: int | None) -> bool:
    """Whether what is stored is of this ledger, and checked as often as is asked for."""
    same = before.ledger_sha256 == explain_record.ledger_sha256(ledger)
    return same and (retrainings is None or before.retrainings == retrainings)


def _attributed_in(
    run: Path, record: RunRecord, ledger: "Ledger", *, retrainings: int | None, progress: Progress
) -> tuple[list["Attributed"], "Dataset", int | None]:
    """The rows of every component, the data, and how many trainings checked them."""
    if structure_of(record.task) is None:
        return _attributed(run, record, ledger, retrainings=retrainings, progress=progress)
    if retrainings:
        raise InputError(
            f"--retrainings checks rows of tasks with one label a row, and task {record.task} has others. Leave it out."
        )
    return (*attributed_answers(run, record, ledger, progress=progress), None)


def chosen_components(record: RunRecord, *, component: str, rows: int) -> tuple[str, ...]:
    """The components of the ledger to show: the one named, else all. Raises InputError for what the run does not have."""
    refuse_below("--rows", rows, low=1, example=10)
    names = tuple(c.name for c in record.ledger.components) if record.ledger else ()
    if component and component not in names:
        raise UnknownName("component", component, names, "Give it as --component NAME.")
    return (component,) if component else names


def _attributed(
    run: Path, record: RunRecord, ledger: "Ledger", *, retrainings: int | None, progress: Progress
) -> tuple[list["Attributed"], "Dataset", int | None]:
    """The rows of every component, in the order of the ledger."""
    from veridical.audit._evidence import Evidence
    from veridical.dataset.storage import read
    from veridical.explain.attribution import by_influence, without_rows
    from veridical.ledger.accounting import game_of
    from veridical.ledger.contract import read_contract
    from veridical.ledger.review import Review
    from veridical.ledger.tables import read_tables
    from veridical.pipeline.reviewing import stored_answers

    path = run / "data.parquet"
    if not path.is_file():
        raise InputError(f"{run} was made with --no-text and holds no texts to trace. Run again without --no-text.")
    data, contract, answers = read(path), run / "contract.yaml", stored_answers(run)
    game = game_of(
        read_tables(run / "tables.npz"),
        task=record.task,
        labels=record.labels,
        contract=read_contract(contract, stored=True) if contract.is_file() else None,
        review=Review(answers) if answers else None,
        metric=record.metric,
    )
    evidence = Evidence(data, seed=record.seed, progress=progress)
    moved = [c for c in ledger.components if by_influence(c.name) and not without_rows(c)]
    traced: dict[str, Attributed] = {}
    n = retrainings
    if moved:
        traced, n = _traced(run, record, game, evidence, moved, retrainings=retrainings, progress=progress)
    return [traced.get(c.name) or _known(c, game, evidence) for c in ledger.components], data, n


def _known(component: "Component", game: "Coalitions", evidence: "Evidence") -> "Attributed":
    """A component whose rows are counted, or that has none."""
    from veridical.explain.attribution import attributed_exactly, without_rows
    from veridical.explain.counted import leakage_rows, noise_rows, nothing

    why, lost = without_rows(component), component.points
    if why or lost is None:
        return attributed_exactly(component, nothing(), why=why)
    if component.name == "leakage":
        data = evidence.data
        found = leakage_rows(game, evidence.clusters, is_train=data.splits == "train", component=lost.value)
        return attributed_exactly(component, found, why=LEAKED if len(found.rows) else NONE_LEAKED)
    found = noise_rows(game, component=lost.value)
    said = NO_NOISE if not len(found.rows) else MODELLED if game.reviewed is None else REVIEWED
    return attributed_exactly(component, found, why=said)


def _traced(
    run: Path,
    record: RunRecord,
    game: "Coalitions",
    evidence: "Evidence",
    components: Sequence["Component"],
    *,
    retrainings: int | None,
    progress: Progress,
) -> tuple[dict[str, "Attributed"], int | None]:
    """The components that predictions move, by influence of training rows; and the number of trainings asked for, or made."""
    from veridical.explain.attribution import asked_of, attributed_by_influence, attributed_exactly, of_the_word
    from veridical.explain.counted import nothing

    data = evidence.data
    model = _traceable(run, record, data, progress=progress)
    if isinstance(model, str):
        return {c.name: attributed_exactly(c, nothing(), why=model) for c in components}, retrainings
    asked = asked_of(game, data, [c.name for c in components], seed=record.seed)
    found = model.trace(asked, clusters=evidence.clusters, seed=record.seed, retrainings=retrainings, progress=progress)
    train = data.rows("train")
    parts, n = zip(components, found.points, found.validations, strict=True), found.retrainings
    made = {
        c.name: attributed_by_influence(
            c, points, train=train, validation=checked, why=found.why + of_the_word(c, points, data=data, train=train)
        )
        for c, points, checked in parts
    }
    return made, n if retrainings is None else retrainings


def _traceable(run: Path, record: RunRecord, data: "Dataset", *, progress: Progress) -> "Traceable | str":
    """The scored model with its training, or a sentence on why there is none to follow."""
    from veridical.explain.models import TracedEncoder, TracedLinear
    from veridical.models.encoder import EncoderModel
    from veridical.models.linear import LinearModel
    from veridical.models.trained_answers import TrainedAnswers
    from veridical.pipeline.probing import configuration_of

    if not len(data.rows("test")):
        return MANY_MODELS
    config = configuration_of(record)
    trained = records.read_trained(run, model=config.model, seconds=0.0, calls=calls_of(config), progress=progress)
    if isinstance(trained.model, LinearModel) and not trained.external:
        return TracedLinear(trained.model, data, config.countermeasures, config.training.linear_c)
    if isinstance(trained.model, EncoderModel) and not trained.external:
        kept, seconds = TrainedAnswers(run / RETRAINED), record.seconds.get("train", 0.0)
        return TracedEncoder(trained.model, data, config.model, config.countermeasures, config.training, seconds, kept)
    return NOT_OURS


def _summary(found: "Attributed") -> ExplainedComponent:
    lost = found.component.points
    kinds = set(found.kinds)
    return ExplainedComponent(
        component=found.component.name,
        points=lost.value if lost else None,
        kind="" if not kinds else "exact" if kinds == {"exact"} else sorted(kinds - {"exact"})[0],
        rows=len(found.rows),
        carried=float(found.points.sum()),
        validation=found.validation,
        why=found.why,
    )


def _text(data: "Dataset", row: int, structure: "Structure | None") -> str:
    """Both texts of a pair; a question comes before its text."""
    if data.seconds is None:
        return data.texts[row]
    parts = (data.texts[row], data.seconds[row])
    return " ||| ".join(reversed(parts) if structure is not None and structure.head == "span" else parts)


def _label(data: "Dataset", row: int, structure: "Structure | None") -> str:
    if structure is None:
        return data.labels[int(data.codes[row])] if data.codes[row] >= 0 else ""
    answer = data.answers[row]
    return "" if answer is None else structure.shown(data.inputs(np.array([row]))[0], answer)


def _table(found: Sequence["Attributed"], data: "Dataset") -> "pa.Table":
    """One line a row and component, by rank."""
    import pyarrow as pa

    from veridical.explain.attribution import ranked

    structure = structure_of(data.task)
    lines: dict[str, list[object]] = {name: [] for name in explain_record.COLUMNS}
    for one in found:
        for rank, at in enumerate(ranked(one), start=1):
            row = int(one.rows[at])
            text = _text(data, row, structure)
            line = (
                one.component.name,
                data.ids[row],
                data.splits[row],
                float(one.points[at]),
                rank,
                one.kinds[at],
                _label(data, row, structure),
            )
            for name, value in zip(explain_record.COLUMNS, (*line, text[:EXCERPT]), strict=True):
                lines[name].append(value)
    kinds = {"points": pa.float64(), "rank": pa.int64()}
    return pa.table({name: pa.array(values, kinds.get(name, pa.string())) for name, values in lines.items()})
