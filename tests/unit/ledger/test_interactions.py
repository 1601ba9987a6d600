"""Pairwise interactions: games computed by hand, planted pairs of known size, their twins, and the error rate over many nulls."""

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS, Made, account, made, texts

from veridical.audit._made_up import dataset
from veridical.core.randomness import stream
from veridical.ledger.bookkeeping import Books
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.game import Value, interactions
from veridical.ledger.inference import Uncertainty
from veridical.models.linear import train_linear
from veridical.train.trained import Trained

PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))


def indices(players, worth):
    found = interactions(players, lambda coalition: Value(worth(coalition), np.zeros(1), np.zeros(1), np.zeros(1)))
    return {pair: value.score for pair, value in found.items()}


def by_orders(players, worth):
    """The same from its other definition: the pair as one player, the mean over all orders of what the two take together beyond
    what each takes alone at that place."""
    found = {}
    for a, b in combinations(players, 2):
        others, terms = [p for p in players if p not in (a, b)], []
        for order in permutations([*others, "both"]):
            before = frozenset(order[: order.index("both")])
            dropped = {extra: worth(before) - worth(before | set(extra)) for extra in ((a,), (b,), (a, b))}
            terms.append(dropped[a, b] - dropped[a,] - dropped[b,])
        found[a, b] = float(np.mean(terms))
    return found


def test_three_players_by_hand():
    # a and b take 0.08 more together than apart; c gives 0.03 of it back: 0.08 - 0.03 / 2, and -0.03 / 2 for the pairs with c.
    def worth(s):
        return 0.9 - 0.1 * ("a" in s) - 0.05 * ("b" in s) - 0.08 * ({"a", "b"} <= s) + 0.03 * ({"a", "b", "c"} <= s)

    found = indices(("a", "b", "c"), worth)
    assert found == pytest.approx({("a", "b"): 0.065, ("a", "c"): -0.015, ("b", "c"): -0.015})
    assert found == pytest.approx(by_orders(("a", "b", "c"), worth))
    assert indices(("a", "b", "c"), lambda s: 0.9 - 0.1 * len(s)) == pytest.approx(dict.fromkeys(PAIRS, 0.0))
    assert indices(("a",), worth) == {}


def test_random_games_of_two_to_five_players_by_all_orders():
    rng = np.random.default_rng(0)
    for k in range(2, 6):
        players, worth = tuple("abcde"[:k]), {}

        def value(s, worth=worth):
            return worth.setdefault(s, rng.random())

        assert indices(players, value) == pytest.approx(by_orders(players, value), abs=1e-12)


# Games over rows: of row i, coalition S takes sum over T in S of its parts, so that the index of a pair is a mean of parts.

GROUPS, EACH, PER_ROW = 150, 2, (0.06, 0.03)


def parts(rng, n_games, *, planted=0.0):
    """What pairs and the three together take of each row, (n_games, n, 3) and (n_games, n): -1, 0 or 1, alike within a cluster of
    EACH rows, 0 in the mean but for `planted` of the first pair."""
    clusters = rng.choice([-1.0, 0.0, 1.0], size=(n_games, GROUPS, 4), p=[PER_ROW[0], 1 - 2 * PER_ROW[0], PER_ROW[0]])
    own = rng.choice([-1.0, 0.0, 1.0], size=(n_games, GROUPS * EACH, 4), p=[PER_ROW[1], 1 - 2 * PER_ROW[1], PER_ROW[1]])
    every = clusters.repeat(EACH, axis=1) + own
    every[:, :, 0] += rng.random(every.shape[:2]) < planted
    return every[:, :, :3], every[:, :, 3]


def game_over_rows(pairs, three):
    """A game of players a, b and c from the parts of n rows; alone they take 0.1, 0.02 and nothing."""

    def value(coalition):
        taken = 0.1 * ("a" in coalition) + 0.02 * ("b" in coalition) + three * (len(coalition) == 3)
        taken = taken + sum(pairs[:, at] for at, pair in enumerate(PAIRS) if set(pair) <= coalition)
        left = 0.8 - taken * np.ones(len(three))
        return Value(float(left.mean()), (left - left.mean()) / len(left), np.zeros(1), np.zeros(2))

    return value


