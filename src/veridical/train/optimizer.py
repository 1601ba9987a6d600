"""AdamW and the course of its step size."""

import torch
from torch import nn

from veridical.train.checkpoint import trainable
from veridical.train.config import TrainConfig


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW: no decay on biases and layer norms (tensors of one axis), a faster head, the rate that the tuning method wants."""
    groups, rate = [], config.method().params.rate
    for of_head in (False, True):
        for decays in (False, True):
            chosen = [p for n, p in trainable(network).items() if n.startswith("head.") == of_head and (p.ndim > 1) == decays]
            base = config.learning_rate * (config.head_rate if of_head else rate)
            if chosen:
                groups.append({"params": chosen, "weight_decay": config.weight_decay if decays else 0.0, "base": base})
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def rate_share(number: int, *, n_steps: int, warmup_share: float) -> float:
    """Share of the peak step size in step `number` (from 0): up in a line over the warm-up, then down in a line towards 0."""
    warmup = round(n_steps * warmup_share)
    if number < warmup:
        return (number + 1) / warmup
    return (n_steps - number) / max(1, n_steps - warmup)
