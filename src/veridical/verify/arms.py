"""Did a repair help? Untouched, repaired and placebo models, trained without the locked rows and scored on them.

Nothing that chooses a repair sees a locked label: the checks run again on the other rows alone, and so do the out-of-fold models
behind them; groups and clusters depend on texts only and are kept. Groups of repairs are tried one by one, not in combination.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.counted import counted as counted_words
from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord
from veridical.core.plugins import get
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.core.run_record import Arm, RepairRecord
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.repair._edits import apply_edits
from veridical.repair._restricted import Restricted
from veridical.repair._runner import FOLDER, NOUN, edits_of, repair
from veridical.verify.figures import Figures, against_placebo, against_untouched, recall
from veridical.verify.fitting import Fit
from veridical.verify.judging import Judging, judging_of, known, labels_of
from veridical.verify.locked_fold import LockedFold
from veridical.verify.scoring import Ballot, Scored, counted, score_draws, scored, value
from veridical.verify.train_sets import TrainSet, placebo_of, said_of, train_set
from veridical.verify.verdict import Trial, against_both, judged
from veridical.verify.winners import winners

SEEDS = (0, 1, 2, 3, 4)
MIN_SEEDS = 5
"""Training seeds a verdict rests on, at least. Source: the project's ledger definition."""
Look = Callable[[Evidence, Sequence[str]], AuditRecord]
"""Run the named checks on some evidence."""


@dataclass(frozen=True, eq=False)
class Tried:
    """The verdicts, and what they rest on: the court and what the checks found without the locked rows (both None where nothing
    was tried), and each arm's figures without correction."""

    record: RepairRecord
    court: "Court | None"
    figures: tuple[Figures, ...]
    looked: AuditRecord | None


def tried_repairs(
    data: Dataset,
    *,
    evidence: Evidence,
    audit: AuditRecord,
    locked: LockedFold,
    repairs: Sequence[str],
    fit: Fit,
    metric: str = "accuracy",
    votes: str = "clusters",
    seeds: Sequence[int] = SEEDS,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
    fixed: bool = False,
    look: Look | None = None,
    also: Sequence[str] = (),
    progress: Progress = silent,
) -> "Tried":
    """Test each repair alone on the locked fold.

    audit: that of all rows; says which checks ran (a repair that answers to none of them is skipped). fixed: the model cannot be
    trained again, so only repairs of the test set are tried. look: how checks are run again (default: the audit's own runner).
    also: checks to run again whether or not a repair answers to them.
    """
    if len(set(seeds)) < MIN_SEEDS:
        raise InputError(f"Got {len(set(seeds))} training seeds; repairs are tested over at least {MIN_SEEDS}. Name more seeds.")
    if locked.skipped:
        nothing = RepairRecord(n_locked=len(locked.rows), skipped=locked.skipped, rows_in=len(data), rows_kept=len(data))
        return Tried(nothing, None, (), None)
    opened = _opened(evidence, locked)
    answered = {check for name in repairs for check in get(FOLDER, NOUN, name).answers}
    wanted = sorted(check for check in answered | set(also) if audit.check(check))
    found = (look or _checks_again(seed, progress))(opened, wanted)
    judging = judging_of(data.task, metric=metric, labels=data.labels, right=labels_of(data), clusters=evidence.clusters)
    court = Court(
        data, evidence.clusters, opened, locked.rows, judging, votes, tuple(seeds), seed, fit, fixed=fixed, progress=progress
    )
    tested: list[tuple[str, tuple[Edit, ...], str]] = []
    skipped: list[Arm] = []
    for name in repairs:
        edits, kind = edits_of(name, evidence=opened, audit=found, seed=seed, params=params), get(FOLDER, NOUN, name).kind
        if why := _untestable(name, audit, opened.data, edits, judging=judging, fixed=fixed):
            skipped.append(_arm(name, kind, outcome="skipped", why=why, rows=len(edits)))
        else:
            tested.append((name, edits, kind))
    court.announce([kind for *_, kind in tested])
    trials = [court.try_repair(name, edits, kind=kind) for name, edits, kind in tested]
    arms, combination = court.judged_together(trials, audit=found, params=params)
    order = {name: i for i, name in enumerate(repairs)}
    every = tuple(sorted([*arms, *skipped], key=lambda arm: order[arm.repair]))
    record = RepairRecord(
        arms=every,
        n_locked=len(locked.rows),
        seeds=tuple(seeds),
        looks=tuple(court.looks),
        combination=combination,
        one_fit=bool(trials) and court.base.one_fit,
    )
    return Tried(with_edits(record, data=data, repaired=data, edits=()), court, tuple(court.figures), found)


def with_edits(record: RepairRecord, *, data: Dataset, repaired: Dataset, edits: Sequence[Edit]) -> RepairRecord:
    """The record with the counts of the repaired data that was written in the end."""
    aside = len(data) - len(repaired)
    return replace(record, n_edits=len(edits), rows_in=len(data), rows_kept=len(repaired), rows_set_aside=aside)


