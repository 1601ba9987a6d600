"""Known differences, equal models, tests that hold their level on families of rows, and order under label noise."""

from dataclasses import replace
from functools import partial
from math import log, sqrt

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from veridical.core.multiplicity import holm
from veridical.ledger.ballots import Ballots
from veridical.ledger.population import Population, PopulationParams
from veridical.tasks._confusion_metrics import accuracy, macro_f1, mcc
from veridical.verify.comparison import compare, discordance, ranks, selection
from veridical.verify.label_draws import DrawParams, under_review, under_transition
from veridical.verify.paired_terms import Rows, drawn_scores, honest_terms, reported_terms, softened

PARAMS = DrawParams()


def rows(codes, *predicted, clusters=None, metric=accuracy, n_classes=2):
    codes = np.asarray(codes)
    alone = np.arange(len(codes))
    return Rows(codes, np.stack([np.asarray(p) for p in predicted]), alone if clusters is None else clusters, n_classes, metric)


def turned(codes, wrong):
    """Predictions that are right but for the rows in `wrong`."""
    out = np.array(codes)
    out[list(wrong)] = 1 - out[list(wrong)]
    return out


def uniform(rate):
    return np.array([[1 - rate, rate], [rate, 1 - rate]])


def noisy(rng, codes, right, size):
    """Right in a share `right` of the rows, whole families of `size` rows together as hard."""
    hard = np.repeat(rng.beta(8 * right, 8 * (1 - right), len(codes) // size), size)
    return np.where(rng.random(len(codes)) < hard, codes, 1 - codes)


def test_a_difference_by_hand():
    codes = np.zeros(20, int)
    found = compare(rows(codes, turned(codes, range(6)), turned(codes, [])))
    (pair,) = found.pairs
    assert pair.reported.points.value == pytest.approx(30.0)  # 70 -> 100
    assert pair.reported.p == 2 / 2**6  # six rows differ, all one way: two of 64 sign patterns reach it
    assert pair.discordance == discordance(rows(codes, turned(codes, range(6)), codes), 0, 1)
    assert (pair.discordance.first_only, pair.discordance.second_only) == (0, 6)
    assert pair.discordance.p == pytest.approx(0.03125)
    assert pair.discordance.independent
    assert pair.reported.told
    assert found.terms == "reported"
    assert found.honest is None
    assert pair.honest is None
    assert [e.value for e in found.reported] == [0.7, 1.0]


def test_the_order_of_runs_turns_the_sign_only():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 200)
    a, b = noisy(rng, codes, 0.8, 1), noisy(rng, codes, 0.9, 1)
    (one,), (other,) = compare(rows(codes, a, b)).pairs, compare(rows(codes, b, a)).pairs
    assert one.reported.points.value == -other.reported.points.value
    assert one.reported.p == other.reported.p
    assert one.reported.points.low == pytest.approx(-other.reported.points.high, abs=1e-9)


def test_macro_f1_is_scikit_learns():
    rng = np.random.default_rng(1)
    codes = rng.choice(4, 300, p=[0.6, 0.2, 0.15, 0.05])
    a, b = (np.where(rng.random(300) < share, codes, rng.integers(0, 4, 300)) for share in (0.7, 0.8))
    (pair,) = compare(rows(codes, a, b, metric=macro_f1, n_classes=5)).pairs
    expected = f1_score(codes, b, average="macro") - f1_score(codes, a, average="macro")
    assert pair.reported.points.value == pytest.approx(100 * expected, abs=1e-9)
    assert pair.reported.points.low < 100 * expected < pair.reported.points.high


@pytest.mark.parametrize("metric", [accuracy, macro_f1, mcc])
def test_equal_models_cannot_be_told_apart_and_say_what_could_be_seen(metric):
    codes = np.random.default_rng(2).integers(0, 2, 300)
    same = turned(codes, range(30))
    found = compare(rows(codes, same, same.copy(), metric=metric), margin=1.5)
    (pair,) = found.pairs
    assert pair.reported.p == pair.reported.p_holm == 1.0
    assert not pair.reported.told
    assert pair.reported.points.value == 0.0
    assert (pair.reported.points.low, pair.reported.points.high) == pytest.approx((-1.0, 1.0))  # rule of three: 3 / 300
    assert pair.reported.mde == pytest.approx(100 * 2.8016**2 / 300, rel=1e-3)  # about 8 rows, all one way
    assert found.ranks == ((0.5, 0.5), (0.5, 0.5))
    assert found.selection.optimism == pytest.approx(0.0, abs=1e-9)
    assert pair.non_inferiority.verdict == "both"  # 1.5 points lie beyond what 300 rows could hide
    assert pair.non_inferiority.p_second == pytest.approx(2 * (1 - 0.015) ** 300)
    assert compare(rows(codes, same, same.copy()), margin=0.5).pairs[0].non_inferiority.verdict == "neither"


def test_type_one_error_on_families_holds_and_the_independent_test_fails():
    rng = np.random.default_rng(3)
    families, size, sims = 40, 5, 400
    clusters = np.repeat(np.arange(families), size)
    clustered, independent, mcnemar = 0, 0, 0
    for _ in range(sims):
        codes = np.zeros(families * size, int)
        world = rows(codes, noisy(rng, codes, 0.7, size), noisy(rng, codes, 0.7, size), clusters=clusters)
        clustered += reported_terms(world).p(0, 1, rng) <= 0.05
        independent += reported_terms(replace(world, clusters=np.arange(len(codes)))).p(0, 1, rng) <= 0.05
        mcnemar += discordance(world, 0, 1).p <= 0.05
    low, high = stats.binom.ppf([0.001, 0.999], sims, 0.05)
    assert low <= clustered <= high, clustered
    assert independent > high, independent
    assert mcnemar > high, mcnemar


def test_intervals_cover_and_bands_cover_together():
    rng = np.random.default_rng(4)
    families, size, sims = 60, 4, 120
    clusters = np.repeat(np.arange(families), size)
    alone, together, false = 0, 0, 0
    for seed in range(sims):
        codes = np.zeros(families * size, int)
        found = compare(rows(codes, *(noisy(rng, codes, r, size) for r in (0.7, 0.8, 0.8)), clusters=clusters), seed=seed)
        truth = {(0, 1): 10.0, (0, 2): 10.0, (1, 2): 0.0}
        alone += sum(p.reported.points.low <= truth[p.first, p.second] <= p.reported.points.high for p in found.pairs)
        together += all(p.reported.band.low <= truth[p.first, p.second] <= p.reported.band.high for p in found.pairs)
        false += found.pairs[2].reported.told
    assert alone / (3 * sims) >= 0.92
    assert together >= stats.binom.ppf(0.001, sims, 0.95)
    assert false <= stats.binom.ppf(0.999, sims, 0.05)


def test_holm_over_all_pairs_and_bands_wider_than_intervals():
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 2, 300)
    found = compare(rows(codes, *(noisy(rng, codes, r, 1) for r in (0.7, 0.75, 0.8, 0.9))))
    assert [(p.first, p.second) for p in found.pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert [p.reported.p_holm for p in found.pairs] == pytest.approx(holm([p.reported.p for p in found.pairs]))
    for pair in found.pairs:
        assert pair.reported.band.low <= pair.reported.points.low
        assert pair.reported.band.high >= pair.reported.points.high
        assert pair.reported.told == (pair.reported.p_holm <= 0.05 and not pair.reported.band.low <= 0 <= pair.reported.band.high)
    one = compare(rows(codes, *(noisy(rng, codes, r, 1) for r in (0.7, 0.9)))).pairs[0]
    assert one.reported.p == one.reported.p_holm


def test_what_is_not_told_has_zero_in_its_band_even_where_few_rows_differ():
    codes = np.zeros(200, int)
    (pair,) = compare(rows(codes, turned(codes, range(5)), codes)).pairs
    assert pair.reported.p == 2 / 2**5
    assert not pair.reported.told
    assert pair.reported.points.low <= 0


def test_same_seed_same_answer_and_row_order_does_not_matter():
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 2, 150)
    clusters = np.repeat(np.arange(75), 2)
    a, b = noisy(rng, codes, 0.8, 1), noisy(rng, codes, 0.85, 1)
    one = compare(rows(codes, a, b, clusters=clusters), transitions=[np.eye(2), np.eye(2), uniform(0.05)], seed=3)
    again = compare(rows(codes, a, b, clusters=clusters), transitions=[np.eye(2), np.eye(2), uniform(0.05)], seed=3)
    order = rng.permutation(150)
    moved = compare(rows(codes[order], a[order], b[order], clusters=clusters[order]), seed=3)
    assert one == again
    assert moved.pairs[0].reported == one.pairs[0].reported


