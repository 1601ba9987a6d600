"""A fine-tuned encoder with a linear head, as a Model. torch is loaded when one is opened, not when this file is imported."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core import plugins
from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import IntArray, Text
from veridical.models.lexical_normalisation import LexicalNormaliser, load_normalisers, read_through, save_normalisers
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens, tokenise
from veridical.models.weights import require_neural


@dataclass(frozen=True, eq=False)
class EncoderModel:
    """network: an EncoderClassifier. pair: whether it reads pairs of texts. dtype, attention: as chosen when it was trained.

    Probabilities can differ in the third decimal between bfloat16 machines, and with how rows fall into batches.
    """

    labels: tuple[str, ...]
    network: Any
    tokenizer: Any
    max_length: int
    pair: bool
    dtype: str = "float32"
    attention: str = "eager"
    base: str = ""
    """Name and SHA-256 of the weights it was tuned from."""
    beside: tuple[str, dict[str, Any]] | None = None
    """Tuning method and its params where its tensors stay beside the encoder's own; None where the encoder is all there is."""
    markers: tuple[str, ...] = ()
    """Marks that are tokens of their own, and from whose states it answers; empty: the mean of all states."""
    normalisers: tuple[LexicalNormaliser, ...] = ()
    """What it reads every text through, one after the other."""
    kind: str = "encoder"

    def tokens(self, inputs: Sequence[Text]) -> Tokens:
        if inputs and isinstance(inputs[0], str) == self.pair:
            raise InputError(
                f"This model was trained on {'pairs of texts' if self.pair else 'single texts'}, and the rows hold "
                f"{'single texts' if self.pair else 'pairs'}. Name the text columns it was trained with (--text, --second)."
            )
        return tokenise(self.tokenizer, read_through(inputs, self.normalisers), max_length=self.max_length)

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        """Class probabilities, (N, C)."""
        return self.predict_tokens(self.tokens(inputs))

    def predict_tokens(self, tokens: Tokens, *, rows: IntArray | None = None, progress: Progress = silent) -> FloatArray:
        """Probabilities (n, C) of these rows, of all where none are named."""
        from veridical.models._encoder_network import predict_logits

        asked = np.arange(len(tokens)) if rows is None else rows
        logits = predict_logits(self.network, tokens, asked, dtype=self.dtype, progress=progress)
        return softmax(logits.astype(np.float64))

    def reading(self) -> AbstractContextManager[None]:
        """To be held open while many questions are asked: the network is made ready once, not for every question."""
        from veridical.models._encoder_network import reading

        return reading(self.network, dtype=self.dtype)

    def save(self, folder: Path) -> None:
        """model.safetensors, model.json, config.json of the encoder, and the tokenizer's files."""
        from veridical.models._encoder_network import save_network

        save_network(folder, self.network, self.tokenizer)
        about = {"format": 1, "kind": self.kind, "labels": list(self.labels), "max_length": self.max_length, "pair": self.pair}
        added: dict[str, Any] = {"markers": list(self.markers)} if self.markers else {}
        added |= save_normalisers(folder, self.normalisers)
        added |= {} if self.beside is None else {"tuning": {"method": self.beside[0], "params": self.beside[1]}}
        write_json(folder / "model.json", {**about, "dtype": self.dtype, "attention": self.attention, "base": self.base, **added})


def load_encoder_model(folder: Path) -> EncoderModel:
    """The model that `save` wrote. Raises MissingExtra without torch, InputError when the files do not belong together."""
    require_neural(f"The encoder model in {folder}")
    from safetensors.torch import load_file

    from veridical.models._encoder_network import classifier, empty_encoder, open_tokenizer

    about: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    labels, markers, tokenizer = tuple(about["labels"]), tuple(about.get("markers", ())), open_tokenizer(folder)
    built = classifier(tokenizer, markers)
    network = built(empty_encoder(folder, attention=about["attention"]), n_classes=len(labels), seed=0)
    beside = about.get("tuning")
    if beside is not None:
        prepare_beside(network, beside["method"], beside["params"], about["max_length"])
    try:
        network.load_state_dict(load_file(str(folder / "model.safetensors")))
    except (RuntimeError, FileNotFoundError) as error:
        raise InputError(f"{folder}: its files do not belong to one encoder model. Train it again.") from error
    network.eval()
    return EncoderModel(
        labels=labels,
        network=network,
        tokenizer=tokenizer,
        max_length=about["max_length"],
        pair=about["pair"],
        dtype=about["dtype"],
        attention=about["attention"],
        base=about["base"],
        beside=None if beside is None else (beside["method"], beside["params"]),
        markers=markers,
        normalisers=load_normalisers(folder, about),
    )


def prepare_beside(network: Any, method: str, params: dict[str, Any], max_length: int) -> None:
    """Put in what the tuning method adds, to be filled from the file. Methods are plug-ins of training, found by their name."""
    import torch

    tuning = plugins.get("veridical.train.tuning", "tuning", method)
    with torch.random.fork_rng(devices=[]):
        tuning.prepare_saved(network, params, max_length)