def _opened(evidence: Evidence, locked: LockedFold) -> Evidence:
    """Evidence about the rows that are not locked, with models fitted on them alone."""
    rows = np.setdiff1d(np.arange(len(evidence.data)), locked.rows).astype(np.int64)
    return Restricted(evidence, evidence.data.take(rows), rows, keep_folds=False)


def _checks_again(seed: int, progress: Progress) -> Look:
    from veridical.audit._runner import run_checks

    return lambda evidence, names: run_checks(evidence, only=list(names), seed=seed, progress=progress)


def _untestable(name: str, audit: AuditRecord, data: Dataset, edits: Sequence[Edit], *, judging: Judging, fixed: bool) -> str:
    checks = get(FOLDER, NOUN, name).answers
    ran = [record for check in checks if (record := audit.check(check)) and record.status != "skipped"]
    if not ran:
        return f"None of the checks it answers to looked ({', '.join(checks)})."
    if not edits:
        return f"It found nothing to change in the {len(data)} rows that are not locked."
    of_test = {edit.row for edit in edits} <= {data.ids[row] for row in data.rows("test")}
    if fixed and (get(FOLDER, NOUN, name).kind == "training" or not of_test):
        return "It changes what is trained on, and the model was not trained by veridical, so it cannot be trained again."
    if why := judging.unfit(edits):
        return why
    after = apply_edits(data, edits)
    if why := judging.lacking(labels_of(after)[after.rows("train")]):
        return why
    if get(FOLDER, NOUN, name).kind == "measurement" and not len(after.rows("test")):
        return "It would leave no test rows."
    return ""


def _arm(name: str, kind: str, *, outcome: str = "", why: str = "", rows: int) -> Arm:
    return Arm(name, outcome, kind, why, rows, None, None, None, None, None, None, None, None)


@dataclass(frozen=True, eq=False)
class Base:
    """The untouched models. one_fit: the seed does not change them, so there is one. before: on the locked rows. test: what they
    say of their labelled test rows, (S, T, ...)."""

    one_fit: bool
    before: Scored
    test: npt.NDArray[Any]


