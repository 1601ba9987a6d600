"""The training loop, whole and visible. Countermeasures join at row weights (already in `weights`), batch, loss and after.

For each epoch, for each step: cut a batch of about equal lengths, let countermeasures change it, compute it in `accumulation`
pieces, clip, step. At the end of an epoch score the validation rows, keep the best tensors, save the state.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from veridical.core.errors import VeridicalError
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models._encoder_network import EncoderClassifier, predict_logits
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens
from veridical.train._contract import Named
from veridical.train.batching import Batch, epoch_batches, make_batch
from veridical.train.checkpoint import CheckpointFile, State, trainable
from veridical.train.config import TrainConfig
from veridical.train.dynamics import EpochDynamics, empty, note
from veridical.train.machine import Choices
from veridical.train.optimizer import make_optimizer, rate_share


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


def fit(job: Job) -> State:
    """Train to the end, or from the saved state to the end; the best tensors are in the network and in the state returned."""
    optimizer = make_optimizer(job.network, job.config)
    start = {name: tensor.detach().clone() for name, tensor in trainable(job.network).items()}
    state = job.checkpoint.read(job.network, optimizer) if job.checkpoint else State()
    model = job.accelerator.prepare(job.network) if job.accelerator.num_processes > 1 else job.network
    lengths, budget = job.tokens.lengths[job.train], job.choices.token_budget
    plan = [epoch_batches(job.train, lengths, token_budget=budget, seed=job.seed, epoch=e) for e in range(job.config.epochs)]
    n_steps, saved = sum(len(epoch) for epoch in plan), time.monotonic()
    job.network.train()
    while not state.finished:
        if state.step == 0:
            state.dynamics.append(empty(len(job.codes)))
        for step in range(state.step, len(plan[state.epoch])):
            number = sum(len(epoch) for epoch in plan[: state.epoch]) + step
            rate = rate_share(number, n_steps=n_steps, warmup_share=job.config.warmup_share)
            batch = _changed(make_batch(job.tokens, plan[state.epoch][step], codes=job.codes, weights=job.weights), job, number)
            _take_step(job, model, optimizer, batch, rate=rate, number=number, state=state)
            state.step = step + 1
            job.progress("train", number + 1, n_steps)
            if job.checkpoint and _alone(job) and time.monotonic() - saved >= job.config.checkpoint_seconds:
                job.checkpoint.write(state, job.network, optimizer)
                saved = time.monotonic()
        _end_epoch(job, state)
        if job.checkpoint and job.accelerator.is_main_process and not state.finished:
            job.checkpoint.write(state, job.network, optimizer)
            saved = time.monotonic()
    with torch.no_grad():
        for name, parameter in trainable(job.network).items():
            parameter.copy_(_after(job, start, state.best)[name])
    if job.checkpoint and job.accelerator.is_main_process:
        job.checkpoint.write(state, job.network, optimizer)
    job.accelerator.wait_for_everyone()
    return state


def _alone(job: Job) -> bool:
    return bool(job.accelerator.num_processes == 1)


def _changed(batch: Batch, job: Job, number: int) -> Batch:
    for name, countermeasure in job.countermeasures:
        if countermeasure.change_batch:
            batch = countermeasure.change_batch(batch, countermeasure.params, stream(job.seed, f"{name}/{number}"))
    return batch


def _loss_of_rows(job: Job) -> Callable[[Tensor, Tensor], Tensor]:
    for _, countermeasure in job.countermeasures:
        if countermeasure.loss:
            replacing, params = countermeasure.loss, countermeasure.params
            return lambda logits, codes: replacing(logits, codes, params)
    return lambda logits, codes: cross_entropy(logits, codes, reduction="none")


def _take_step(
    job: Job, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, *, rate: float, number: int, state: State
) -> None:
    """One step of the optimizer on `batch`: the mean of the row losses by weight, computed in pieces."""
    accelerator, device = job.accelerator, job.accelerator.device
    torch.manual_seed(int(stream(job.seed, f"dropout/{number}/{accelerator.process_index}").integers(2**62)))
    # Every process holds its share of the rows; gradients are averaged over processes, hence the factor.
    factor = accelerator.num_processes / max(float(batch.weights.sum()), 1e-12)
    pieces = batch.pieces(accelerator.num_processes)[accelerator.process_index].pieces(job.config.accumulation)
    loss_of_rows, total = _loss_of_rows(job), 0.0
    for position, piece in enumerate(pieces):
        waits = position < len(pieces) - 1 and not _alone(job)
        with accelerator.no_sync(model) if waits else nullcontext():
            types = None if piece.types is None else torch.from_numpy(piece.types).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=job.choices.dtype == "bfloat16"):
                logits = model(torch.from_numpy(piece.ids).to(device), torch.from_numpy(piece.mask).to(device), types)
            codes = torch.from_numpy(piece.codes).to(device)
            weights = torch.from_numpy(piece.weights).to(device, torch.float32)
            loss = (loss_of_rows(logits, codes) * weights).sum() * factor
            loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
        seen = piece.rows >= 0
        note(state.dynamics[-1], piece.rows[seen], logits.detach().float().cpu().numpy()[seen], piece.codes[seen])
    parameters = list(trainable(job.network).values())
    norm = nn.utils.clip_grad_norm_(parameters, job.config.max_grad_norm)
    if not np.isfinite(total) or not torch.isfinite(norm):
        optimizer.zero_grad()
        _stop(job, number, total)
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * rate
    optimizer.step()
    optimizer.zero_grad()


def _stop(job: Job, number: int, total: float) -> None:
    kept = f" The last saved state is in {job.checkpoint.path}." if job.checkpoint and job.checkpoint.path.is_file() else ""
    raise LossNotFinite(
        f"Training stopped at step {number + 1}: the loss or its gradient is no finite number (loss {total}).{kept} "
        f"Use a smaller learning_rate than {job.config.learning_rate} or dtype float32; check row weights and countermeasures."
    )


def _end_epoch(job: Job, state: State) -> None:
    """Join what the processes saw, score the validation rows, keep the best tensors, decide whether to go on."""
    if not _alone(job):
        state.dynamics[-1] = _joined(job, state.dynamics[-1])
    score = None
    if len(job.valid):
        logits = predict_logits(job.network, job.tokens, job.valid, dtype=job.choices.dtype)
        note(state.dynamics[-1], job.valid, logits, job.codes[job.valid])
        loss, margin = state.dynamics[-1].loss[job.valid], state.dynamics[-1].margin[job.valid]
        score = (float((margin > 0).mean()), -float(loss.mean(dtype=np.float64)))
    if score is None or state.best_score is None or score > state.best_score:
        state.best = {name: parameter.detach().clone() for name, parameter in trainable(job.network).items()}
        state.best_score, state.best_epoch = score, state.epoch
    waited = state.epoch - state.best_epoch
    state.epoch, state.step = state.epoch + 1, 0
    state.finished = state.epoch == job.config.epochs or waited >= job.config.patience


def _joined(job: Job, mine: EpochDynamics) -> EpochDynamics:
    """Each row was seen by one process; the sum over processes is what all of them saw."""
    parts = np.stack([np.nan_to_num(mine.loss), np.nan_to_num(mine.margin), (~np.isnan(mine.loss)).astype(np.float32)])
    loss, margin, seen = job.accelerator.reduce(torch.from_numpy(parts).to(job.accelerator.device), "sum").cpu().numpy()
    unseen = np.float32(np.nan)
    return EpochDynamics(np.where(seen > 0, loss, unseen), np.where(seen > 0, margin, unseen))


def _after(job: Job, start: dict[str, Tensor], best: dict[str, Tensor]) -> dict[str, Tensor]:
    tensors = best
    for _, countermeasure in job.countermeasures:
        if countermeasure.after:
            tensors = dict(countermeasure.after(start, tensors, countermeasure.params))
    return tensors
