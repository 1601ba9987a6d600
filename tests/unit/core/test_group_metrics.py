"""Group metrics against fairlearn on 1,000 tables, and their intervals and permutations against simulation."""

import numpy as np
import pytest

from veridical.core import group_metrics as gm
from veridical.core.simultaneous import critical_value, errors_of

SIZES = [40, pytest.param(1000, marks=pytest.mark.slow)]
"""Tables tried each time, and on request (minutes: it is fairlearn that takes them)."""


def _rows(rng, n, *, n_groups, n_classes, clusters=None, groups=None):
    groups = rng.integers(0, n_groups, n) if groups is None else groups
    clusters = np.arange(n) if clusters is None else clusters
    codes = rng.integers(0, n_classes, n)
    predicted = np.where(rng.random(n) < 0.6, codes, rng.integers(0, n_classes, n))
    return gm.Rows(groups, codes, predicted, clusters, gm.cluster_votes(clusters), n_groups, n_classes)


def _random_table(rng, number):
    """Two sensitive columns, whose product leaves groups empty; small tables have groups of one row."""
    n = int(rng.integers(2, 12 if number % 2 else 120))
    first, second = rng.integers(0, 3, n), rng.integers(0, 2, n)
    _, first = np.unique(first, return_inverse=True)
    _, second = np.unique(second, return_inverse=True)
    n_second = int(second.max()) + 1
    groups = first * n_second + second
    shape = ((int(first.max()) + 1), n_second)
    return _rows(rng, n, n_groups=shape[0] * shape[1], n_classes=2, groups=groups), np.column_stack([first, second])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tables", SIZES)
def test_points_are_those_of_fairlearn(tables):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    rng, empty, alone = np.random.default_rng(0), 0, 0
    names = ("selection_rate", "true_positive_rate", "false_positive_rate")
    functions = {name: getattr(fairlearn, name) for name in names}
    for number in range(tables):
        rows, features = _random_table(rng, number)
        if len(np.unique(np.concatenate([rows.codes, rows.predicted]))) < 2:
            continue  # fairlearn refuses a table with one value
        frame = fairlearn.MetricFrame(metrics=functions, y_true=rows.codes, y_pred=rows.predicted, sensitive_features=features)
        found = gm.rates(gm.margins(rows), undefined=0.0)
        theirs = frame.by_group.to_numpy(float).reshape(rows.n_groups, 3)
        ours = np.column_stack([getattr(found, name)[:, 1] for name in ("selection", "true_positive", "false_positive")])
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
        np.testing.assert_allclose(gm.difference(ours.T), frame.difference().to_numpy(float), rtol=0, atol=1e-12)
        np.testing.assert_allclose(gm.ratio(ours.T), frame.ratio().to_numpy(float), rtol=0, atol=1e-12)
        empty += int(np.isnan(theirs[:, 0]).sum())
        alone += int((np.bincount(rows.groups, minlength=rows.n_groups) == 1).sum())
    assert min(empty, alone) > tables / 10


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tables", [15, pytest.param(1000, marks=pytest.mark.slow)])
def test_disparities_are_those_of_fairlearn(tables):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(1)
    for number in range(tables):
        rows, features = _random_table(rng, number)
        if len(np.unique(np.concatenate([rows.codes, rows.predicted]))) < 2:
            continue
        table = gm.rates(gm.margins(rows), undefined=0.0)
        for name, ours in gm.disparities(table).items():
            theirs = getattr(fairlearn, name)(rows.codes, rows.predicted, sensitive_features=features)
            if name == "equalized_odds_ratio":
                # 0 / 0 in one of the two ratios: fairlearn's answer depends on which comes first; ours is the other one.
                parts = [gm.ratio(values, axis=-2)[1] for values in (table.true_positive, table.false_positive)]
                if np.isnan(parts).any():
                    assert ours[1] == np.nanmin(parts) if np.isfinite(parts).any() else np.isnan(ours[1])
                    continue
            np.testing.assert_allclose(ours[1], theirs, rtol=0, atol=1e-12, err_msg=name)


