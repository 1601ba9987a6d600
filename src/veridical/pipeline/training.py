"""The model that a run judges: trained here, or brought along as a callable or a file of predictions."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.progress import Progress
from veridical.models.external import callable_model, is_callable_name, read_predictions
from veridical.pipeline.config import RunConfig

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.train.trained import Trained


def _changing(share: float) -> str:
    return f"asked twice, {100 * share:.0f} % of the test texts looked at get another label; its score is one draw of many."


def trained_model(evidence: "Evidence", *, config: RunConfig, folder: Path, progress: Progress) -> "Trained":
    """Every row's probabilities and, where there is one to ask, the model."""
    from veridical.train.trained import Trained
    from veridical.train.training import train

    data = evidence.data
    if config.predictions:
        probabilities = read_predictions(Path(config.predictions), data=data)
        return Trained(None, "predictions", tuple(data.ids), probabilities, data.labels, None, 0.0, external=True)
    if is_callable_name(config.model):
        began = time.monotonic()
        model = callable_model(config.model, labels=data.labels)
        probabilities = model.predict(data.inputs())
        tested = data.rows("test") if len(data.rows("test")) else None  # without a test set every row is tested
        changing = model.unstable_share(data.inputs(tested))
        warnings = () if changing == 0 else (f"{config.model} changes its answers: {_changing(changing)}",)
        return Trained(
            model, "callable", tuple(data.ids), probabilities, data.labels, None, time.monotonic() - began, external=True,
            warnings=warnings,
        )  # fmt: skip
    return train(
        data,
        model=config.model,
        countermeasures=config.countermeasures,
        config=config.training,
        seed=config.seed,
        folder=folder,
        clusters=evidence.clusters,
        progress=progress,
    )
