"""What smoothness and adversarial countermeasures share: lengths of shifts and distances of answers. torch tensors."""

from typing import Any

SMALLEST = 1e-12


def of_length(direction: Any, length: float) -> Any:
    """The same direction (B, T, D), each row `length` long; a row without direction stays where it is."""
    norm = direction.flatten(1).norm(dim=1).clamp_min(SMALLEST)
    return direction * (length / norm).view(-1, 1, 1)


def within(shift: Any, length: float) -> Any:
    """Rows of `shift` (B, T, D) that are longer than `length` are cut to it."""
    norm = shift.flatten(1).norm(dim=1).clamp_min(SMALLEST)
    return shift * (length / norm).clamp(max=1.0).view(-1, 1, 1)


def divergence(of: Any, to: Any) -> Any:
    """Kullback-Leibler divergence (B,) of the answers with logits `to` from those with logits `of`, in nats."""
    said, other = of.float().log_softmax(-1), to.float().log_softmax(-1)
    return (said.exp() * (said - other)).sum(-1)


def both_ways(one: Any, other: Any) -> Any:
    """Divergence in both directions (B,), in nats."""
    return divergence(one, other) + divergence(other, one)
