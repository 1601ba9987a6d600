"""One step of training: the passes over each piece, what countermeasures add to them, and the step of the optimizer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models._encoder_network import EncoderClassifier
from veridical.train._contract import Named, Pass, Read
from veridical.train.batching import Batch
from veridical.train.checkpoint import trainable
from veridical.train.dynamics import EpochDynamics, note, note_marks
from veridical.train.reading import Reader


@dataclass(frozen=True, eq=False)
class Stepper:
    """What does not change from step to step. model: the network, wrapped where there are many processes. start: trainable
    tensors before training, by name. unit: mean length of a word embedding before training."""

    network: EncoderClassifier
    model: nn.Module
    start: Mapping[str, Tensor]
    unit: float
    countermeasures: Named
    accelerator: Any
    bfloat16: bool
    accumulation: int
    seed: int
    reader: Reader
    kept: dict[str, dict[str, Tensor]]
    """What countermeasures keep from step to step, by name."""
    targets: Tensor | None = None
    """What to say where each class is true, (C, C); None: that class alone."""

    def gradients(self, batch: Batch, number: int, dynamics: EpochDynamics) -> float:
        """Leaves in the parameters the gradient of the mean row loss by weight, computed in pieces; returns that loss."""
        accelerator = self.accelerator
        torch.manual_seed(int(stream(self.seed, f"dropout/{number}/{accelerator.process_index}").integers(2**62)))
        # Every process holds its share of the rows; gradients are averaged over processes, hence the factor.
        factor = accelerator.num_processes / max(float(batch.weights.sum()), 1e-12)
        pieces = batch.pieces(accelerator.num_processes)[accelerator.process_index].pieces(self.accumulation)
        total = 0.0
        for position, piece in enumerate(pieces):
            waits = position < len(pieces) - 1 and accelerator.num_processes > 1
            with accelerator.no_sync(self.model) if waits else nullcontext():
                total += self._piece(piece, number, factor, dynamics)
        return total + self._penalties()

    def _piece(self, piece: Batch, number: int, factor: float, dynamics: EpochDynamics) -> float:
        """Gradients of one piece: of the loss and what stands beside it, then of every attack on it."""
        passes = _Passes.of(self, piece, number, factor)
        attacked = any(c.attack for _, c in self.countermeasures)
        here = passes.no_shift().requires_grad_() if attacked else None
        read = passes.forward(here)
        logits, losses = read.logits, passes.loss_of_rows(read.logits)
        loss = passes.total(losses)
        for name, countermeasure in self.countermeasures:
            if countermeasure.beside:
                loss = loss + passes.total(countermeasure.beside(passes.seen(name, read, losses), countermeasure.params))
        loss.backward()  # type: ignore[no-untyped-call]
        total = loss.item()
        if here is not None and here.grad is not None:
            total += self._attacks(passes, here.grad)
        said, rows = logits.detach().float().cpu().numpy(), piece.rows >= 0
        if piece.marks is not None:
            note_marks(dynamics, piece.rows, said, piece.marks.codes, row=piece.marks.row)
        else:
            note(dynamics, piece.rows[rows], said[rows], piece.codes[rows])
        return total

    def _attacks(self, passes: "_Passes", gradient: Tensor) -> float:
        """Follow every attack from the gradient at the unmoved embeddings; the losses where the network learned."""
        total = 0.0
        for name, countermeasure in self.countermeasures:
            if not countermeasure.attack:
                continue
            seen = Pass(None, passes.real, self.unit, passes.again, passes.noise(name), passes.piece.rows)
            shifts = countermeasure.attack(gradient, seen, countermeasure.params)
            given = next(shifts, None)
            while given is not None:
                shift, learns = given[0].detach().requires_grad_(), given[1]
                loss = passes.total(passes.loss_of_rows(passes.again(shift, same_masks=True)))
                if learns:
                    loss.backward()  # type: ignore[no-untyped-call]
                    total += loss.item()
                found = shift.grad if learns else torch.autograd.grad(loss, shift)[0]
                assert found is not None
                given = _next(shifts, found)
        return total

    def loss_of_rows(self) -> Callable[[Tensor, Tensor], Tensor]:
        for _, countermeasure in self.countermeasures:
            if countermeasure.loss:
                replacing, params = countermeasure.loss, countermeasure.params
                return lambda logits, codes: replacing(logits, codes, params)
        targets = self.targets
        return lambda logits, codes: cross_entropy(logits, codes if targets is None else targets[codes], reduction="none")

    def mixed(self, number: int) -> Mapping[str, Tensor] | None:
        """The tensors that step `number` computes with, None for the network's own; a new graph at every call."""
        for name, countermeasure in self.countermeasures:
            if countermeasure.mixed:
                rng = stream(self.seed, f"{name}/{number}")
                return countermeasure.mixed(trainable(self.network), self.start, countermeasure.params, rng)
        return None

    def _penalties(self) -> float:
        """Add the gradients of all penalties to those of the rows; their sum. Every process adds the same."""
        parameters, total = trainable(self.network), 0.0
        for _, countermeasure in self.countermeasures:
            if countermeasure.penalty:
                penalty = countermeasure.penalty(parameters, self.start, countermeasure.params)
                total += float(penalty.detach())
                if not penalty.requires_grad:
                    continue
                gradients = torch.autograd.grad(penalty, list(parameters.values()), allow_unused=True)
                for parameter, gradient in zip(parameters.values(), gradients, strict=True):
                    if gradient is not None:
                        parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
        return total