def test_the_smallest_visible_effect_is_seen_four_times_in_five():
    rng, n, sims = np.random.default_rng(17), 800, 120

    def one(effect):
        """Run b turns 5 % of the rows that a gets right, and as many of the others plus the effect."""
        codes, chance = np.zeros(n, int), rng.random(n)
        a = (rng.random(n) >= 0.8).astype(int)
        b = np.where(a == 0, chance < 0.05, chance >= (0.04 + effect) / 0.2).astype(int)
        return compare(rows(codes, a, b)).pairs[0].reported

    effect = np.mean([one(0.0).mde for _ in range(10)])
    power = np.mean([one(effect / 100).told for _ in range(sims)])
    assert stats.binom.ppf(0.001, sims, 0.8) / sims <= power <= stats.binom.ppf(0.999, sims, 0.8) / sims


def test_non_inferiority_has_a_direction():
    rng = np.random.default_rng(7)
    codes = np.zeros(2000, int)
    worse, better = noisy(rng, codes, 0.80, 1), noisy(rng, codes, 0.86, 1)
    (pair,) = compare(rows(codes, worse, better), margin=2.0).pairs
    assert pair.non_inferiority.verdict == "second"
    (turned_round,) = compare(rows(codes, better, worse), margin=2.0).pairs
    assert turned_round.non_inferiority.verdict == "first"
    assert compare(rows(codes, worse, better)).pairs[0].non_inferiority is None
    p = pair.non_inferiority
    assert p.p_first == pytest.approx(stats.t.sf((-6 + 2) / (pair.reported.mde / 2.8016), 1999), abs=0.15)


