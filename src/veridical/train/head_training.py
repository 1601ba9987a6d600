"""Train the head alone: features of the encoder as it comes, computed once and kept, and one convex fit on them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from veridical.core.surroundings import threads as usable_threads
from veridical.dataset.rows import Text
from veridical.models._encoder_network import EncoderClassifier
from veridical.models.encoder import EncoderModel
from veridical.models.frozen_features import Float32, Head, Met, Opened, fit_head, frozen_features
from veridical.models.tokens import tokenise
from veridical.train._contract import combined_row_weights
from veridical.train.encoder_training import Request, check_length, learned_share, threads_kept, warnings_of
from veridical.train.trained import Trained


@dataclass(frozen=True)
class Frozen:
    """What all fits of one request share: the encoder, opened once, and the features of every text that one of them met."""

    request: Request
    opened: Opened
    met: Met
    """Kept in the folder of the request as well, where it has one."""

    @classmethod
    def of(cls, request: Request) -> "Frozen":
        if request.folder:
            request.folder.mkdir(parents=True, exist_ok=True)
        attention = "eager" if request.config.attention == "auto" else request.config.attention
        return cls(request, Opened(request.weights, attention), Met())

    @property
    def dtype(self) -> str:
        return "float32" if self.request.config.dtype == "auto" else self.request.config.dtype

    def features(self, texts: Sequence[Text]) -> Float32:
        """(N, D)."""
        request = self.request
        return frozen_features(
            texts, weights=request.weights, folder=request.folder, met=self.met, max_length=request.config.max_length,
            dtype=self.dtype, attention=self.opened.attention, progress=request.progress, opened=self.opened,
        )  # fmt: skip

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        inputs, tokenizer = self.request.data.inputs(), self.opened.tokenizer
        return warnings_of(self.request, tokenise(tokenizer, inputs, max_length=self.request.config.max_length), tokenizer)


def train_head(request: Request, *, frozen: Frozen, asked: Sequence[Text] | None = None) -> Trained:
    """The encoder with a fitted head, and its probabilities for the rows wanted. It has no steps, so no dynamics and no seed.

    frozen: of the request, or of the one that this is a first training for. asked: texts that probabilities are wanted of in
    place of those that are learned from, one for each row.
    """
    started = time.monotonic()
    data, config = request.data, request.config
    check_length(config.max_length, frozen.opened.tokenizer)
    codes = data.codes[request.train]
    weights = combined_row_weights(request.countermeasures, codes, len(data.labels), request.row_weights)
    with threads_kept():
        torch.set_num_threads(config.threads or usable_threads())
        texts = data.inputs() if asked is None else asked
        wanted = texts if request.answering is None else [texts[row] for row in request.answering]
        learned = data.inputs(request.train)
        features = frozen.features([*learned, *wanted])
        head = fit_head(features[: len(learned)], codes, n_classes=len(data.labels), weights=weights)
        probabilities = request.spread(head.predict(features[len(learned) :]))
    network = EncoderClassifier(frozen.opened.encoder, n_classes=len(data.labels), seed=request.seed)
    _fill(network, head)
    network.eval()
    model = EncoderModel(
        labels=data.labels, network=network, tokenizer=frozen.opened.tokenizer, max_length=config.max_length,
        pair=data.seconds is not None, dtype=frozen.dtype, attention=frozen.opened.attention,
        base=f"{request.weights.name} {request.weights.sha256}", normalisers=request.normalisers,
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
        warnings=frozen.warnings,
        learned=learned_share(network, config),
    )


def _fill(network: EncoderClassifier, head: Head) -> None:
    """Write the fit into the linear layer, the standardising of features included."""
    weights = head.weights / head.scale  # (C, D)
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(weights.astype(np.float32)))
        network.head.bias.copy_(torch.from_numpy((head.bias - weights @ head.mean).astype(np.float32)))