@dataclass(frozen=True, eq=False)
class _Passes:
    """One piece on the device, and the ways to pass it through the network. real: (B, T, 1) float, 1 on real tokens."""

    stepper: Stepper
    piece: Batch
    number: int
    factor: float
    ids: Tensor
    mask: Tensor
    types: Tensor | None
    codes: Tensor
    weights: Tensor
    masks: Tensor
    """The state from which the dropout masks of the first pass are drawn."""
    row: Tensor | None
    """Place in the piece of each class that is asked for; None where a row has one."""
    beside_tokens: tuple[Tensor, ...]
    """What the network is given beside the tokens."""

    @classmethod
    def of(cls, stepper: Stepper, piece: Batch, number: int, factor: float) -> "_Passes":
        device, marks = stepper.accelerator.device, piece.marks
        codes = piece.codes if marks is None else marks.codes
        return cls(
            stepper,
            piece,
            number,
            factor,
            ids=torch.from_numpy(piece.ids).to(device),
            mask=torch.from_numpy(piece.mask).to(device),
            types=None if piece.types is None else torch.from_numpy(piece.types).to(device),
            codes=torch.from_numpy(codes).to(device),
            weights=torch.from_numpy(piece.weights).to(device, torch.float32),
            masks=_random_state(device),
            row=None if marks is None else torch.from_numpy(marks.row).to(device),
            beside_tokens=() if marks is None else tuple(torch.from_numpy(array).to(device) for array in marks.for_network()),
        )

    @property
    def real(self) -> Tensor:
        return self.mask.unsqueeze(-1).float()

    def no_shift(self) -> Tensor:
        return self.real.new_zeros((*self.mask.shape, _table(self.stepper.network).shape[1]))

    def total(self, losses: Tensor) -> Tensor:
        """The weighted sum over rows; a row's loss is the mean over the classes it holds."""
        if self.row is not None:
            counts = torch.bincount(self.row, minlength=len(self.weights)).clamp(min=1)
            losses = losses.new_zeros(len(self.weights)).index_add(0, self.row, losses) / counts
        return (losses * self.weights).sum() * self.factor

    def loss_of_rows(self, logits: Tensor) -> Tensor:
        """(B,), of the logits with every countermeasure's offsets added."""
        for _, countermeasure in self.stepper.countermeasures:
            if countermeasure.offsets:
                offsets = countermeasure.offsets(self.piece.rows, countermeasure.params)
                if offsets is not None:
                    logits = logits + torch.from_numpy(offsets).to(logits.device, logits.dtype)
        return self.stepper.loss_of_rows()(logits, self.codes)

    def forward(self, shift: Tensor | None) -> Read:
        with _shifted(self.stepper.network, shift):
            return self.read(self.ids, self.mask, self.types, *self.beside_tokens)

    def read(self, *inputs: Tensor | None) -> Read:
        """What the tensors of this step make of other inputs."""
        mixed = self.stepper.mixed(self.number)  # anew in each pass, since a backward pass frees the graph of the mixing
        return self.stepper.reader.read(*inputs, model=self.stepper.model, tensors=mixed)

    def seen(self, name: str, read: Read, losses: Tensor) -> Pass:
        """The pass just made, as the countermeasure `name` sees it."""
        stepper, reader = self.stepper, self.stepper.reader

        def texts(at: IntArray) -> Read:
            return self.read(*reader.of_texts(name, at))

        return Pass(
            read.logits,
            self.real,
            stepper.unit,
            self.again,
            self.noise(name),
            self.piece.rows,
            states=read.states,
            codes=self.codes,
            losses=losses,
            loss=stepper.loss_of_rows(),
            head=stepper.network.headed,
            again_of=self.again_of,
            read_rows=lambda rows: self.read(*reader.of_rows(rows)),
            read_texts=texts,
            streams=lambda: self.streams(name),
            own=stepper.kept.setdefault(name, {}),
        )

    def again(self, shift: Tensor | None, *, same_masks: bool) -> Tensor:
        """Another pass. Under the same masks it leaves the random state as it found it, so that later pieces draw as ever."""
        if not same_masks:
            unlike: Tensor = self.forward(shift).logits
            return unlike
        ahead = _random_state(self.ids.device)
        _set_random_state(self.ids.device, self.masks)
        logits: Tensor = self.forward(shift).logits
        _set_random_state(self.ids.device, ahead)
        return logits

    def again_of(self, at: IntArray) -> tuple[Tensor, Tensor]:
        """(logits of another pass of the rows at these places of the piece, their places among the logits of the whole)."""
        part = _Passes.of(self.stepper, self.piece.take(at), self.number, self.factor)
        places = at if self.piece.marks is None else np.flatnonzero(np.isin(self.piece.marks.row, at))
        return part.forward(None).logits, torch.from_numpy(places).to(self.ids.device)

    def streams(self, name: str) -> list[np.random.Generator]:
        """One of each row."""
        return [stream(self.stepper.seed, f"{name}/{self.number}/{row}") for row in self.piece.rows]

    def noise(self, name: str) -> Callable[[], Tensor]:
        def noise() -> Tensor:
            shape = self.no_shift().shape[1:]
            drawn = np.stack([rng.standard_normal(shape, np.float32) for rng in self.streams(name)])
            return torch.from_numpy(drawn).to(self.ids.device) * self.real

        return noise


def word_unit(network: EncoderClassifier) -> float:
    """Mean length of a word embedding."""
    return float(_table(network).detach().float().norm(dim=1).mean())


def _table(network: EncoderClassifier) -> Tensor:
    table: Tensor = network.encoder.get_input_embeddings().weight
    return table


def _next(shifts: Any, gradient: Tensor) -> tuple[Tensor, bool] | None:
    try:
        given: tuple[Tensor, bool] = shifts.send(gradient)
    except StopIteration:
        return None
    return given


@contextmanager
def _shifted(network: EncoderClassifier, shift: Tensor | None) -> Iterator[None]:
    """Within it, the word embeddings of a pass are moved by `shift`; the table itself is never touched."""
    if shift is None:
        yield
        return
    hook = network.encoder.get_input_embeddings().register_forward_hook(lambda _module, _args, output: output + shift)
    try:
        yield
    finally:
        hook.remove()


def _random_state(device: torch.device) -> Tensor:
    return torch.get_rng_state() if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)


def _set_random_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.get_device_module(device).set_rng_state(state, device)
