"""Train the head alone: features of the encoder as it comes, computed once and kept, and one convex fit on them."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from veridical.core.surroundings import threads as usable_threads
from veridical.dataset.rows import Text
from veridical.models._encoder_network import EncoderClassifier, open_encoder, open_tokenizer
from veridical.models.encoder import EncoderModel
from veridical.models.frozen_features import Float32, Head, Met, fit_head, frozen_features
from veridical.models.tokens import tokenise
from veridical.train._contract import combined_row_weights
from veridical.train.config import TrainConfig
from veridical.train.encoder_training import Request, check_length, learned_share, threads_kept, warnings_of
from veridical.train.trained import Trained

Encode = Callable[[Sequence[Text]], Float32]


def encoding(request: Request) -> Encode:
    """Texts -> features (N, D); in the request's folder, or in memory without one, those of a text are made once."""
    config, met = request.config, None if request.folder else Met()
    if request.folder:
        request.folder.mkdir(parents=True, exist_ok=True)
    return partial(
        frozen_features, weights=request.weights, folder=request.folder, met=met, max_length=config.max_length,
        dtype=_dtype(config), attention=_attention(config), progress=request.progress,
    )  # fmt: skip


def train_head(request: Request, *, encode: Encode, asked: Sequence[Text] | None = None) -> Trained:
    """The encoder with a fitted head, and its probabilities for every row. Without a step, there are no dynamics and no seed.

    encode: `encoding` of the request. asked: texts that probabilities are wanted of in place of those that are learned from, one
    for each row.
    """
    started = time.monotonic()
    data, config = request.data, request.config
    tokenizer = open_tokenizer(request.weights.folder)
    check_length(config.max_length, tokenizer)
    codes = data.codes[request.train]
    weights = combined_row_weights(request.countermeasures, codes, len(data.labels), request.row_weights)
    with threads_kept():
        torch.set_num_threads(config.threads or usable_threads())
        features = encode(data.inputs())
        head = fit_head(features[request.train], codes, n_classes=len(data.labels), weights=weights)
        probabilities = head.predict(features if asked is None else encode(asked))
    encoder = open_encoder(request.weights.folder, dropout=0.0, attention=_attention(config))
    network = EncoderClassifier(encoder.requires_grad_(requires_grad=False), n_classes=len(data.labels), seed=request.seed)
    _fill(network, head)
    network.eval()
    model = EncoderModel(
        labels=data.labels, network=network, tokenizer=tokenizer, max_length=config.max_length, pair=data.seconds is not None,
        dtype=_dtype(config), attention=_attention(config), base=f"{request.weights.name} {request.weights.sha256}",
        normalisers=request.normalisers,
    )  # fmt: skip
    return Trained(
        model=model,
        kind="encoder",
        ids=tuple(data.ids),
        probabilities=probabilities,
        labels=data.labels,
        dynamics=None,
        seconds=time.monotonic() - started,
        external=False,
        warnings=warnings_of(request, tokenise(tokenizer, data.inputs(), max_length=config.max_length), tokenizer),
        learned=learned_share(network, config),
    )


def _dtype(config: TrainConfig) -> str:
    return "float32" if config.dtype == "auto" else config.dtype


def _attention(config: TrainConfig) -> str:
    return "eager" if config.attention == "auto" else config.attention


def _fill(network: EncoderClassifier, head: Head) -> None:
    """Write the fit into the linear layer, the standardising of features included."""
    weights = head.weights / head.scale  # (C, D)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weights.astype(np.float32)))
        network.head.bias.copy_(torch.from_numpy((head.bias - weights @ head.mean).astype(np.float32)))
