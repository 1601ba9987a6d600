"""Did a countermeasure help? Models trained with and without it on the same rows, none of them locked, and asked about the fold.

What a contract says must not decide, or will arrive, is asked for under that contract. Where other groups or edited texts arrive,
the fold as it is must not suffer by more than a margin; a word that must not decide may cost there what it bought. There is no
placebo for a change of training, so the comparison is with untouched alone, over models of several seeds; Holm's correction runs
over all countermeasures tried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from veridical.core.counted import counted as counted_words
from veridical.core.errors import SurroundingsError, VeridicalError
from veridical.core.multiplicity import holm
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.core.run_record import Arm, RoutedArm
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.ledger.contract import Contract
from veridical.models.model import FloatArray
from veridical.tasks._contract import Metric
from veridical.verify.arms import SEEDS
from veridical.verify.exams import Exam, as_it_is, base_ruler, under_contract
from veridical.verify.figures import against_untouched
from veridical.verify.judging import SAME_MODEL
from veridical.verify.scoring import Scored, Yardstick, gain, scored
from veridical.verify.verdict import ALPHA, MARGIN, loss_said

MOST_ASKED = 30_000
"""Questions to one model, at most; beyond it whole clusters of locked rows are left out, drawn at random. Ours; no source."""
LOCKED = "locked"
"""Name of the endpoint that is the locked fold as it is."""
Answers = Callable[[Sequence[Text]], FloatArray]
Taught = Callable[[str, int], Answers]
"""(countermeasure or empty for none, seed) -> what a model trained with it on the rows that are not locked answers, (n, C)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A countermeasure and the component it is known to answer. unfit: why it cannot be tried, empty where it can."""

    countermeasure: str
    component: str
    unfit: str = ""


@dataclass(frozen=True, eq=False)
class _Seen:
    """One arm on both exams. under: None without a contract."""

    plain: Scored
    under: Scored | None


def tried_countermeasures(
    data: Dataset,
    *,
    clusters: IntArray,
    locked: IntArray,
    proposals: Sequence[Proposal],
    teach: Taught,
    metric: Metric,
    votes: str,
    contract: Contract | None = None,
    transfer: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[RoutedArm, ...]:
    """The verdicts, in the order of the proposals. transfer: components whose countermeasures are judged under the contract."""
    bench = _Bench.of(data, clusters, locked, metric=metric, votes=votes, contract=contract, seed=seed)
    shown = bench.under.shows if bench.under else ()
    fit = [p for p in proposals if not p.unfit and (p.component not in transfer or p.component in shown)]
    if not fit:
        return tuple(_skipped(p, p.unfit or NO_EXAM) for p in proposals)
    progress("countermeasure arms", 0, len(fit) + 1)
    before, trials, refused = bench.seen(_answers(bench, teach, "", seeds)), list[_Trial](), dict[Proposal, str]()
    for done, proposal in enumerate(fit, start=1):
        progress("countermeasure arms", done, len(fit) + 1)
        try:
            after = bench.seen(_answers(bench, teach, proposal.countermeasure, seeds))
        except SurroundingsError:
            raise
        except VeridicalError as error:  # what one countermeasure refuses, or diverges at, ends its own trial alone
            refused[proposal] = str(error)
            continue
        trials.append(bench.trial(proposal, before, after, judged_under=proposal.component in transfer))
    progress("countermeasure arms", len(fit) + 1, len(fit) + 1)
    verdicts = dict(zip([p for p in fit if p not in refused], _judged(trials), strict=True))
    return tuple(verdicts[p] if p in verdicts else _skipped(p, refused.get(p) or p.unfit or NO_EXAM) for p in proposals)


def _answers(bench: "_Bench", teach: Taught, name: str, seeds: Sequence[int]) -> FloatArray:
    """(S, E, C); one model where the seed changes nothing."""
    said = [bench.asked(teach(name, seed)) for seed in seeds[:2]]
    if float(np.abs(said[0] - said[1]).sum(axis=1).mean() / 2) < SAME_MODEL:
        return np.stack(said[:1])
    return np.stack([*said, *(bench.asked(teach(name, seed)) for seed in seeds[2:])])


NO_EXAM = "The locked fold cannot show what the contract says: no words, edits or groups with enough rows."


@dataclass(frozen=True, slots=True)
class _Trial:
    """One arm before any correction; p values are one-sided, at its endpoint."""

    routed: RoutedArm
    p_better: float
    p_worse: float


@dataclass(frozen=True, eq=False)
class _Bench:
    """Both exams and their yardsticks, asked in one list."""

    plain: Exam
    plain_ruler: Yardstick
    under: Exam | None
    under_ruler: Yardstick | None
    name: str
    seed: int

    @classmethod
    def of(
        cls,
        data: Dataset,
        clusters: IntArray,
        locked: IntArray,
        *,
        metric: Metric,
        votes: str,
        contract: Contract | None,
        seed: int,
    ) -> "_Bench":
        rows = locked[data.codes[locked] >= 0]
        under = under_contract(data, rows, contract, seed=seed) if contract else None
        asked = len(rows) + (len(under.inputs) if under else 0)
        if asked > MOST_ASKED:
            rows = _fewer(rows, clusters, share=MOST_ASKED / asked, seed=seed)
            under = under_contract(data, rows, contract, seed=seed) if contract else None
        base = base_ruler(data, rows, clusters, metric=metric, votes=votes)
        ruler = under.ruler(base) if under else None
        return cls(as_it_is(data, rows), base, under, ruler, contract.name if contract else LOCKED, seed)

    def asked(self, answers: Answers) -> FloatArray:
        """Probabilities (E, C) of one model for both exams."""
        return answers([*self.plain.inputs, *(self.under.inputs if self.under else [])])

    def seen(self, said: FloatArray) -> _Seen:
        """said: (S, E, C)."""
        n = len(self.plain.inputs)
        under = scored(said[:, n:], self.under_ruler) if self.under_ruler is not None else None
        return _Seen(scored(said[:, :n], self.plain_ruler), under)

    def trial(self, proposal: Proposal, before: _Seen, after: _Seen, *, judged_under: bool) -> _Trial:
        if judged_under:
            assert before.under is not None
            assert after.under is not None
            assert self.under_ruler is not None
            pair, ruler = (after.under, before.under), self.under_ruler
        else:
            pair, ruler = (after.plain, before.plain), self.plain_ruler
        blank = Arm(proposal.countermeasure, "", "countermeasure", "", 0, *[None] * 8)
        arm, p_worse = against_untouched(blank, *pair, ruler, seed=self.seed)
        elsewhere = None
        if judged_under:
            rng = stream(self.seed, f"verify/{proposal.countermeasure}/elsewhere")
            elsewhere = gain(after.plain, before.plain, self.plain_ruler, rng).points
        endpoint = self.name if judged_under else LOCKED
        n_models = f"{counted_words(len(pair[0].per_seed), 'model')} each"
        assert arm.p_untouched is not None
        return _Trial(RoutedArm(arm, proposal.component, endpoint, elsewhere, n_models), arm.p_untouched, p_worse)


def _fewer(rows: IntArray, clusters: IntArray, *, share: float, seed: int) -> IntArray:
    """About a share of the rows, whole clusters."""
    names = np.unique(clusters[rows])
    kept = stream(seed, "exam").permutation(names)[: max(int(share * len(names)), 1)]
    return rows[np.isin(clusters[rows], kept)]


def _judged(trials: Sequence[_Trial]) -> list[RoutedArm]:
    better, worse = holm([t.p_better for t in trials]), holm([t.p_worse for t in trials])
    found = []
    for trial, p_better, p_worse in zip(trials, better, worse, strict=True):
        outcome, why = _verdict(trial.routed, better=float(p_better), worse=float(p_worse))
        arm = replace(trial.routed.arm, outcome=outcome, why=why, p_untouched=float(p_better))
        found.append(replace(trial.routed, arm=arm))
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


def _skipped(proposal: Proposal, why: str) -> RoutedArm:
    arm = Arm(proposal.countermeasure, "skipped", "countermeasure", why, 0, *[None] * 8)
    return RoutedArm(arm, proposal.component, "", None, "")


def best(routed: Sequence[RoutedArm]) -> str | None:
    """The accepted countermeasure with the largest gain; they were not tried together, so one is taken."""
    accepted = [r.arm for r in routed if r.arm.outcome == "accepted" and r.arm.gain_over_untouched]
    return max(accepted, key=lambda arm: arm.gain_over_untouched.value).repair if accepted else None  # type: ignore[union-attr]
