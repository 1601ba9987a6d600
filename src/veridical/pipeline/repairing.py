"""The repair stage: try the arms on the locked fold and the countermeasures on top of what won, write the certificate, apply what
was accepted, retrain."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core.atomic_write import write_json
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import get, names
from veridical.core.progress import Progress
from veridical.core.run_record import RepairRecord
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.arm_fitting import fit_of
from veridical.pipeline.certifying import certify
from veridical.pipeline.config import RunConfig
from veridical.pipeline.encoded_rows import dtype_of
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import Dataset, IntArray
    from veridical.ledger.contract import Contract
    from veridical.repair._contract import Edit
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained
    from veridical.verify.arms import Tried
    from veridical.verify.countermeasure_arms import Routing
    from veridical.verify.countermeasure_verdict import Proposal
    from veridical.verify.fitting import Fit
    from veridical.verify.locked_fold import LockedFold

PREDICTIONS = "A file of predictions answers no other row and cannot be trained again, so no repair could be tested."


def repaired(
    folder: Path,
    trained: "Trained | Answered",
    *,
    evidence: "Evidence",
    audit: AuditRecord,
    ledger: Ledger,
    config: RunConfig,
    progress: Progress,
) -> RepairRecord:
    """The verdicts. Writes certificate.json with all answers, edits.parquet, repaired.parquet, and model_repaired/ where a repair
    or a countermeasure was accepted.

    Killed, it begins again; what an encoder's arms answered so far is kept in the folder.
    """
    from veridical.dataset.storage import save
    from veridical.repair._edit_log import write_edits
    from veridical.repair._runner import repair
    from veridical.verify.arms import Tried, with_edits
    from veridical.verify.countermeasure_arms import Routing
    from veridical.verify.countermeasure_verdict import best
    from veridical.verify.locked_fold import locked_fold
    from veridical.verify.winners import winners

    data, votes = evidence.data, ledger.votes
    locked = locked_fold(data, evidence.clusters, fixed=trained.external)
    why = _untried(trained, enough=not locked.skipped, config=config)
    if why:
        found = Tried(RepairRecord(skipped=why, rows_in=len(data), rows_kept=len(data)), None, (), None)
    else:
        found = _tried(
            folder, trained, evidence=evidence, audit=audit, locked=locked, votes=votes, config=config, progress=progress
        )
    accepted, routing, contract = winners(found.record), Routing(), declared_contract(config)
    if found.court is not None and not trained.external:
        components = _diagnosed(folder, found, ledger=ledger, config=config)
        contract = contract or _edits_as_contract(folder, components, kind=trained.kind)
        routing = _routing(
            folder, found, components, kind=trained.kind, contract=contract, votes=votes, config=config, progress=progress
        )
    record = replace(found.record, routed=routing.arms, chosen=best(routing.arms))
    dtype = dtype_of(folder, config=config)
    certify(
        folder, found, routing, data=data, locked=locked, contract=contract, votes=votes, kind=trained.kind, dtype=dtype,
        config=config,
    )  # fmt: skip
    params = params_of(fixed=trained.external)
    better, edits = repair(
        data, audit=audit, repairs=accepted, seed=config.seed, evidence=evidence, params=params, progress=progress
    )
    write_edits(edits, folder / "edits.parquet")
    if not config.no_text:
        save(better, folder / "repaired.parquet")
    if (accepted or record.chosen) and not trained.external:
        _train_again(folder, better, edits, chosen=record.chosen, evidence=evidence, config=config, progress=progress)
    return with_edits(record, data=data, repaired=better, edits=edits)


def _untried(trained: "Trained | Answered", *, enough: bool, config: RunConfig) -> str:
    """Why no repair is tried at all, empty where they are. enough: there are rows to lock; a larger budget helps only then."""
    if structure_of(config.task) is None:
        return PREDICTIONS if trained.model is None else ""
    from veridical.pipeline.answer_arms import untried

    return untried(trained.kind, config) if enough else ""


def declared_contract(config: RunConfig) -> "Contract | None":
    """The contract that the user gave."""
    from veridical.ledger.contract import read_contract

    return read_contract(Path(config.contract), stored=True) if config.contract else None


def _diagnosed(folder: Path, found: "Tried", *, ledger: Ledger, config: RunConfig) -> tuple[str, ...]:
    """What the ledger and the checks diagnosed, and where an answer is more than one label the probe of robustness, unless a
    contract says which edits count."""
    from veridical.pipeline.fragile_answers import costly_edits
    from veridical.pipeline.routing import diagnosed

    assert found.looked is not None
    fragile = structure_of(config.task) is not None and not config.contract and costly_edits(folder)
    return (*diagnosed(ledger, found.looked), *(("fragility",) if fragile else ()))


def _edits_as_contract(folder: Path, components: tuple[str, ...], *, kind: str) -> "Contract | None":
    """The edits that cost points, as contract.yaml, where a model is there that can be trained against them."""
    from veridical.ledger.contract import read_contract
    from veridical.pipeline.fragile_answers import costly_edits, write_contract

    if "fragility" not in components or kind != "encoder":
        return None
    write_contract(costly_edits(folder), folder / "contract.yaml")
    return read_contract(folder / "contract.yaml", stored=True)


def _routing(
    folder: Path,
    found: "Tried",
    components: tuple[str, ...],
    *,
    kind: str,
    contract: "Contract | None",
    votes: str,
    config: RunConfig,
    progress: Progress,
) -> "Routing":
    """The countermeasures that answer what was diagnosed."""
    from veridical.pipeline.routing import proposals

    return routed_on(
        found,
        propose=lambda rows: proposals(components, rows, kind=kind, config=config),
        contract=contract,
        votes=votes,
        dtype=dtype_of(folder, config=config),
        kept=None if kind == "linear" else TrainedAnswers(folder / "checkpoint" / "arms"),
        config=config,
        progress=progress,
    )


def routed_on(
    found: "Tried",
    *,
    propose: "Callable[[Dataset], list[Proposal]]",
    contract: "Contract | None",
    votes: str,
    dtype: Any,
    kept: TrainedAnswers | None,
    config: RunConfig,
    progress: Progress,
) -> "Routing":
    """Countermeasures tried on top of the accepted repairs. propose: the rows that are not locked, repaired -> what to try.
    contract: under which those against components of transfer are asked. dtype: number format to train in. kept: where answers
    are kept while it lasts."""
    from veridical.pipeline.routing import routed
    from veridical.repair._runner import repair
    from veridical.verify.winners import winners

    court = found.court
    assert court is not None
    assert found.looked is not None
    rows, edits = repair(
        court.opened.data,
        audit=found.looked,
        repairs=winners(found.record),
        seed=config.seed,
        evidence=court.opened,
        params=None,
    )
    return routed(
        rows,
        proposed=propose(rows),
        whole=court.data,
        clusters=court.clusters,
        opened_clusters=_kept(court.clusters, court.data.ids, set_of=rows.ids),
        locked=court.locked,
        weights=_weights(edits, set(rows.take(rows.rows("train")).ids)),
        judging=court.judging,
        votes=votes,
        contract=contract,
        kept=kept,
        config=replace(config, training=replace(config.training, dtype=dtype)),
        progress=progress,
    )


def _tried(
    folder: Path,
    trained: "Trained | Answered",
    *,
    evidence: "Evidence",
    audit: AuditRecord,
    locked: "LockedFold",
    votes: str,
    config: RunConfig,
    progress: Progress,
) -> "Tried":
    fixed = trained.external
    fit = (
        answered(said_of_all(trained))
        if fixed
        else fit_of(folder, kind=trained.kind, evidence=evidence, config=config, progress=progress)
    )
    return tried(fit, evidence=evidence, audit=audit, locked=locked, votes=votes, config=config, fixed=fixed, progress=progress)


def _train_again(
    folder: Path,
    better: "Dataset",
    edits: "tuple[Edit, ...]",
    *,
    chosen: str | None,
    evidence: "Evidence",
    config: RunConfig,
    progress: Progress,
) -> None:
    """model_repaired/: the model of the run, trained on the repaired rows, with the countermeasure that won."""
    from veridical.pipeline.routing import trained_with
    from veridical.train.training import NO_ROWS, train

    data = evidence.data
    clusters = _kept(evidence.clusters, data.ids, set_of=better.ids)
    if structure_of(config.task) is not None:
        from veridical.pipeline.answer_arms import train_answers_again

        train_answers_again(
            folder, better, countermeasures=trained_with(config, chosen), clusters=clusters, config=config, progress=progress
        )
        return
    model = train(
        better,
        model=config.model,
        countermeasures=trained_with(config, chosen),
        config=config.training,
        seed=config.seed,
        folder=folder / "checkpoint" / "repaired",
        clusters=clusters,
        weights=_weights(edits, set(better.take(better.rows("train")).ids)),
        answering=NO_ROWS,
        progress=progress,
    ).model
    assert model is not None
    model.save(folder / "model_repaired")
    write_json(folder / "model_repaired" / "roles.json", {**data.roles, "task": data.task})


def tried(
    fit: "Fit",
    *,
    evidence: "Evidence",
    audit: AuditRecord,
    locked: "LockedFold",
    votes: str,
    config: RunConfig,
    fixed: bool,
    progress: Progress,
) -> "Tried":
    """Every repair that the configuration names, tried on the locked fold. fixed: the model cannot be trained again."""
    from veridical.pipeline.routing import FOUND_BY
    from veridical.verify.arms import tried_repairs

    return tried_repairs(
        evidence.data,
        evidence=evidence,
        audit=audit,
        locked=locked,
        repairs=config.repairs or names("veridical.repair"),
        fit=fit,
        metric=config.metric,
        votes=votes,
        seed=config.seed,
        params=params_of(fixed=fixed),
        fixed=fixed,
        also=tuple(name for checks in FOUND_BY.values() for name in checks),
        progress=progress,
    )


def params_of(*, fixed: bool) -> dict[str, Any]:
    """Knobs that differ from a repair's own: of a model that is not trained here, no train row can become a test row."""
    from veridical.repair._runner import FOLDER, NOUN

    found = {name: get(FOLDER, NOUN, name).params_fixed for name in names(FOLDER)} if fixed else {}
    return {name: params for name, params in found.items() if params is not None}


def answered(said: "npt.NDArray[Any]") -> "Fit":
    """The `fit` of a model that is as it is: whatever it is trained on, what it said (N, ...) stays."""
    return lambda rows, labels, weights, seed: lambda chosen: said[chosen]


def said_of_all(trained: "Trained | Answered") -> "npt.NDArray[Any]":
    """What a model said of every row of the data: probabilities (N, C), or answers (N,)."""
    import numpy as np

    from veridical.train.answered import Answered

    return np.array(trained.said, dtype=object) if isinstance(trained, Answered) else trained.probabilities


def _kept(clusters: "IntArray", ids: list[str], *, set_of: list[str]) -> "IntArray":
    """The clusters of the rows that are left, in their order."""
    place = {row: i for i, row in enumerate(ids)}
    return clusters[[place[row] for row in set_of]]


def _weights(edits: "tuple[Edit, ...]", train: set[str]) -> dict[str, float] | None:
    found = {edit.row: float(edit.after) for edit in edits if edit.action == "weight" and edit.row in train}
    return found or None