def test_votes_are_sample_weights():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    rng = np.random.default_rng(2)
    for _ in range(8):
        rows = _rows(rng, 80, n_groups=3, n_classes=2, clusters=rng.integers(0, 40, 80))
        ours = gm.disparities(gm.rates(gm.margins(rows), undefined=0.0))
        for name, values in ours.items():
            theirs = getattr(fairlearn, name)(
                rows.codes, rows.predicted, sensitive_features=rows.groups, sample_weight=rows.votes
            )
            np.testing.assert_allclose(values[1], theirs, rtol=0, atol=1e-12, err_msg=name)


def test_a_table_by_hand():
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    codes = np.array([1, 1, 0, 0, 1, 1, 0, 0])
    predicted = np.array([1, 1, 1, 0, 1, 0, 0, 0])
    rows = gm.Rows(groups, codes, predicted, np.arange(8), np.ones(8), 3, 2)
    found = gm.rates(gm.margins(rows))
    np.testing.assert_allclose(found.selection[:2, 1], [0.75, 0.25])
    np.testing.assert_allclose(found.true_positive[:2, 1], [1.0, 0.5])
    np.testing.assert_allclose(found.false_positive[:2, 1], [0.5, 0.0])
    assert np.isnan(found.selection[2]).all()
    by_name = {name: values[1] for name, values in gm.disparities(found).items()}
    assert by_name == pytest.approx(
        {
            "demographic_parity_difference": 0.5,
            "demographic_parity_ratio": 1 / 3,
            "equalized_odds_difference": 0.5,
            "equalized_odds_ratio": 0.0,
            "equal_opportunity_difference": 0.5,
        }
    )


def test_a_rate_among_no_rows_is_unknown_and_not_nought():
    rows = gm.Rows(np.array([0, 0, 1]), np.array([1, 0, 0]), np.array([1, 0, 0]), np.arange(3), np.ones(3), 2, 2)
    assert np.isnan(gm.rates(gm.margins(rows)).true_positive[1, 1])
    assert gm.disparities(gm.rates(gm.margins(rows)))["equal_opportunity_difference"][1] == 0.0
    assert gm.disparities(gm.rates(gm.margins(rows), undefined=0.0))["equal_opportunity_difference"][1] == 1.0


def _by_resampling_rows(rows, replicates, rng):
    """The plain way: draw clusters, put their rows together, count."""
    members = [np.flatnonzero(rows.clusters == k) for k in np.unique(rows.clusters)]
    tables = []
    for _ in range(replicates):
        chosen = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
        parts = (rows.groups[chosen], rows.codes[chosen], rows.predicted[chosen], chosen, rows.votes[chosen])
        tables.append(gm.margins(gm.Rows(*parts, rows.n_groups, rows.n_classes)))
    return np.stack(tables)


@pytest.mark.parametrize("clustered", [False, True])
def test_cell_counts_resample_like_the_rows_themselves(clustered):
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(3)
    clusters = np.sort(rng.integers(0, 60, 150)) if clustered else np.arange(150)
    rows = _rows(rng, 150, n_groups=3, n_classes=2, clusters=clusters)
    kinds = gm.kinds(rows)
    assert kinds.counts.sum() == len(np.unique(clusters))
    if not clustered:
        assert len(kinds.counts) == len(np.unique(rows.cells))
    np.testing.assert_allclose(kinds.totals.T @ kinds.counts, gm.margins(rows).ravel())
    fast, plain = gm.resampled_margins(kinds, 1500, rng), _by_resampling_rows(rows, 1500, rng)
    np.testing.assert_allclose(fast.mean(axis=0), plain.mean(axis=0), atol=0.12 * plain.std(axis=0).max())
    np.testing.assert_allclose(fast.std(axis=0), plain.std(axis=0), rtol=0.12, atol=0.02)
    for name, values in gm.disparities(gm.rates(fast)).items():
        assert ks_2samp(values[:, 1], gm.disparities(gm.rates(plain))[name][:, 1]).pvalue > 0.001, name


