"""How good an estimate of a known truth is: error, coverage, width, interval score, with the benchmark's own standard errors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

LEVEL = 0.95


@dataclass(frozen=True)
class Judged:
    """One estimate beside its truth, shares 0..1."""

    value: float
    low: float
    high: float
    truth: float


@dataclass(frozen=True)
class Verdict:
    """Points; coverage is a share. error: mean absolute error, error_se its Monte-Carlo standard error over the cells."""

    cells: int
    error: float
    error_se: float
    bias: float
    coverage: float
    width: float
    interval_score: float


def interval_score(one: Judged) -> float:
    """Width plus 2 / alpha times the distance by which the interval misses (Gneiting and Raftery 2007, eq. 43), a share."""
    alpha = 1 - LEVEL
    return one.high - one.low + 2 / alpha * (max(one.low - one.truth, 0) + max(one.truth - one.high, 0))


def verdict(cells: Sequence[Judged]) -> Verdict:
    """The summary of many cells."""
    errors = 100 * np.array([one.value - one.truth for one in cells])
    return Verdict(
        cells=len(cells),
        error=float(np.abs(errors).mean()),
        error_se=float(np.abs(errors).std(ddof=1) / np.sqrt(len(cells))) if len(cells) > 1 else 0.0,
        bias=float(errors.mean()),
        coverage=float(np.mean([one.low <= one.truth <= one.high for one in cells])),
        width=100 * float(np.mean([one.high - one.low for one in cells])),
        interval_score=100 * float(np.mean([interval_score(one) for one in cells])),
    )


def verdict_of_draws(cells: Sequence[Sequence[Judged]]) -> Verdict:
    """The summary of cells with several draws each, every one of the same weight; error_se is over cells, whose draws share one
    test set."""
    pooled = verdict([one for draws in cells for one in draws])
    each = np.array([np.mean([abs(one.value - one.truth) for one in draws]) for draws in cells]) * 100
    return replace(pooled, cells=len(cells), error_se=float(each.std(ddof=1) / np.sqrt(len(cells))) if len(cells) > 1 else 0.0)


RESAMPLED = 2000


def ratio_interval(errors: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """95 % interval of mean error over mean error of the same cells, (cells,) each: a percentile bootstrap over cells."""
    at = np.random.default_rng(0).integers(len(errors), size=(RESAMPLED, len(errors)))
    low, high = np.quantile(errors[at].mean(axis=1) / others[at].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def as_row(name: str, found: Verdict) -> str:
    """One line of the printed table."""
    return (
        f"{name:<34}{found.error:6.2f} ±{found.error_se:4.2f}  bias {found.bias:+6.2f}  coverage {found.coverage:5.2f}  "
        f"width {found.width:5.1f}  interval score {found.interval_score:6.1f}  ({found.cells} cells)"
    )


def as_json(found: Verdict) -> dict[str, float]:
    return {name: round(number, 4) for name, number in asdict(found).items()}
