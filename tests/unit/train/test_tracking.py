"""What each tracker has written is read back with its own library: every step once, nothing sent anywhere."""

import importlib.util
import logging
import os
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tiny_encoder import TINY
from veridical.core.errors import MissingExtra, UnknownName
from veridical.train import tracking
from veridical.train.tracking import Tracked, require_trackers
from veridical.train.training import train
from veridical.train.training_log import FILE, TrainingLog, read_log
from veridical.train.watching import Watchers

Read = dict[str, list[tuple[int, float]]]
"""Name of a figure -> its (step, value)."""


class Interrupted(Exception):
    pass


def _tensorboard(folder: Path) -> Read:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (folder / "runs-mine").glob("events*")
    accumulator = EventAccumulator(str(events), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


def _mlflow(folder: Path) -> Read:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2"
    return {name: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics}


def _wandb(folder: Path) -> Read:
    from wandb.proto import wandb_internal_pb2

    (run,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    found = Read()
    for data in _records(run.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            values = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            step = int(record.history.step.num)
            for name, value in values.items():
                if not name.startswith("_"):
                    found.setdefault(name, []).append((step, float(value)))
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """Records of a LevelDB log (blocks of 32 KiB; checksum, length and kind before each piece) after its own 7 bytes of head."""
    at, pieces = 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        pieces += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield pieces
            pieces = b""


def _trackio(folder: Path) -> Read:
    import json
    import sqlite3

    found = Read()
    connection = sqlite3.connect(folder / "veridical.db")
    for step, metrics in connection.execute("select step, metrics from metrics order by id"):
        for name, value in json.loads(metrics).items():
            found.setdefault(name, []).append((step, float(value)))
    connection.close()
    return found


READERS: dict[str, Callable[[Path], Read]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What would send it all to a server, were it followed."""
    found = {
        "MLFLOW_TRACKING_URI": "http://192.0.2.1:5000", "MLFLOW_RUN_ID": "abc", "WANDB_MODE": "online", "WANDB_API_KEY": "0" * 40,
        "TRACKIO_SPACE_ID": "someone/space", "TRACKIO_SERVER_URL": "http://192.0.2.1:7860",
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def test_every_tracker_is_read_here() -> None:
    assert set(READERS) == set(tracking.TRACKERS)


@pytest.mark.parametrize("name", READERS)
def test_interrupted_or_not_each_step_is_there_once(
    name: str, toy: Any, tiny_bert: str, tmp_path: Path, elsewhere: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed (extra [track])")
    log = TrainingLog(tmp_path / FILE)
    tracked = Tracked([name], tmp_path / "tracking", log, "runs-mine", {"epochs": 2, "model": "tiny", "dropout": 0.0})
    config = replace(TINY, epochs=2, checkpoint_seconds=1e9)

    def stopping(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == total // 2 + 2:
            raise Interrupted

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the trackers' own
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(Interrupted):
            train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path / "kept", watcher=Watchers([log, tracked]),
                  progress=stopping)  # fmt: skip
        tracked.close()
        log.close()
        train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path / "kept", watcher=Watchers([log, tracked]))
        tracked.close()
        log.close()
        found = READERS[name](tmp_path / "tracking" / name)
    lines = list(read_log(log.path))
    for figure in ("loss", "rate", "gradient_norm"):
        told = [(line["step"], line[figure]) for line in lines if figure in line]
        assert [step for step, _ in found[figure]] == [step for step, _ in told]
        assert [value for _, value in found[figure]] == pytest.approx([value for _, value in told], rel=1e-6)
    scores = [(line["step"], pytest.approx(line["score"])) for line in lines if "score" in line]
    assert found["validation/accuracy"] == scores
    assert capfd.readouterr().out == ""
    assert {key: os.environ[key] for key in elsewhere} == elsewhere  # put back as they were


def test_what_is_unknown_or_missing_is_said() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'tensorboard'"):
        require_trackers(["tensorbord"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(MissingExtra, match=r"--track wandb needs the extra \[track\]"):
            require_trackers(["wandb"])


def teardown_module() -> None:
    logging.getLogger("mlflow").setLevel(logging.NOTSET)