def test_permutations_keep_clusters_labels_and_group_sizes():
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(40), np.tile([1, 2], 20))
    groups = np.where(clusters % 3 == 0, 1, 0)  # one group a cluster
    rows = _rows(rng, len(clusters), n_groups=2, n_classes=2, clusters=clusters, groups=groups)
    for given_label in (False, True):
        deals = list(gm.permuted_groups(rows, given_label=given_label, replicates=50, rng=rng))
        assert len({tuple(deal) for deal in deals}) > 10
        for deal in deals:
            assert (np.bincount(deal) == np.bincount(groups)).all()
            if given_label:
                assert (
                    np.bincount(deal * 2 + rows.codes, minlength=4) == np.bincount(groups * 2 + rows.codes, minlength=4)
                ).all()
            else:
                assert all(len(set(deal[clusters == k].tolist())) == 1 for k in range(40))


def test_permutation_p_values_are_uniform_where_groups_mean_nothing():
    """Clusters of copies: rows would be dealt too freely, clusters are not."""
    rng, small = np.random.default_rng(5), 0
    for _ in range(200):
        clusters = np.repeat(np.arange(50), 4)
        groups = np.repeat(rng.integers(0, 2, 50), 4)
        predicted = np.repeat(rng.integers(0, 2, 50), 4)
        rows = gm.Rows(groups, np.zeros(200, np.int64), predicted, clusters, gm.cluster_votes(clusters), 2, 2)
        seen = float(gm.disparities(gm.rates(gm.margins(rows)))["demographic_parity_difference"][1])
        deals = gm.permuted_groups(rows, given_label=False, replicates=99, rng=rng)
        tables = np.stack([gm.margins(rows, groups=deal) for deal in deals])
        null = gm.disparities(gm.rates(tables))["demographic_parity_difference"][:, 1]
        small += gm.permutation_p(seen, null) <= 0.1
    assert small / 200 <= 0.16


def _group_shares(rng, truth, n):
    right = rng.random((len(truth), n)) < np.array(truth)[:, None]
    values = right.mean(axis=1)
    draws = rng.binomial(n, values, size=(400, len(truth))) / n
    return values, draws, np.full(len(truth), float(n))


@pytest.mark.parametrize("truth", [[0.8] * 8, [0.6] + [0.85] * 7])
def test_the_worst_group_is_corrected_for_having_been_picked(truth):
    rng, plain, corrected, covered = np.random.default_rng(6), [], [], 0
    for _ in range(200):
        values, draws, votes = _group_shares(rng, truth, 100)
        errors = gm.certain_error(votes, errors_of(draws))
        found = gm.worst_group(values, draws, errors)
        plain.append(values.min())
        corrected.append(found.value)
        covered += found.low <= min(truth) <= found.high
    assert covered / 200 >= 0.93
    assert abs(np.median(corrected) - min(truth)) < 0.02
    if truth[0] == truth[1]:
        assert np.median(plain) < min(truth) - 0.04  # what picking the lowest of eight costs


@pytest.mark.parametrize("truth", [[0.8] * 5, [0.6, 0.8, 0.8], [0.98, 1.0]])
def test_the_interval_of_a_spread_covers_it_and_reaches_nought(truth):
    rng, covered, touching = np.random.default_rng(7), 0, 0
    for _ in range(200):
        values, draws, votes = _group_shares(rng, truth, 150)
        low, high = gm.spread_interval([values], [draws], [votes])
        assert low <= values.max() - values.min() <= high
        covered += low <= max(truth) - min(truth) <= high
        touching += low == 0.0
    assert covered / 200 >= 0.91  # 95 % less what 200 tries may miss
    if max(truth) == min(truth):
        assert touching / 200 >= 0.91


def test_simultaneous_intervals_hold_together():
    rng, together = np.random.default_rng(8), 0
    for _ in range(200):
        centre = rng.normal(0, 1, 12)
        draws = centre + rng.normal(0, 1, (500, 12))
        together += bool((np.abs(centre) <= critical_value(draws, centre, errors_of(draws)) * errors_of(draws)).all())
    assert 0.90 <= together / 200 <= 0.99
    assert critical_value(np.zeros((10, 2)), np.zeros(2), np.zeros(2)) == pytest.approx(1.96, abs=0.001)
