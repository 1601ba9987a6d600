"""Why the honest score of a run in a comparison is another than in its own ledger."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veridical.dataset.rows import BoolArray

if TYPE_CHECKING:
    from veridical.core.comparison_record import ComparedRun
    from veridical.ledger.population import Population

LEFT_OUT = "rows that another run has in train are left out"
SHARED = "only the rows that all runs share count"
REVIEWED = "reviews of the other runs count too"
ONE_WAY = "reviewed labels correct all runs in one way, not each by its own noise model"


def reasons(
    people: "Sequence[Population]",
    *,
    at: int,
    by: int,
    names: Sequence[str],
    leaked: "BoolArray",
    n: int,
    read: Sequence[set[str]],
    of_labels: bool,
) -> list[str]:
    """What the run at place `at` is counted otherwise by. people, names: of each run. by: place of the run as whose rows all are
    weighted. leaked: rows each has in train, (K, n), of n rows compared. read: ids of the rows that each run's review read.
    of_labels: whether rows have one label."""
    own, one = people[at], people[by]
    said = [SHARED] if n != own.n else []
    said += [LEFT_OUT] if (leaked.any(axis=0) & ~leaked[at]).any() else []
    same = own.target.shape == one.target.shape and np.allclose(own.target, one.target)
    same = same and (n != own.n or n != one.n or np.allclose(own.basis, one.basis))
    said += [] if at == by or same else [f"the rows are weighted as those of {names[by]}"]
    said += [REVIEWED] if set().union(*read) - read[at] else []
    return [*said, *([ONE_WAY] if of_labels and any(read) else [])]


def note(run: "ComparedRun", why: Sequence[str]) -> str:
    """A sentence with both scores and the reasons."""
    assert run.honest is not None
    assert run.ledger is not None
    here, there = f"{100 * run.honest.value:.1f}", f"{100 * run.ledger.value:.1f}"
    if not why:
        return f"{run.name} has the honest score {here} here and {there} in its own ledger."
    return f"{run.name} has the honest score {here} here and {there} in its own ledger, because in a comparison {'; '.join(why)}."
