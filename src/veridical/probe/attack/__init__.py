"""Attacks: search for a small change of a text that turns the answer.

An attack is goal, transformation, constraints and search, put together by a recipe (`RECIPES`). Searches are generators for the
query engine, so many rows are attacked at once; what each row asks, and what is found for it, does not depend on the others.
"""

from collections.abc import Sequence
from dataclasses import replace

from veridical.core.randomness import stream
from veridical.dataset.rows import Text
from veridical.models.queries import Queries
from veridical.probe.attack._recipes import RECIPES, recipes_named
from veridical.probe.attack._record import Attempt, Constraint, Goal, Outcome, Recipe, Transformation, attempt_of
from veridical.probe.attack._searches import beam, greedy

__all__ = [
    "RECIPES", "Attempt", "Constraint", "Goal", "Outcome", "Recipe", "Transformation", "attack", "attempts_of", "beam", "greedy",
    "recipes_named",
]  # fmt: skip


def attempts_of(
    recipe: Recipe, texts: Sequence[Text], labels: Sequence[int], ids: Sequence[str], *, seed: int, budget: int
) -> list[Attempt]:
    """Every row with its candidates, drawn from the row's own random stream."""
    return [
        attempt_of(recipe, text, int(label), rng=stream(seed, f"attack/{own}"), budget=budget)
        for text, label, own in zip(texts, labels, ids, strict=True)
    ]


def attack(queries: Queries, recipe: Recipe, attempts: Sequence[Attempt]) -> list[Outcome]:
    """The outcome of every attempt, all advanced together. A recipe that needs gradients asks the encoder for them first; that
    pass counts as one more question of each row."""
    if recipe.needs_gradients:
        from veridical.models.encoder import EncoderModel
        from veridical.probe.attack._gradients import gains_of

        if not isinstance(queries.model, EncoderModel):
            raise ValueError(f"gradients need an encoder, not a model of kind {queries.model.kind!r}")
        foreseen = gains_of(queries.model, attempts)
        attempts = [
            replace(one, gains=gains, budget=max(one.budget - 1, 1)) for one, gains in zip(attempts, foreseen, strict=True)
        ]
    found = queries.run((recipe.search(one) for one in attempts), stage="attack", total=len(attempts))
    return [replace(one, queries=one.queries + 1) for one in found] if recipe.needs_gradients else found
