"""Planted label noise with a known p(label | text)."""

import numpy as np
import pytest
from scipy import stats

from veridical.ledger.label_noise import LabelNoise, contradicted, rates_by_sureness
from veridical.ledger.noise_shapes import (
    Labelled,
    NoiseParams,
    chosen,
    evenly_undone,
    explanations,
    least_share,
    per_cluster,
    undone,
    uniform_transition,
)


def by_row(*known, **settings):
    """The largest even rate that is allowed of each row, (n,)."""
    rates, third = rates_by_sureness(*known, **settings)
    return rates[third]


def planted(transition, *, n=4000, seed=0):
    """(expected, labels, truth) where labels follow a known transition matrix."""
    rng = np.random.default_rng(seed)
    c = len(transition)
    expected = rng.dirichlet(np.full(c, 0.25), size=n)
    expected = 0.98 * expected + 0.02 / c
    truth = np.array([rng.choice(c, p=row) for row in expected])
    labels = np.array([rng.choice(c, p=transition[k]) for k in truth])
    return expected, labels, truth


def each(expected, labels, *_):
    """One piece of evidence a row."""
    return Labelled(expected, labels, np.ones(len(labels)))


@pytest.mark.parametrize(("c", "rate"), [(2, 0.1), (2, 0.25), (4, 0.1), (4, 0.2), (4, 0.6), (8, 0.7)])
def test_symmetric_noise_is_recovered(c, rate):
    found, shape = chosen(each(*planted(uniform_transition(c, rate))), params=NoiseParams())
    assert shape != "none"
    assert 1 - np.diag(found).mean() == pytest.approx(rate, abs=0.03)


def test_one_class_into_another_is_recovered():
    transition = np.eye(4)
    transition[1] = [0.0, 0.7, 0.3, 0.0]
    found, shape = chosen(each(*planted(transition)), params=NoiseParams())
    assert shape == "one_pair"
    assert found[1, 2] == pytest.approx(0.3, abs=0.05)
    assert np.diag(found)[[0, 2, 3]] == pytest.approx(1.0)


def test_right_labels_mostly_give_none():
    shapes = [chosen(each(*planted(np.eye(3), n=800, seed=seed)), params=NoiseParams())[1] for seed in range(20)]
    assert shapes.count("none") >= 18


def test_inverted_labels_are_unbiased_for_the_truth():
    transition = np.array([[0.8, 0.15, 0.05], [0.1, 0.9, 0.0], [0.0, 0.3, 0.7]])
    expected, labels, truth = planted(transition, n=60_000)
    noise = LabelNoise(transition, "by_class", 0.2, 0.3, expected)
    assert noise.inverted(labels).mean(axis=0) == pytest.approx(np.bincount(truth) / len(truth), abs=0.01)
    assert noise.inverted(labels).sum(axis=1) == pytest.approx(1.0)


def test_the_least_noise_is_below_the_fitted_and_above_none_where_it_is_plain():
    transition = uniform_transition(2, 0.2)
    expected, labels, _ = planted(transition)
    assert 0.5 < least_share(each(expected, labels), transition) < 1.0
    calm, right, _ = planted(np.eye(2))
    assert least_share(each(calm, right), np.eye(2)) == 0.0


def test_posterior_knows_a_surely_wrong_label():
    expected = np.array([[0.99, 0.01], [0.5, 0.5]])
    noise = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected)
    posterior = noise.posterior(np.array([1, 1]), uniform_transition(2, 0.1))
    # Bayes by hand: 0.99 * 0.1 / (0.99 * 0.1 + 0.01 * 0.9)
    assert posterior[0, 0] == pytest.approx(0.099 / 0.108)
    assert posterior[1, 0] == pytest.approx(0.1)


def test_a_family_of_rows_is_one_piece_of_evidence():
    """Eighty copies of a row that models get wrong are no twenty per cent of wrong labels; copies of every row change nothing."""
    expected, labels, _ = planted(np.eye(2), n=300, seed=3)
    hard = int(np.argmin(expected[np.arange(300), labels]))
    of = np.concatenate([np.arange(300), np.full(80, hard)])
    copied = Labelled(expected[of], labels[of], np.ones(380))
    known = Labelled(expected[of], labels[of], per_cluster(of))
    assert chosen(copied, params=NoiseParams())[1] != "none"
    assert chosen(known, params=NoiseParams())[1] == "none"
    plain = each(expected, labels)
    assert contradicted(known, params=NoiseParams()) == pytest.approx(contradicted(plain, params=NoiseParams()))
    noisy, wrong, _ = planted(uniform_transition(2, 0.2), n=500)
    twice = np.repeat(np.arange(500), 2)
    (one, shape), (two, same) = (
        chosen(rows, params=NoiseParams())
        for rows in (each(noisy, wrong), Labelled(noisy[twice], wrong[twice], per_cluster(twice)))
    )
    assert shape == same
    np.testing.assert_allclose(one, two)


