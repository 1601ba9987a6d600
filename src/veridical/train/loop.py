"""The training loop, whole and visible. Countermeasures join where `job.countermeasures` is read, and in step.py.

For each epoch, for each step: cut a batch of about equal lengths, let countermeasures change it, compute its gradients
(step.py), clip, step. At the end of an epoch score the validation rows, keep the best tensors, save the state.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from veridical.core.errors import VeridicalError
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models._encoder_network import EncoderClassifier, predict_logits
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens
from veridical.tasks._class_metrics import scored
from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import Metric
from veridical.train._contract import Features, Named, refuse_many_processes
from veridical.train.batching import Batch, Marks, epoch_batches, make_batch
from veridical.train.checkpoint import CheckpointFile, State, trainable
from veridical.train.config import TrainConfig
from veridical.train.dynamics import EpochDynamics, empty, note
from veridical.train.machine import Choices
from veridical.train.optimizer import make_optimizer, rate_share
from veridical.train.reading import Reader, begun
from veridical.train.step import Stepper, word_unit
from veridical.train.watching import EpochSeen, StepSeen, Watcher


class Lesson(Protocol):
    """What is asked for inside the rows, and how well it is answered."""

    @property
    def metric(self) -> str:
        """Name of what `score` gives."""
        ...

    def marks(self, rows: IntArray) -> Marks:
        """Where classes stand in these rows."""
        ...

    def score(self, network: EncoderClassifier, rows: IntArray, *, dtype: str, into: EpochDynamics) -> float:
        """The metric that picks the epoch, on these rows; their loss and margin are noted."""
        ...


class LossNotFinite(VeridicalError):
    """Training met a loss or a gradient that is no number."""


@dataclass(frozen=True, eq=False)
class Job:
    """network: an EncoderClassifier on its device. tokens, codes (N,), weights (N,): of every row of the data set. train, valid:
    row positions. checkpoint: None to save nothing."""

    network: EncoderClassifier
    tokens: Tokens
    codes: IntArray
    weights: FloatArray
    train: IntArray
    valid: IntArray
    config: TrainConfig
    choices: Choices
    countermeasures: Named
    seed: int
    accelerator: Any
    checkpoint: CheckpointFile | None
    progress: Progress
    metric: Metric = accuracy
    """Of the validation rows; it picks the epoch."""
    targets: FloatArray | None = None
    """What to say where each class is true, (C, C), rows sum to 1; None: that class alone."""
    lesson: Lesson | None = None
    """Where a row holds several classes; every array above is then of windows of rows."""
    texts: Mapping[str, Tokens] = field(default_factory=dict)
    """What each countermeasure brought to be read, by its name."""
    watcher: Watcher | None = None
    """Told of every step and epoch in the first process; it may end training after an epoch."""

    @property
    def watched(self) -> Watcher | None:
        """The watcher, in the process that tells it."""
        return self.watcher if self.accelerator.is_main_process else None


def fit(job: Job) -> State:
    """Train to the end, or from the saved state to the end; the best tensors are in the network and in the state returned."""
    refuse_many_processes(job.countermeasures, job.accelerator.num_processes)
    reader = Reader(job.network, job.tokens, job.texts, job.choices.dtype == "bfloat16")
    job = replace(job, countermeasures=begun(job.countermeasures, reader, train=job.train, seed=job.seed))
    optimizer = make_optimizer(job.network, job.config, factors=_rates(job))
    unit = word_unit(job.network)
    start = {name: tensor.detach().clone() for name, tensor in trainable(job.network).items()}
    state = job.checkpoint.read(job.network, optimizer) if job.checkpoint else State()
    model = job.accelerator.prepare(job.network) if job.accelerator.num_processes > 1 else job.network
    stepper = _stepper(job, model, start, unit, reader=reader, state=state)
    lengths, budget = job.tokens.lengths[job.train], job.choices.token_budget
    plan = [epoch_batches(job.train, lengths, token_budget=budget, seed=job.seed, epoch=e) for e in range(job.config.epochs)]
    n_steps, saved = sum(len(epoch) for epoch in plan), time.monotonic()
    if job.watched and not state.finished:
        job.watched.begins(_steps_before(plan, state), state.epoch)
    job.network.train()
    while not state.finished:
        if state.step == 0:
            state.dynamics.append(empty(len(job.codes)))
        for step in range(state.step, len(plan[state.epoch])):
            number = _steps_before(plan, state)
            rate = rate_share(number, n_steps=n_steps, warmup_share=job.config.warmup_share)
            batch = _changed(_batch(job, plan[state.epoch][step]), job, number)
            batch = _weighed(batch, job, state)
            _take_step(job, stepper, optimizer, batch, rate=rate, number=number, state=state)
            _after_step(job, batch, state, optimizer, share=(number + 1) / n_steps)
            state.step = step + 1
            job.progress("train", number + 1, n_steps)
            if job.checkpoint and _alone(job) and time.monotonic() - saved >= job.config.checkpoint_seconds:
                job.checkpoint.write(state, job.network, optimizer)
                saved = time.monotonic()
        _end_epoch(job, state, n_steps=_steps_before(plan, state))
        if job.checkpoint and job.accelerator.is_main_process and not state.finished:
            job.checkpoint.write(state, job.network, optimizer)
            saved = time.monotonic()
    _put(job.network, _after(job, start, state.best))
    _replace_head(job)
    if job.checkpoint and job.accelerator.is_main_process:
        job.checkpoint.write(state, job.network, optimizer)
    job.accelerator.wait_for_everyone()
    return state


def _steps_before(plan: list[list[IntArray]], state: State) -> int:
    """Steps of the whole training that are done."""
    return sum(len(epoch) for epoch in plan[: state.epoch]) + state.step


def _batch(job: Job, rows: IntArray) -> Batch:
    marks = None if job.lesson is None else job.lesson.marks(rows)
    return make_batch(job.tokens, rows, codes=job.codes, weights=job.weights, marks=marks)


def _alone(job: Job) -> bool:
    return bool(job.accelerator.num_processes == 1)


def _changed(batch: Batch, job: Job, number: int) -> Batch:
    for name, countermeasure in job.countermeasures:
        if countermeasure.change_batch:
            batch = countermeasure.change_batch(batch, countermeasure.params, stream(job.seed, f"{name}/{number}"))
    return batch


def _weighed(batch: Batch, job: Job, state: State) -> Batch:
    """The weights of a step's rows times what every countermeasure makes of them."""
    for name, countermeasure in job.countermeasures:
        if countermeasure.weigh:
            factors = countermeasure.weigh(batch.rows, state.kept.setdefault(name, {}), countermeasure.params)
            batch = replace(batch, weights=batch.weights * factors)
    return batch