def test_ranks_by_hand():
    drawn = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.8], [0.7, 0.9, 0.8], [0.5, 0.5, 0.5]])
    found = np.array(ranks(drawn))
    third = 1 / 3
    expected = [[(2 + third) / 4, third / 4, (1 + third) / 4], [(1 + third) / 4, (1.5 + third) / 4, (0.5 + third) / 4]]
    assert found[:2] == pytest.approx(np.array(expected))
    assert found.sum(axis=0) == pytest.approx(np.ones(3))
    assert found.sum(axis=1) == pytest.approx(np.ones(3))


def test_optimism_of_choosing_the_best_by_hand():
    scores, drawn = np.array([0.8, 0.7]), np.array([[0.9, 0.6], [0.7, 0.8]])
    found = selection(scores, drawn, looks=5)
    assert found.optimism == pytest.approx(100 * (0.1 + 0.1) / 2)  # first draw: run 0 is 0.1 too high; second: run 1 is
    sigma = np.std([-0.3, 0.1]) / sqrt(2)
    assert found.bound == pytest.approx(100 * sigma * sqrt(2 * log(2)))
    assert found.bound_looks == pytest.approx(100 * sigma * sqrt(2 * log(5)))
    assert (found.best, found.k, found.looks) == (0, 2, 5)
    assert selection(scores, drawn, looks=1).looks == 2  # those compared are looks in any case


def test_optimism_is_near_the_truth_for_models_that_are_equally_good():
    """The best of four equal models on 200 rows stands about 1.03 sigma too high."""
    rng = np.random.default_rng(8)
    codes, real, estimated, bound = np.zeros(200, int), [], [], []
    for seed in range(60):
        found = compare(rows(codes, *(noisy(rng, codes, 0.8, 1) for _ in range(4))), seed=seed).selection
        estimated.append(found.optimism)
        bound.append(found.bound)
    for _ in range(2000):
        real.append(100 * (rng.binomial(200, 0.8, 4).max() / 200 - 0.8))
    assert 0.4 * np.mean(real) < np.mean(estimated) < 1.1 * np.mean(real)  # it errs low: chance spread counts as real
    assert np.mean(bound) > np.mean(real)