def books():
    cluster = np.arange(GROUPS).repeat(EACH)
    return Books(len(cluster), Uncertainty(cluster, np.zeros((1, 1)), 1), 0.0, 0)


def test_a_planted_pair_is_told_at_its_size_and_its_twin_is_not():
    for planted, told in ((0.15, [("a", "b")]), (0.0, [])):
        pairs, three = parts(np.random.default_rng(1), 1, planted=planted)
        found = books().interactions(("a", "b", "c"), game_over_rows(pairs[0], three[0]))
        assert [(one.first, one.second) for one in found] == told
        for one in found:
            assert one.points.value == pytest.approx(100 * (pairs[0, :, 0] + three[0] / 2).mean())
            assert one.points.low < 100 * planted < one.points.high
            assert (one.points.n, one.points.n_clusters, one.points.level) == (GROUPS * EACH, GROUPS, 0.95)
    assert books().interactions(("a", "b", "c"), game_over_rows(pairs[0], three[0]), untold="a") == []


def test_a_pair_with_a_player_known_within_bounds_is_not_told():
    pairs, three = parts(np.random.default_rng(1), 1, planted=0.15)
    value = game_over_rows(pairs[0], three[0])
    assert books().interactions(("a", "b", "c"), value, untold="a") == []
    assert len(books().interactions(("a", "b", "c"), value, untold="c")) == 1


def test_over_many_games_without_interaction_one_in_twenty_names_a_pair_at_most():
    n_games, checked = 8000, 40
    pairs, three = parts(np.random.default_rng(2), n_games)
    rows = pairs + three[:, :, None] / 2  # the index of each pair, row by row
    middle = rows.mean(axis=1)
    sums = (rows - middle[:, None]).reshape(n_games, GROUPS, EACH, 3).sum(axis=2) / (GROUPS * EACH)
    error = np.sqrt((sums**2).sum(axis=1) * GROUPS / (GROUPS - 1))
    largest = np.abs(middle / error).max(axis=1)
    critical, named = [], []
    for at in range(checked):
        value, own = game_over_rows(pairs[at], three[at]), books()
        named.append(bool(own.interactions(("a", "b", "c"), value)))
        index = list(interactions(("a", "b", "c"), value).values())
        assert [one.score for one in index] == pytest.approx(middle[at], abs=1e-12)
        assert [own.uncertainty.standard_error(one) for one in index] == pytest.approx(error[at], abs=1e-12)
        critical.append(own.uncertainty.simultaneous_critical(index, rng=stream(0, "interactions")))
    assert named == [bool(t > c) for t, c in zip(largest, critical, strict=False)]
    # Critical values differ by the luck of the resampling alone; each of the 40 gives a rate over all games.
    rate = float(np.mean(largest[:, None] > np.array(critical)))
    assert 0.035 < rate < 0.06, rate
    pointwise = float(np.mean(largest > own.uncertainty.critical()))
    assert pointwise > 0.08, "the band is for the three pairs together"


# Whole accounts.


def told(ledger):
    return {(one.first, one.second): one.points for one in ledger.interactions}


def reviewed(world):
    return account(world, answers={row: label for row, label in world.right.items() if row.startswith("b")})


def test_leaks_and_wrong_labels_planted_together_are_told_at_their_size():
    """With a share s of leaks, a share r of wrong labels, accuracy T on train rows and P elsewhere the index is 2 r s (T - P)."""
    held, named, errors = 0, 0, []
    for seed in range(4):
        world = made(seed=seed, n_train=400, n_test=400, leaked=400, flipped=0.3)
        rows = world.data.rows("train")
        learned = float((world.trained.probabilities[rows].argmax(axis=1) == world.data.codes[rows]).mean())
        truth = 100 * 2 * 0.3 * 0.5 * (learned - world.truth)
        found = told(reviewed(world)).get(("leakage", "noise"))
        named += found is not None
        if found is not None:
            held += found.low <= truth <= found.high
            errors.append(found.value - truth)
    assert named == held == 4
    assert abs(np.mean(errors)) < 1.5