def _rates(job: Job) -> Mapping[str, float]:
    """Factors on the step size, by name of the tensor: the product over countermeasures."""
    factors: dict[str, float] = {}
    for _, countermeasure in job.countermeasures:
        if countermeasure.rates:
            for name, factor in countermeasure.rates(job.network, countermeasure.params).items():
                factors[name] = factors.get(name, 1.0) * factor
    return factors


def _stepper(job: Job, model: nn.Module, start: Mapping[str, Tensor], unit: float, *, reader: Reader, state: State) -> Stepper:
    return Stepper(
        network=job.network,
        model=model,
        start=start,
        unit=unit,
        countermeasures=job.countermeasures,
        accelerator=job.accelerator,
        bfloat16=job.choices.dtype == "bfloat16",
        accumulation=job.config.accumulation,
        seed=job.seed,
        reader=reader,
        kept=state.kept,
        targets=None if job.targets is None else torch.from_numpy(job.targets).to(job.accelerator.device, torch.float32),
    )


def _take_step(
    job: Job, stepper: Stepper, optimizer: torch.optim.Optimizer, batch: Batch, *, rate: float, number: int, state: State
) -> None:
    """One step of the optimizer on `batch`. All processes see the same loss, so that they stop together."""
    total = _mean_over_processes(job, stepper.gradients(batch, number, state.dynamics[-1]))
    parameters = list(trainable(job.network).values())
    norm = nn.utils.clip_grad_norm_(parameters, job.config.max_grad_norm)
    if not np.isfinite(total) or not torch.isfinite(norm):
        optimizer.zero_grad()
        _stop(job, number, total)
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * rate
    optimizer.step()
    if job.watched:
        job.watched.after_step(StepSeen(number + 1, state.epoch + 1, total, job.config.learning_rate * rate, float(norm)))


def _mean_over_processes(job: Job, value: float) -> float:
    if _alone(job):
        return value
    return float(job.accelerator.reduce(torch.tensor(value, device=job.accelerator.device), "mean"))


def _after_step(job: Job, batch: Batch, state: State, optimizer: torch.optim.Optimizer, *, share: float) -> None:
    """What countermeasures and the tuning method do with the new tensors and the gradients that led there."""
    with torch.no_grad():
        for name, countermeasure in job.countermeasures:
            if countermeasure.noticed:
                losses = state.dynamics[-1].loss[batch.rows].astype(np.float64)
                countermeasure.noticed(batch.rows, losses, state.kept.setdefault(name, {}), countermeasure.params)
            if countermeasure.after_step:
                own = state.kept.setdefault(name, {})
                countermeasure.after_step(trainable(job.network), own, share, countermeasure.params)
    optimizer.zero_grad()


def _stop(job: Job, number: int, total: float) -> None:
    kept = f" The last saved state is in {job.checkpoint.path}." if job.checkpoint and job.checkpoint.path.is_file() else ""
    what = f"the gradient of the loss ({total:.3g})" if np.isfinite(total) else f"the loss ({total})"
    finer = "" if job.config.dtype == "float32" else " or dtype float32"
    raise LossNotFinite(
        f"Training stopped at step {number + 1}: {what} is no finite number.{kept} "
        f"Use a smaller learning_rate than {job.config.learning_rate}{finer}; check row weights and the knobs of countermeasures."
    )


