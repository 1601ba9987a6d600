"""training.jsonl: every step and epoch once and in order, whatever happened on the way."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.dataset.rows import Dataset
from veridical.train.training import train
from veridical.train.training_log import FILE, TrainingLog, read_log
from veridical.train.watching import EpochSeen, StepSeen, Watchers


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def whole(toy: Dataset, tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    log = TrainingLog(tmp_path_factory.mktemp("log") / FILE)
    train(toy, model=tiny_bert, config=TINY, seed=1, watcher=log)
    log.close()
    return list(read_log(log.path))


def test_each_step_and_epoch_has_a_line(whole):
    steps, epochs = [line for line in whole if "loss" in line], [line for line in whole if "score" in line]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    assert [line["step"] for line in epochs] == [max(s["step"] for s in steps if s["epoch"] == e) for e in (1, 2, 3)]
    assert whole.index(epochs[0]) == epochs[0]["step"]  # after the steps of its epoch
    assert set(steps[0]) == {"step", "epoch", "loss", "rate", "gradient_norm"}
    peak = max(line["rate"] for line in steps)
    assert peak <= TINY.learning_rate
    assert steps[0]["rate"] < peak > steps[-1]["rate"]
    assert epochs[0]["metric"] == "accuracy"
    assert 0 <= epochs[0]["score"] <= 1


def test_the_figures_are_those_of_the_training(toy, tiny_bert, tmp_path):
    """Loss and score as the dynamics, recorded elsewhere, have them."""
    log = TrainingLog(tmp_path / FILE)
    trained = train(toy, model=tiny_bert, config=replace(TINY, epochs=1, token_budget=100_000), seed=1, watcher=log)
    log.close()
    step, epoch = read_log(log.path)
    table = trained.dynamics.to_pydict()
    mean = {p: np.mean([v for v, q in zip(table["loss"], table["part"], strict=True) if p == q]) for p in ("train", "valid")}
    assert step["loss"] == pytest.approx(mean["train"], abs=1e-5)
    assert epoch["log_loss"] == pytest.approx(mean["valid"], abs=1e-5)
    right = [c for c, p in zip(table["correct"], table["part"], strict=True) if p == "valid"]
    assert epoch["score"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize("stop", [1, 7, 20])
@pytest.mark.parametrize("every", [0.0, 1e9])
def test_interrupted_it_is_the_same_file(toy, tiny_bert, whole, tmp_path, stop, every):
    def stopping(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == stop:
            raise Interrupted

    config, log = replace(TINY, checkpoint_seconds=every), TrainingLog(tmp_path / FILE)
    with pytest.raises(Interrupted):
        train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path / "kept", watcher=log, progress=stopping)
    log.close()
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 9')  # what a kill in the middle of a line leaves
    train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path / "kept", watcher=log)
    log.close()
    assert list(read_log(log.path)) == whole
    before = log.path.read_text(encoding="utf-8")
    train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path / "kept", watcher=log)  # finished: nothing to tell
    assert log.path.read_text(encoding="utf-8") == before


def test_a_watcher_may_end_training_and_hears_of_no_first_training(toy, tiny_bert, tmp_path):
    class Ends:
        def begins(self, step: int, epoch: int) -> None:
            assert (step, epoch) == (0, 0)

        def after_step(self, seen: StepSeen) -> None: ...

        def after_epoch(self, seen: EpochSeen) -> bool:
            return seen.epoch < 2

    log = TrainingLog(tmp_path / FILE)
    config = replace(TINY, epochs=5, patience=5)
    trained = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=["jtt"], watcher=Watchers([Ends(), log]))
    log.close()
    assert set(trained.dynamics.column("epoch").to_pylist()) == {1, 2}
    assert [line["epoch"] for line in read_log(log.path) if "score" in line] == [1, 2]


def test_watching_changes_nothing(toy, tiny_bert, tmp_path):
    from tiny_encoder import same

    log = TrainingLog(tmp_path / FILE)
    assert same(train(toy, model=tiny_bert, config=TINY, seed=1, watcher=log), train(toy, model=tiny_bert, config=TINY, seed=1))
    log.close()
    json.loads(Path(log.path).read_text(encoding="utf-8").splitlines()[0])
