"""Did a repair help? Untouched, repaired and placebo models, trained without the locked rows and scored on them.

Nothing that chooses a repair sees a locked label: the checks run again on the other rows alone, and so do the out-of-fold models
behind them; groups and clusters depend on texts only and are kept. Groups of repairs are tried one by one, not in combination.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord
from veridical.core.plugins import get
from veridical.core.power import minimum_detectable_effect
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.core.run_record import Arm, RepairRecord
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.repair._edits import apply_edits
from veridical.repair._restricted import Restricted
from veridical.repair._runner import FOLDER, NOUN, edits_of
from veridical.tasks._contract import Metric
from veridical.verify.fitting import Fit
from veridical.verify.locked_fold import LockedFold
from veridical.verify.scoring import Scored, Yardstick, estimate, gain, log_loss_gain, score_draws, scored, value, yardstick
from veridical.verify.train_sets import TrainSet, placebo_of, probabilities, train_set
from veridical.verify.verdict import Trial, judged

SEEDS = (0, 1, 2, 3, 4)
MIN_SEEDS = 5
"""Training seeds a verdict rests on, at least. Source: the project's ledger definition."""
Look = Callable[[Evidence, Sequence[str]], AuditRecord]
"""Run the named checks on some evidence."""


def verify_repairs(
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
    noise_measured: bool = False,
    look: Look | None = None,
    progress: Progress = silent,
) -> RepairRecord:
    """Test each repair alone on the locked fold.

    audit: that of all rows; says which checks ran (a repair that answers to none of them is skipped). noise_measured: whether
    the ledger measured test-label noise by a review. look: how checks are run again (default: the audit's own runner).
    """
    if len(set(seeds)) < MIN_SEEDS:
        raise InputError(f"Got {len(set(seeds))} training seeds; repairs are tested over at least {MIN_SEEDS}. Name more seeds.")
    if locked.skipped:
        return RepairRecord(n_locked=len(locked.rows), skipped=locked.skipped, rows_in=len(data), rows_kept=len(data))
    opened = _opened(evidence, locked)
    wanted = sorted({check for name in repairs for check in get(FOLDER, NOUN, name).answers if audit.check(check)})
    found = (look or _checks_again(seed, progress))(opened, wanted)
    rules: Metric = get("veridical.tasks", "task", data.task).metrics[metric]
    court = Court(data, evidence.clusters, opened, locked.rows, rules, votes, tuple(seeds), seed, fit)
    trials: list[Trial] = []
    skipped: list[Arm] = []
    for done, name in enumerate(repairs):
        progress("repair arms", done, len(repairs))
        edits = edits_of(name, evidence=opened, audit=found, seed=seed, params=params)
        why = _untestable(name, audit, opened.data, edits)
        if why:
            skipped.append(_empty_arm(name, outcome="skipped", why=why, rows=len(edits)))
        else:
            trials.append(court.try_repair(name, edits))
    progress("repair arms", len(repairs), len(repairs))
    arms = judged(trials, noise_measured=noise_measured)
    order = {name: i for i, name in enumerate(repairs)}
    every = tuple(sorted([*arms, *skipped], key=lambda arm: order[arm.repair]))
    record = RepairRecord(arms=every, n_locked=len(locked.rows), seeds=tuple(seeds), looks=tuple(court.looks))
    return with_edits(record, data=data, repaired=data, edits=())


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


def _untestable(name: str, audit: AuditRecord, data: Dataset, edits: Sequence[Edit]) -> str:
    checks = get(FOLDER, NOUN, name).answers
    ran = [record for check in checks if (record := audit.check(check)) and record.status != "skipped"]
    if not ran:
        return f"None of the checks it answers to looked ({', '.join(checks)})."
    if not edits:
        return f"It found nothing to change in the {len(data)} rows that are not locked."
    after = apply_edits(data, edits)
    if len(set(after.codes[after.rows("train")].tolist()) - {-1}) < 2:
        return "It would leave fewer than two labels to train on."
    if get(FOLDER, NOUN, name).kind == "measurement" and not len(after.rows("test")):
        return "It would leave no test rows."
    return ""


def _empty_arm(name: str, *, outcome: str, why: str, rows: int) -> Arm:
    kind = get(FOLDER, NOUN, name).kind
    return Arm(name, outcome, kind, why, rows, None, None, None, None, None, None, None, None)


