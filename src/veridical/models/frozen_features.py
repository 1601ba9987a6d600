"""Features of the encoder as it comes, computed once for each text and shared by every arm that only retrains the head."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.atomic_write import write_with
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import IntArray, Text
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.weights import Weights, require_neural

Float32 = npt.NDArray[np.float32]


@dataclass(eq=False)
class Met:
    """Features (M, D) of the texts that were met so far, by one encoder under one setting. row: digest of a text -> its row."""

    row: dict[bytes, int] = field(default_factory=dict)
    features: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@dataclass(frozen=True)
class Opened:
    """An encoder that is only read, opened once for all who ask: its network and its tokenizer."""

    weights: Weights
    attention: str = "eager"

    @cached_property
    def encoder(self) -> Any:
        from veridical.models._encoder_network import open_encoder

        require_neural(f"--model {self.weights.name}")
        return open_encoder(self.weights.folder, dropout=0.0, attention=self.attention).requires_grad_(requires_grad=False)

    @cached_property
    def tokenizer(self) -> Any:
        from veridical.models._encoder_network import open_tokenizer

        return open_tokenizer(self.weights.folder)


def frozen_features(
    inputs: Sequence[Text],
    *,
    weights: Weights,
    folder: Path | None = None,
    met: Met | None = None,
    max_length: int = 256,
    dtype: str = "float32",
    attention: str = "eager",
    progress: Progress = silent,
    opened: Opened | None = None,
) -> Float32:
    """Mean of the last hidden states, (N, D), one row for each input; equal inputs are encoded once.

    With a folder every text's are kept there, in a file named after the weights and the settings, and with `met` in memory, which
    is filled from the file once; those of a text that was met before, among whichever others, are read back. Which others it was
    encoded beside moves their last digits. opened: the encoder, where it is open already.
    """
    opened = opened or Opened(weights, attention)
    name = f"features-{FORMAT}-{weights.sha256[:16]}-{max_length}-{dtype}-{attention}.safetensors"
    kept = folder / name if folder else None
    met = Met() if met is None else met
    if kept is not None and not met.row:
        _read(kept, into=met)
    keys = [_digest(text) for text in inputs]
    new: dict[bytes, Text] = {key: text for key, text in zip(keys, inputs, strict=True) if key not in met.row}
    if new or not met.row:
        found = _encode(list(new.values()), opened, max_length=max_length, dtype=dtype, progress=progress)
        met.features = np.concatenate([met.features, found]) if met.row else found
        met.row |= {key: len(met.row) + place for place, key in enumerate(new)}
        if kept is not None:
            _write(kept, met)
    return met.features[[met.row[key] for key in keys]]


FORMAT = 2
"""Of the files: 1 held the features of whole lists of texts."""


def _read(kept: Path, *, into: Met) -> None:
    from safetensors.numpy import load_file

    if kept.is_file():
        found = load_file(str(kept))
        into.row |= {row.tobytes(): place for place, row in enumerate(found["texts"])}
        into.features = np.asarray(found["features"])


def _write(kept: Path, met: Met) -> None:
    from safetensors.numpy import save_file

    texts = np.frombuffer(b"".join(met.row), np.uint8).reshape(len(met.row), -1)
    write_with(kept, lambda path: save_file({"texts": texts, "features": met.features}, str(path)))


def _encode(texts: list[Text], opened: Opened, *, max_length: int, dtype: str, progress: Progress) -> Float32:
    from veridical.models._encoder_network import EncoderClassifier, predict_logits
    from veridical.models.tokens import tokenise

    network = EncoderClassifier(opened.encoder, n_classes=1, seed=0)
    tokens = tokenise(opened.tokenizer, texts, max_length=max_length)
    return predict_logits(network, tokens, np.arange(len(tokens)), dtype=dtype, progress=progress, features=True)


def _digest(text: Text) -> bytes:
    digest = hashlib.sha256()
    for part in (text,) if isinstance(text, str) else text:
        coded = part.encode("utf-8", "surrogatepass")
        digest.update(len(coded).to_bytes(8, "little") + coded)
    return digest.digest()[:16]


@dataclass(frozen=True, eq=False)
class Head:
    """Multinomial logistic regression on features. mean, scale: (D,). weights: (C, D). bias: (C,)."""

    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    bias: FloatArray

    def predict(self, features: Float32) -> FloatArray:
        """Class probabilities, (N, C)."""
        return softmax((features - self.mean) / self.scale @ self.weights.T + self.bias)


HEAD_C = 0.05
"""Inverse L2 strength per row on standardised features, > 0. Ours."""


def fit_head(
    features: Float32, codes: IntArray, *, n_classes: int, weights: FloatArray | None = None, tolerance: float = 1e-6
) -> Head:
    """Fit the head on features (N, D), label codes (N,) and row weights (N,). Needs no torch. tolerance: of the solver.

    A class without rows gets probability near 0.
    """
    from sklearn.linear_model import LogisticRegression

    wide = features.astype(np.float64)
    mean, scale = wide.mean(0), np.maximum(wide.std(0), 1e-6)
    present = np.unique(codes)
    coefficients, bias = np.zeros((n_classes, wide.shape[1])), np.full(n_classes, -30.0)
    if len(present) == 1:
        bias[present] = 0.0
        return Head(mean, scale, coefficients, bias)
    fitted: Any = LogisticRegression(C=HEAD_C, max_iter=1000, tol=tolerance).fit(
        (wide - mean) / scale, codes, sample_weight=weights
    )
    if len(present) == 2:
        coefficients[present[1]], bias[present[0]], bias[present[1]] = fitted.coef_[0], 0.0, fitted.intercept_[0]
    else:
        coefficients[present], bias[present] = fitted.coef_, fitted.intercept_
    return Head(mean, scale, coefficients, bias)
