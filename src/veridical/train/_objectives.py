"""What a pre-training objective is: how text is laid out, what is hidden of it, who may attend to whom, and which head answers.

All of them end in the same loss, the cross-entropy of the right answer, so that a model that knows nothing scores ln(answers).
Names joined by `+` train one trunk for several: on the same batch where they attend alike, else in turn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from veridical.core import plugins
from veridical.core.allowed import refuse_outside
from veridical.core.errors import InputError, UnknownName
from veridical.core.field_docs import plain_type
from veridical.dataset.rows import IntArray
from veridical.train.packing import Layout, Shown, Special

PACKAGE = "veridical.train.objectives"


@dataclass(frozen=True, eq=False, slots=True)
class Asked:
    """The answers wanted of a batch, (M,) each: row and column where they are read, the right code, whose document. written:
    (B, U) ids that a decoder reads, where one answers; rows and columns are then of these."""

    row: IntArray
    column: IntArray
    code: IntArray
    owner: IntArray
    written: IntArray | None = None

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True, slots=True)
class Objective:
    """The record a file in train/objectives ends with.

    params: a frozen dataclass of settings. layout: how documents become rows. sees: whether a token attends to both sides or
    only to the left, always within its segment. head: tokens (of the vocabulary), pair (yes or no) or decoder (of the
    vocabulary, from one vector). ask: (Shown, params, Special, random stream) -> what the model is shown, and what it is asked.
    joins: objectives that may share a trunk with it, by `+`, this one first. needs_mask: the tokenizer must have a mask token.
    trunk: what it can train. counts_all: it gives the probability of a whole text, so that bits per character can be told.
    draws: times that held-out text is asked, where what is hidden is drawn.
    """

    params: Any
    layout: Layout
    sees: Literal["both", "left"]
    head: Literal["tokens", "pair", "decoder"]
    ask: Callable[[Shown, Any, Special, np.random.Generator], tuple[Shown, Asked]]
    joins: tuple[str, ...] = ()
    needs_mask: bool = False
    trunk: Literal["encoder", "decoder"] = "encoder"
    counts_all: bool = False
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One objective by name, with the params it is used with."""

    name: str
    objective: Objective
    params: Any


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is trained together. turns: the parts that share a batch; with more than one turn, steps are dealt among them."""

    name: str
    turns: tuple[tuple[Part, ...], ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for turn in self.turns for part in turn)

    @property
    def trunk(self) -> Literal["encoder", "decoder"]:
        return "encoder" if any(part.objective.trunk == "encoder" for part in self.parts) else "decoder"

    def layout(self, turn: int) -> Layout:
        """Pairs where a part of the turn needs them."""
        wanted = [part.objective.layout for part in self.turns[turn]]
        return "pairs" if "pairs" in wanted else wanted[0]

    @property
    def by_sentence(self) -> bool:
        return any(self.layout(turn) == "pairs" for turn in range(len(self.turns)))

    def has_head(self, head: str) -> bool:
        return any(part.objective.head == head for part in self.parts)


def known() -> list[str]:
    """Every name that --objective takes."""
    single = plugins.names(PACKAGE)
    joined = [f"{name}+{other}" for name in single for other in _objective(name).joins]
    return [*single, *joined]


def _objective(name: str) -> Objective:
    found: Objective = plugins.get(PACKAGE, "objective", name)
    return found


def lesson(name: str, knobs: Sequence[str] = ()) -> Lesson:
    """The objective `name`, or those joined in it, with knobs set as NAME=VALUE says. Raises UnknownName and InputError."""
    if name not in known():
        raise UnknownName("objective", name, known(), "Give it as --objective NAME.")
    names = name.split("+")
    parts = [Part(one, _objective(one), params) for one, params in zip(names, _with_knobs(names, knobs), strict=True)]
    turns: list[tuple[Part, ...]] = []
    for sees in dict.fromkeys(part.objective.sees for part in parts):
        turns.append(tuple(part for part in parts if part.objective.sees == sees))
    return Lesson(name, tuple(turns))


def _with_knobs(names: Sequence[str], knobs: Sequence[str]) -> list[Any]:
    params = [_objective(name).params for name in names]
    homes = {field.name: (at, field) for at, own in enumerate(params) for field in fields(own)}
    for knob in knobs:
        key, equals, value = (part.strip() for part in knob.partition("="))
        if not equals:
            raise InputError(f"objective_knobs has {knob!r}; write NAME=VALUE, for example {next(iter(homes), 'share')}=0.2.")
        if key not in homes:
            raise UnknownName(f"knob of objective {'+'.join(names)}", key, homes, "See: docs/catalogue/objectives.md")
        at, field = homes[key]
        params[at] = replace(params[at], **{key: _value(key, value, plain_type(field))})
    return params


def _value(key: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value.lower() not in ("true", "false"):
            raise InputError(f"The objective's knob {key} is {value!r}; it must be true or false.")
        return value.lower() == "true"
    try:
        return kind(value)
    except ValueError as error:
        raise InputError(f"The objective's knob {key} is {value!r}; it must be a number.") from error


def check(name: str, value: float, low: float, high: float) -> None:
    """Refuse a knob outside its range."""
    refuse_outside(f"The objective's knob {name}", value, low=low, high=high)
