"""The repair stage: try the arms on the locked fold, apply what was accepted, retrain on the repaired data, write it all down."""

from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.atomic_write import write_json
from veridical.core.finding import AuditRecord
from veridical.core.plugins import names
from veridical.core.progress import Progress
from veridical.core.run_record import RepairRecord
from veridical.pipeline.config import RunConfig

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import IntArray
    from veridical.models.model import FloatArray
    from veridical.repair._contract import Edit
    from veridical.train.trained import Trained
    from veridical.verify.fitting import Fit, Predict


def repaired(
    folder: Path,
    trained: "Trained",
    *,
    evidence: "Evidence",
    audit: AuditRecord,
    votes: str,
    config: RunConfig,
    progress: Progress,
) -> RepairRecord:
    """The verdicts. Writes edits.parquet and repaired.parquet, and model_repaired/ where a repair was accepted."""
    from veridical.dataset.storage import save
    from veridical.repair._edit_log import write_edits
    from veridical.repair._runner import repair
    from veridical.verify.arms import verify_repairs, with_edits
    from veridical.verify.locked_fold import locked_fold
    from veridical.verify.winners import winners

    data = evidence.data
    if trained.external:
        why = f"The model ({trained.kind}) is not trained by veridical, so it cannot be retrained and no repair could be tested."
        record = RepairRecord(skipped=why, rows_in=len(data), rows_kept=len(data))
    else:
        record = verify_repairs(
            data,
            evidence=evidence,
            audit=audit,
            locked=locked_fold(data, evidence.clusters),
            repairs=config.repairs or names("veridical.repair"),
            fit=_fit(folder, trained, evidence=evidence, config=config, progress=progress),
            metric=config.metric,
            votes=votes,
            seed=config.seed,
            progress=progress,
        )
    accepted = winners(record)
    better, edits = repair(data, audit=audit, repairs=accepted, seed=config.seed, evidence=evidence, progress=progress)
    write_edits(edits, folder / "edits.parquet")
    if not config.no_text:
        save(better, folder / "repaired.parquet")
    if accepted:
        from veridical.train.training import train

        model = train(
            better,
            model=config.model,
            countermeasures=config.countermeasures,
            config=config.training,
            seed=config.seed,
            folder=folder / "checkpoint" / "repaired",
            weights=_weights(edits, set(better.take(better.rows("train")).ids)),
            progress=progress,
        ).model
        assert model is not None
        model.save(folder / "model_repaired")
        write_json(folder / "model_repaired" / "roles.json", data.roles)
    return with_edits(record, data=data, repaired=better, edits=edits)


def _weights(edits: "tuple[Edit, ...]", train: set[str]) -> dict[str, float] | None:
    found = {edit.row: float(edit.after) for edit in edits if edit.action == "weight" and edit.row in train}
    return found or None


def _fit(folder: Path, trained: "Trained", *, evidence: "Evidence", config: RunConfig, progress: Progress) -> "Fit":
    """How the arms are trained: the linear model itself; of an encoder the head alone, or all of it with --budget standard."""
    if trained.kind == "linear":
        from veridical.verify.fitting import linear_fit

        return linear_fit(evidence.folds.features, trained.labels)
    if config.budget == "standard":
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
        progress=progress,
    )

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        head = fit_head(features[rows], codes, n_classes=len(data.labels), weights=weights)
        return lambda chosen: head.predict(features[chosen])

    return fit


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
