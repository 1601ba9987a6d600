"""How far a quantity and each training row pull the trained tensors of an encoder the same way (TracIn). Needs torch.

TracIn (Pruthi et al. 2020, arXiv:2002.08484) is a product of two gradients, weighed by the step size. A component's gradient is
known before any row is looked at, so its products with all rows are one derivative of their logits along it, in forward mode:
exact over every trained tensor, with no row's gradient ever stored. Random projections (Park et al. 2023, arXiv:2303.14186; Choe
et al. 2024, arXiv:2405.13954) approximate the same numbers, for questions that come after the rows were passed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from veridical.core.progress import Progress
from veridical.dataset.rows import IntArray
from veridical.models._encoder_network import PREDICT_TOKENS, EncoderClassifier, batch_tensors
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens, cut_by_tokens
from veridical.train._tuning import Given
from veridical.train.config import TrainConfig

ALONE = ("head.weight", "head.bias")
"""The last layer: learns with every tuning method."""


def step_sizes(network: EncoderClassifier, config: TrainConfig, factors: Mapping[str, float]) -> dict[str, float]:
    """Of every tensor that training changed, by name: the step size at its peak times the epochs. factors: of countermeasures.

    What a method adds and merges afterwards counts as the matrix that it was merged into, at the step size without the method's
    own rate: two thin matrices near their start move their product as a full matrix moves, but for a random map (Hu et al. 2022,
    arXiv:2106.09685, which starts one of them at 0).
    """
    method, known = config.method(), {name for name, _ in network.named_parameters()}
    found = {}
    for name in _learned(network, config):
        place = name if name in known else _merged_into(name, known)
        found[place] = method.params.rate if place == name else 1.0
    found |= dict.fromkeys(ALONE, config.head_rate)
    common = config.learning_rate * config.epochs
    return {name: common * found[name] * factors.get(name, 1.0) for name in sorted(found) if name in known}


def _learned(network: EncoderClassifier, config: TrainConfig) -> list[str]:
    """Names of what asks for gradients once the tuning method has prepared an encoder of this shape."""
    encoder, method = network.encoder, config.method()
    given = Given(config.freeze_embeddings, config.frozen_layers, config.max_length)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        twin = type(encoder)(encoder.config)
        twin.requires_grad_(requires_grad=False)
        method.tuning.prepare(SimpleNamespace(encoder=twin), method.params, given)
    return [f"encoder.{name}" for name, parameter in twin.named_parameters() if parameter.requires_grad]


def _merged_into(name: str, known: set[str]) -> str:
    """The matrix of the map inside which a tensor was added; empty where the network has none (its pooler was taken out)."""
    while name:
        name = name.rpartition(".")[0]
        if f"{name}.weight" in known:
            return f"{name}.weight"
    return ""


def tracked(
    network: EncoderClassifier,
    steps: Mapping[str, float],
    pull: FloatArray,
    *,
    theirs: Tokens,
    mine: Tokens,
    codes: IntArray,
    row_weights: FloatArray,
    dtype: str,
    progress: Progress,
) -> FloatArray:
    """By how much one step on each row's loss raises sum(pull * probabilities), (n,). pull: (t, C) on the asked rows `theirs`.
    mine, codes (n,), row_weights (n,): the training rows. steps: step size of each tensor, by name."""
    slope = gradient(network, list(steps), theirs, pull, dtype=dtype, progress=progress)
    direction = {name: steps[name] * part for name, part in slope.items()}
    logits, moved = along(network, direction, mine, dtype=dtype, progress=progress)
    residual = softmax(logits) - np.eye(logits.shape[1])[codes]
    return np.asarray(-row_weights * (residual * moved).sum(axis=1))


def gradient(
    network: EncoderClassifier, names: Sequence[str], tokens: Tokens, pull: FloatArray, *, dtype: str, progress: Progress
) -> dict[str, Tensor]:
    """Of sum(pull * probabilities) over rows of `tokens` with pull (t, C), by the tensors named."""
    weights = [network.get_parameter(name) for name in names]
    total = [torch.zeros_like(weight) for weight in weights]
    moving = np.flatnonzero(np.abs(pull).max(axis=1, initial=0.0) > 0)
    with _differentiable(network, weights, dtype=dtype):
        for rows in _batches(tokens, moving, progress):
            pulled = torch.from_numpy(pull[rows]).to(weights[0])
            probabilities = network(*batch_tensors(tokens, rows, weights[0].device)).softmax(1)  # (B, C)
            slopes = torch.autograd.grad((pulled * probabilities).sum(), weights, allow_unused=True, materialize_grads=True)
            for part, found in zip(total, slopes, strict=True):
                part += found
    return dict(zip(names, total, strict=True))


def along(
    network: EncoderClassifier, direction: Mapping[str, Tensor], tokens: Tokens, *, dtype: str, progress: Progress
) -> tuple[FloatArray, FloatArray]:
    """Logits of every row, and their derivative as the tensors move along `direction`, both (n, C)."""
    weights = {name: network.get_parameter(name).detach() for name in direction}
    device = network.head.weight.device
    logits, moved = (np.empty((len(tokens), network.head.out_features)) for _ in range(2))
    with _differentiable(network, (), dtype=dtype), torch.no_grad():
        for rows in _batches(tokens, np.arange(len(tokens)), progress):
            batch = batch_tensors(tokens, rows, device)

            def answered(given: dict[str, Tensor], batch: Any = batch) -> Any:
                return functional_call(network, given, batch)

            value, slope = jvp(answered, (weights,), (dict(direction),))[:2]
            logits[rows], moved[rows] = value.double().cpu().numpy(), slope.double().cpu().numpy()
    return logits, moved


def _batches(tokens: Tokens, rows: IntArray, progress: Progress) -> Iterator[IntArray]:
    """Longest first: a batch that memory cannot hold is met at once."""
    order = rows[np.argsort(-tokens.lengths[rows], kind="stable")]
    lengths = tokens.lengths[order]
    done, total = 0, int(lengths.sum())
    for run in cut_by_tokens(order, lengths, token_budget=PREDICT_TOKENS):
        yield run
        done += int(tokens.lengths[run].sum())
        progress("gradients", done, total)


@contextmanager
def _differentiable(network: EncoderClassifier, weights: Sequence[nn.Parameter], *, dtype: str) -> Iterator[None]:
    """In it these tensors alone ask for gradients, and attention is computed by kernels that have derivatives of both modes."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    was_training, asked = network.training, [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    device = network.head.weight.device.type
    network.eval()
    network.requires_grad_(requires_grad=False)
    for weight in weights:
        weight.requires_grad = True
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
            yield
    finally:
        for parameter, before in asked:
            parameter.requires_grad = before
        network.train(was_training)
