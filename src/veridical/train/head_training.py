"""Train the head alone: features of the encoder as it comes, computed once and kept, and one convex fit on them."""

import time
from functools import partial

import numpy as np
import torch

from veridical.core.surroundings import threads as usable_threads
from veridical.models._encoder_network import EncoderClassifier, open_encoder, open_tokenizer
from veridical.models.encoder import EncoderModel
from veridical.models.frozen_features import Head, fit_head, frozen_features
from veridical.models.tokens import tokenise
from veridical.train._contract import combined_row_weights
from veridical.train.encoder_training import Request, check_length, learned_share, threads_kept, warnings_of
from veridical.train.trained import Trained


def train_head(request: Request) -> Trained:
    """The encoder with a fitted head, and its probabilities for every row. Without a step, there are no dynamics and no seed."""
    started = time.monotonic()
    data, config = request.data, request.config
    tokenizer = open_tokenizer(request.weights.folder)
    check_length(config.max_length, tokenizer)
    codes = data.codes[request.train]
    weights = combined_row_weights(request.countermeasures, codes, len(data.labels), request.row_weights)
    dtype = "float32" if config.dtype == "auto" else config.dtype
    attention = "eager" if config.attention == "auto" else config.attention
    if request.folder:
        request.folder.mkdir(parents=True, exist_ok=True)
    with threads_kept():
        torch.set_num_threads(config.threads or usable_threads())
        features = partial(
            frozen_features, weights=request.weights, folder=request.folder, max_length=config.max_length, dtype=dtype,
            attention=attention, progress=request.progress,
        )  # fmt: skip
        learned = features(data.inputs())
        head = fit_head(learned[request.train], codes, n_classes=len(data.labels), weights=weights)
        asked = learned if request.asked is None else features(request.asked)
    encoder = open_encoder(request.weights.folder, dropout=0.0, attention=attention)
    network = EncoderClassifier(encoder.requires_grad_(requires_grad=False), n_classes=len(data.labels), seed=request.seed)
    _fill(network, head)
    network.eval()
    model = EncoderModel(
        labels=data.labels, network=network, tokenizer=tokenizer, max_length=config.max_length, pair=data.seconds is not None,
        dtype=dtype, attention=attention, base=f"{request.weights.name} {request.weights.sha256}",
        normalisers=request.normalisers,
    )  # fmt: skip
    return Trained(
        model=model,
        kind="encoder",
        ids=tuple(data.ids),
        probabilities=head.predict(asked),
        labels=data.labels,
        dynamics=None,
        seconds=time.monotonic() - started,
        external=False,
        warnings=warnings_of(request, tokenise(tokenizer, data.inputs(), max_length=config.max_length), tokenizer),
        learned=learned_share(network, config),
    )


def _fill(network: EncoderClassifier, head: Head) -> None:
    """Write the fit into the linear layer, the standardising of features included."""
    weights = head.weights / head.scale  # (C, D)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weights.astype(np.float32)))
        network.head.bias.copy_(torch.from_numpy((head.bias - weights @ head.mean).astype(np.float32)))