@pytest.mark.parametrize("twin", [{"leaked": 400}, {"flipped": 0.3}, {}])
def test_either_alone_interacts_with_nothing(twin):
    for seed in range(2):
        assert not told(reviewed(made(seed=seed, n_train=400, n_test=400, **twin)))


class Led:
    """Right as the model it wraps, but that the word zorblat makes it say pos: in texts of the loud group alone, or in all."""

    kind, labels = "toy", LABELS

    def __init__(self, model, *, everywhere):
        self.model, self.everywhere = model, everywhere

    def predict(self, inputs):
        found = self.model.predict([text.replace("zorblat ", "").replace("loudly ", "") for text in inputs])
        led = np.array(["zorblat" in text and (self.everywhere or "loudly" in text) for text in inputs])
        found[led] = [0.01, 0.99]
        return found


def led_world(seed, *, everywhere, n=1500, n_truth=6000):
    """Half of the rows are of the group `loud` and say so; zorblat goes with pos in nine rows of ten. And how many points putting
    it into half of all rows instead costs each group."""
    rng = np.random.default_rng(seed)
    every, codes = texts(n + n_truth, rng)
    loud = rng.random(len(every)) < 0.5
    every = [f"loudly {text}" if said else text for text, said in zip(every, loud, strict=True)]
    cue = rng.random(len(every)) < np.where(codes == 1, 0.9, 0.1)
    held = [f"zorblat {text}" if has else text for text, has in zip(every, cue, strict=True)]
    splits = ["train" if i < 500 else "test" for i in range(n)]
    data = dataset([(f"r{i}", splits[i], held[i], LABELS[codes[i]]) for i in range(n)])
    data = data.with_column("group", ["loud" if g else "calm" for g in loud[:n]])
    data = replace(data, roles={"text": "text", "label": "label", "group": "group"})
    rows = data.rows("train")
    model = Led(train_linear(data.inputs(rows), data.codes[rows], labels=data.labels), everywhere=everywhere)
    trained = Trained(model, "toy", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    as_is, without, put = (
        model.predict(of).argmax(axis=1) == codes[n:] for of in (held[n:], every[n:], [f"zorblat {text}" for text in every[n:]])
    )
    lost = as_is - (0.5 * without + 0.5 * put)
    cost = [100 * float(lost[loud[n:] == group].mean()) for group in (True, False)]
    return Made(data, model, trained, {}, 0.0), cost


CONTRACT = Contract(
    "loud", "clusters", (Shortcut("zorblat", "transplant", 0.5),), "0" * 64, groups=(("loud", 0.95), ("calm", 0.05))
)  # fmt: skip


def test_a_word_that_leads_one_group_alone_interacts_with_the_mix_of_groups():
    for seed in range(2):
        world, (loud, calm) = led_world(seed, everywhere=False)
        assert calm == 0.0
        group = np.array(world.data.table.column("group").to_pylist())[world.data.rows("test")]
        truth = (0.95 - float((group == "loud").mean())) * (loud - calm)
        (pair,) = [one for one in account(world, contract=CONTRACT).interactions if "groups" in (one.first, one.second)]
        assert {pair.first, pair.second} == {"groups", "shortcut"}
        assert pair.points.low <= truth <= pair.points.high
        assert pair.points.low > 0


def test_a_word_that_leads_both_groups_does_not():
    for seed in range(2):
        world, (loud, calm) = led_world(seed, everywhere=True)
        assert abs(loud - calm) < 3
        assert not told(account(world, contract=CONTRACT))
