"""A number never travels alone: value, interval, level, how many rows and clusters, by which method."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measured quantity. Scores are shares 0..1; in a component the unit is percentage points.

    `low` and `high` bound the interval at confidence `level` (0..1); `n` counts rows, `n_clusters` independent units.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    n_clusters: int
    method: str

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"estimate {self.value} lies outside its interval [{self.low}, {self.high}]")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Estimate":
        return cls(**record)

    @property
    def width(self) -> float:
        return self.high - self.low
