"""Which transition matrix T, T[k, y] = p(label y | truth k), explains the labels of rows whose texts say what they should be.

T is found by expectation-maximisation within four shapes and the shape by BIC: none, uniform, one rate a class, one class into
another. Other class shares than those that the expectation was learned with explain labels too, without any of them being wrong.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class NoiseParams:
    """Settings of the noise model."""

    easiest_share: float = 0.33
    """Share of unleaked rows with the largest margins on which the upper error rate is read. Ours; no source."""
    upper_level: float = 0.5
    """One-sided level of that upper rate: its median, since what easy rows contradict also holds the models' own errors. Ours, by
    benchmarks/honesty: 0.9 covers 98 % where 90 % is wanted, at half as much width again."""
    hard_level: float = 0.7
    """The same of the rows that the models are less sure of, their own errors taken off. Ours: with the median the range missed
    4 of 18 test sets whose hardest rows were mislabelled, with 0.9 it is 3 points wider where nothing is wrong."""
    max_rate: float = 0.45
    """Largest even error rate taken from easy rows that contradict the models, where train labels are a yardstick and rates are
    fitted beside it: models that know little are contradicted without any noise. Ours; no source."""
    most_of_chance: float = 0.9
    """Largest error rate that is considered, as a share of 1 - 1 / C, at which labels tell nothing: 0.45 of two classes. Ours; no
    source."""
    extra_evidence: float = 6.0
    """Log-likelihood by which a shape must beat no noise beyond its BIC penalty: p(label | text) is itself only a model. Ours, by
    benchmarks/honesty: with 0, 7 % of pristine worlds raised an alarm; planted noise gains 24 to 103, none planted up to 11."""
    rounds: int = 60
    """Rounds of expectation-maximisation. Ours; no source."""
    floor: float = 0.02
    """Probability spread over all classes before comparing with labels: models are surer than right. Ours; no source."""

    def largest(self, n_classes: int) -> float:
        """Largest error rate that is considered."""
        return self.most_of_chance * (1 - 1 / n_classes)


DEFAULTS = NoiseParams()


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows held against what their labels should be. expected: p(label | text), (n, C), out of fold. codes: labels, (n,). weight:
    (n,), 1 / the rows of its cluster: what near-duplicates say is one piece of evidence, however often it is said."""

    expected: FloatArray
    codes: IntArray
    weight: FloatArray

    @property
    def n(self) -> float:
        """Clusters, where the weights are theirs."""
        return float(self.weight.sum())


def per_cluster(clusters: IntArray) -> FloatArray:
    """1 / the rows of each row's cluster, (n,)."""
    member = np.unique(clusters, return_inverse=True)[1]
    return np.asarray(1.0 / np.bincount(member)[member])


@dataclass(frozen=True, eq=False)
class Explained:
    """What may stand behind the labels. transition: (C, C); shape: its form. ratio: of class shares to those that the expectation
    was learned with, (C,), all 1 where they are the same. cost: minus the log-likelihood with the penalty of BIC, nats."""

    transition: FloatArray
    shape: str
    ratio: FloatArray
    cost: float

    @property
    def moved(self) -> bool:
        return bool((self.ratio != 1).any())

    def in_shares(self, expected: FloatArray) -> FloatArray:
        """p(label | text), (n, C), with these class shares."""
        joint = expected * self.ratio
        return np.asarray(joint / joint.sum(axis=1, keepdims=True)) if self.moved else expected

    def among(self, judged: BoolArray) -> FloatArray:
        """The matrix without noise in classes that are not judged, (C, C)."""
        return np.where(judged[:, None], self.transition, np.eye(len(judged)))


def chosen(rows: Labelled, *, params: NoiseParams) -> tuple[FloatArray, str]:
    """The transition matrix of the shape with the smallest BIC, and that shape; class shares are those of train."""
    best = min(explanations(rows, None, params=params), key=lambda one: one.cost)
    return best.transition, best.shape