@pytest.mark.parametrize("apart", [False, True])
def test_the_likelihood_is_of_the_rows_asked_about_each_by_its_group_where_groups_differ(apart):
    """Two rows: by hand .8 x .9 + .2 x .1 of the first label, and .3 x .4 + .7 x .6 of the second where its group has noise."""
    even, more = uniform_transition(2, 0.1), uniform_transition(2, 0.4)
    expected = np.array([[0.5, 0.5], [0.8, 0.2], [0.3, 0.7]])
    found = LabelNoise(
        even, "uniform", 0.1, 0.2, expected, number=np.array([0, 1, 0]), of_group=np.stack([more, even]), apart=apart
    )  # fmt: skip
    codes, asked, weight = np.array([0, 0, 1]), np.array([1, 2]), np.array([1.0, 0.5])
    second = 0.3 * 0.4 + 0.7 * 0.6 if apart else 0.3 * 0.1 + 0.7 * 0.9
    by_hand = np.log(0.8 * 0.9 + 0.2 * 0.1) + 0.5 * np.log(second)
    assert found.likelihood(codes, asked, weight=weight) == pytest.approx(by_hand)


def test_each_row_is_undone_by_its_own_even_rate():
    codes, rates = np.array([0, 2, 1, 2]), np.array([0.0, 0.1, 0.4, 0.6])
    each_apart = np.stack([undone(uniform_transition(3, rate), codes[[k]])[0] for k, rate in enumerate(rates)])
    np.testing.assert_allclose(evenly_undone(rates, codes, n_classes=3), each_apart, atol=1e-12)


@pytest.mark.parametrize("c", [2, 4])
def test_what_contradicts_the_models_on_hard_rows_is_allowed_there_and_not_on_easy_ones(c):
    """Three in ten labels of the third of the rows that the models are least sure of are wrong, none elsewhere."""
    expected, labels, _ = planted(np.eye(c), n=3000)
    hardest = expected.max(axis=1) <= np.quantile(expected.max(axis=1), 1 / 3)
    turned = labels.copy()
    rng = np.random.default_rng(1)
    for row in np.flatnonzero(hardest & (rng.random(3000) < 0.3)):
        turned[row] = rng.choice([k for k in range(c) if k != labels[row]])
    params = NoiseParams()
    right, wrong = (by_row(each(expected, given), expected, least=0.02, params=params) for given in (labels, turned))
    assert right.max() < 0.12
    assert 0.22 < wrong[hardest].max() < 0.45
    assert wrong[~hardest].max() < 0.12


def test_labels_drawn_at_random_are_at_the_limit_of_what_is_considered():
    expected, labels, _ = planted(uniform_transition(2, 0.5))
    transition, shape = chosen(each(expected, labels), params=NoiseParams())
    assert LabelNoise(transition, shape, 0.45, 0.45, expected).beyond == pytest.approx(np.ones(4000))
    expected, labels, _ = planted(uniform_transition(2, 0.3))
    transition, shape = chosen(each(expected, labels), params=NoiseParams())
    assert LabelNoise(transition, shape, 0.3, 0.45, expected).beyond == pytest.approx(np.zeros(4000))


def test_the_ends_are_the_least_the_largest_even_and_the_most_of_the_fitted_noise():
    """Of 75 % of four classes, at which even noise cannot be undone, no more than is considered is counted."""
    expected, labels = np.full((3, 4), 0.25), np.array([0, 1, 2])
    fitted, widest = uniform_transition(4, 0.2), uniform_transition(4, 0.3)
    for said, counted in ((0.25, 0.25), (0.75, 0.675)):
        noise = LabelNoise(fitted, "uniform", 0.2, said, expected, 0.5, widest=widest)
        wanted = [undone(uniform_transition(4, rate), labels) for rate in (0.1, counted, 0.3)]
        np.testing.assert_allclose(np.stack(noise.extremes(labels)), np.stack(wanted), atol=1e-12)
    assert len(LabelNoise(fitted, "uniform", 0.2, 0.25, expected).extremes(labels)) == 2  # older tables hold no widest


def test_a_family_of_hard_rows_is_one_of_them():
    """Forty copies of one hard row whose label contradicts the models, a fortieth of a piece of evidence each, change nothing
    that one such row does not; leaked rows take the rate of rows as sure as they."""
    expected, labels, _ = planted(np.eye(2), n=600, seed=2)
    params, row = NoiseParams(), int(np.argmin(expected.max(axis=1)))
    of = np.concatenate([np.arange(600), np.full(40, row)])
    turned = labels.copy()
    turned[row] = 1 - expected[row].argmax()
    known = Labelled(expected[of], turned[of], per_cluster(of))
    every = np.concatenate([expected, [[0.5, 0.5], [0.98, 0.02]]])
    found, plain = (by_row(rows, every, least=0.01, params=params) for rows in (known, each(expected, turned)))
    np.testing.assert_allclose(found, plain, atol=1e-9)
    assert plain[-2] == plain[row]
    assert plain[-1] == 0.01