def test_who_is_wrong_follows_from_both_sides_of_a_disagreement():
    """Where A says 1 and B says 0, 70 labels are 1 and 30 are 0; at 10 % noise 75 truths are 1: a fourth of the 0s are wrong."""
    codes = np.array([1] * 70 + [0] * 30)
    found = under_transition(
        uniform(0.1), codes=codes, predicted=np.stack([np.ones(100, int), np.zeros(100, int)]), source="fitted"
    )
    assert found.wrong[:70] == pytest.approx(25 * 0.1 / 70, abs=1e-3)
    assert found.wrong[70:] == pytest.approx(75 * 0.1 / 30, abs=1e-3)
    rng = np.random.default_rng(9)
    drawn = [found.draw(rng) for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.01)
    noiseless = under_transition(np.eye(2), codes=codes, predicted=np.stack([codes, codes]), source="fitted")
    assert np.array_equal(noiseless.draw(rng), codes)
    assert noiseless.rate == 0.0


def test_noise_hides_a_difference_and_drawn_labels_give_it_back():
    rng = np.random.default_rng(10)
    truth = rng.integers(0, 2, 20_000)
    a, b = noisy(rng, truth, 0.8, 1), noisy(rng, truth, 0.86, 1)
    codes = np.where(rng.random(len(truth)) < 0.15, 1 - truth, truth)
    world = rows(codes, a, b)
    real = np.mean(b == truth) - np.mean(a == truth)
    seen = np.mean(b == codes) - np.mean(a == codes)
    assert seen == pytest.approx(0.7 * real, abs=0.01)
    found = under_transition(uniform(0.15), codes=codes, predicted=world.predicted, source="fitted")
    drawn = drawn_scores(world, np.full(len(codes), 1 / len(codes)), [found.draw(rng) for _ in range(40)])
    assert np.mean(drawn[:, 1] - drawn[:, 0]) == pytest.approx(real, abs=0.01)
    assert found.rate == pytest.approx(0.15, abs=0.01)


def test_order_is_stable_where_the_lead_is_large_and_not_where_it_is_one_row():
    rng = np.random.default_rng(11)
    codes = rng.integers(0, 2, 400)
    noise = [np.eye(2), np.eye(2), uniform(0.1)]
    wide = compare(rows(codes, turned(codes, range(160)), turned(codes, range(160, 200))), transitions=noise)
    assert [s.noise for s in wide.stability] == ["largest"]
    assert wide.stability[0].order_kept == wide.stability[0].best_kept == 1.0
    wrong_a, wrong_b = rng.permutation(400)[:101], rng.permutation(400)[:100]
    close = compare(rows(codes, turned(codes, wrong_a), turned(codes, wrong_b)), transitions=noise)
    assert 0.4 < close.stability[0].order_kept < 0.95
    assert sum(close.stability[0].best) == pytest.approx(1.0)
    assert compare(rows(codes, codes, turned(codes, range(9))), transitions=[np.eye(2)] * 3).stability == ()


def test_the_largest_noise_lets_no_score_exceed_one():
    codes = np.random.default_rng(13).integers(0, 2, 300)
    near_perfect = turned(codes, range(3))
    found = compare(rows(codes, near_perfect, turned(codes, range(20))), transitions=[np.eye(2), np.eye(2), uniform(0.4)])
    assert found.stability[0].rate <= 0.05


def test_a_review_fixes_what_was_read_and_carries_its_rate_to_the_rest():
    rng = np.random.default_rng(12)
    truth = rng.integers(0, 2, 6000)
    codes = np.where(rng.random(6000) < 0.1, 1 - truth, truth)
    a, b = noisy(rng, truth, 0.75, 1), noisy(rng, truth, 0.9, 1)
    read = rng.random(6000) < 0.15
    strata = (a == codes).astype(np.int64)
    made = under_review(
        codes=codes, predicted=np.stack([a, b]), truth=np.where(read, truth, -1), strata=strata,
        expected=np.full((6000, 2), 0.5),
    )  # fmt: skip
    assert np.array_equal(made.labels[read].argmax(axis=1), truth[read])
    assert np.array_equal(made.draw(rng)[read], truth[read])
    assert made.rate == pytest.approx(0.1, abs=0.02)
    real = np.mean(b == truth) - np.mean(a == truth)
    scores = [made.labels[np.arange(6000), p].mean() for p in (a, b)]
    naive = np.mean(b == codes) - np.mean(a == codes)
    assert abs(scores[1] - scores[0] - real) < abs(naive - real)
    assert scores[1] - scores[0] == pytest.approx(real, abs=0.015)