def explanations(rows: Labelled, shares: FloatArray | None, *, params: NoiseParams) -> list[Explained]:
    """No noise and every shape of it with the class shares of train, (C,). Where these are given, also no noise with the shares
    of the labels: a class that is commoner in test than in train has many labels that texts hardly told in train, and all of them
    may be right. Where the texts alone are far likelier with other shares, also every shape with those."""
    c, per_parameter = rows.expected.shape[1], 0.5 * float(np.log(rows.n))
    shapes = [("uniform", 1.0), ("by_class", float(c)), ("one_pair", 2.0 if c > 2 else 1.5)]
    found = [_with_shares(rows, "none", np.ones(c), -params.extra_evidence, params=params)]
    found += [_with_shares(rows, name, np.ones(c), k * per_parameter, params=params) for name, k in shapes]
    if shares is None:
        return found
    moved = (c - 1) * per_parameter
    given = np.bincount(rows.codes, rows.weight, minlength=c) / rows.n
    found.append(_with_shares(rows, "none", np.where(given > 0, given / shares, 1.0), moved, params=params))
    read = _read_shares(rows, shares, rounds=params.rounds) / shares
    if float(rows.weight @ np.log(rows.expected @ read)) > moved + params.extra_evidence:
        found += [_with_shares(rows, name, read, moved + k * per_parameter, params=params) for name, k in shapes]
    return found


def _with_shares(rows: Labelled, shape: str, ratio: FloatArray, penalty: float, *, params: NoiseParams) -> Explained:
    """The likeliest matrix of a shape with these class shares. Its cost is that of labels and texts together."""
    joint = rows.expected * ratio
    said = joint.sum(axis=1)
    held = replace(rows, expected=joint / said[:, None])
    transition = np.eye(len(ratio)) if shape == "none" else _fit(held, shape, params=params)
    likely = log_likelihood(held, transition) + float(rows.weight @ np.log(said))
    return Explained(transition, shape, ratio, penalty - likely)


def _read_shares(rows: Labelled, shares: FloatArray, *, rounds: int) -> FloatArray:
    """Class shares under which the texts alone are likeliest, (C,), by expectation-maximisation (Saerens, Latinne and
    Decaestecker 2002, Neural Computation 14)."""
    found = shares
    for _ in range(rounds):
        joint = rows.expected * (found / shares)
        found = rows.weight @ (joint / joint.sum(axis=1, keepdims=True)) / rows.n
    return np.asarray(found)


def log_likelihood(rows: Labelled, transition: FloatArray) -> float:
    """Of the labels, in nats; each row counts by its weight."""
    said = (rows.expected @ transition)[np.arange(len(rows.codes)), rows.codes]
    return float(rows.weight @ np.log(said))


def _fit(rows: Labelled, shape: str, *, params: NoiseParams) -> FloatArray:
    """Expectation-maximisation of T within one shape, started at 5 % wrong labels."""
    codes, c = rows.codes, rows.expected.shape[1]
    transition = np.full((c, c), 0.05 / (c - 1))
    np.fill_diagonal(transition, 0.95)
    for step in range(params.rounds):
        joint = rows.expected * transition[:, codes].T
        posterior = rows.weight[:, None] * joint / joint.sum(axis=1, keepdims=True)
        counts = np.stack([np.bincount(codes, posterior[:, k], minlength=c) for k in range(c)]).astype(np.float64)
        free = c * c if step < params.rounds // 2 else 0
        transition = _shaped(counts, shape, n_free=free, max_rate=params.largest(c))
    return transition


