"""Who votes in the honest score: the distinct clusters of train and test, and how well the test rows stand for them.

Each row gets a description that no label enters (`basis`): the margin of the out-of-fold linear model, whether word naive Bayes
agrees, the predicted class, the length. Unleaked test rows are weighted so that their mean description equals that of the
population; with a regression of the score on the description this is one and the same thing (the generalised regression
estimator, Deville and Saerndal 1992, JASA 87:376), and it is what imputes the score of a leaked row.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from veridical.audit._evidence import Evidence
from veridical.core.proportion import effective_number
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class PopulationParams:
    """Settings of the description and the calibration."""

    shift_alpha: float = 0.005
    """p value under which train and test count as different populations, and train rows get no vote. Ours; no source."""
    ridge_rows: float = 3.0
    """Strength of the regression's ridge, in rows of evidence for 'no effect' of each standardised column. Ours; no source."""
    min_class_rows: int = 40
    """Unleaked test rows of a predicted class that give it a column of its own. Ours; no source."""
    max_class_columns: int = 9
    """Such columns, at most. Ours; no source."""
    min_unleaked: int = 10
    """Unleaked test clusters below which leaked rows cannot be imputed and fold models stand in. Ours; no source."""
    rows_per_column: int = 20
    """Unleaked test rows for each column of the description beyond the intercept. Ours; no source."""
    max_margin: float = 5.0
    """Log-odds at which margins are clipped (0.993). Ours; no source."""


@dataclass(frozen=True, eq=False)
class Population:
    """The test rows and what they stand for. n test rows, q columns.

    rows: positions in the data set, (n,). cluster: (n,). leaked: their cluster has a train row, (n,). basis: (n, q), first
    column 1. vote: share of each test row when every test cluster has one vote, (n,), sums to 1. target: mean basis over the
    population, (q,). target_covariance: of `target`, (q, q). includes_train: whether train clusters vote. n_clusters: clusters
    in the population.
    """

    rows: IntArray
    cluster: IntArray
    leaked: BoolArray
    basis: FloatArray
    vote: FloatArray
    target: FloatArray
    target_covariance: FloatArray
    includes_train: bool
    n_clusters: int
    shift_p: float
    params: PopulationParams
    tied: int = 0
    """Leaked rows of which train holds no such text, only rows of their group."""
    crowded: int = 0
    """Rows in families of near-equal texts that hold `CROWD` of the test rows and more each."""

    @property
    def fresh(self) -> BoolArray:
        """Rows whose score may be read off, (n,): the unleaked ones, or all where these are too few to fit anything."""
        unleaked = ~self.leaked
        enough = len(np.unique(self.cluster[unleaked])) >= self.params.min_unleaked
        return unleaked if enough else np.ones(self.n, bool)

    @property
    def n(self) -> int:
        return len(self.rows)

    @cached_property
    def member(self) -> IntArray:
        """Each row's cluster, counted from 0, (n,)."""
        return np.asarray(np.unique(self.cluster, return_inverse=True)[1])

    def votes(self, weights: FloatArray) -> float:
        """Even votes of clusters that weights of rows, (n,), are worth."""
        return effective_number(np.bincount(self.member, weights).astype(np.float64))

    @property
    def unlike_train(self) -> bool:
        """Whether train rows have no vote since they are of another population."""
        return not self.includes_train and self.shift_p < self.params.shift_alpha

    def projection(self, among: BoolArray) -> FloatArray:
        """(n, q): column j holds the weights on the rows in `among` whose weighted score is regression coefficient j.

        The regression is a vote-weighted ridge of the score on the basis; the intercept is not shrunk, so `projection @ target`
        are calibrated weights that sum to 1.
        """
        vote = np.where(among, self.vote, 0.0)
        vote = vote / vote.sum()
        penalty = self.params.ridge_rows / max(int(among.sum()), 1) * self.basis.var(axis=0)
        penalty[0] = 0.0
        gram = (self.basis * vote[:, None]).T @ self.basis + np.diag(penalty)
        return np.asarray((self.basis * vote[:, None]) @ np.linalg.pinv(gram, hermitian=True))