def test_a_review_by_group_reads_the_same_of_groups_that_are_alike():
    """Each row twice, once in either group: the prior counts for as many rows of a stratum as without groups."""
    rng = np.random.default_rng(5)
    truth = np.tile(rng.integers(0, 2, 200), 2)
    codes, said = turned(truth, [*range(30), *range(200, 230)]), np.tile(rng.integers(0, 2, 200), 2)
    read, group, kinds = np.tile(rng.random(200) < 0.3, 2), np.arange(400) // 200, (said == codes).astype(np.int64)
    asked = partial(
        under_review, codes=codes, predicted=np.stack([said, said]), truth=np.where(read, truth, -1),
        expected=np.full((400, 2), 0.5),
    )  # fmt: skip
    whole, by_group = asked(strata=kinds), asked(strata=kinds + 8 * group, kinds=kinds)
    assert by_group.labels == pytest.approx(whole.labels, abs=1e-12)
    assert len(by_group.spread) == 2 * len(whole.spread)
    apart = asked(strata=kinds + 8 * group, kinds=kinds, truth=np.where(read, np.where(group == 1, codes, truth), -1))
    assert apart.wrong[~read & (group == 0)].mean() > 2 * apart.wrong[~read & (group == 1)].mean()


def test_a_review_counts_unsure_as_half_and_blank_as_nothing():
    codes = np.zeros(100, int)
    predicted = np.stack([codes, turned(codes, range(50))])
    blank = np.full(100, -1)
    unsure = np.where(np.arange(100) < 40, -2, -1)
    made = [
        under_review(codes=codes, predicted=predicted, truth=t, strata=np.zeros(100, int), expected=np.full((100, 2), 0.5))
        for t in (blank, unsure)
    ]
    assert made[0].rate == pytest.approx(PARAMS.prior_rate)
    assert made[1].wrong[0] > 0.4


def test_rows_read_of_families_are_one_answer_and_of_documents_as_many_as_they_are_unlike():
    """Twenty clusters of thirty rows with one vote each; a fifth of the labels is wrong, by rows or by clusters."""
    rng, cluster = np.random.default_rng(3), np.arange(600) % 20
    read, said, spread = rng.random(600) < 0.3, rng.integers(0, 2, 600), {}
    for kind, wrong in (("even", rng.random(600) < 0.2), ("by cluster", (np.arange(20) % 5 == 0)[cluster])):
        codes = np.where(wrong, 1, 0)
        for what, ballots in (("alone", None), ("together", Ballots(np.full(600, 1 / 30), cluster))):
            found = under_review(
                codes=codes, predicted=np.stack([said, said]), truth=np.where(read, 0, -1), strata=np.zeros(600, int),
                expected=np.full((600, 2), 0.5), ballots=ballots,
            )  # fmt: skip
            spread[kind, what] = float(np.linalg.norm(found.spread))
    assert spread["even", "together"] < 1.3 * spread["even", "alone"]
    assert spread["by cluster", "together"] > 1.3 * spread["by cluster", "alone"]


def test_a_p_value_softened_by_what_its_permutation_does_not_know():
    assert softened(0.03, 1.0, by_error=0.5) == 0.03
    assert softened(0.03, 0.5, by_error=1e-9) == pytest.approx(2 * stats.norm.cdf(stats.norm.ppf(0.015) / 2))
    assert softened(1.0, 0.5, by_error=0.5) == 1.0
    assert softened(0.001, 0.5, by_error=1e-9) == 0.001  # of 1,999 permutations none reached it
    assert softened(0.001, 0.5, by_error=0.02) == 0.02
    assert softened(0.001, 0.5, by_error=0.9) == pytest.approx(2 * stats.norm.cdf(stats.norm.ppf(0.0005) / 2))


