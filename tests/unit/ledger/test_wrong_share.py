"""What a review says of the share of wrong labels, against the truth of made-up test sets and against its own design."""

import numpy as np
import pytest
from tests.unit.ledger.answer_world import world
from tests.unit.ledger.made_up_world import account, made

from veridical.ledger.review import STRATA
from veridical.ledger.wrong_share import wrong_share as share_of

SIZES = np.array([60, 60, 60, 120, 150, 150])
ASKED = np.array([20, 15, 15, 15, 15, 20])
SHARES = {"many": (0.6, 0.4, 0.3, 0.1, 0.03, 0.02), "few": (0.15, 0.05, 0.05, 0.01, 0.0, 0.0), "none": (0.0,) * 6}


def share(stratum, *, cluster=None, **read):
    each = np.arange(len(stratum)) if cluster is None else cluster
    return share_of(stratum, cluster=each, n_strata=len(STRATA), **read)


def drawn(rng, shares):
    """(stratum, seen, wrong) of a test set whose strata hold these shares of wrong labels and were read at these numbers."""
    stratum = np.repeat(np.arange(6), SIZES)
    wrong = rng.random(len(stratum)) < np.array(shares)[stratum]
    seen = np.zeros(len(stratum), bool)
    for h, n in enumerate(ASKED):
        seen[rng.choice(np.flatnonzero(stratum == h), n, replace=False)] = True
    return stratum, seen, wrong


@pytest.mark.parametrize("kind", SHARES)
def test_it_is_right_on_average_and_its_interval_holds_the_share(kind):
    rng, off, inside = np.random.default_rng(0), [], 0
    for _ in range(200):
        stratum, seen, wrong = drawn(rng, SHARES[kind])
        found = share(stratum, seen=seen, unsure=np.zeros(600, bool), wrong=wrong)
        off.append(found.value - wrong.mean())
        inside += found.low <= wrong.mean() <= found.high
    assert inside >= 184  # of 200, were it 95 %: fewer come once in 25 times
    assert abs(np.mean(off)) <= 3 * np.std(off) / np.sqrt(200)
    assert kind == "none" or np.std(off) > 0


def test_what_is_read_more_often_does_not_count_for_more():
    stratum, seen, wrong = drawn(np.random.default_rng(1), SHARES["many"])
    found = share(stratum, seen=seen, unsure=np.zeros(600, bool), wrong=wrong)
    chance = (ASKED / SIZES)[stratum]
    assert found.value == pytest.approx((wrong[seen] / chance[seen]).sum() / 600)
    assert found.value < wrong[seen].mean() - 0.05  # the doubtful strata are read more


def test_all_read_leaves_no_doubt_none_wrong_leaves_some_and_unsure_widens():
    stratum, seen, wrong = drawn(np.random.default_rng(2), SHARES["many"])
    every, no = np.ones(600, bool), np.zeros(600, bool)
    whole = share(stratum, seen=every, unsure=no, wrong=wrong)
    assert (whole.low, whole.value, whole.high) == pytest.approx((wrong.mean(),) * 3, abs=1e-12)
    spotless = share(stratum, seen=seen, unsure=no, wrong=no)
    assert (spotless.value, spotless.low) == (0.0, 0.0)
    assert spotless.high > 0.005
    part = share(stratum, seen=seen, unsure=no, wrong=wrong)
    asked = share(stratum, seen=seen, unsure=~seen & (np.arange(600) % 9 == 0), wrong=wrong)
    assert asked.width > part.width


def test_rows_of_one_family_make_the_share_of_these_rows_no_less_sure():
    """Sixty families of ten rows that share their answer: the share is of these rows, which were drawn one by one."""
    rng, inside, no = np.random.default_rng(5), 0, np.zeros(600, bool)
    stratum, family = np.repeat(np.arange(6), SIZES), np.arange(600) // 10
    for _ in range(200):
        wrong, seen = (rng.random(60) < 0.2)[family], np.zeros(600, bool)
        for h, n in enumerate(ASKED):
            seen[rng.choice(np.flatnonzero(stratum == h), n, replace=False)] = True
        apart, together = (share(stratum, seen=seen, unsure=no, wrong=wrong, cluster=of) for of in (np.arange(600), family))
        assert (apart.value, apart.low, apart.high, apart.n) == (together.value, together.low, together.high, 100)
        assert together.n_clusters == len(np.unique(family[seen])) < 60 < apart.n_clusters
        inside += together.low <= wrong.mean() <= together.high
    assert 180 <= inside <= 198  # of 200, were it 95 %: fewer or more come once in 500 times


def rate_of(ledger):
    (noise,) = [component for component in ledger.components if component.name == "noise"]
    return noise.details, noise.why


def test_the_account_of_tags_says_the_share_with_its_interval():
    one = world(3)
    review = one.review(one.drawn(120))
    details, why = rate_of(one.account(review))
    found = review.wrong_share
    assert (details["rate"], details["rate_low"], details["rate_high"]) == (found.value, found.low, found.high)
    actual = np.mean([given != right for given, right in zip(one.gold, one.right, strict=True)])
    assert found.low <= actual <= found.high
    assert f"{100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}] of all test rows" in why


def test_the_account_of_labels_says_the_share_of_its_review_and_not_of_its_noise_model():
    """Every row read: the share is the one of these rows, to the last digit, without any interval."""
    one = made(seed=3, flipped=0.15)
    given = dict(zip(one.data.ids, one.data.table.column("label").to_pylist(), strict=True))
    read = {row: label for row, label in one.right.items() if row.startswith("b")}
    details, _ = rate_of(account(one, answers=read))
    actual = np.mean([given[row] != label for row, label in read.items()])
    assert details["rate"] == details["rate_low"] == details["rate_high"] == pytest.approx(actual, abs=1e-12)
    some = dict(list(read.items())[:100])
    details, _ = rate_of(account(one, answers=some))
    assert details["rate_low"] < details["rate"] < details["rate_high"]
