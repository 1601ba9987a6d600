"""A fine-tuned encoder whose answers are structures: tags, label sets, spans of the text. torch is loaded when one is opened."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text
from veridical.models.answering import Answers, best_span, tag_rows
from veridical.models.answering_linear import answers_of_sets
from veridical.models.instances import Instances, windows, with_ends, with_words
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.weights import require_neural
from veridical.tasks._contract import Structure
from veridical.tasks._span_answers import said_as
from veridical.tasks._structures import needed_structure


@dataclass(frozen=True, eq=False)
class EncoderAnswering:
    """network: one of `_encoder_network.HEADS`. abstains: whether some train rows have no answer, so that none is one."""

    task: str
    names: tuple[str, ...]
    network: Any
    tokenizer: Any
    max_length: int
    pair: bool
    abstains: bool = False
    dtype: str = "float32"
    attention: str = "eager"
    base: str = ""
    beside: tuple[str, dict[str, Any]] | None = None
    kind: str = "answering_encoder"

    @property
    def structure(self) -> Structure:
        return needed_structure(self.task)

    def answer(self, inputs: Sequence[Text]) -> Answers:
        if not len(inputs):
            return Answers([], np.zeros(0))
        if isinstance(inputs[0], str) == self.pair:
            raise InputError(
                f"This model was trained on {'pairs of texts' if self.pair else 'single texts'}, and the rows hold "
                f"{'single texts' if self.pair else 'pairs'}. Name the columns it was trained with."
            )
        return self.answer_instances(self.instances(inputs), inputs)

    def instances(self, inputs: Sequence[Text]) -> Instances:
        return instances_of(self.structure.head, self.tokenizer, inputs, max_length=self.max_length)

    def answer_instances(self, instances: Instances, inputs: Sequence[Text], *, progress: Progress = silent) -> Answers:
        from veridical.models._encoder_network import predict_marks

        logits = predict_marks(self.network, instances, np.arange(len(instances)), dtype=self.dtype, progress=progress)
        return decoded(self.structure, logits, instances, inputs, names=self.names, abstains=self.abstains)

    def save(self, folder: Path) -> None:
        """model.safetensors, model.json, config.json of the encoder, and the tokenizer's files."""
        from veridical.models._encoder_network import save_network

        save_network(folder, self.network, self.tokenizer)
        about = {"format": 1, "kind": self.kind, "task": self.task, "names": list(self.names), "max_length": self.max_length}
        about |= {
            "pair": self.pair,
            "abstains": self.abstains,
            "dtype": self.dtype,
            "attention": self.attention,
            "base": self.base,
        }
        added = {} if self.beside is None else {"tuning": {"method": self.beside[0], "params": self.beside[1]}}
        write_json(folder / "model.json", {**about, **added})


def instances_of(head: str, tokenizer: Any, inputs: Sequence[Text], *, max_length: int) -> Instances:
    """Windows with the marks that a head needs."""
    found = windows(tokenizer, inputs, max_length=max_length)
    if head == "words":
        return with_words(found, [str(text) for text in inputs])
    return with_ends(found) if head == "span" else found


def decoded(
    structure: Structure,
    logits: list[FloatArray],
    instances: Instances,
    inputs: Sequence[Text],
    *,
    names: tuple[str, ...],
    abstains: bool,
) -> Answers:
    """Answers from the logits of every window, (marks, classes) each."""
    if structure.head == "words":
        flat = np.concatenate([np.zeros((0, len(structure.classes(names)))), *logits])
        log_probabilities = (
            flat
            - np.log(np.exp(flat - flat.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True))
            - flat.max(axis=1, keepdims=True)
        )
        row = np.repeat(instances.owner, np.diff(instances.starts))
        n_words = np.array([str(text).count(" ") + 1 for text in inputs], np.int64)
        return tag_rows(log_probabilities, row=row, word=instances.unit, n_words=n_words, classes=structure.classes(names))
    if structure.head == "labels":
        each = np.stack([softmax(found)[:, 1] for found in logits])
        best = np.zeros((len(inputs), each.shape[1]))
        np.maximum.at(best, instances.owner, each)  # a label that any window shows
        return answers_of_sets(best, names)
    return _spans(logits, instances, inputs, abstains=abstains)


def _spans(logits: list[FloatArray], instances: Instances, inputs: Sequence[Text], *, abstains: bool) -> Answers:
    said, sure = [""] * len(inputs), np.zeros(len(inputs))
    best, none, sure_none = np.full(len(inputs), -np.inf), np.full(len(inputs), np.inf), np.zeros(len(inputs))
    for window, owner in enumerate(instances.owner.tolist()):
        begin, end = int(instances.tokens.starts[window]), int(instances.tokens.starts[window + 1])
        found = logits[window][:, : end - begin]
        first, last, score, nothing = best_span(found, instances.spans[begin:end])
        top = found.max(axis=1)
        log_sum = float((top + np.log(np.exp(found - top[:, None]).sum(axis=1))).sum())
        if nothing < none[owner]:  # the window that would rather answer than any other
            none[owner], sure_none[owner] = nothing, float(np.exp(nothing - log_sum))
        if score > best[owner]:
            best[owner], said[owner] = score, str(inputs[owner][0])[first:last] if first >= 0 else ""
            sure[owner] = float(np.exp(score - log_sum))
    if abstains:
        sure = np.where(none > best, sure_none, sure)
        said = ["" if nothing > score else answer for answer, score, nothing in zip(said, best, none, strict=True)]
    return Answers([said_as(answer) for answer in said], sure)


def load_answering_encoder(folder: Path) -> EncoderAnswering:
    """The model that `save` wrote. Raises MissingExtra without torch, InputError when the files do not belong together."""
    require_neural(f"The encoder model in {folder}")
    from safetensors.torch import load_file

    from veridical.models._encoder_network import HEADS, empty_encoder, open_tokenizer
    from veridical.models.encoder import prepare_beside

    about: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    names, structure = tuple(about["names"]), needed_structure(about["task"])
    encoder = empty_encoder(folder, attention=about["attention"])
    network = HEADS[structure.head](encoder, n_classes=len(structure.classes(names)), seed=0)
    beside = about.get("tuning")
    if beside is not None:
        prepare_beside(network, beside["method"], beside["params"], about["max_length"])
    try:
        network.load_state_dict(load_file(str(folder / "model.safetensors")))
    except (RuntimeError, FileNotFoundError) as error:
        raise InputError(f"{folder}: its files do not belong to one encoder model. Train it again.") from error
    network.eval()
    return EncoderAnswering(
        task=about["task"], names=names, network=network, tokenizer=open_tokenizer(folder), max_length=about["max_length"],
        pair=about["pair"], abstains=about["abstains"], dtype=about["dtype"], attention=about["attention"], base=about["base"],
        beside=None if beside is None else (beside["method"], beside["params"]),
    )  # fmt: skip