@dataclass(eq=False)
class Court:
    """The untouched model and the yardstick, shared by all trials; `looks` grows with every scoring on the locked fold."""

    data: Dataset
    clusters: IntArray
    opened: Evidence
    locked: IntArray
    metric: Metric
    votes: str
    seeds: tuple[int, ...]
    seed: int
    fit: Fit
    looks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ruler = self._yardstick(self.locked, votes=self.votes)
        self.untouched = train_set(self.data, self.opened.data)
        base, self.base_test = self._answers([self.untouched] * len(self.seeds), test=self.untouched.test)
        self.before = self._scored("untouched", base)
        self.confidence = np.zeros(len(self.data))
        inside = np.setdiff1d(np.arange(len(self.data)), self.locked)
        self.confidence[inside] = self.opened.folds.probabilities.max(axis=1)

    def _yardstick(self, rows: IntArray, *, votes: str, within: IntArray | None = None) -> Yardstick:
        n_classes = len(self.data.labels)
        codes = self.data.codes
        return yardstick(rows, codes, self.clusters, n_classes=n_classes, metric=self.metric, votes=votes, within=within)

    def _answers(self, sets: Sequence[TrainSet], *, test: IntArray) -> tuple[FloatArray, FloatArray]:
        """(S, L, C) on the locked rows and (S, T, C) on labelled test rows; sets: one per seed. One call predicts both."""
        test = test[self.data.codes[test] >= 0]
        rows = np.concatenate([self.ruler.rows, test])
        said = np.stack([probabilities(s, rows, fit=self.fit, seed=seed) for s, seed in zip(sets, self.seeds, strict=True)])
        return said[:, : len(self.ruler.rows)], said[:, len(self.ruler.rows) :]

    def _scored(self, who: str, said: FloatArray) -> Scored:
        self.looks.append(f"{who}: {len(self.seeds)} models on {len(self.ruler.rows)} locked rows")
        return scored(said, self.ruler)

    def try_repair(self, name: str, edits: tuple[Edit, ...]) -> Trial:
        repaired = train_set(self.data, apply_edits(self.opened.data, edits), edits)
        said, said_test = self._answers([repaired] * len(self.seeds), test=repaired.test)
        after = self._scored(name, said)
        rng = stream(self.seed, f"verify/{name}")
        over = gain(after, self.before, self.ruler, rng)
        arm = replace(
            _empty_arm(name, outcome="", why="", rows=len({edit.row for edit in edits})),
            before=self._estimate(self.before),
            after=self._estimate(after),
            gain_over_untouched=over.points,
            p_untouched=over.p_better,
            mde=100 * minimum_detectable_effect(over.standard_error),
            log_loss_gain=log_loss_gain(after, self.before, self.ruler, rng),
        )
        if arm.kind == "training":
            return self._against_placebo(arm, repaired, after, edits, p_worse=over.p_worse, rng=rng)
        return self._against_gap(arm, repaired, after, said_test, p_worse=over.p_worse)

    def _estimate(self, arm: Scored) -> Estimate:
        draws = score_draws([arm], self.ruler, stream(self.seed, "verify/score"))[:, 0]
        method = f"mean of {len(self.seeds)} seeds on the locked fold, cluster bootstrap"
        return estimate(value(arm, self.ruler), draws, self.ruler, method=method)

    def _against_placebo(
        self, arm: Arm, repaired: TrainSet, after: Scored, edits: tuple[Edit, ...], *, p_worse: float, rng: np.random.Generator
    ) -> Trial:
        """One placebo per seed, so that the luck of drawing it is part of the variance between seeds."""
        dealt = []
        for s in self.seeds:
            luck = stream(s, f"placebo/{arm.repair}")
            dealt.append(placebo_of(self.untouched, repaired, edits, data=self.data, confidence=self.confidence, rng=luck))
        said, _ = self._answers(dealt, test=np.zeros(0, np.int64))
        placebo = self._scored(f"placebo of {arm.repair}", said)
        over = gain(after, placebo, self.ruler, rng)
        p_better = max(arm.p_untouched or 0.0, over.p_better)
        arm = replace(arm, placebo=self._estimate(placebo), gain_over_placebo=over.points, p_placebo=over.p_better)
        return Trial(arm, p_better, p_worse)

    def _against_gap(self, arm: Arm, repaired: TrainSet, after: Scored, said_test: FloatArray, *, p_worse: float) -> Trial:
        """|reported - locked| before and after; both test sets share the resamples of their clusters."""
        pool = np.union1d(self.untouched.test, repaired.test)
        tests = [self._yardstick(s.test, votes="rows", within=pool) for s in (self.untouched, repaired)]
        reported = [scored(said, on) for said, on in zip((self.base_test, said_test), tests, strict=True)]
        locked = [self.before, after]
        at = [100 * abs(value(r, on) - value(h, self.ruler)) for r, on, h in zip(reported, tests, locked, strict=True)]
        rng = stream(self.seed, f"verify/gap/{arm.repair}")
        draws = 100 * np.abs(score_draws(reported, tests[0], rng) - score_draws(locked, self.ruler, rng))
        shrunk = draws[:, 0] - draws[:, 1]
        p_shrinks, p_grows = ((np.sum(side <= 0) + 1) / (len(shrunk) + 1) for side in (shrunk, -shrunk))
        gap = f"The reported score stood {at[0]:.1f} points off the locked one and stands {at[1]:.1f} off after the repair."
        return Trial(arm, float(p_shrinks), p_worse, gap, float(p_grows))
