"""Why the honest score of a run in a comparison is another than in its own ledger."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from veridical.core.comparison_record import ComparedRun
    from veridical.ledger.population import Population

LEFT_OUT = "rows that another run has in train are left out"
WEIGHTED = "the rows are weighted as those of the first run"
SHARED = "only the rows that all runs share count"
REVIEWED = "reviews of the other runs count too"
ONE_WAY = "reviewed labels correct all runs in one way, not each by its own noise model"


def reasons(
    people: "Sequence[Population]", *, at: int, leaked: "npt.NDArray[np.bool_]", n: int, read: Sequence[set[str]], of_labels: bool
) -> list[str]:
    """What the run at place `at` is counted otherwise by. people: of each run. leaked: rows each has in train, (K, n), of n rows
    compared. read: ids of the rows that each run's review read. of_labels: whether rows have one label."""
    own, first = people[at], people[0]
    said = [SHARED] if n != own.n else []
    said += [LEFT_OUT] if (leaked.any(axis=0) & ~leaked[at]).any() else []
    same = own.target.shape == first.target.shape and np.allclose(own.target, first.target)
    same = same and (n != own.n or n != first.n or np.allclose(own.basis, first.basis))
    said += [] if at == 0 or same else [WEIGHTED]
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