@pytest.mark.parametrize("metric", [accuracy, macro_f1])
def test_a_large_difference_is_told_although_most_of_its_error_is_the_review_s(metric):
    """Thirty points between two runs, of which forty of 800 labels were read."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, 800)
    codes, read = turned(truth, rng.permutation(800)[:200]), np.isin(np.arange(800), rng.permutation(800)[:40])
    world = replace(rows(codes, noisy(rng, truth, 0.6, 1), noisy(rng, truth, 0.95, 1), metric=metric), people=everyone(800))
    reviewed = under_review(
        codes=codes, predicted=world.predicted, truth=np.where(read, truth, -1), strata=np.zeros(800, int),
        expected=np.full((800, 2), 0.5),
    )  # fmt: skip
    terms = honest_terms(world, reviewed)
    error = terms.draws(rng) @ [-1, 1]
    assert terms.review_share(0, 1, float(error.std())) < 0.55
    found = compare(world, transitions=[np.eye(2)] * 3, reviewed=reviewed).pairs[0].honest
    assert found.points.value > 3 * 100 * error.std()
    assert found.told
    assert found.points.low > 0


def everyone(n):
    """A population of n rows of their own, all alike."""
    return Population(
        rows=np.arange(n), cluster=np.arange(n), leaked=np.zeros(n, bool), basis=np.ones((n, 1)), vote=np.full(n, 1 / n),
        target=np.ones(1), target_covariance=np.zeros((1, 1)), includes_train=False, n_clusters=n, shift_p=1.0,
        params=PopulationParams(),
    )  # fmt: skip


def leaky_world(rng, n=400, *, size=2):
    """Two equally good models on families of rows; run 1 has seen about 30 % of the families, the easier ones more often, and
    gets these all right. Difficulty is described by x, as the population's mean is."""
    families = n // size
    x = np.repeat(rng.normal(size=families), size)
    clusters, codes = np.repeat(np.arange(families), size), np.repeat(rng.integers(0, 2, families), size)
    chance = 1 / (1 + np.exp(-1.5 - x))
    seen = np.repeat(rng.random(families) < 0.6 / (1 + np.exp(-2 * x[::size])), size)
    right = [rng.random(n) < chance, (rng.random(n) < chance) | seen]
    many = 4 * families
    people = Population(
        rows=np.arange(n), cluster=clusters, leaked=seen, basis=np.column_stack([np.ones(n), x, x**2 - 1]),
        vote=np.full(n, 1 / n),
        target=np.array([1.0, rng.normal() / sqrt(many), rng.normal() * sqrt(2 / many)]),
        target_covariance=np.diag([0, 1 / many, 2 / many]), includes_train=True, n_clusters=many, shift_p=1.0,
        params=PopulationParams(),
    )  # fmt: skip
    predicted = np.stack([np.where(r, codes, 1 - codes) for r in right])
    return Rows(codes, predicted, clusters, 2, accuracy, people)


def test_rows_one_run_has_seen_do_not_decide_an_honest_comparison():
    rng, sims = np.random.default_rng(14), 60
    pairs = [compare(leaky_world(rng), seed=seed).pairs[0] for seed in range(sims)]
    covered = sum(p.honest.points.low <= 0 <= p.honest.points.high for p in pairs)
    assert covered >= stats.binom.ppf(0.001, sims, 0.95)
    assert sum(p.honest.told for p in pairs) <= stats.binom.ppf(0.999, sims, 0.05)
    assert abs(np.mean([p.honest.points.value for p in pairs])) < 1.0
    assert np.mean([p.reported.points.value for p in pairs]) > 3.0  # what leakage makes of two equal models
    assert sum(p.reported.told for p in pairs) > stats.binom.ppf(0.999, sims, 0.05)


def test_too_few_unseen_rows_give_no_honest_comparison():
    world = leaky_world(np.random.default_rng(15))
    seen = np.ones(len(world.codes), bool)
    seen[:8] = False
    found = compare(replace(world, people=replace(world.people, leaked=seen)))
    assert (found.terms, found.honest, found.pairs[0].honest) == ("reported", None, None)


@pytest.mark.parametrize("metric", [accuracy, macro_f1])
def test_the_normal_limit_of_many_families_agrees_with_resampling(monkeypatch, metric):
    world = replace(leaky_world(np.random.default_rng(16), 1200), metric=metric)
    terms = [
        reported_terms(world),
        honest_terms(world, under_transition(np.eye(2), codes=world.codes, predicted=world.predicted, source="fitted")),
    ]
    exact = [t.draws(np.random.default_rng(0)) for t in terms]
    monkeypatch.setattr("veridical.verify.paired_terms.MANY_CLUSTERS", 100)
    limit = [t.draws(np.random.default_rng(0)) for t in terms]
    for a, b in zip(exact, limit, strict=True):
        assert not np.array_equal(a, b)
        assert np.std(b[:, 1] - b[:, 0]) == pytest.approx(np.std(a[:, 1] - a[:, 0]), rel=0.08)
        assert b.mean(axis=0) == pytest.approx(a.mean(axis=0), abs=0.003)


