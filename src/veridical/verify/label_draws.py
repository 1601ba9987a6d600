"""Where the true test labels may lie when several models are compared: one distribution for all of them, and draws from it.

The truth belongs to the row, so it must not depend on which model is asked about. Without a review a label is wrong with the
chances of a transition matrix T, and which of the rows that only A gets right carry a wrong label follows from how many rows only
B gets right: inside each pattern of predictions the mixture of truths is the one that makes the observed labels likeliest under T
(expectation-maximisation; Dempster, Laird and Rubin 1977). No text model votes here: one would side with the run that resembles
it. With a review the share of wrong labels is read per cell (review stratum x which runs agree with the label), inside which the
rows to read were drawn at random; it is pulled towards the rate of the rows where runs agree or disagree alike.

Letters: n rows, C classes, K runs, H cells.
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.bootstrap import FloatArray, IntArray
from veridical.ledger.ballots import Ballots, one_each
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.noise_shapes import undone


@dataclass(frozen=True)
class DrawParams:
    """Settings of the label draws."""

    rounds: int = 30
    """Rounds of expectation-maximisation inside a pattern of predictions. Ours; no source."""
    strength_disagree: float = 4.0
    """Rows that the share of the cells where some run contradicts the label counts for in one of them. Ours;
    no source."""
    strength_agree: float = 20.0
    """The same of the cells where all agree with it. Ours; no source."""
    prior_rate: float = 0.05
    """Share of wrong labels before any was read. As for one run (ledger/review.py)."""
    halvings: int = 12
    """Halvings in the search for the largest noise that lets no corrected score exceed 1. Ours; no source."""


BLOCK_CELLS = 4_000_000
"""Entries (pattern, label, truth) held at once."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of the true labels. codes: as given, (n,). labels: distributions whose weighted means are unbiased, (n, C);
    entries may be negative. wrong: chance that a label is wrong, (n,). elsewhere: where the truth is then, (n, C), 0 at the
    label, rows sum to 1. cell, spread: of a review, cell of each row (n,) and standard error of its share of wrong labels, (H,);
    change: of `labels` per unit of that share, (n, C), 0 for rows that were read. rate: share of wrong labels. source: fitted,
    largest or reviewed."""

    codes: IntArray
    labels: FloatArray
    wrong: FloatArray
    elsewhere: FloatArray
    rate: float
    source: str
    cell: IntArray | None = None
    spread: FloatArray | None = None
    change: FloatArray | None = None

    def draw(self, rng: np.random.Generator) -> IntArray:
        """One possible set of true labels, (n,)."""
        wrong = self.wrong
        if self.cell is not None and self.spread is not None:
            shift = rng.standard_normal(len(self.spread)) * self.spread
            open_rows = (wrong > 0) & (wrong < 1)
            wrong = np.where(open_rows, np.clip(wrong + shift[self.cell], 0.0, 1.0), wrong)
        hit = np.flatnonzero(rng.random(len(wrong)) < wrong)
        drawn = self.codes.copy()
        upto = self.elsewhere[hit].cumsum(axis=1)
        drawn[hit] = (rng.random((len(hit), 1)) * upto[:, -1:] >= upto).sum(axis=1)
        return drawn


def under_transition(
    transition: FloatArray, *, codes: IntArray, predicted: IntArray, source: str, params: DrawParams = DrawParams()
) -> Truth:
    """Truth under class-dependent noise. transition: (C, C), rows = truth. predicted: (K, n)."""
    chances = _by_pattern(transition, codes=codes, predicted=predicted, params=params)
    rows = np.arange(len(codes))
    wrong = 1 - chances[rows, codes]
    labels = undone(transition, codes)
    return Truth(codes, labels, wrong, _elsewhere(chances, codes), float(wrong.mean()) if len(rows) else 0.0, source)


def _by_pattern(transition: FloatArray, *, codes: IntArray, predicted: IntArray, params: DrawParams) -> FloatArray:
    """p(truth | label, predictions of all runs), (n, C)."""
    n, c = len(codes), len(transition)
    if np.array_equal(transition, np.eye(c)):
        return np.eye(c)[codes]
    _, pattern = np.unique(predicted, axis=1, return_inverse=True)
    pattern = np.asarray(pattern).reshape(-1)
    counts = np.zeros((int(pattern.max(initial=-1)) + 1, c))
    np.add.at(counts, (pattern, codes), 1.0)
    chances = np.empty((n, c))
    block = max(1, BLOCK_CELLS // (c * c))
    for start in range(0, len(counts), block):
        part = counts[start : start + block]
        prior = part / part.sum(axis=1, keepdims=True)
        for _ in range(params.rounds):
            posterior = _posterior(prior, transition)  # (cells, label, truth)
            prior = np.einsum("hy,hyk->hk", part, posterior) / part.sum(axis=1, keepdims=True)
        posterior = _posterior(prior, transition)
        inside = np.flatnonzero((pattern >= start) & (pattern < start + block))
        chances[inside] = posterior[pattern[inside] - start, codes[inside]]
    return chances


def _posterior(prior: FloatArray, transition: FloatArray) -> FloatArray:
    joint = prior[:, None, :] * transition.T[None, :, :]
    return np.asarray(joint / np.maximum(joint.sum(axis=2, keepdims=True), 1e-300))


def _elsewhere(chances: FloatArray, codes: IntArray) -> FloatArray:
    other = chances.copy()
    other[np.arange(len(codes)), codes] = 0.0
    total = other.sum(axis=1, keepdims=True)
    even = (1 - np.eye(chances.shape[1])[codes]) / max(chances.shape[1] - 1, 1)
    return np.asarray(np.where(total > 1e-12, other / np.maximum(total, 1e-12), even))


def under_review(
    *,
    codes: IntArray,
    predicted: IntArray,
    truth: IntArray,
    strata: IntArray,
    expected: FloatArray,
    kinds: IntArray | None = None,
    ballots: Ballots | None = None,
    params: DrawParams = DrawParams(),
) -> Truth:
    """Truth after a review. truth: code of the reviewed label, -1 where not read, -2 where unsure, (n,). strata: (n,), inside
    which the rows to read were drawn. expected: p(label | text), (n, C), only to say where a wrong label's truth lies.
    kinds: what of a stratum is left where groups do not tell, (n,); the strata themselves where not given. ballots: what rows
    count for; one each where not given."""
    n, c = expected.shape
    box = ballots or one_each(n)
    rows = np.arange(n)
    agree = predicted == codes[None, :]  # (K, n)
    _, cell = np.unique(np.vstack([strata[None, :], agree]), axis=1, return_inverse=True)
    cell = np.asarray(cell).reshape(-1).astype(np.int64)
    _, kind = np.unique(np.vstack([(strata if kinds is None else kinds)[None, :], agree]), axis=1, return_inverse=True)
    kind = np.asarray(kind).reshape(-1).astype(np.int64)
    seen, unsure = truth >= 0, truth == -2
    hit = np.where(seen, truth != codes, unsure * 0.5)
    n_cells, read = int(cell.max()) + 1, seen | unsure
    wrongly = np.bincount(cell, box.vote * hit, minlength=n_cells) / np.maximum(box.total(read, cell, n_cells), 1e-300)
    asked = box.answers(read, cell, n_cells, alike=box.alike(hit - wrongly[cell], read, cell))
    hits = asked * wrongly
    size = box.total(np.ones(n, bool), cell, n_cells)
    alike, of_kind = np.zeros(len(asked), bool), np.zeros(len(asked), np.int64)
    alike[cell], of_kind[cell] = agree.all(axis=0), kind
    part = size / np.bincount(of_kind, size)[of_kind]  # the prior counts for as many rows of a kind, however many groups share it
    share, spread = np.zeros(len(asked)), np.zeros(len(asked))
    for group, strength in ((alike, params.strength_agree), (~alike, params.strength_disagree)):
        prior = _pooled(hits[group], asked[group], size[group], params.prior_rate)
        rows_of = strength * part[group]
        a, b = hits[group] + rows_of * prior, asked[group] - hits[group] + rows_of * (1 - prior)
        share[group] = a / (a + b)
        spread[group] = np.sqrt(a * b / (a + b) ** 2 / (a + b + 1))
    votes = np.zeros((n, c))
    for run in predicted:
        votes[rows, run] += 1.0 / len(predicted)
    elsewhere = _elsewhere(votes + expected, codes)
    wrong = np.where(seen, (truth != codes).astype(np.float64), share[cell])
    elsewhere[seen] = np.eye(c)[np.where(truth[seen] == codes[seen], (codes[seen] + 1) % c, truth[seen])]
    given = np.eye(c)[codes]
    labels = (1 - wrong)[:, None] * given + wrong[:, None] * elsewhere
    change = np.where(seen[:, None], 0.0, elsewhere - given)
    return Truth(codes, labels, wrong, elsewhere, float(np.average(wrong, weights=box.vote)), "reviewed", cell, spread, change)


def _pooled(hits: FloatArray, asked: FloatArray, size: FloatArray, prior_rate: float) -> float:
    """Share of wrong labels over several cells, each read share weighing as many rows as its cell has."""
    read = asked > 0
    if not read.any():
        return prior_rate
    found = float((hits[read] / asked[read]) @ size[read] / size[read].sum())
    return float((found * asked.sum() + prior_rate) / (asked.sum() + 1))


def within(noise: LabelNoise, *, n_classes: int) -> list[FloatArray]:
    """The fitted, the least and the largest transition matrix; classes that the noise model lacks carry no noise."""
    least, largest = noise.range()
    return [_widened(matrix, n_classes) for matrix in (noise.transition, least, largest)]


def _widened(matrix: FloatArray, n_classes: int) -> FloatArray:
    wide = np.eye(n_classes)
    wide[: len(matrix), : len(matrix)] = matrix
    return wide
