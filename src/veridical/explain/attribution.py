"""The rows behind each component of a ledger: counted where they are known, else by influence on the component.

A component is linear in the values of coalitions, and a value is linear in the predictions once weights and labels are held: its
`pull` on each row's probabilities gives one gradient, and one solve gives every training row's share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.explain_record import RowKind, Validation
from veridical.core.ledger_record import IN_THE_SUM, Component
from veridical.dataset.cue import holds
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.explain.counted import SMALLEST, Carried
from veridical.ledger.accounting import transfer_players
from veridical.ledger.coalitions import Coalitions
from veridical.ledger.game import coefficients
from veridical.ledger.tables import cue_texts
from veridical.ledger.transfer import edited_texts
from veridical.models.model import FloatArray

BY_INFLUENCE = ("sample", "shortcut", "groups", "fragility", "shift")
"""Components that predictions move; `shortcut` stands for `shortcut:WORD` too."""
WITHOUT_ROWS = {
    "protocol": "The protocol is how the metric is defined; no row causes it.",
    "reuse": "It comes from choosing among models on one test set; no training row causes it.",
    "concept": "It comes from the target's own labels; no training row here can be named for it.",
}
"""Why some components have no rows."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model must answer for some components: `inputs` (t), and for each component a pull (t, C) on their probabilities."""

    inputs: list[Text]
    pulls: tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False)
class Attributed:
    """The rows of one component. kinds: one for each row. why: how they were found, or why there are none."""

    component: Component
    rows: IntArray
    points: FloatArray
    kinds: list[RowKind]
    validation: Validation | None
    why: str


def by_influence(name: str) -> bool:
    return name.split(":")[0] in BY_INFLUENCE


def without_rows(component: Component) -> str:
    """Why a component has no rows to name; empty where it may have some."""
    if component.name in WITHOUT_ROWS:
        return WITHOUT_ROWS[component.name]
    if component.status not in IN_THE_SUM:
        return f"It has no points in the ledger ({component.status}), so there is nothing to trace to rows."
    return ""


def pull_of(game: Coalitions, name: str) -> FloatArray:
    """Derivative of a component, in points, with respect to the prediction shares of `Coalitions.pull`, (n, 2**S, 1 + m, C)."""
    if name in game.active:
        players: Sequence[str] = game.active
        base: frozenset[str] = frozenset()
    else:
        players, base = transfer_players(game)[0], frozenset(game.active)
        players = [player for player in players if player != "concept"]  # an offset: it cancels in every other share
    terms = [(weight, base | chosen) for chosen, weight in coefficients(name, players)]
    return 100 * sum((w * (game.pull(c) - game.pull(c | {name})) for w, c in terms), start=np.zeros(1))


def asked_of(game: Coalitions, data: Dataset, names: Sequence[str], *, seed: int) -> Asked:
    """The texts that the components rest on, each combination of cues and each edit that any of them uses."""
    tables, contract = game.tables, game.contract
    pulls = [pull_of(game, name) for name in names]
    texts = cue_texts(data, tables.people.rows, contract.shortcuts if contract else (), seed=seed)
    inputs: list[Text] = []
    parts: list[list[FloatArray]] = [[] for _ in names]
    for number in range(pulls[0].shape[1]):
        for draw in range(pulls[0].shape[2]):
            used = np.flatnonzero(np.any([np.abs(pull[:, number, draw]).max(axis=1) > 0 for pull in pulls], axis=0))
            if not len(used):
                continue
            edits = contract.perturbation if contract else None
            shown = edited_texts(texts[number], edits, draw=draw - 1, seed=seed) if edits and draw else texts[number]
            inputs += [shown[row] for row in used]
            for part, pull in zip(parts, pulls, strict=True):
                part.append(pull[used, number, draw])
    c = tables.elsewhere.shape[1]
    return Asked(inputs, tuple(np.concatenate([np.zeros((0, c)), *part]) for part in parts))


def attributed_exactly(component: Component, carried: Carried, *, why: str) -> Attributed:
    kinds: list[RowKind] = ["exact" if exact else "modelled" for exact in carried.exact]
    return Attributed(component, carried.rows, carried.points, kinds, None, why)


FIRST = 50
"""Rows named first of which it is said how many hold the word. Ours; no source."""


def of_the_word(component: Component, points: FloatArray, *, data: Dataset, train: IntArray) -> str:
    """How many of the rows named first hold a shortcut's word, as a sentence; empty for other components. Influence asks for one
    row at a time: of a word that hundreds of rows teach, none is missed."""
    word = component.details.get("word")
    if not isinstance(word, str):
        return ""
    held, lost = holds(data.inputs(train), word), component.points.value if component.points else 0.0
    first = np.argsort(-points if lost >= 0 else points, kind="stable")[:FIRST]
    first = first[np.abs(points[first]) > SMALLEST]
    return (
        f" Of {len(train)} train rows {int(held.sum())} hold {word!r}, and of the {len(first)} named first "
        f"{int(held[first].sum())}. What many rows teach together hangs on no single one of them: to see all of them, look "
        "for the word."
    )


def attributed_by_influence(
    component: Component, points: FloatArray, *, train: IntArray, validation: Validation | None, why: str
) -> Attributed:
    """points: of the training rows at positions `train`, (n,). Confirmed where the interval of the correlation lies above 0."""
    kind: RowKind = "influence" if validation and validation.counted and validation.counted.low > 0 else "heuristic"
    moving = np.flatnonzero(np.abs(points) > SMALLEST)
    return Attributed(component, train[moving], points[moving], [kind] * len(moving), validation, why)


def ranked(found: Attributed) -> IntArray:
    """Order of its rows: those first that do most in the direction of the component; ties by position."""
    lost = found.component.points
    sign = -1.0 if lost is not None and lost.value < 0 else 1.0
    return np.lexsort((found.rows, -sign * found.points)).astype(np.int64)
