"""Did a countermeasure help? Models trained with and without it on the same rows, none of them locked, and asked about the fold.

What a contract says must not decide, or will arrive, is asked for under that contract. Where other groups or edited texts arrive,
the fold as it is must not suffer by more than a margin; a word that must not decide may cost there what it bought. There is no
placebo for a change of training, so the comparison is with untouched alone, over models of several seeds; Holm's correction runs
over all countermeasures tried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.errors import SurroundingsError, VeridicalError
from veridical.core.progress import Progress, silent
from veridical.core.run_record import Arm, RoutedArm
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.ledger.contract import Contract
from veridical.verify.arms import SEEDS
from veridical.verify.countermeasure_verdict import Exams, Judged, Proposal, Sat, Trial, judged, trial
from veridical.verify.judging import Judging

Answers = Callable[[Sequence[Text]], npt.NDArray[Any]]
Taught = Callable[[str, int], Answers]
"""(countermeasure or empty for none, seed) -> what a model trained with it on the rows that are not locked answers: probabilities
(n, C), or answers of more than one label, (n,)."""
NO_EXAM = "The locked fold cannot show what the contract says: no words, edits or groups with enough rows."


@dataclass(frozen=True, eq=False)
class Routing:
    """arms: the verdicts, in the order of the proposals. trials, judged: those that were trained, before and after Holm's
    correction. exams: None where none was trained. said: countermeasure (empty for none) -> what its models answered."""

    arms: tuple[RoutedArm, ...] = ()
    trials: tuple[Trial, ...] = ()
    judged: tuple[Judged, ...] = ()
    exams: Exams | None = None
    said: dict[str, Sat] = field(default_factory=dict)


def tried_countermeasures(
    data: Dataset,
    *,
    clusters: IntArray,
    locked: IntArray,
    proposals: Sequence[Proposal],
    teach: Taught,
    judging: Judging,
    votes: str,
    contract: Contract | None = None,
    transfer: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    seed: int = 0,
    progress: Progress = silent,
) -> Routing:
    """transfer: components whose countermeasures are judged under the contract."""
    exams = Exams.of(data, clusters, locked, judging=judging, votes=votes, contract=contract, seed=seed)
    shown = exams.under.shows if exams.under else ()
    fit = [p for p in proposals if not p.unfit and (p.component not in transfer or p.component in shown)]
    if not fit:
        return Routing(tuple(_skipped(p, p.unfit or NO_EXAM) for p in proposals))
    trials, refused = dict[Proposal, Trial](), dict[Proposal, str]()
    teach = _announced(teach, seeds, n_arms=len(fit) + 1, progress=progress)
    said = {"": _sat(exams, teach, "", seeds, judging=judging)}
    for proposal in fit:
        name, under = proposal.countermeasure, proposal.component in transfer
        try:
            said[name] = _sat(exams, teach, name, seeds, judging=judging)
        except SurroundingsError:
            raise
        except VeridicalError as error:  # what one countermeasure refuses, or diverges at, ends its own trial alone
            refused[proposal] = str(error)
            continue
        trials[proposal] = trial(proposal, said[""], said[name], exams, labels=data.labels, judged_under=under, seed=seed)
    found = dict(zip(trials, judged(tuple(trials.values())), strict=True))
    arms = [found[p].routed if p in found else _skipped(p, refused.get(p) or p.unfit or NO_EXAM) for p in proposals]
    return Routing(tuple(arms), tuple(trials.values()), tuple(found.values()), exams if trials else None, said)


def _announced(teach: Taught, seeds: Sequence[int], *, n_arms: int, progress: Progress) -> Taught:
    """The same, saying before each model how many of all there may be are through."""
    arms: list[str] = []

    def told(name: str, seed: int) -> Answers:
        if name not in arms:
            arms.append(name)
        progress("countermeasure arms", (len(arms) - 1) * len(seeds) + list(seeds).index(seed), n_arms * len(seeds))
        return teach(name, seed)

    return told


def _sat(exams: Exams, teach: Taught, name: str, seeds: Sequence[int], *, judging: Judging) -> Sat:
    """What the models of one arm say in both exams; one model where the seed changes nothing."""
    questions = [*exams.plain.inputs, *(exams.under.inputs if exams.under else [])]
    said = [teach(name, seed)(questions) for seed in seeds[:2]]
    if judging.one_model(said[0], said[1]):
        said = said[:1]
    else:
        said += [teach(name, seed)(questions) for seed in seeds[2:]]
    whole, n, under = np.stack(said), len(exams.plain.inputs), exams.under_ruler
    return Sat(exams.base.ballot(whole[:, :n]), None if under is None else under.ballot(whole[:, n:]))


def _skipped(proposal: Proposal, why: str) -> RoutedArm:
    arm = Arm(proposal.countermeasure, "skipped", "countermeasure", why, 0, *[None] * 8)
    return RoutedArm(arm, proposal.component, "", None, "")