def _end_epoch(job: Job, state: State, *, n_steps: int) -> None:
    """Join what the processes saw, score the validation rows, keep the best tensors, decide whether to go on.

    n_steps: of the whole training, done so far.
    """
    if not _alone(job):
        state.dynamics[-1] = _joined(job, state.dynamics[-1])
    with _scored(job, state):
        score = _keep_best(job, state)
    waited = state.epoch - state.best_epoch
    wanted = True
    if job.watched:
        metric, log_loss = (None, None) if score is None else (score[0], -score[1])
        name = job.lesson.metric if job.lesson else job.config.select_by
        wanted = job.watched.after_epoch(EpochSeen(state.epoch + 1, n_steps, name, metric, log_loss, state.best_epoch + 1))
    state.epoch, state.step = state.epoch + 1, 0
    ends = state.epoch == job.config.epochs or waited >= job.config.patience or not wanted
    state.finished = _said_by_the_first(job, ends)


def _said_by_the_first(job: Job, said: bool) -> bool:  # noqa: FBT001 - one value in, the same out
    """What the first process says, in all of them."""
    if _alone(job):
        return said
    first = torch.tensor(float(said and job.accelerator.is_main_process), device=job.accelerator.device)
    return bool(job.accelerator.reduce(first, "sum") > 0)


@contextmanager
def _scored(job: Job, state: State) -> Iterator[None]:
    """Within it, the network holds the tensors that a countermeasure wants scored and kept in place of its own."""
    chosen: Mapping[str, Tensor] = {}
    for name, countermeasure in job.countermeasures:
        if countermeasure.scored:
            chosen = countermeasure.scored(state.kept.get(name, {}), countermeasure.params)
    if not chosen:
        yield
        return
    own = {name: parameter.detach().clone() for name, parameter in trainable(job.network).items()}
    _put(job.network, chosen)
    try:
        yield
    finally:
        _put(job.network, own)


def _put(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in trainable(network).items():
            parameter.copy_(tensors[name])


def _keep_best(job: Job, state: State) -> tuple[float, float] | None:
    """Keep the tensors where they are the best so far; (metric, -loss) of the validation rows, None where there are none."""
    score = None
    if len(job.valid):
        if job.lesson is not None:
            metric = job.lesson.score(job.network, job.valid, dtype=job.choices.dtype, into=state.dynamics[-1])
        else:
            logits = predict_logits(job.network, job.tokens, job.valid, dtype=job.choices.dtype)
            note(state.dynamics[-1], job.valid, logits, job.codes[job.valid])
            metric = _metric(job, logits)
        loss = state.dynamics[-1].loss[job.valid]
        score = (metric, -float(np.nanmean(loss.astype(np.float64))))
    if score is None or state.best_score is None or score > state.best_score:
        state.best = {name: parameter.detach().clone() for name, parameter in trainable(job.network).items()}
        state.best_score, state.best_epoch = score, state.epoch
    return score


def _metric(job: Job, logits: npt.NDArray[np.float32]) -> float:
    """The metric that picks the epoch, of the validation rows' logits (n, C)."""
    return scored(job.codes[job.valid], logits.argmax(axis=1), n_classes=logits.shape[1], metric=job.metric)


def _joined(job: Job, mine: EpochDynamics) -> EpochDynamics:
    """Each row was seen by one process; the sum over processes is what all of them saw."""
    parts = np.stack([np.nan_to_num(mine.loss), np.nan_to_num(mine.margin), (~np.isnan(mine.loss)).astype(np.float32)])
    loss, margin, seen = job.accelerator.reduce(torch.from_numpy(parts).to(job.accelerator.device), "sum").cpu().numpy()
    unseen = np.float32(np.nan)
    return EpochDynamics(np.where(seen > 0, loss, unseen), np.where(seen > 0, margin, unseen))


def _replace_head(job: Job) -> None:
    """Put in the head that a countermeasure fits on the states of the finished encoder."""
    for _, countermeasure in job.countermeasures:
        if countermeasure.head:
            rows, head = np.concatenate([job.train, job.valid]), job.network.head
            states = predict_logits(job.network, job.tokens, rows, dtype=job.choices.dtype, features=True)
            own = (head.weight.detach().cpu().double().numpy(), head.bias.detach().cpu().double().numpy())
            seen = Features(states.astype(np.float64), rows, job.codes[rows], *own)
            weight, bias = countermeasure.head(seen, countermeasure.params)
            with torch.no_grad():
                head.weight.copy_(torch.from_numpy(weight))
                head.bias.copy_(torch.from_numpy(bias))


def _after(job: Job, start: dict[str, Tensor], best: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = best
    for _, countermeasure in job.countermeasures:
        if countermeasure.after:
            tensors = dict(countermeasure.after(start, tensors, countermeasure.params))
    return tensors
