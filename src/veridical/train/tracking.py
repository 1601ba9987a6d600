"""TensorBoard, MLflow, Weights & Biases and trackio, through Accelerate's trackers, into a folder and nowhere else.

The truth is training.jsonl. What a tracker wrote before a training was interrupted is thrown away and told again from there, so
that each step stands in it once. Nothing here contacts a server: settings that would are put aside while a tracker is open.
"""

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from veridical.core.errors import InputError, MissingExtra, UnknownName
from veridical.core.surroundings import TELEMETRY_OFF
from veridical.train.training_log import TrainingLog, read_log
from veridical.train.watching import EpochSeen, StepSeen

FOLDER = "tracking"
PROJECT = "veridical"
SETTINGS = ("MLFLOW_", "WANDB_", "TRACKIO_")
"""Beginnings of the environment variables by which these libraries find a server or another run."""
WAIT = 300.0
"""Seconds that W&B's own process may take to start on a busy machine. Ours; its default of 30 was once too short here."""


def _tensorboard(folder: Path, name: str) -> Any:
    from accelerate.tracking import TensorBoardTracker

    shutil.rmtree(folder, ignore_errors=True)
    return TensorBoardTracker(name, logging_dir=str(folder))


def _mlflow(folder: Path, name: str) -> Any:
    from accelerate.tracking import MLflowTracker
    from mlflow import MlflowClient, set_tracking_uri

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    set_tracking_uri(f"sqlite:///{folder.resolve() / 'mlflow.db'}")
    client = MlflowClient()  # it keeps the file open, so that what is in it is marked as deleted and the file stays
    for run in client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]):
        client.delete_run(run.info.run_id)
    return MLflowTracker(PROJECT, logging_dir=(folder.resolve() / "artifacts").as_uri(), run_name=name)


def _wandb(folder: Path, name: str) -> Any:
    import wandb
    from accelerate.tracking import WandBTracker

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_meta=True, x_disable_stats=True,
        x_disable_machine_info=True, x_save_requirements=False, x_service_wait=WAIT, init_timeout=WAIT,
    )  # fmt: skip
    return WandBTracker(PROJECT, name=name, mode="offline", dir=str(folder), settings=settings)


def _trackio(folder: Path, name: str) -> Any:
    os.environ["TRACKIO_DIR"] = str(folder.resolve())  # read once, when it is imported
    import trackio.utils
    from accelerate.tracking import TrackioTracker

    if Path(trackio.utils.TRACKIO_DIR) != folder.resolve():
        raise InputError("trackio keeps to the folder of the first run of a process. Start this run in a process of its own.")
    shutil.rmtree(folder, ignore_errors=True)
    return TrackioTracker(PROJECT, name=name, embed=False, auto_log_gpu=False, auto_log_cpu=False)


TRACKERS: Mapping[str, Callable[[Path, str], Any]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
"""Name, which is also that of the package, and how its tracker is made for a folder, what stood there being forgotten, and the
name of a run."""


def require_trackers(names: Sequence[str]) -> None:
    """Raises UnknownName or MissingExtra."""
    for name in names:
        if name not in TRACKERS:
            raise UnknownName("tracker", name, TRACKERS, "Give --track with names separated by commas.")
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(f"--track {name}", "track")


@dataclass(slots=True)
class Tracked:
    """A watcher that passes on what it is told. log: what the training of this run has told so far; told before this one."""

    names: Sequence[str]
    folder: Path
    log: TrainingLog
    run: str
    settings: Mapping[str, Any]
    _open: list[Any] = field(default_factory=list, repr=False)

    def begins(self, step: int, epoch: int) -> None:
        self.close()
        for name in self.names:
            with _on_its_own():
                tracker = TRACKERS[name](self.folder / name, self.run)
                tracker.start()
                self._open.append(tracker)
                tracker.store_init_configuration(dict(self.settings))
        for line in read_log(self.log.path):
            self._tell(StepSeen(**line) if "loss" in line else EpochSeen(**line))

    def after_step(self, seen: StepSeen) -> None:
        self._tell(seen)

    def after_epoch(self, seen: EpochSeen) -> bool:
        self._tell(seen)
        return True

    def close(self) -> None:
        while self._open:
            with _on_its_own():
                self._open.pop().finish()

    def _tell(self, seen: StepSeen | EpochSeen) -> None:
        values = figures_of(seen)
        with _on_its_own():
            for tracker in self._open:
                if values:
                    tracker.log(values, step=seen.step)


def figures_of(seen: StepSeen | EpochSeen) -> dict[str, float]:
    """What a tracker shows of a step or an epoch, by name."""
    if isinstance(seen, StepSeen):
        return {"loss": seen.loss, "rate": seen.rate, "gradient_norm": seen.gradient_norm, "epoch": seen.epoch}
    found = {f"validation/{seen.metric}": seen.score, "validation/log_loss": seen.log_loss}
    return {name: value for name, value in found.items() if value is not None}


@contextmanager
def _on_its_own() -> Iterator[None]:
    """Within it, no variable of the environment leads a tracker elsewhere, and none prints to the output that is ours."""
    aside = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(SETTINGS) and name not in TELEMETRY_OFF}
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        for name in [name for name in os.environ if name.startswith(SETTINGS) and name not in TELEMETRY_OFF]:
            del os.environ[name]
        os.environ.update(aside)
