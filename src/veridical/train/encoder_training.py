"""Fine-tune an encoder on a data set: open the weights, choose what suits the machine, run the loop, predict every row."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from veridical.core import plugins
from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.core.surroundings import threads as usable_threads
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.models._encoder_network import EncoderClassifier, classifier, layers, open_encoder, open_tokenizer
from veridical.models.encoder import EncoderModel
from veridical.models.lexical_normalisation import LexicalNormaliser, read_through
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens, tokenise
from veridical.models.weights import Weights, language_warning
from veridical.tasks._contract import Task
from veridical.train._contract import Named, combined_row_weights, multiplied, prepared
from veridical.train._tuning import Given
from veridical.train.batching import automatic_budget
from veridical.train.checkpoint import CheckpointFile, trainable
from veridical.train.config import TrainConfig
from veridical.train.dynamics import as_table, save
from veridical.train.loop import Job, fit
from veridical.train.machine import Choices, tuned
from veridical.train.trained import Learned, Trained
from veridical.train.watching import Watcher

FORMAT = 1
"""Raised whenever the loop changes in a way that would make a resumed run end differently."""
UNKNOWN_SHARE = 0.1
"""Share of tokens that the encoder's vocabulary does not hold, 0..1, from which there is a warning. Ours."""


@dataclass(frozen=True, eq=False, slots=True)
class Request:
    """What to train on what. train, valid: row positions. weights: of the training rows, None for all alike."""

    data: Dataset
    weights: Weights
    train: IntArray
    valid: IntArray
    row_weights: FloatArray | None
    countermeasures: Named
    config: TrainConfig
    seed: int
    folder: Path | None
    progress: Progress
    watcher: Watcher | None = None
    normalisers: tuple[LexicalNormaliser, ...] = ()
    """What the model reads texts through; the texts of `data` have been."""
    answering: IntArray | None = None
    """Rows that probabilities are wanted of; None: of all."""

    def spread(self, probabilities: FloatArray) -> FloatArray:
        """Probabilities (n, C) of the rows wanted, in their places among all rows (N, C); NaN elsewhere."""
        if self.answering is None:
            return probabilities
        found = np.full((len(self.data), probabilities.shape[1]), np.nan)
        found[self.answering] = probabilities
        return found


def first_training(request: Request, *, name: str, epochs: int, part: int) -> Request:
    """The same without countermeasures, for the one called `name` to learn from; it resumes in a folder of its own."""
    config = replace(request.config, epochs=min(epochs, request.config.epochs))
    folder = request.folder / f"first_{name}_{part + 1}" if request.folder else None

    def progress(stage: str, done: int, total: int) -> None:
        request.progress(f"{stage} for {name}", done, total)

    return replace(
        request, countermeasures=(), config=config, folder=folder, progress=progress, watcher=None, answering=None
    )  # fmt: skip


def train_encoder(request: Request) -> Trained:
    """The fine-tuned model and its probabilities for the rows wanted. With a folder: resumes there, and leaves
    dynamics.parquet."""
    started = time.monotonic()
    data, config, folder = request.data, request.config, request.folder
    # Without an accelerator Accelerate joins processes only when told that they run on CPU.
    accelerator = Accelerator(cpu=not torch.accelerator.is_available())
    task: Task = plugins.get("veridical.tasks", "task", data.task)
    tokenizer = open_tokenizer(request.weights.folder, markers=task.markers)
    check_length(config.max_length, tokenizer)
    tokens = _tokens(request, tokenizer)
    weights, codes, n_classes = np.zeros(len(data)), data.codes[request.train], len(data.labels)
    weights[request.train] = combined_row_weights(request.countermeasures, codes, n_classes, request.row_weights)
    countermeasures = prepared(request.countermeasures, codes, n_classes)
    identity, method, targets = _identity(request, weights), config.method(), task.targets(n_classes) if task.targets else None
    with torch.random.fork_rng(devices=[]):
        network = _network(request, countermeasures, classifier(tokenizer, task.markers)).to(accelerator.device)
        with threads_kept():
            choices = choices_of(config, network, tokens, request.train, accelerator, folder=folder, identity=identity)
            job = Job(
                network=network,
                tokens=tokens,
                codes=data.codes,
                weights=weights,
                train=request.train,
                valid=request.valid,
                config=config,
                choices=choices,
                countermeasures=(*countermeasures, *method.joints),
                seed=request.seed,
                accelerator=accelerator,
                checkpoint=CheckpointFile(folder / "checkpoint.safetensors", identity) if folder else None,
                progress=request.progress,
                texts=texts_of(request, countermeasures, tokenizer),
                watcher=request.watcher,
                metric=task.metric(config.select_by, data.labels),
                targets=targets,
            )
            state, learned = fit(job), learned_share(network, config)
            if method.tuning.merge:
                method.tuning.merge(network)
            network.eval()
            model = _as_model(request, network, tokenizer, choices, markers=task.markers)
            probabilities = request.spread(model.predict_tokens(tokens, rows=request.answering, progress=request.progress))
    dynamics = as_table(state.dynamics, ids=data.ids, valid=request.valid)
    if folder and accelerator.is_main_process:
        save(dynamics, folder / "dynamics.parquet")
    return Trained(
        model=model, kind="encoder", ids=tuple(data.ids), probabilities=probabilities, labels=data.labels, dynamics=dynamics,
        seconds=time.monotonic() - started, external=False, warnings=warnings_of(request, tokens, tokenizer), learned=learned,
    )  # fmt: skip


