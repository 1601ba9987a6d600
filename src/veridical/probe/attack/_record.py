"""The parts an attack is made of: goal, transformation, constraints, search. A recipe puts four of them together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from veridical.dataset.entity_marks import touches_mark
from veridical.dataset.rows import BoolArray, Text
from veridical.models.model import FloatArray
from veridical.models.queries import Search
from veridical.probe.perturbations import Place, with_rewrites

Spot = tuple[int, Place]
"""Which text of the input (0, or 1 for the second of a pair), and where in it."""
Written = Mapping[Spot, str]
"""What stands at some spots instead of what stood there."""


@dataclass(frozen=True, slots=True)
class Goal:
    """score(probabilities (B, C), label): how near each answer is to the goal, larger is nearer. reached: whether it is there."""

    score: Callable[[FloatArray, int], FloatArray]
    reached: Callable[[FloatArray, int], BoolArray]


@dataclass(frozen=True, slots=True)
class Transformation:
    """places(text): words that may be changed. rewrites(text, place, rng): what may stand there instead."""

    places: Callable[[str], Sequence[Place]]
    rewrites: Callable[[str, Place, np.random.Generator], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Constraint:
    """before(text, place): whether this word may be touched at all. after(original, changed): whether the result is allowed."""

    before: Callable[[str, Place], bool] = lambda _text, _place: True
    after: Callable[[Text, Text], bool] = lambda _original, _changed: True


@dataclass(frozen=True, eq=False)
class Attempt:
    """One input under attack. label: the class it must not lose. budget: unique inputs that may be asked, the original among
    them. gains: what gradients foresee for each rewrite of each spot, else None."""

    text: Text
    label: int
    goal: Goal
    options: Mapping[Spot, Sequence[str]]
    constraints: tuple[Constraint, ...] = ()
    budget: int = 300
    gains: Mapping[Spot, Sequence[float]] | None = None

    def changed(self, written: Written) -> Text:
        """The input with these rewrites."""
        if isinstance(self.text, str):
            return with_rewrites(self.text, {place: word for (_, place), word in written.items()})
        parts = [
            with_rewrites(part, {place: word for (own, place), word in written.items() if own == k})
            for k, part in enumerate(self.text)
        ]
        return parts[0], parts[1]

    def allowed(self, changed: Text) -> bool:
        return all(constraint.after(self.text, changed) for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class Outcome:
    """status: wrong (the original was no right answer: nothing to attack), turned, or held. changed: the input as far as the
    search came. written: its rewrites. queries: unique inputs asked; for `turned` until then."""

    status: str
    original: Text
    changed: Text
    written: dict[Spot, str] = field(default_factory=dict)
    queries: int = 0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole attack. about: one sentence. missing(texts): what is not installed for these texts, or that they are not of its
    language; None where it can run."""

    about: str
    goal: Goal
    transformation: Transformation
    constraints: tuple[Constraint, ...]
    search: Callable[[Attempt], Search[Outcome]]
    missing: Callable[[Sequence[Text]], str | None] = lambda _: None
    needs_gradients: bool = False


def parts_of(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text


def attempt_of(recipe: Recipe, text: Text, label: int, *, rng: np.random.Generator, budget: int) -> Attempt:
    """The candidates of a recipe for one input: fixed before the search starts, so that they do not depend on its order."""
    options: dict[Spot, Sequence[str]] = {}
    for k, part in enumerate(parts_of(text)):
        for place in recipe.transformation.places(part):
            allowed = all(constraint.before(part, place) for constraint in recipe.constraints)
            if allowed and not touches_mark(part, *place):
                found = recipe.transformation.rewrites(part, place, rng)
                if found:
                    options[k, place] = found
    return Attempt(text, label, recipe.goal, options, recipe.constraints, budget)