def test_mcnemar_is_that_of_statsmodels():
    from statsmodels.stats.contingency_tables import mcnemar

    rng = np.random.default_rng(18)
    for _ in range(50):
        codes = rng.integers(0, 3, rng.integers(2, 60))
        a, b = (rng.integers(0, 3, len(codes)) for _ in range(2))
        right_a, right_b = a == codes, b == codes
        table = np.array([[np.sum((right_a == x) & (right_b == y)) for y in (True, False)] for x in (True, False)])
        found = discordance(rows(codes, a, b, n_classes=3), 0, 1)
        assert (found.first_only, found.second_only) == (table[0, 1], table[1, 0])
        assert found.p == pytest.approx(float(mcnemar(table, exact=True).pvalue))


def test_what_label_noise_may_hide_is_inside_the_honest_interval():
    """Even noise of 10 % shrinks every difference of accuracies to 80 %: without a review the unshrunk one is possible."""
    world = leaky_world(np.random.default_rng(19), 1200)
    world = replace(
        world, predicted=np.stack([world.predicted[0], np.where(np.arange(1200) % 7 < 5, world.codes, 1 - world.codes)])
    )
    plain = compare(world).pairs[0].honest
    bounded = compare(world, transitions=[np.eye(2), np.eye(2), uniform(0.1)]).pairs[0].honest
    assert bounded.points.value == plain.points.value
    possible = plain.points.value / 0.8
    assert bounded.points.low <= possible <= bounded.points.high
    assert bounded.points.high - bounded.points.low > plain.points.high - plain.points.low
    assert compare(world, transitions=[np.eye(2), np.eye(2), uniform(0.1)]).pairs[0].reported == compare(world).pairs[0].reported
    fitted = compare(world, transitions=[uniform(0.1), np.eye(2), uniform(0.15)])
    assert fitted.pairs[0].honest.points.value == pytest.approx(possible, rel=1e-6)
    assert [s.noise for s in fitted.stability] == ["fitted", "largest"]


def test_where_test_and_band_disagree_nothing_is_told_and_the_record_says_which_would():
    codes = np.zeros(200, int)
    (pair,) = compare(rows(codes, turned(codes, range(5)), codes)).pairs
    found = pair.reported
    assert found.p_holm == 2 / 2**5  # five rows differ, all one way: no sign pattern is rarer
    assert 1.96 * 100 * sqrt(0.025 * 0.975 / 200) < 2.5  # by the normal interval 0 is left out
    assert (found.told, found.conflict) == (False, "band")
    assert found.band.low <= 0.0  # and the band shown is widened to it


def test_labels_that_may_be_wrong_are_the_reason_where_only_the_test_rejects():
    """B gains 100 rows of the second class and loses 60 of the first. If a share of the first were given as the second, those it
    loses would count for more: the whole lead may be the labels'."""
    codes = np.repeat([0, 1], 400)
    a = turned(codes, [*range(60), *range(400, 560)])
    b = turned(codes, [*range(120), *range(500, 560)])
    world = replace(rows(codes, a, b), people=everyone(800))
    plain = compare(world, transitions=[np.eye(2)] * 3).pairs[0].honest
    assert plain.told
    assert plain.conflict == ""
    one_sided = np.array([[0.7, 0.3], [0.0, 1.0]])
    found = compare(world, transitions=[np.eye(2), np.eye(2), one_sided]).pairs[0].honest
    assert found.p_holm <= 0.05
    assert found.band.low <= 0 <= found.band.high
    assert (found.told, found.conflict) == (False, "labels")
    assert found.mde > plain.mde  # and the smallest visible effect grows by what labels may hide


def test_a_record_never_contradicts_itself_without_saying_so():
    rng = np.random.default_rng(21)
    for seed in range(30):
        codes = np.zeros(60, int)
        world = rows(codes, *(noisy(rng, codes, r, 3) for r in (0.7, 0.8, 0.9)), clusters=np.repeat(np.arange(20), 3))
        for pair in compare(world, seed=seed).pairs:
            found = pair.reported
            rejected, apart = found.p_holm <= 0.05, found.band.low > 0 or found.band.high < 0
            assert found.told == (rejected and apart)
            assert found.told or not rejected or found.conflict in ("test", "labels")
            assert found.told or abs(found.points.value) < found.mde or found.conflict