def texts_of(request: Request, countermeasures: Named, tokenizer: Any) -> dict[str, Tokens]:
    """What each countermeasure brings to be read, by its name."""
    brought = {name: read_through(c.texts(c.params), request.normalisers) for name, c in countermeasures if c.texts}
    return {name: tokenise(tokenizer, texts, max_length=request.config.max_length) for name, texts in brought.items()}


def _network(request: Request, joints: Named, kind: Any) -> EncoderClassifier:
    n_classes = len(request.data.labels)
    return open_network(request.weights, request.config, joints, kind=kind, n_classes=n_classes, seed=request.seed)


def _tokens(request: Request, tokenizer: Any) -> Tokens:
    n = len(request.data)
    request.progress("tokenise", 0, n)
    tokens = tokenise(tokenizer, request.data.inputs(), max_length=request.config.max_length)
    request.progress("tokenise", n, n)
    return tokens


def _as_model(
    request: Request, network: EncoderClassifier, tokenizer: Any, choices: Choices, *, markers: tuple[str, ...]
) -> EncoderModel:
    return EncoderModel(
        labels=request.data.labels,
        network=network,
        tokenizer=tokenizer,
        max_length=request.config.max_length,
        pair=request.data.seconds is not None,
        dtype=choices.dtype,
        attention=choices.attention,
        base=f"{request.weights.name} {request.weights.sha256}",
        beside=beside_of(request.config),
        markers=markers,
        normalisers=request.normalisers,
    )


def beside_of(config: TrainConfig) -> tuple[str, dict[str, Any]] | None:
    """The tuning method and its params where its tensors stay beside the encoder's own."""
    method = config.method()
    return (method.name, {**asdict(method.params), "frozen_layers": config.frozen_layers}) if method.tuning.beside else None


def check_length(max_length: int, tokenizer: Any) -> None:
    limit = int(min(tokenizer.model_max_length, 10**9))
    if max_length > limit:
        raise InputError(f"--max-length is {max_length}, more than this encoder reads. Give at most {limit}.")


def open_network(
    weights: Weights,
    config: TrainConfig,
    countermeasures: Named,
    *,
    kind: Callable[..., EncoderClassifier],
    n_classes: int,
    seed: int,
) -> EncoderClassifier:
    """The pre-trained encoder with a new head of a kind; parts that are to stay as they are do not ask for gradients."""
    encoder = open_encoder(weights.folder, dropout=config.dropout, attention="eager")
    network = kind(encoder, n_classes=n_classes, seed=seed)
    for name, countermeasure in countermeasures:
        if countermeasure.network:
            countermeasure.network(network, countermeasure.params, stream(seed, name))
    n_layers, method = len(layers(encoder)), config.method()
    if config.frozen_layers > n_layers:
        raise InputError(f"--frozen-layers is {config.frozen_layers}, but the encoder has {n_layers} layers. Give fewer.")
    encoder.requires_grad_(requires_grad=False)
    torch.manual_seed(int(stream(seed, "tuning").integers(2**62)))
    method.tuning.prepare(network, method.params, Given(config.freeze_embeddings, config.frozen_layers, config.max_length))
    return network


