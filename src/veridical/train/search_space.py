"""Which settings of training a search may change, and between what bounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from veridical.core.errors import InputError, UnknownName
from veridical.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Range:
    """low, high: both may be chosen. scale: `log` (orders of magnitude alike), `linear`, or `whole` (whole numbers)."""

    low: float
    high: float
    scale: str

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


SPACE = {
    "learning_rate": Range(1e-5, 5e-4, "log"),
    "head_rate": Range(1.0, 30.0, "log"),
    "epochs": Range(1, 6, "whole"),
    "weight_decay": Range(1e-3, 0.3, "log"),
    "warmup_share": Range(0.0, 0.3, "linear"),
    "dropout": Range(0.0, 0.3, "linear"),
    "max_grad_norm": Range(0.1, 10.0, "log"),
    "frozen_layers": Range(0, 4, "whole"),
    "linear_c": Range(0.1, 300.0, "log"),
}
"""Settings by name. Bounds are ours, around the defaults and what their docstrings cite; --search-over gives others."""
OF_ENCODER = ("learning_rate", "epochs", "weight_decay", "warmup_share")
"""Searched when none are named. Ours: few, because every one more needs more trials."""
OF_LINEAR = ("linear_c",)


def space_of(named: Sequence[str], *, linear: bool) -> dict[str, Range]:
    """The settings to search: those named as NAME or NAME=LOW:HIGH, or the usual ones of the kind of model."""
    found: dict[str, Range] = {}
    for entry in named or (OF_LINEAR if linear else OF_ENCODER):
        name, _, bounds = (part.strip() for part in entry.partition("="))
        name = name.replace("-", "_")
        if name not in SPACE:
            raise UnknownName("setting to search", name, SPACE, "Give --search-over NAME or NAME=LOW:HIGH, separated by commas.")
        if (name in OF_LINEAR) != linear:
            model, usual = ("linear", OF_LINEAR) if linear else ("of an encoder", OF_ENCODER)
            raise InputError(f"--search-over {name} changes nothing for a model {model}. Use for example: {', '.join(usual)}.")
        if name in found:
            raise InputError(f"--search-over names {name} twice. Name it once.")
        found[name] = _bounded(name, bounds) if bounds else SPACE[name]
    return found


def _bounded(name: str, bounds: str) -> Range:
    usual, parts = SPACE[name], bounds.split(":")
    example = f"{name}={usual.low:g}:{usual.high:g}"
    try:
        low, high = (float(part) for part in parts)
    except ValueError as error:
        raise InputError(f"--search-over {name}={bounds} is no range. Give two numbers, for example {example}.") from error
    found = replace(usual, low=low, high=high)
    sound = math.isfinite(low) and math.isfinite(high) and low < high and not (found.scale == "log" and low <= 0)
    if not sound or (found.scale == "whole" and (low != int(low) or high != int(high))):
        kind = {"log": "two numbers above 0", "linear": "two numbers", "whole": "two whole numbers"}[found.scale]
        raise InputError(f"--search-over {name}={bounds} must be {kind}, the smaller first, for example {example}.")
    for value in (low, high):
        TrainConfig(**{name: int(value) if found.scale == "whole" else value})  # type: ignore[arg-type]  # its own range
    return found


def changed(training: TrainConfig, settings: Mapping[str, float | int]) -> TrainConfig:
    """The settings of a trial in place of those given."""
    return replace(training, **settings)  # type: ignore[arg-type]  # names and kinds are those of SPACE
