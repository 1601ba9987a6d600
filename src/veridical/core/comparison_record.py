"""What a comparison of runs found, as it is saved. Differences are points, the later run minus the earlier; scores are shares.
Computed in `verify/`, drawn in `report/`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate

FORMAT = 1
SHOWN = 0.0005
"""Difference of two scores from which a reader sees two figures, 0..1: half of the last digit shown."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run in the comparison. reported, honest: its score on the compared rows; honest is None where it could not be
    compared. leaked: compared rows that its train has too. ledger: the honest score of its own ledger, None where that is in
    another metric."""

    name: str
    folder: str
    model: str
    seed: int
    n_train: int
    leaked: int
    reported: Estimate
    honest: Estimate | None
    ledger: Estimate | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether its own ledger shows another honest score than stands here."""
        return self.ledger is not None and self.honest is not None and abs(self.ledger.value - self.honest.value) >= SHOWN


@dataclass(frozen=True, slots=True)
class Difference:
    """Second run minus first, in points.

    points: with its own interval. band: with the simultaneous one over all pairs. p: two-sided, clusters' signs flipped or their
    statistics swapped. p_holm: corrected for the number of pairs. told: p_holm and band both say it is not zero. mde: smallest
    difference seen with 80 % power after that correction, points, whatever wrong labels may have made of it. conflict: which of
    the two would say so alone: band (then widened to hold zero), test, or labels (the test, but wrong labels may make as much);
    empty where they agree.
    """

    points: Estimate
    band: Estimate
    p: float
    p_holm: float
    told: bool
    mde: float
    conflict: str = ""

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Difference":
        return cls(**{**record, "points": Estimate.from_json(record["points"]), "band": Estimate.from_json(record["band"])})


@dataclass(frozen=True, slots=True)
class Discordance:
    """Rows that only one of the two gets right, by the labels as given, and McNemar's exact two-sided p. It takes rows for
    independent; `independent` says whether they are (no two rows of one family)."""

    first_only: int
    second_only: int
    p: float
    independent: bool


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether either run is worse than the other by more than `margin` points; p values one-sided, Holm over both directions of
    all pairs. verdict: both, second (is not worse), first, or neither (could be said)."""

    margin: float
    terms: str
    p_second: float
    p_first: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Pair:
    """first, second: positions among the runs. honest is None where it could not be compared."""

    first: int
    second: int
    reported: Difference
    honest: Difference | None
    discordance: Discordance
    non_inferiority: NonInferiority | None

    @property
    def main(self) -> Difference:
        """In honest terms where there are any."""
        return self.honest or self.reported

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Pair":
        return cls(
            first=record["first"],
            second=record["second"],
            reported=Difference.from_json(record["reported"]),
            honest=Difference.from_json(record["honest"]) if record["honest"] else None,
            discordance=Discordance(**record["discordance"]),
            non_inferiority=NonInferiority(**record["non_inferiority"]) if record["non_inferiority"] else None,
        )


@dataclass(frozen=True, slots=True)
class Stability:
    """How the order fares when labels are drawn anew from what is known of them.

    noise: fitted, largest (that the data allow) or reviewed. rate: share of labels taken for wrong. order_kept, best_kept: share
    of the draws in which no pair changes sides, and in which the best run stays the best. best: share in which each run is best.
    """

    noise: str
    rate: float
    draws: int
    order_kept: float
    best_kept: float
    best: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What choosing the best of the runs by its reported score flatters it by, in points.

    best: position of that run. optimism: bootstrap estimate for the k runs compared. bound: sigma sqrt(2 ln k), sigma the
    standard error of what the runs do not share. looks: distinct runs known to have scored this test set, these k included.
    bound_looks: the same bound for so many.
    """

    k: int
    best: int
    optimism: float
    bound: float
    looks: int
    bound_looks: float
    lines_not_ours: int = 0


@dataclass(frozen=True, slots=True)
class ComparisonRecord:
    """Everything a comparison holds. terms: honest or reported, the ones that ranks, order and non-inferiority are told in.
    ranks: for each run the share of resampled test sets in which it has rank 1, 2 ...; notes: sentences on what it rests on."""

    veridical: str
    task: str
    metric: str
    terms: str
    level: float
    seed: int
    n: int
    n_clusters: int
    runs: tuple[ComparedRun, ...]
    pairs: tuple[Pair, ...]
    ranks: tuple[tuple[float, ...], ...]
    stability: tuple[Stability, ...] | None
    selection: Selection
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "ComparisonRecord":
        plain = {k: v for k, v in record.items() if k != "format"}
        runs = tuple(
            ComparedRun(
                **{
                    **run,
                    "reported": Estimate.from_json(run["reported"]),
                    "honest": Estimate.from_json(run["honest"]) if run["honest"] else None,
                    "ledger": Estimate.from_json(run["ledger"]) if run.get("ledger") else None,
                }
            )
            for run in record["runs"]
        )
        return cls(
            **{
                **plain,
                "runs": runs,
                "pairs": tuple(Pair.from_json(pair) for pair in record["pairs"]),
                "ranks": tuple(tuple(row) for row in record["ranks"]),
                "stability": None
                if record["stability"] is None
                else tuple(Stability(**{**s, "best": tuple(s["best"])}) for s in record["stability"]),
                "selection": Selection(**record["selection"]),
                "notes": tuple(record["notes"]),
            }
        )


def save(record: ComparisonRecord, path: Path) -> Path:
    write_json(path, record.to_json())
    return path


def read(path: Path) -> ComparisonRecord:
    """A saved comparison. Raises InputError when the file is not one."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}). Make it with: veridical compare RUN_A RUN_B --out F.json"
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT or "pairs" not in record:
        raise InputError(
            f"{path} is no comparison of format {FORMAT}. Make one with: veridical compare RUN_A RUN_B --out FILE.json"
        )
    return ComparisonRecord.from_json(record)
