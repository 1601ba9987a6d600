"""The loop of pre-training, whole and visible: cut a batch, let the objectives ask, compute, clip, step, save.

Random streams are named by seed and step, and the order of the text by seed and epoch, so that the position alone says what comes
next: a run that was killed goes on as if it had not been.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.core.surroundings import threads as usable_threads
from veridical.models._pretraining_network import (
    ARCHITECTURES,
    PretrainingNetwork,
    Shape,
    VectorDecoder,
    from_scratch,
    from_weights,
    positions_of,
    refuse_architecture,
    tensors,
)
from veridical.models.weights import Weights
from veridical.train._objectives import Asked, Lesson, Part
from veridical.train.checkpoint import CheckpointFile, State, trainable
from veridical.train.loop import LossNotFinite
from veridical.train.machine import Choices, tuned
from veridical.train.optimizer import rate_share
from veridical.train.packing import Pieces, Row, Shown, Special, rows_of, shown, steps_of
from veridical.train.pretrain_config import PretrainConfig

FORMAT = 1
"""Raised whenever the loop changes in a way that would make a resumed run end differently."""
CURVE = "curve"
"""Under this name the losses of all steps are kept with the state."""


@dataclass(frozen=True, eq=False, slots=True)
class PretrainRequest:
    """pieces: the text to train on. weights: gone on from, None for a new model. folder: for what must outlive a kill."""

    lesson: Lesson
    pieces: Pieces
    tokenizer: Any
    weights: Weights | None
    config: PretrainConfig
    seed: int
    folder: Path | None
    progress: Progress

    @property
    def special(self) -> Special:
        return Special.of(self.tokenizer)


@dataclass(frozen=True, eq=False, slots=True)
class Pretrained:
    """losses: of every step. epochs: passes made. padding: share of the trained tokens, 0..1. seconds: of this sitting."""

    network: PretrainingNetwork
    choices: Choices
    losses: list[float]
    epochs: float
    padding: float
    seconds: float
    warnings: tuple[str, ...]


def pretrain(request: PretrainRequest) -> Pretrained:
    """Train to the end, or from the saved state to the end."""
    started = time.monotonic()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    with torch.random.fork_rng(devices=[]):
        network, warnings = opened(request)
        network.to(device or torch.device("cpu"))
        course = _Course(request, network)
        before = torch.get_num_threads()
        try:
            choices = _choices(request, course)
            state = course.run(choices)
        finally:
            torch.set_num_threads(before)
    network.eval()
    kept = state.kept[CURVE]
    real, all_tokens = kept["tokens"].tolist()
    per_epoch = len(course.plan(0))
    return Pretrained(
        network=network,
        choices=choices,
        losses=kept["losses"].tolist(),
        epochs=course.n_steps / max(1, per_epoch),
        padding=1 - real / max(1.0, all_tokens),
        seconds=time.monotonic() - started,
        warnings=warnings,
    )


def opened(request: PretrainRequest) -> tuple[PretrainingNetwork, tuple[str, ...]]:
    """The network as training starts with it, and what the user should know of it."""
    config, lesson, special = request.config, request.lesson, request.special
    heads = {"pair_head": lesson.has_head("pair"), "token_head": lesson.has_head("tokens")}
    torch.manual_seed(int(stream(request.seed, "weights").integers(2**62)))
    warnings: tuple[str, ...] = ()
    if request.weights is None:
        kind = architecture_of(config, lesson)
        refuse_architecture(kind, trunk=lesson.trunk, pair_head=heads["pair_head"], where="--architecture")
        shape = Shape(
            kind, config.layers, config.width, config.heads, config.max_length, special.size, special.pad, special.open,
            special.close, config.dropout,
        )  # fmt: skip
        network = from_scratch(shape, **heads)
    else:
        network, lacking = from_weights(request.weights.folder, trunk=lesson.trunk, dropout=config.dropout, **heads)
        if lacking:
            warnings = (f"{request.weights.name} brings no head for {lesson.name}; it starts from random numbers.",)
        if config.max_length > positions_of(network):
            reads = positions_of(network)
            raise InputError(f"--max-length is {config.max_length}, but {request.weights.name} reads {reads} tokens. Give less.")
        if special.size > network.trunk.get_input_embeddings().num_embeddings:
            raise InputError(f"The tokenizer of {request.weights.name} has more entries than its model. Fetch the model again.")
    layers = next((part.params.decoder_layers for part in lesson.parts if part.objective.head == "decoder"), 0)
    if layers:
        network.decoder = VectorDecoder(network.trunk, layers=layers, positions=config.max_length, dropout=config.dropout)
    return network, warnings


def architecture_of(config: PretrainConfig, lesson: Lesson) -> str:
    if config.architecture != "auto":
        return config.architecture
    return "llama" if lesson.trunk == "decoder" else "bert"


def loss_of(network: PretrainingNetwork, given: Shown, asked: Sequence[tuple[Part, Asked]]) -> list[Tensor]:
    """The loss of every answer, (M,) for each part; all parts read the same states."""
    device, sees = network.device, asked[0][0].objective.sees
    ids, segment, positions, types = tensors((given.ids, given.segment, given.positions, given.types), device)
    states = network.states(ids, segment, positions, types, sees=sees)
    found = []
    for part, wanted in asked:
        row, column, code = tensors((wanted.row, wanted.column, wanted.code), device)
        if part.objective.head == "tokens":
            logits = network.token_logits(states[row, column])
        elif part.objective.head == "pair":
            logits = network.pair_logits(states)
        else:
            assert wanted.written is not None
            (written,) = tensors((wanted.written,), device)
            logits = network.written_logits(states, segment, written, row, column)
        with torch.autocast(device.type, enabled=False):
            found.append(cross_entropy(logits.float(), code, reduction="none"))
    return found


def asked_of(
    given: Shown, turn: Sequence[Part], special: Special, rng: Callable[[str], np.random.Generator]
) -> tuple[Shown, list[tuple[Part, Asked]]]:
    """What the parts of a turn ask of one batch; each sees what those before it left to see. rng: by the part's name."""
    questions = []
    for part in turn:
        given, asked = part.objective.ask(given, part.params, special, rng(part.name))
        questions.append((part, asked))
    return given, questions