@dataclass(eq=False)
class Court:
    """The untouched model and the yardstick, shared by all trials; `looks` grows with every scoring on the locked fold.

    A fit that gives the same model for every seed is trained once: five copies of one model are no five seeds. Where no repair
    can be tried, nothing is trained.
    """

    data: Dataset
    clusters: IntArray
    opened: Evidence
    locked: IntArray
    judging: Judging
    votes: str
    seeds: tuple[int, ...]
    seed: int
    fit: Fit
    fixed: bool = False
    """The model is as it is, whatever it would be trained on."""
    looks: list[str] = field(default_factory=list)
    ballots: dict[str, Ballot] = field(default_factory=dict)
    figures: list[Figures] = field(default_factory=list)
    progress: Progress = silent
    models: list[int] = field(default_factory=lambda: [0, 0])
    """Models asked so far, and models there will be, once that is announced."""

    def __post_init__(self) -> None:
        self.ruler = self.judging.ruler(self.locked, votes=self.votes)
        self.untouched = train_set(self.data, self.opened.data)

    @cached_property
    def base(self) -> "Base":
        """The untouched models: trained, and scored as the first look, when the first repair is tried."""
        n, asked = len(self.ruler.rows), self._asked(self.untouched.test)
        said = [self._said(self.untouched, asked, seed=s) for s in self.seeds[:2]]
        one_fit = self.judging.one_model(said[0][:n], said[1][:n])
        more = () if one_fit else self.seeds[2:]
        said += [self._said(self.untouched, asked, seed=s) for s in more]
        base = np.stack(said[:1] if one_fit else said)
        return Base(one_fit, self._scored("untouched", base[:, :n]), base[:, n:])

    @property
    def _n_whole(self) -> int:
        """Models of one and the same train set."""
        return 1 if self.base.one_fit else len(self.seeds)

    @cached_property
    def matching(self) -> tuple[IntArray, FloatArray]:
        """(stratum, confidence) of each row, (N,) each, 0 for locked ones: what a placebo copies of the rows that were edited."""
        inside = np.setdiff1d(np.arange(len(self.data)), self.locked)
        strata, confidence = np.zeros(len(self.data), np.int64), np.zeros(len(self.data))
        strata[inside], confidence[inside] = self.judging.matching(self.opened)
        return strata, confidence

    def _asked(self, test: IntArray) -> IntArray:
        """The locked rows, and those of the test rows of which it is known what is right. One call answers both."""
        return np.concatenate([self.ruler.rows, test[known(self.judging.right[test])]])

    def _answers(self, sets: Sequence[TrainSet], *, test: IntArray) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """(S, L, ...) on the locked rows and (S, T, ...) on labelled test rows."""
        rows = self._asked(test)
        said = np.stack([self._said(s, rows, seed=seed) for s, seed in zip(sets, self.seeds, strict=False)])
        return said[:, : len(self.ruler.rows)], said[:, len(self.ruler.rows) :]

    def announce(self, kinds: Sequence[str]) -> None:
        """Repairs of these kinds will be tried."""
        if kinds:
            self.models[1] = len(self.seeds) + len(self.seeds) * sum(1 + (kind == "training") for kind in kinds)
            self.progress("repair arms", *self.models)

    def _said(self, on: TrainSet, rows: IntArray, *, seed: int) -> npt.NDArray[Any]:
        found = said_of(on, rows, fit=self.fit, seed=seed)
        self.models[0] += 1
        self.progress("repair arms", self.models[0], max(self.models))
        return found

    def _scored(self, who: str, said: npt.NDArray[Any]) -> Scored:
        self.looks.append(f"{who}: {counted_words(len(said), 'model')} on {len(self.ruler.rows)} locked rows")
        self.ballots[who] = self.ruler.ballot(said)
        return counted(self.ballots[who], self.ruler)

    def try_repair(self, name: str, edits: tuple[Edit, ...], *, kind: str) -> Trial:
        repaired = train_set(self.data, apply_edits(self.opened.data, edits), edits)
        said, said_test = self._answers([repaired] * self._n_whole, test=repaired.test)
        before, after = self.base.before, self._scored(name, said)
        arm, p_worse = against_untouched(
            _arm(name, kind, rows=len({edit.row for edit in edits})), after, before, self.ruler, seed=self.seed,
            one_model=self.fixed,
        )  # fmt: skip
        placebo = self._placebo(name, repaired, edits) if kind == "training" else None
        if placebo is not None:
            arm = against_placebo(arm, after, placebo, self.ruler, seed=self.seed)
        self.figures.append(Figures(arm, recall(arm.repair, after, before, self.ruler, self.data.labels, seed=self.seed)))
        if placebo is not None:
            return Trial(arm, against_both(arm), p_worse)
        return self._against_gap(arm, repaired, after, said_test, p_worse=p_worse)

    def judged_together(
        self, trials: Sequence[Trial], *, audit: AuditRecord, params: Mapping[str, Any] | None
    ) -> tuple[tuple[Arm, ...], Arm | None]:
        """The verdicts, and that on all winning training repairs together where there are several.

        The combination is one more look: then Holm's correction runs over all arms, it included.
        """
        arms = judged(trials)
        names = [name for name in winners(RepairRecord(arms=arms)) if get(FOLDER, NOUN, name).kind == "training"]
        if len(names) < 2:
            return arms, None
        _, edits = repair(self.opened.data, audit=audit, repairs=names, seed=self.seed, evidence=self.opened, params=params)
        trial = self.try_repair(" + ".join(names), edits, kind="training")
        *arms_again, combination = judged([*trials, trial])
        return tuple(arms_again), combination

    def _placebo(self, name: str, repaired: TrainSet, edits: tuple[Edit, ...]) -> Scored:
        """One placebo per seed, so that the luck of drawing it is part of the variance of training."""
        strata, confidence = self.matching
        dealt = []
        for s in self.seeds:
            luck = stream(s, f"placebo/{name}")
            dealt.append(
                placebo_of(self.untouched, repaired, edits, data=self.data, strata=strata, confidence=confidence, rng=luck)
            )
        said, _ = self._answers(dealt, test=np.zeros(0, np.int64))
        return self._scored(f"placebo of {name}", said)

    def _against_gap(self, arm: Arm, repaired: TrainSet, after: Scored, said_test: npt.NDArray[Any], *, p_worse: float) -> Trial:
        """|reported - locked| before and after; both test sets share the resamples of their clusters."""
        pool = np.union1d(self.untouched.test, repaired.test)
        tests = [self.judging.ruler(s.test, votes="rows", within=pool) for s in (self.untouched, repaired)]
        reported = [scored(said, on) for said, on in zip((self.base.test, said_test), tests, strict=True)]
        locked = [self.base.before, after]
        at = [100 * abs(value(r, on) - value(h, self.ruler)) for r, on, h in zip(reported, tests, locked, strict=True)]
        rng = stream(self.seed, f"verify/gap/{arm.repair}")
        draws = 100 * np.abs(score_draws(reported, tests[0], rng) - score_draws(locked, self.ruler, rng))
        shrunk = draws[:, 0] - draws[:, 1]
        p_shrinks, p_grows = ((np.sum(side <= 0) + 1) / (len(shrunk) + 1) for side in (shrunk, -shrunk))
        gap = f"The reported score stood {at[0]:.1f} points off the locked one and stands {at[1]:.1f} off after the repair."
        return Trial(arm, float(p_shrinks), p_worse, gap, float(p_grows))