def _shaped(counts: FloatArray, shape: str, *, n_free: int, max_rate: float) -> FloatArray:
    """The maximising transition matrix of a shape from expected counts (truth, label)."""
    c = len(counts)
    total = np.maximum(counts.sum(axis=1), 1e-9)
    wrong = total - np.diag(counts)
    rates = np.full(c, wrong.sum() / total.sum()) if shape == "uniform" else wrong / total
    spread = np.ones((c, c)) - np.eye(c)
    if shape == "one_pair" and not n_free:
        off = counts - np.diag(np.diag(counts))
        source, target = np.unravel_index(int(off.argmax()), off.shape)
        rates = np.zeros(c)
        rates[source] = off[source, target] / (off[source, target] + counts[source, source])
        spread = np.zeros((c, c))
        spread[source, target] = 1.0
    elif shape == "one_pair":
        spread = counts - np.diag(np.diag(counts)) + 1e-9
    spread = spread / np.maximum(spread.sum(axis=1, keepdims=True), 1e-12)
    rates = np.minimum(rates, max_rate)
    return np.asarray(np.diag(1 - rates) + rates[:, None] * spread)


def least_share(rows: Labelled, transition: FloatArray) -> float:
    """The smallest share of the fitted noise whose likelihood is not rejected at 5 % (Wilks 1938), 0..1."""
    best = log_likelihood(rows, transition)
    for share in np.linspace(0.0, 1.0, 41):
        if best - log_likelihood(rows, scaled(transition, float(share))) <= 0.5 * stats.chi2.ppf(0.95, 1):
            return float(share)
    return 1.0


MOST_SCALE = 4.0
"""Times the fitted noise that a group is held to have at most. Ours; no source."""


def likely_scales(rows: Labelled, transition: FloatArray, *, max_rate: float) -> tuple[float, float]:
    """Factors of the fitted noise, the smallest and the largest, that these rows do not reject at 5 % (Wilks 1938); no rate goes
    over `max_rate`."""
    scales, likely = _tried_scales(rows, transition, max_rate=max_rate)
    kept = scales[likely.max() - likely <= 0.5 * stats.chi2.ppf(0.95, 1)]
    return float(kept[0]), float(kept[-1])


def likeliest_scale(rows: Labelled, transition: FloatArray, *, max_rate: float) -> float:
    """The factor of the fitted noise with which these labels are likeliest; 1 where there is none."""
    if not (1 - np.diag(transition)).any():
        return 1.0
    scales, likely = _tried_scales(rows, transition, max_rate=max_rate)
    return float(scales[likely.argmax()])


def _tried_scales(rows: Labelled, transition: FloatArray, *, max_rate: float) -> tuple[FloatArray, FloatArray]:
    """(factors, log-likelihood of each), (S,)."""
    scales = np.linspace(0.0, min(MOST_SCALE, max_rate / float((1 - np.diag(transition)).max())), 81)
    return scales, np.array([log_likelihood(rows, scaled(transition, float(scale))) for scale in scales])


def scaled(transition: FloatArray, scale: float) -> FloatArray:
    identity = np.eye(len(transition))
    return np.asarray(identity + scale * (transition - identity))


def undone(transition: FloatArray, codes: IntArray) -> FloatArray:
    """Rows of the inverse transition matrix, (n, C)."""
    return np.asarray(np.linalg.inv(transition)[codes], dtype=np.float64)


def most_multiplied(transition: FloatArray) -> float:
    """Times that undoing this noise multiplies what rows differ by."""
    return float(np.ptp(np.linalg.inv(transition), axis=0).max())


def evenly_undone(rate: FloatArray, codes: IntArray, *, n_classes: int) -> FloatArray:
    """Rows of the inverses of even matrices, one rate a row, (n, C). rate: (n,), below 1 - 1 / C."""
    kept = 1 - rate * n_classes / (n_classes - 1)
    found = np.repeat(((1 - 1 / kept) / n_classes)[:, None], n_classes, axis=1)
    found[np.arange(len(codes)), codes] += 1 / kept
    return np.asarray(found)


def uniform_transition(n_classes: int, rate: float) -> FloatArray:
    """T with the same error rate in every class, errors spread evenly."""
    transition = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


def at_limit(transition: FloatArray) -> BoolArray:
    """Classes of which as many labels are wrong as is considered, (C,)."""
    return np.asarray((1 - np.diag(transition)) >= NoiseParams().largest(len(transition)) - 1e-9)
