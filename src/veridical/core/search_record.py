"""What a search over settings tried and chose, as run.json holds it."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Trial:
    """One training. number: from 1; the first has the settings as they were given. state: complete, pruned (ended early, below
    the median of those before it) or failed (`why` says what of). score: of its answers on the validation rows, 0..1; None where
    it failed. epochs: score after each epoch, none where the model has no epochs."""

    number: int
    state: str
    score: float | None
    settings: dict[str, float | int]
    epochs: tuple[float, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """metric: of the scores. n_valid, n_clusters: validation rows all trials were scored on, and the groups they form.
    valid_from: `valid` where the data had such rows, `train` where they were cut from train. space: name of a setting -> low,
    high, scale.

    chosen: number of the best complete trial; its score is the best of n_distinct that answer differently, which flatters it by
    about `optimism` points, at most `bound`. looks: times a model was scored on the validation rows.
    """

    metric: str
    n_valid: int
    n_clusters: int
    valid_from: str
    space: dict[str, dict[str, Any]]
    trials: tuple[Trial, ...]
    chosen: int
    n_distinct: int
    optimism: float
    bound: float
    looks: int

    @property
    def best(self) -> Trial:
        return next(trial for trial in self.trials if trial.number == self.chosen)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "settings": self.best.settings, "score": self.best.score}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "SearchRecord":
        own = {name: record[name] for name in cls.__dataclass_fields__ if name != "trials"}
        trials = tuple(Trial(**{**trial, "epochs": tuple(trial["epochs"])}) for trial in record["trials"])
        return cls(trials=trials, **own)
