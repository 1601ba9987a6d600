"""The repair stage: try the arms on the locked fold, apply what was accepted, retrain on the repaired data, write it all down."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core.atomic_write import write_json
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import get, names
from veridical.core.progress import Progress
from veridical.core.run_record import RepairRecord
from veridical.pipeline.certifying import certify
from veridical.pipeline.config import RunConfig
from veridical.pipeline.running import structure_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import Dataset, IntArray
    from veridical.models.model import FloatArray
    from veridical.repair._contract import Edit
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained
    from veridical.verify.arms import Tried
    from veridical.verify.fitting import Fit, Predict
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
    """The verdicts. Writes edits.parquet, repaired.parquet, certificate.json with the arms' answers, and model_repaired/ where a
    repair or a countermeasure was accepted."""
    from veridical.dataset.storage import save
    from veridical.repair._edit_log import write_edits
    from veridical.repair._runner import repair
    from veridical.verify.arms import Tried, with_edits
    from veridical.verify.locked_fold import locked_fold
    from veridical.verify.winners import winners

    data, votes = evidence.data, ledger.votes
    locked = locked_fold(data, evidence.clusters, fixed=trained.external)
    if why := _untried(trained, config=config):
        found = Tried(RepairRecord(skipped=why, rows_in=len(data), rows_kept=len(data)), None, (), None)
    else:
        found = _tried(
            folder, trained, evidence=evidence, audit=audit, locked=locked, votes=votes, config=config, progress=progress
        )
    record = found.record
    dtype = dtype_of(folder, config=config)
    certify(folder, found, data=data, locked=locked, votes=votes, kind=trained.kind, dtype=dtype, config=config)
    accepted = winners(record)
    params = params_of(fixed=trained.external)
    better, edits = repair(
        data, audit=audit, repairs=accepted, seed=config.seed, evidence=evidence, params=params, progress=progress
    )
    write_edits(edits, folder / "edits.parquet")
    if not config.no_text:
        save(better, folder / "repaired.parquet")
    if found.court is not None and not trained.external and structure_of(config.task) is None:
        record = _with_routed(record, found, accepted, trained=trained, ledger=ledger, config=config, progress=progress)
    if (accepted or record.chosen) and not trained.external:
        _train_again(folder, better, edits, chosen=record.chosen, evidence=evidence, config=config, progress=progress)
    return with_edits(record, data=data, repaired=better, edits=edits)


def _untried(trained: "Trained | Answered", *, config: RunConfig) -> str:
    """Why no repair is tried at all, empty where they are."""
    if structure_of(config.task) is not None:
        from veridical.pipeline.answer_arms import untried

        return untried(trained.kind, config)
    return PREDICTIONS if trained.model is None else ""


def _with_routed(
    record: RepairRecord,
    found: "Tried",
    accepted: "tuple[str, ...]",
    *,
    trained: "Trained | Answered",
    ledger: Ledger,
    config: RunConfig,
    progress: Progress,
) -> RepairRecord:
    """The record with the countermeasures that were tried on top of the accepted repairs."""
    from veridical.pipeline.routing import routed
    from veridical.repair._runner import repair
    from veridical.verify.countermeasure_arms import best

    court = found.court
    assert court is not None
    assert found.looked is not None
    rows, edits = repair(
        court.opened.data, audit=found.looked, repairs=accepted, seed=config.seed, evidence=court.opened, params=None
    )
    arms = routed(
        rows,
        whole=court.data,
        clusters=court.clusters,
        opened_clusters=_kept(court.clusters, court.data.ids, set_of=rows.ids),
        locked=court.locked,
        weights=_weights(edits, set(rows.take(rows.rows("train")).ids)),
        ledger=ledger,
        audit=found.looked,
        kind=trained.kind,
        config=config,
        progress=progress,
    )
    return replace(record, routed=arms, chosen=best(arms))


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
    from veridical.train.training import train

    data = evidence.data
    clusters = _kept(evidence.clusters, data.ids, set_of=better.ids)
    if structure_of(config.task) is not None:
        from veridical.pipeline.answer_arms import train_answers_again

        train_answers_again(folder, better, clusters=clusters, config=config, progress=progress)
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


def fit_of(folder: Path, *, kind: str, evidence: "Evidence", config: RunConfig, progress: Progress) -> "Fit":
    """How the arms are trained: the linear model itself; of an encoder the head alone, or all of it beyond --budget quick."""
    if structure_of(config.task) is not None:
        from veridical.pipeline.answer_arms import answer_fit

        return answer_fit(evidence.data, evidence.clusters, kind=kind, config=config)
    if kind == "linear":
        from veridical.verify.fitting import linear_fit

        return linear_fit(evidence.folds.features, evidence.data.labels, c=config.training.linear_c)
    if config.budget != "quick":
        return _full_fit(evidence, config=config)
    return _head_fit(folder, evidence=evidence, config=config, progress=progress)


def _head_fit(folder: Path, *, evidence: "Evidence", config: RunConfig, progress: Progress) -> "Fit":
    from veridical.models.frozen_features import fit_head, frozen_features
    from veridical.models.weights import resolve

    data = evidence.data
    features = frozen_features(
        data.inputs(),
        weights=resolve(config.model),
        folder=folder / "checkpoint",
        max_length=config.training.max_length,
        dtype="bfloat16" if dtype_of(folder, config=config) == "bfloat16" else "float32",
        progress=progress,
    )

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        head = fit_head(features[rows], codes, n_classes=len(data.labels), weights=weights)
        return lambda chosen: head.predict(features[chosen])

    return fit


def dtype_of(folder: Path, *, config: RunConfig) -> str:
    """The number format that training chose for this run; as configured where it did not have to choose."""
    choices = folder / "checkpoint" / "choices.json"
    if config.training.dtype != "auto" or not choices.is_file():
        return config.training.dtype
    return str(json.loads(choices.read_text(encoding="utf-8"))["choices"]["dtype"])


def _full_fit(evidence: "Evidence", *, config: RunConfig) -> "Fit":
    import numpy as np

    from veridical.train.training import train

    data = evidence.data

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        splits, labels = np.full(len(data), "test", dtype=object), np.full(len(data), None, dtype=object)
        splits[rows], labels[rows] = "train", np.asarray(data.labels, dtype=object)[codes]
        arm = data.with_column("split", splits.tolist()).with_column("label", labels.tolist())
        named = None if weights is None else {data.ids[row]: float(weight) for row, weight in zip(rows, weights, strict=True)}
        done = train(
            arm,
            model=config.model,
            countermeasures=config.countermeasures,
            config=config.training,
            seed=seed,
            clusters=evidence.clusters,
            weights=named,
        )
        return lambda chosen: done.probabilities[chosen]

    return fit
