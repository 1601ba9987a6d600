"""From what the models of a countermeasure said in both exams to its verdict; the same functions give it and check it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veridical.core.counted import counted as counted_words
from veridical.core.estimate import Estimate
from veridical.core.multiplicity import holm
from veridical.core.randomness import stream
from veridical.core.run_record import Arm, RoutedArm
from veridical.dataset.rows import Dataset, IntArray
from veridical.ledger.contract import Contract
from veridical.verify.exams import Exam, as_it_is, under_contract
from veridical.verify.figures import against_untouched, recall
from veridical.verify.judging import Judging, known
from veridical.verify.scoring import Ballot, Yardstick, counted, gain
from veridical.verify.verdict import ALPHA, MARGIN, loss_said

MOST_ASKED = 30_000
"""Questions to one model, at most; beyond it whole clusters of locked rows are left out, drawn at random. Ours; no source."""
LOCKED = "locked"
"""Name of the endpoint that is the locked fold as it is."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A countermeasure and the component it is known to answer. unfit: why it cannot be tried, empty where it can."""

    countermeasure: str
    component: str
    unfit: str = ""


@dataclass(frozen=True, eq=False)
class Exams:
    """Both exams. ids: of the locked rows (L,). base: their yardstick. under: None without a contract that the fold can show.
    contract: its name."""

    ids: list[str]
    base: Yardstick
    plain: Exam
    under: Exam | None
    contract: str

    @classmethod
    def of(
        cls,
        data: Dataset,
        clusters: IntArray,
        locked: IntArray,
        *,
        judging: Judging,
        votes: str,
        contract: Contract | None,
        seed: int,
    ) -> "Exams":
        rows = locked[known(judging.right[locked])]
        under = under_contract(data, rows, contract, seed=seed) if contract else None
        asked = len(rows) + (len(under.inputs) if under else 0)
        if asked > MOST_ASKED:
            rows = _fewer(rows, clusters, share=MOST_ASKED / asked, seed=seed)
            under = under_contract(data, rows, contract, seed=seed) if contract else None
        base = judging.ruler(rows, votes=votes)
        return cls([data.ids[row] for row in rows], base, as_it_is(data, rows), under, contract.name if contract else LOCKED)

    @property
    def under_ruler(self) -> Yardstick | None:
        return None if self.under is None else self.under.ruler(self.base)


def _fewer(rows: IntArray, clusters: IntArray, *, share: float, seed: int) -> IntArray:
    """About a share of the rows, whole clusters."""
    names = np.unique(clusters[rows])
    kept = stream(seed, "exam").permutation(names)[: max(int(share * len(names)), 1)]
    return rows[np.isin(clusters[rows], kept)]


@dataclass(frozen=True, eq=False)
class Sat:
    """What the models of one arm said in both exams. under: None where there is one exam."""

    plain: Ballot
    under: Ballot | None


@dataclass(frozen=True, eq=False)
class Trial:
    """One countermeasure before any correction; p values are one-sided, at its endpoint. recall: label -> gain in points.
    n_models: trained without it, and with it."""

    routed: RoutedArm
    recall: dict[str, Estimate]
    p_better: float
    p_worse: float
    n_models: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """One countermeasure with its verdict; p values after Holm's correction."""

    routed: RoutedArm
    p_better: float
    p_worse: float


def trial(
    proposal: Proposal, before: Sat, after: Sat, exams: Exams, *, labels: Sequence[str], judged_under: bool, seed: int
) -> Trial:
    """judged_under: whether its endpoint is the contract; then what it costs on the fold as it is stands beside."""
    ballots, ruler = (after.plain, before.plain), exams.base
    if judged_under:
        under = exams.under_ruler
        assert under is not None
        assert after.under is not None
        assert before.under is not None
        ballots, ruler = (after.under, before.under), under
    name = proposal.countermeasure
    now, then = (counted(said, ruler) for said in ballots)
    blank = Arm(name, "", "countermeasure", "", 0, *[None] * 8)
    arm, p_worse = against_untouched(blank, now, then, ruler, seed=seed)
    elsewhere = None
    if judged_under:
        rng = stream(seed, f"verify/{name}/elsewhere")
        elsewhere = gain(counted(after.plain, exams.base), counted(before.plain, exams.base), exams.base, rng).points
    n_models = (len(then.per_seed), len(now.per_seed))
    endpoint = exams.contract if judged_under else LOCKED
    routed = RoutedArm(arm, proposal.component, endpoint, elsewhere, f"{counted_words(n_models[1], 'model')} each")
    assert arm.p_untouched is not None
    return Trial(routed, recall(name, now, then, ruler, labels, seed=seed), arm.p_untouched, p_worse, n_models)


def judged(trials: Sequence[Trial]) -> list[Judged]:
    """The verdicts; Holm's correction runs over all countermeasures tried."""
    better, worse = holm([t.p_better for t in trials]), holm([t.p_worse for t in trials])
    found = []
    for one, p_better, p_worse in zip(trials, better, worse, strict=True):
        outcome, why = _verdict(one.routed, better=float(p_better), worse=float(p_worse))
        arm = replace(one.routed.arm, outcome=outcome, why=why, p_untouched=float(p_better))
        found.append(Judged(replace(one.routed, arm=arm), float(p_better), float(p_worse)))
    return found


def _verdict(routed: RoutedArm, *, better: float, worse: float) -> tuple[str, str]:
    assert routed.arm.gain_over_untouched is not None
    gained, cost = f"{routed.arm.gain_over_untouched.value:+.1f}", routed.elsewhere
    where = "on the locked fold" if cost is None else f"on the locked fold under the contract {routed.endpoint}"
    if worse <= ALPHA:
        return "rejected", f"Worse than plain training {where}: {gained} points (p = {worse:.3f} after Holm's correction)."
    if better > ALPHA:
        seen = f"{routed.arm.mde:.1f}"
        return "harmless", (
            f"{gained} points against plain training {where}: not told apart from 0; smallest visible effect {seen} points. "
            f"{loss_said(routed.arm.gain_over_untouched)}"
        )
    said = f"{gained} points against plain training {where} (p = {better:.3f} after Holm's correction)."
    if cost is None:
        return "accepted", said
    said += f" On the fold as it is {cost.value:+.1f} points [{cost.low:.1f}, {cost.high:.1f}]."
    if routed.component == "shortcut":  # what the word bought on rows as they are is not worth keeping: the contract says so
        return "accepted", said
    if cost.low < -MARGIN:
        return "rejected", said + f" A loss over {MARGIN:.0f} point there cannot be ruled out."
    return "accepted", said


def best(routed: Sequence[RoutedArm]) -> str | None:
    """The accepted countermeasure with the largest gain; they were not tried together, so one is taken."""
    accepted = [r.arm for r in routed if r.arm.outcome == "accepted"]
    gains = [(arm.gain_over_untouched.value, arm.repair) for arm in accepted if arm.gain_over_untouched]
    return max(gains, key=lambda one: one[0])[1] if gains else None
