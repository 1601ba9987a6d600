"""AdamW and the course of its step size."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from veridical.train.checkpoint import trainable
from veridical.train.config import TrainConfig


def make_optimizer(
    network: nn.Module, config: TrainConfig, *, factors: Mapping[str, float] = MappingProxyType({})
) -> torch.optim.Optimizer:
    """AdamW: no decay on biases and layer norms (tensors of one axis), a faster head, the rate that the tuning method wants.

    factors: on the step size of tensors, by name; 1 where not named.
    """
    rate = config.method().params.rate
    groups: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
    for name, parameter in trainable(network).items():
        groups.setdefault((name.startswith("head."), parameter.ndim > 1, factors.get(name, 1.0)), []).append(parameter)
    settings = [
        {
            "params": groups[of_head, decays, factor],
            "weight_decay": config.weight_decay if decays else 0.0,
            "base": config.learning_rate * (config.head_rate if of_head else rate) * factor,
        }
        for of_head, decays, factor in sorted(groups)
    ]
    return torch.optim.AdamW(settings, lr=config.learning_rate, fused=True)


def rate_share(number: int, *, n_steps: int, warmup_share: float) -> float:
    """Share of the peak step size in step `number` (from 0): up in a line over the warm-up, then down in a line towards 0."""
    warmup = round(n_steps * warmup_share)
    if number < warmup:
        return (number + 1) / warmup
    return (n_steps - number) / max(1, n_steps - warmup)
