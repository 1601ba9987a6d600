"""Fine-tune an encoder whose answers are structures, by the loop that classifiers are trained by."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from veridical.core.progress import Progress
from veridical.dataset.rows import Dataset, IntArray
from veridical.models._encoder_network import HEADS, EncoderClassifier, open_tokenizer, predict_marks
from veridical.models.answering_encoder import EncoderAnswering, decoded, instances_of
from veridical.models.instances import Instances, places_of
from veridical.models.model import FloatArray
from veridical.models.weights import Weights
from veridical.tasks._contract import Structure
from veridical.tasks._label_sets import held
from veridical.tasks._span_answers import answers_in
from veridical.train._contract import Named
from veridical.train.answered import Answered
from veridical.train.batching import Marks
from veridical.train.checkpoint import CheckpointFile
from veridical.train.config import TrainConfig
from veridical.train.dynamics import EpochDynamics, as_table, by_row, note_marks, save
from veridical.train.encoder_training import (
    FORMAT,
    beside_of,
    check_length,
    choices_of,
    learned_share,
    open_network,
    threads_kept,
    warnings_of_texts,
)
from veridical.train.loop import Job, fit
from veridical.train.machine import Choices
from veridical.train.watching import Watcher


@dataclass(frozen=True, eq=False, slots=True)
class AnswerRequest:
    """What to train on what. train, valid: row positions. metric: picks the epoch; None for the one the task declares."""

    data: Dataset
    structure: Structure
    weights: Weights
    train: IntArray
    valid: IntArray
    countermeasures: Named
    config: TrainConfig
    metric: str | None
    seed: int
    folder: Path | None
    progress: Progress
    watcher: Watcher | None = None


@dataclass(frozen=True, eq=False)
class AnswerLesson:
    """codes: class of every mark of every window, (M,); of the marks, and for label sets of every name of every window."""

    request: AnswerRequest
    instances: Instances
    codes: IntArray
    abstains: bool

    @property
    def metric(self) -> str:
        """Name of what `score` gives."""
        return self.request.metric or _declared(self.request)

    def marks(self, rows: IntArray) -> Marks:
        """Where classes stand in these windows."""
        head = self.request.structure.head
        if head == "labels":
            n = len(self.request.data.labels)
            codes = self.codes.reshape(-1, n)[rows].ravel()
            return Marks(np.repeat(np.arange(len(rows)), n), codes)
        row, mark = self.instances.marks_of(rows)
        if head == "span":
            return Marks(row, self.codes[mark], allowed=self.instances.allowed(rows))
        return Marks(row, self.codes[mark], self.instances.at[mark])

    def score(self, network: EncoderClassifier, rows: IntArray, *, dtype: str, into: EpochDynamics) -> float:
        """The metric of the whole rows these windows belong to."""
        request = self.request
        logits = predict_marks(network, self.instances, rows, dtype=dtype)
        marks = self.marks(rows)
        flat = _stacked(logits)
        note_marks(into, rows, flat.astype(np.float32), marks.codes, row=marks.row)
        owners = np.unique(self.instances.owner[rows])
        part = only(self.instances, rows, owners)
        inputs = request.data.inputs(owners)
        said = decoded(request.structure, logits, part, inputs, names=request.data.labels, abstains=self.abstains).said
        measure = request.structure.measures[self.metric]
        counted = measure.margins([str(request.data.answers[row]) for row in owners], said, request.data.labels)
        return measure.metric(counted.right.sum(axis=0), counted.true.sum(axis=0), counted.predicted.sum(axis=0))


def _declared(request: AnswerRequest) -> str:
    return next(name for name, measure in request.structure.measures.items() if not measure.stands_for)


def _stacked(logits: Sequence[FloatArray]) -> FloatArray:
    """One array of all logits; rows of windows of other lengths are filled up with impossible places."""
    width = max((part.shape[1] for part in logits), default=0)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=-1e4) for part in logits])


def only(instances: Instances, rows: IntArray, owners: IntArray) -> Instances:
    """These windows alone; `owners`, ascending, become rows 0, 1, ..."""
    from veridical.models.tokens import Tokens

    lengths, counts = instances.tokens.lengths[rows], np.diff(instances.starts)[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    at = np.repeat(instances.tokens.starts[rows] - starts[:-1], lengths) + np.arange(lengths.sum())
    _, mark = instances.marks_of(rows)
    types = None if instances.tokens.types is None else instances.tokens.types[at]
    return Instances(
        Tokens(instances.tokens.ids[at], types, starts, instances.tokens.pad),
        np.searchsorted(owners, instances.owner[rows]),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        instances.at[mark],
        instances.unit[mark],
        instances.spans[at],
    )


def codes_of(data: Dataset, structure: Structure, instances: Instances) -> IntArray:
    """Class of every mark; 0 where a row has no label or one that no train row has."""
    if structure.head == "labels":
        whole = held([answer or "[]" for answer in data.answers], data.labels)
        return whole[instances.owner].astype(np.int64).ravel()
    if structure.head == "span":
        answers = [
            None if answer is None else next(iter(answers_in(answer, text)), None)
            for answer, text in zip(data.answers, data.texts, strict=True)
        ]
        return places_of(instances, [None if found is None else (found[1], found[1] + len(found[0])) for found in answers])
    place = {name: code for code, name in enumerate(structure.classes(data.labels))}
    tags = [[] if answer is None else [place.get(tag, 0) for tag in answer.split(" ")] for answer in data.answers]
    row = np.repeat(instances.owner, np.diff(instances.starts))
    return np.array(
        [tags[r][w] if w < len(tags[r]) else 0 for r, w in zip(row.tolist(), instances.unit.tolist(), strict=True)], np.int64
    )


def train_answering_encoder(request: AnswerRequest) -> Answered:
    """The fine-tuned model and its answer to every row. With a folder: resumes there, and leaves dynamics.parquet."""
    started = time.monotonic()
    data, config, folder, structure = request.data, request.config, request.folder, request.structure
    accelerator = Accelerator(cpu=not torch.accelerator.is_available())
    tokenizer = open_tokenizer(request.weights.folder)
    check_length(config.max_length, tokenizer)
    request.progress("tokenise", 0, len(data))
    instances = instances_of(structure.head, tokenizer, data.inputs(), max_length=config.max_length)
    request.progress("tokenise", len(data), len(data))
    codes = codes_of(data, structure, instances)
    answers = [data.answers[row] for row in request.train]
    lesson = AnswerLesson(request, instances, codes, abstains=structure.head == "span" and "[]" in answers)
    train, valid = (np.flatnonzero(np.isin(instances.owner, rows)) for rows in (request.train, request.valid))
    weights = np.zeros(len(instances))
    weights[train] = 1 / np.bincount(instances.owner, minlength=len(data))[instances.owner[train]]
    identity, method = _identity(request), config.method()
    with torch.random.fork_rng(devices=[]):
        kind, n_classes = HEADS[structure.head], len(structure.classes(data.labels))
        network = open_network(
            request.weights, config, request.countermeasures, kind=kind, n_classes=n_classes, seed=request.seed
        )
        network.to(accelerator.device)
        with threads_kept():
            choices = choices_of(config, network, instances.tokens, train, accelerator, folder=folder, identity=identity)
            job = Job(
                network=network,
                tokens=instances.tokens,
                codes=np.zeros(len(instances), np.int64),
                weights=weights,
                train=train,
                valid=valid,
                config=config,
                choices=choices,
                countermeasures=(*request.countermeasures, *method.joints),
                seed=request.seed,
                accelerator=accelerator,
                checkpoint=CheckpointFile(folder / "checkpoint.safetensors", identity) if folder else None,
                progress=request.progress,
                lesson=lesson,
                watcher=request.watcher,
            )
            state, learned = fit(job), learned_share(network, config)
            if method.tuning.merge:
                method.tuning.merge(network)
            network.eval()
            model = _as_model(request, lesson, network, tokenizer, choices)
            found = model.answer_instances(instances, data.inputs(), progress=request.progress)
    rows = [by_row(epoch, instances.owner, n_rows=len(data)) for epoch in state.dynamics]
    dynamics = as_table(rows, ids=data.ids, valid=request.valid)
    if folder and accelerator.is_main_process:
        save(dynamics, folder / "dynamics.parquet")
    return Answered(
        model, "encoder", tuple(data.ids), tuple(found.said), found.confidence, data.labels, dynamics,
        time.monotonic() - started, warnings=warnings_of_texts(request.weights, data.inputs(), instances.tokens, tokenizer),
        learned=learned,
    )  # fmt: skip


def _as_model(
    request: AnswerRequest, lesson: AnswerLesson, network: EncoderClassifier, tokenizer: Any, choices: Choices
) -> EncoderAnswering:
    data = request.data
    return EncoderAnswering(
        task=data.task,
        names=data.labels,
        network=network,
        tokenizer=tokenizer,
        max_length=request.config.max_length,
        pair=data.seconds is not None,
        abstains=lesson.abstains,
        dtype=choices.dtype,
        attention=choices.attention,
        base=f"{request.weights.name} {request.weights.sha256}",
        beside=beside_of(request.config),
    )


def _identity(request: AnswerRequest) -> str:
    """Hash of everything that decides how training ends, short of the machine."""
    data, config = request.data, asdict(request.config)
    del config["checkpoint_seconds"], config["threads"], config["linear_c"]
    said = {
        "format": FORMAT,
        "task": data.task,
        "metric": request.metric,
        "config": config,
        "seed": request.seed,
        "names": data.labels,
        "weights": request.weights.sha256,
        "countermeasures": [(name, repr(c.params)) for name, c in request.countermeasures],
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    rows = [data.ids, data.texts, data.seconds, data.answers]
    digest.update(json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for array in (request.train, request.valid):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