def learned_share(network: EncoderClassifier, config: TrainConfig) -> Learned:
    """How much of the network learns, counted before anything is merged."""
    n_trained = sum(parameter.numel() for parameter in trainable(network).values())
    return Learned(config.tuning, n_trained, sum(parameter.numel() for parameter in network.parameters()))


def choices_of(
    config: TrainConfig,
    network: EncoderClassifier,
    tokens: Tokens,
    train: IntArray,
    accelerator: Accelerator,
    *,
    folder: Path | None,
    identity: str,
) -> Choices:
    """Those stored in the folder, else chosen now and stored; threads and attention are set accordingly. train: rows."""
    path = folder / "choices.json" if folder else None
    choices = None
    if accelerator.is_main_process:  # the first decides: another may look before or after the file is there
        choices = _stored_choices(path, identity)
        if choices is None:
            choices = _choices(config, network, tokens, train, accelerator.device)
            if path is not None:
                write_json(path, {"format": 1, "identity": identity, "choices": choices.to_json()})
    choices = _agreed(choices, accelerator)
    torch.set_num_threads(choices.threads)
    network.encoder.set_attn_implementation(choices.attention)
    return choices


def _stored_choices(path: Path | None, identity: str) -> Choices | None:
    if path is None or not path.is_file():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["identity"] != identity:
        raise InputError(
            f"{path} belongs to a training run with other data, settings or weights. Give another folder, or use --fresh."
        )
    return Choices.from_json(stored["choices"])


def _choices(config: TrainConfig, network: EncoderClassifier, tokens: Tokens, train: IntArray, device: torch.device) -> Choices:
    lengths = tokens.lengths[train]
    threads = config.threads or usable_threads()
    budget = config.token_budget or automatic_budget(lengths, epochs=config.epochs)
    dtype, attention = tuned(config, on_cpu=device.type == "cpu", width=int(network.encoder.config.hidden_size))
    return Choices(threads, dtype, attention, budget)


def _agreed(choices: Choices | None, accelerator: Accelerator) -> Choices:
    """All processes follow the first, which has chosen."""
    shared = [choices]
    if accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(shared, from_process=0)
    (agreed,) = shared
    assert agreed is not None
    return agreed


@contextmanager
def threads_kept() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _identity(request: Request, weights: FloatArray) -> str:
    """Hash of everything that decides how training ends, short of the machine."""
    data, config = request.data, asdict(request.config)
    del config["checkpoint_seconds"], config["threads"], config["linear_c"]
    said = {
        "format": FORMAT,
        "config": config,
        "seed": request.seed,
        "labels": data.labels,
        "weights": request.weights.sha256,
        "countermeasures": [(name, repr(c.params)) for name, c in request.countermeasures],
    }
    if data.task != "classification":  # marks and targets are the task's
        said["task"] = data.task
    brought = {name: list(c.texts(c.params)) for name, c in request.countermeasures if c.texts}
    if any(brought.values()):
        said["brought"] = brought
    if any(c.needs_groups for _, c in request.countermeasures):
        said["groups"] = data.table.column("group").to_pylist()
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(json.dumps([data.ids, data.texts, data.seconds], ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for array in (data.codes, weights, request.train, request.valid):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def warnings_of(request: Request, tokens: Tokens, tokenizer: Any) -> tuple[str, ...]:
    return (*warnings_of_texts(request.weights, request.data.inputs(), tokens, tokenizer), *multiplied(request.countermeasures))


def warnings_of_texts(weights: Weights, inputs: list[Text], tokens: Tokens, tokenizer: Any) -> tuple[str, ...]:
    """What the user should know of an encoder that reads texts it was not made for."""
    language = language_warning(weights, inputs)
    if language:
        return (language,)
    unknown = (
        float((tokens.ids == tokenizer.unk_token_id).mean()) if len(tokens.ids) and tokenizer.unk_token_id is not None else 0.0
    )
    if unknown < UNKNOWN_SHARE:
        return ()
    return (
        f"{unknown:.0%} of the tokens are unknown to {weights.name}, so it reads these texts badly. "
        "Use an encoder made for this language, or --model linear (any language) where the task has one.",
    )