def population(
    evidence: Evidence, *, votes: str, columns: FloatArray | None = None, params: PopulationParams = PopulationParams()
) -> Population:
    """Describe all rows, find the leaked ones and decide whether train rows may vote. votes: `clusters` or `rows`. columns: what
    describes each row where it has no one label, (N, k), most telling first."""
    data = evidence.data
    train, test = np.flatnonzero(data.splits != "test"), data.rows("test")
    leaked = np.isin(evidence.clusters[test], evidence.clusters[train])
    described = columns if columns is not None else _columns(evidence, unleaked=test[~leaked], params=params)
    basis = _centred(described, unleaked=test[~leaked], params=params)
    cluster = evidence.clusters[test]
    all_means, all_sizes, member = _per_cluster(basis, evidence.clusters)
    in_test = np.zeros(len(all_means), bool)
    in_test[member[test]] = True
    in_train = np.zeros(len(all_means), bool)
    in_train[member[train]] = True
    shift_p = _shift_p(all_means, in_train=in_train, in_test=in_test)
    includes_train = bool(in_train.any() and shift_p >= params.shift_alpha)
    chosen = (in_train | in_test) if includes_train else in_test
    ballots = all_sizes[chosen] if votes == "rows" else np.ones(int(chosen.sum()))
    share = ballots / ballots.sum()
    target = share @ all_means[chosen]
    off = (all_means[chosen] - target) * share[:, None]
    size = np.bincount(np.unique(cluster, return_inverse=True)[1])
    vote = 1.0 / size[np.unique(cluster, return_inverse=True)[1]] if votes == "clusters" else np.ones(len(test))
    return Population(
        rows=test, cluster=cluster, leaked=leaked, basis=basis[test], vote=vote / vote.sum(), target=target,
        target_covariance=off.T @ off, includes_train=includes_train, n_clusters=int(chosen.sum()), shift_p=shift_p,
        params=params, tied=int((leaked & ~np.isin(evidence.text_clusters[test], evidence.text_clusters[train])).sum()),
        crowded=_crowded(evidence.text_clusters[test]),
    )  # fmt: skip


CROWD = (0.02, 20)
"""Share and number of the test rows from which a family of near-equal texts is a crowd: seldom copies of one text, often
different ones under one passage. Ours; no source."""


def _crowded(families: IntArray) -> int:
    """families: of the test rows, (n,)."""
    size = np.bincount(np.unique(families, return_inverse=True)[1])
    return int(size[(size >= CROWD[1]) & (size >= CROWD[0] * len(families))].sum())


def _columns(evidence: Evidence, *, unleaked: IntArray, params: PopulationParams) -> FloatArray:
    """What describes each row of the data set, (N, k), most telling first."""
    folds, data = evidence.foresight, evidence.data
    rows = np.arange(len(data))
    top = folds.probabilities.argmax(axis=1)
    share = folds.probabilities[rows, top]
    margin = np.clip(np.log(share) - np.log1p(-np.minimum(share, 1 - 1e-9)), -params.max_margin, params.max_margin)
    agree = folds.word_probabilities.argmax(axis=1) == top
    length = np.log([len(text) + 1 for text in data.texts])
    counts = np.bincount(top[unleaked], minlength=len(data.labels))
    frequent = np.flatnonzero(counts >= params.min_class_rows)
    if len(frequent) == len(data.labels):
        frequent = frequent[1:]  # the intercept stands for the first
    first, *others = [(top == k).astype(float) for k in frequent[: params.max_class_columns]] or [None]
    columns = [share, first, margin, agree.astype(float), folds.word_probabilities[rows, top], length, *others]
    return np.stack([column for column in columns if column is not None], axis=1)


def _centred(columns: FloatArray, *, unleaked: IntArray, params: PopulationParams) -> FloatArray:
    """The basis of all rows, (N, q): as many columns as the unleaked test rows can bear, centred on them after a first of 1."""
    basis = columns[:, : max(len(unleaked) // params.rows_per_column, 1)]
    centre = basis[unleaked].mean(axis=0) if len(unleaked) else basis.mean(axis=0)
    return np.concatenate([np.ones((len(columns), 1)), basis - centre], axis=1)


def _per_cluster(basis: FloatArray, clusters: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """(mean basis of each cluster, its number of rows, each row's position among the clusters)."""
    _, member = np.unique(clusters, return_inverse=True)
    size = np.bincount(member).astype(float)
    sums = np.stack([np.bincount(member, column) for column in basis.T], axis=1)
    return sums / size[:, None], size, member.astype(np.int64)


def _shift_p(means: FloatArray, *, in_train: BoolArray, in_test: BoolArray) -> float:
    """The larger p value of two tests of one population: unleaked test against all train, all test against unleaked train.

    Easy train rows planted into test distort the second comparison, easy test rows copied into train the first; only a real
    difference distorts both.
    """
    first = _hotelling_p(means[in_test & ~in_train], means[in_train])
    second = _hotelling_p(means[in_test], means[in_train & ~in_test])
    return max(first, second)


def _hotelling_p(a: FloatArray, b: FloatArray) -> float:
    """p value of equal means (two-sample Hotelling T2, pooled covariance, constant columns dropped); 1 where too few rows."""
    if min(len(a), len(b)) < 30:
        return 1.0
    varying = (a.var(axis=0) > 1e-9) & (b.var(axis=0) > 1e-9)
    q = int(varying.sum())
    if q == 0:
        return 1.0
    a, b = a[:, varying], b[:, varying]
    n = len(a) + len(b)
    pooled = ((len(a) - 1) * np.cov(a.T).reshape(q, q) + (len(b) - 1) * np.cov(b.T).reshape(q, q)) / (n - 2)
    gap = a.mean(axis=0) - b.mean(axis=0)
    t2 = len(a) * len(b) / n * gap @ np.linalg.pinv(pooled, hermitian=True) @ gap
    return float(stats.f.sf(t2 * (n - q - 1) / ((n - 2) * q), q, n - q - 1))
