"""What a probe is: a function from a subject to estimates, its parameters, and an honest and a cheating toy to tell apart."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Curve, Example, Measure
from veridical.probe._edit_review import EditedText
from veridical.probe._subject import Subject
from veridical.probe.answers._subject import AnswerSubject

ONE_LABEL = "It asks how probable each label of a row is; answers of task {task} are more than one label and have no such shares."
"""Why a probe does not look at tasks it has no part for."""

Cost = Literal["nothing", "little", "much"]
"""What a probe takes in a quick look. nothing: it reads the predictions that are there, asks and trains nothing. little: up to
some thousand questions. much: a search, models trained again, or a representation read row by row."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a probe saw on n_rows rows. summary: one sentence for the terminal. Measures with a null decide the status; the runner
    corrects their p values (or intervals) for how many they are, and sets it."""

    n_rows: int
    summary: str
    measures: tuple[Measure, ...]
    curves: tuple[Curve, ...] = ()
    examples: tuple[Example, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Toys:
    """honest: a subject without the trouble, on which the probe must find nothing. cheat: one with it, which must be found, and
    `measure` must be the one that tells (its interval on the cheat lies beyond its null)."""

    honest: Subject
    cheat: Subject
    measure: str


@dataclass(frozen=True, slots=True)
class AnswerToys:
    """The same where an answer is more than one label."""

    honest: AnswerSubject
    cheat: AnswerSubject
    measure: str


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """How a probe looks at tasks whose answers are more than one label. toys: by task; it looks at no task on which it is not
    proven. others: why it does not look at the other ones of them, a sentence with a place {task}."""

    run: Callable[[AnswerSubject, Any, np.random.Generator], Measured | Skipped]
    params: Any
    toys: Mapping[str, Callable[[], AnswerToys]]
    others: str = ONE_LABEL


@dataclass(frozen=True, slots=True)
class Probe:
    """The record a probe file ends with. cost: decides in which sets of `veridical run --probes` it is. edits: the edited texts
    that `run` judges with the same stream of random numbers, where a person can say whether their labels hold. answers: None
    where it looks at tasks with one label a row only; others says why. with_kinds: its params with what `--kinds` names, raising
    UnknownName; None where nothing can be named."""

    run: Callable[[Subject, Any, np.random.Generator], Measured | Skipped]
    params: Any
    toys: Callable[[], Toys]
    cost: Cost = "much"
    edits: Callable[[Subject, Any, np.random.Generator], list[EditedText]] | None = None
    answers: AnswerPart | None = None
    with_kinds: Callable[[Any, Sequence[str]], Any] | None = None
    others: str = ONE_LABEL
