"""veridical's own training of a kit, as `veridical run` trains, without a part set apart."""

import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.tasks.sets import score_of_answers, score_of_codes
from veridical.core.plugins import get
from veridical.dataset.rows import Dataset
from veridical.train.config import TrainConfig


@dataclass
class Marks:
    """When each step was done. total: steps of the training."""

    total: int = 0
    at: list[tuple[int, float]] = field(default_factory=list)

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage == "train":
            self.total = total
            self.at.append((done, time.perf_counter()))

    def seconds(self, *, warm: int = 2) -> tuple[int, float]:
        """(steps, seconds) after `warm` steps."""
        (first, began), (last, ended) = self.at[min(warm, len(self.at) - 2)], self.at[-1]
        return last - first, ended - began


def trained(
    data: Dataset, *, model: str, config: TrainConfig, seed: int, countermeasures: tuple[str, ...] = ()
) -> tuple[Any, Marks]:
    """(what training hands on, when its steps were done)."""
    marks = Marks()
    if get("veridical.tasks", "task", data.task).structure:
        from veridical.train.answer_training import train_answers

        answers = train_answers(data, model=model, config=config, seed=seed, countermeasures=countermeasures, progress=marks)
        return answers, marks
    from veridical.train.training import train

    return train(data, model=model, config=config, seed=seed, countermeasures=countermeasures, progress=marks), marks


def score(done: Any, data: Dataset) -> float:
    """The task's declared metric on the test rows."""
    if hasattr(done, "said"):
        return score_of_answers(data, done.said)
    return score_of_codes(data, done.probabilities.argmax(axis=1))