def make_optimizer(network: nn.Module, config: PretrainConfig) -> torch.optim.Optimizer:
    """AdamW: no decay on biases and norms (tensors of one axis)."""
    groups = []
    for decays in (False, True):
        chosen = [p for p in trainable(network).values() if (p.ndim > 1) == decays]
        groups.append({"params": chosen, "weight_decay": config.weight_decay if decays else 0.0})
    return torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.98), fused=True)


class _Course:
    """The steps of one training, in order."""

    def __init__(self, request: PretrainRequest, network: PretrainingNetwork) -> None:
        self.request, self.network = request, network
        self.config, self.lesson, self.special = request.config, request.lesson, request.special
        self._planned: tuple[int, list[list[Row]]] = (-1, [])
        self.n_steps = self.config.steps or self.config.epochs * len(self.plan(0))

    def plan(self, epoch: int) -> list[list[Row]]:
        """The steps of one pass over the text."""
        if self._planned[0] != epoch:
            rng = stream(self.request.seed, f"order/{epoch}")
            rows = rows_of(self.request.pieces, self.lesson.layout(0), max_length=self.config.max_length, rng=rng)
            budget = self.config.token_budget
            self._planned = (epoch, steps_of(rows, token_budget=budget, seed=self.request.seed, epoch=epoch))
        return self._planned[1]

    def run(self, choices: Choices) -> State:
        """All steps that are not yet taken."""
        request, config = self.request, self.config
        self.network.set_attention(choices.attention)
        optimizer = make_optimizer(self.network, config)
        checkpoint = CheckpointFile(request.folder / "checkpoint.safetensors", identity_of(request)) if request.folder else None
        state = checkpoint.read(self.network, optimizer) if checkpoint else State()
        kept = state.kept.setdefault(CURVE, {})
        kept.setdefault("losses", torch.full((self.n_steps,), float("nan")))
        kept.setdefault("tokens", torch.zeros(2, dtype=torch.float64))
        kept.update({name: tensor.cpu() for name, tensor in kept.items()})
        saved, taken = time.monotonic(), int((~kept["losses"].isnan()).sum())
        self.network.train()
        for number in range(taken, self.n_steps):
            if state.step >= len(self.plan(state.epoch)):
                state.epoch, state.step = state.epoch + 1, 0
            self._step(number, self.plan(state.epoch)[state.step], choices, optimizer, kept, checkpoint)
            state.step += 1
            request.progress("train", number + 1, self.n_steps)
            last = number + 1 == self.n_steps
            if checkpoint and (last or time.monotonic() - saved >= config.checkpoint_seconds):
                checkpoint.write(state, self.network, optimizer)
                saved = time.monotonic()
        return state

    def _step(
        self,
        number: int,
        rows: Sequence[Row],
        choices: Choices,
        optimizer: torch.optim.Optimizer,
        kept: dict[str, Tensor],
        checkpoint: CheckpointFile | None,
    ) -> None:
        """One step of the optimizer on these rows. Raises LossNotFinite before anything is changed."""
        given = shown(rows, self.request.pieces, self.special)
        losses = self._gradients(number, given, dtype=choices.dtype)
        norm = nn.utils.clip_grad_norm_(list(trainable(self.network).values()), self.config.max_grad_norm)
        if not np.isfinite(losses) or not torch.isfinite(norm):
            there = checkpoint is not None and checkpoint.path.is_file()
            state = f" The last good state is kept in {checkpoint.path}." if checkpoint and there else ""
            raise LossNotFinite(
                f"Pre-training stopped at step {number + 1} of {self.n_steps}: the loss or its gradient is no finite number "
                f"(loss {losses}).{state} Use a smaller --learning-rate than {self.config.rate:g} or --dtype float32."
            )
        for group in optimizer.param_groups:
            group["lr"] = self.config.rate * rate_share(number, n_steps=self.n_steps, warmup_share=self.config.warmup_share)
        optimizer.step()
        optimizer.zero_grad()
        kept["losses"][number] = losses
        kept["tokens"] += torch.tensor([given.n_tokens, given.ids.size], dtype=torch.float64)

    def _gradients(self, number: int, given: Shown, *, dtype: str) -> float:
        """Leaves the gradient of the summed mean losses in the parameters; returns that sum."""
        turn = self.lesson.turns[number % len(self.lesson.turns)]
        seed = self.request.seed
        torch.manual_seed(int(stream(seed, f"dropout/{number}").integers(2**62)))
        left, asked = asked_of(given, turn, self.special, lambda name: stream(seed, f"{name}/{number}"))
        with torch.autocast(self.network.device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
            losses = loss_of(self.network, left, asked)
        total: Tensor = sum((part.mean() for part in losses), torch.zeros((), device=self.network.device))
        total.backward()  # type: ignore[no-untyped-call]
        return total.item()


def _choices(request: PretrainRequest, course: _Course) -> Choices:
    """Those stored in the folder, else chosen now and stored; threads are set accordingly."""
    path = request.folder / "choices.json" if request.folder else None
    if path is not None and path.is_file():
        choices = Choices.from_json(json.loads(path.read_text(encoding="utf-8"))["choices"])
        torch.set_num_threads(choices.threads)
        return choices
    threads = request.config.threads or usable_threads()
    torch.set_num_threads(threads)
    dtype, attention = tuned(
        request.config, on_cpu=course.network.device.type == "cpu", width=course.network.trunk.config.hidden_size
    )
    choices = Choices(threads, dtype, attention, request.config.token_budget)
    if path is not None:
        write_json(path, {"format": FORMAT, "choices": choices.to_json()})
    return choices


def identity_of(request: PretrainRequest) -> str:
    """Hash of everything that decides how training ends, short of the machine."""
    config = asdict(request.config)
    del config["checkpoint_seconds"], config["threads"]
    said = {
        "format": FORMAT,
        "config": config,
        "seed": request.seed,
        "weights": request.weights.sha256 if request.weights else None,
        "knobs": [(part.name, repr(part.params)) for part in request.lesson.parts],
        "architectures": sorted(ARCHITECTURES),
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    digest.update(request.tokenizer.backend_tokenizer.to_str().encode("utf-8", "surrogatepass"))
    for array in (request.pieces.ids, request.pieces.starts, request.pieces.document):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
