"""What a rewrite would do to the loss, to first order in the embeddings of its tokens (HotFlip, Ebrahimi et al. 2018,
arXiv:1712.06751), for an encoder whose inside is at hand. One forward and one backward pass a row.

HotFlip flips one character or token for one from the whole vocabulary; ours ranks the rewrites that the recipe's transformation
offers. A word and its rewrite may differ in their number of tokens, so the mean embedding of the new tokens takes the place of
each old one. Shapes: B rows, T tokens, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.models.encoder import EncoderModel
from veridical.probe.attack._record import Attempt, Spot, parts_of

BATCH_ROWS = 16
"""Rows whose gradients are taken at once. Ours; no source."""
Float32 = npt.NDArray[np.float32]


def gains_of(model: EncoderModel, attempts: Sequence[Attempt]) -> list[dict[Spot, list[float]]]:
    """For every attempt: the rise of the loss that each rewrite of each spot promises, in nats."""
    table = model.network.encoder.get_input_embeddings().weight.detach().float().cpu().numpy()
    words = {word for attempt in attempts for options in attempt.options.values() for word in options}
    means = _means(model, sorted(words), table)
    found = []
    for start in range(0, len(attempts), BATCH_ROWS):
        batch = attempts[start : start + BATCH_ROWS]
        for attempt, (gradient, at) in zip(batch, _gradients(model, batch), strict=True):
            found.append(_foreseen(attempt, gradient, at, table, means))
    return found


def _means(model: EncoderModel, words: Sequence[str], table: Float32) -> dict[str, Float32]:
    """The mean embedding of the tokens of each word, (D,)."""
    if not words:
        return {}
    ids = model.tokenizer(list(words), add_special_tokens=False)["input_ids"]
    nothing = np.zeros(table.shape[1], np.float32)
    return {word: table[own].mean(axis=0) if len(own) else nothing for word, own in zip(words, ids, strict=True)}


def _encoded(model: EncoderModel, batch: Sequence[Attempt]) -> Any:
    """Token ids of the batch with the place of every token in its text."""
    first = [parts_of(attempt.text)[0] for attempt in batch]
    second = [parts_of(attempt.text)[1] for attempt in batch] if model.pair else None
    return model.tokenizer(
        first,
        second,
        truncation=True,
        max_length=model.max_length,
        padding=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )


def _gradients(model: EncoderModel, batch: Sequence[Attempt]) -> list[tuple[Float32, list[tuple[Spot, int, int]]]]:
    """Gradient of the loss with respect to each token's embedding (T, D), with (part and place, token id, position) of tokens."""
    import torch

    network = model.network
    encoded = _encoded(model, batch)
    device = next(network.parameters()).device
    kept: list[Any] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> Any:
        leaf = output.detach().requires_grad_(requires_grad=True)
        kept.append(leaf)
        return leaf

    hook = network.encoder.get_input_embeddings().register_forward_hook(keep)
    was_training = network.training
    network.eval()
    try:
        with torch.enable_grad():
            types = encoded["token_type_ids"].to(device) if "token_type_ids" in encoded else None
            logits = network(encoded["input_ids"].to(device), encoded["attention_mask"].to(device), types)
            labels = torch.tensor([attempt.label for attempt in batch], device=device)
            loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, kept)
    finally:
        hook.remove()
        network.train(was_training)
    rows = gradient.float().cpu().numpy()
    return [(rows[i], _tokens(encoded, i)) for i in range(len(batch))]


def _tokens(encoded: Any, row: int) -> list[tuple[Spot, int, int]]:
    ids, offsets = encoded["input_ids"][row].tolist(), encoded["offset_mapping"][row].tolist()
    parts = encoded.sequence_ids(row)
    return [
        ((part, (start, end)), token, position)
        for position, (part, (start, end), token) in enumerate(zip(parts, offsets, ids, strict=True))
        if part is not None and end > start
    ]


def _foreseen(
    attempt: Attempt, gradient: Float32, tokens: Sequence[tuple[Spot, int, int]], table: Float32, means: Mapping[str, Float32]
) -> dict[Spot, list[float]]:
    found = {}
    for (part, (start, end)), words in attempt.options.items():
        own = [
            (token, position) for (of, (begin, stop)), token, position in tokens if of == part and begin < end and stop > start
        ]
        total = np.zeros(table.shape[1], np.float32)
        before = 0.0
        for token, position in own:
            total += gradient[position]
            before += float(gradient[position] @ table[token])
        found[part, (start, end)] = [float(total @ means[word]) - before for word in words]
    return found