def test_where_the_models_know_nothing_as_much_is_allowed_as_elsewhere():
    sure = np.concatenate([np.full(300, 0.53), np.full(300, 0.8), np.full(300, 0.98)])
    labels = (np.arange(900) % 5 >= 3).astype(np.int64)  # two in five contradict
    labels[600:] = 0
    expected = np.stack([sure, 1 - sure], axis=1)
    rates = by_row(each(expected, labels), expected, least=0.02, params=NoiseParams())
    assert rates[0] == rates[300] > 0.3
    assert rates[-1] == 0.02


def shifted(transition, shares, *, n=4000, seed=0):
    """(rows, class shares of train): test holds other shares of the classes than those that the expectation was learned with."""
    expected, _, truth = planted(np.eye(len(transition)), n=n, seed=seed)
    rng = np.random.default_rng(seed + 100)
    train = expected.mean(axis=0)
    kept = rng.random(n) < (np.asarray(shares) / train)[truth] / (np.asarray(shares) / train).max()
    labels = np.array([rng.choice(len(transition), p=transition[k]) for k in truth[kept]])
    return each(expected[kept], labels), train


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.7, 0.1, 0.1, 0.1)])
def test_other_class_shares_are_no_wrong_labels(shares):
    rows, train = shifted(np.eye(len(shares)), shares)
    assert chosen(rows, params=NoiseParams())[1] != "none"  # as if shares were those of train
    best = min(explanations(rows, train, params=NoiseParams()), key=lambda one: one.cost)
    assert (best.shape, best.moved) == ("none", True)
    assert best.ratio * train == pytest.approx(shares, abs=0.03)
    assert best.in_shares(rows.expected).mean(axis=0) == pytest.approx(shares, abs=0.03)


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_wrong_labels_beside_other_class_shares_are_both_found(rate):
    rows, train = shifted(uniform_transition(3, rate), (0.6, 0.2, 0.2))
    best = min(explanations(rows, train, params=NoiseParams()), key=lambda one: one.cost)
    assert (best.shape, best.moved) == ("uniform", True)
    assert best.ratio * train == pytest.approx((0.6, 0.2, 0.2), abs=0.04)
    assert 1 - np.diag(best.transition).mean() == pytest.approx(rate, abs=0.03)


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_labels_that_are_wrong_one_way_are_not_taken_for_other_class_shares(rate):
    transition = np.eye(3)
    transition[0] = [1 - rate, rate, 0.0]
    expected, labels, _ = planted(transition)
    best = min(explanations(each(expected, labels), expected.mean(axis=0), params=NoiseParams()), key=lambda one: one.cost)
    assert (best.shape, best.moved) == ("one_pair", False)


def test_right_labels_seldom_pass_for_other_class_shares():
    moved = []
    for seed in range(20):
        expected, labels, _ = planted(np.eye(3), n=800, seed=seed)
        found = explanations(each(expected, labels), np.full(3, 1 / 3), params=NoiseParams())
        moved.append(min(found, key=lambda one: one.cost).moved)
    assert sum(moved) <= 1


def test_the_rate_of_a_third_is_what_seven_in_ten_of_its_beta_lies_under_less_the_models_own_errors():
    sure = np.repeat([0.6, 0.8, 0.95], 60)
    labels = np.zeros(180, np.int64)
    labels[60:84] = 1  # 24 of the middle 60 contradict
    expected = np.stack([sure, 1 - sure], axis=1)
    found = by_row(each(expected, labels), expected, least=0.0, params=NoiseParams())[60]
    most, own = stats.beta.ppf(0.7, 24 + 1, 60 - 24), 0.2
    assert found == pytest.approx((most - own) / ((1 - own) - own))
    assert found < (stats.beta.ppf(0.8, 25, 36) - own) / 0.6


def test_where_no_class_tells_anything_all_are_open_however_few_rows_read_like_each():
    expected = np.full((12, 4), 0.02) + 0.92 * np.eye(4)[np.arange(12) % 4]
    limit = NoiseParams().largest(4)
    every, one = uniform_transition(4, limit), np.eye(4)
    one[2] = uniform_transition(4, limit)[2]
    assert LabelNoise(every, "uniform", limit, limit, expected).beyond == pytest.approx(np.ones(12))
    assert LabelNoise(one, "by_class", limit, limit, expected).beyond == pytest.approx(np.zeros(12))
