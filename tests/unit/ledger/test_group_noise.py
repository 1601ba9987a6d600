"""Wrong labels in one group and not in the others: told apart from a group that is harder, and from nothing at all."""

from dataclasses import replace

import numpy as np
import pytest

from veridical.ledger.group_noise import MOST_UNDONE, Rows, _blur_of, _duller, _told_apart, _undoable, by_group
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.noise_range import held_possible
from veridical.ledger.noise_shapes import NoiseParams as Params
from veridical.ledger.noise_shapes import chosen, undone, uniform_transition


def drawn(rng, n, *, harder=1.0, rate=0.0, c=3):
    """(expected, labels) of one group: labels follow the expectation to the power `harder`, and a share `rate` is wrong."""
    expected = rng.dirichlet(np.full(c, 0.25), size=n)
    expected = 0.98 * expected + 0.02 / c
    true = expected**harder
    true = true / true.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(c, p=row) for row in true])
    return expected, np.array([rng.choice(c, p=uniform_transition(c, rate)[k]) for k in truth])


def together(parts):
    """Rows of several groups, each a cluster of its own."""
    expected, codes, _, group = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Rows.told(expected, codes, np.arange(len(codes)), group)


def world(seed, *, north, south, n=500):
    """north, south: settings of the test rows; train rows are as hard as these and rightly labelled."""
    rng, parts = np.random.default_rng(seed), {"test": [], "train": []}
    for name, settings in (("north", north), ("south", south)):
        for split, size in (("test", n), ("train", 3 * n)):
            rate = settings.get("rate", 0.0) if split == "test" else 0.0
            expected, codes = drawn(rng, size, harder=settings.get("harder", 1.0), rate=rate)
            parts[split].append((expected, codes, np.arange(size), np.full(size, name)))
    test, train = (together(parts[split]) for split in ("test", "train"))
    transition, shape = chosen(test, params=Params())
    return LabelNoise(transition, shape, 0.0, 0.05, test.expected), test, train


def found(seed, *, north, south, leaked=0):
    common, test, train = world(seed, north=north, south=south)
    fresh = np.ones(len(test.codes), bool)
    fresh[:leaked] = False
    return by_group(common, test=test, fresh=fresh, train=train), test


def test_noise_in_one_group_is_found_there():
    noise, test = found(0, north={"rate": 0.25}, south={}, leaked=50)
    rates = (1 - np.diagonal(noise.of_group, axis1=1, axis2=2)).mean(axis=1)
    by_name = dict(zip(noise.names.tolist(), rates.tolist(), strict=False))
    assert noise.apart
    assert by_name["north"] == pytest.approx(0.25, abs=0.05)
    assert by_name["south"] == pytest.approx(0.0, abs=0.03)
    assert noise.rate == pytest.approx(0.125, abs=0.03)
    inside = test.group == "north"
    undone = noise.inverted(test.codes)
    assert undone[inside].sum(axis=1) == pytest.approx(1.0)
    wrong = 1 - noise.truth(test.codes)[np.arange(len(test.codes)), test.codes]
    assert wrong[inside].mean() == pytest.approx(0.25, abs=0.05)
    assert wrong[~inside].mean() < 0.03


def test_each_group_moves_within_its_own_range():
    noise, test = found(1, north={"rate": 0.25}, south={})
    k = len(noise.names)
    assert len(list(noise.group_extremes(test.codes))) == k + 1
    for place, pair in enumerate(noise.group_extremes(test.codes)):
        for labels in pair:
            same = np.isclose(labels, noise.inverted(test.codes)).all(axis=1)
            assert same[noise.number != place].all()
    least, largest = noise.extremes(test.codes)
    north = noise.number[np.flatnonzero(test.group == "north")[0]]
    rows = noise.number == north
    own = [labels[rows, test.codes[rows]].mean() for labels in (least, noise.inverted(test.codes), largest)]
    assert own[0] <= own[1] <= own[2]  # undoing more noise puts more weight on the label, and less than none on others


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "north", [{}, {"harder": 0.6}, {"harder": 1.6}], ids=["like the other", "harder than said", "easier than said"]
)
def test_a_harder_group_is_no_noisier(north, seed):
    noise, _ = found(seed, north=north, south={})
    assert not noise.apart


def test_right_labels_leave_little_to_move():
    """A few wrong ones in one group would not be seen."""
    noise, _ = found(6, north={}, south={})
    assert not noise.apart
    low, high = (1 - np.diagonal(noise.reach_of, axis1=2, axis2=3)).mean(axis=2)[:2, :2].T
    assert (low == 0).all()
    assert (high < 0.06).all()


def test_without_a_yardstick_each_group_has_what_its_easiest_rows_contradict():
    """Train labels of another population say nothing of these."""
    common, test, _ = world(0, north={"rate": 0.3}, south={})
    noise = by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=None)
    assert not noise.apart
    most = dict(zip(noise.names.tolist(), noise.range_of[:, 1].tolist(), strict=False))
    assert most["north"] > 0.2
    assert most["south"] < 0.1
    np.testing.assert_array_equal(noise.inverted(test.codes), undone(noise.transition, test.codes))


def test_noise_that_all_share_is_common_and_may_differ_as_far_as_each_group_allows():
    noise, test = found(2, north={"rate": 0.2}, south={"rate": 0.2})
    assert not noise.apart
    np.testing.assert_array_equal(noise.inverted(test.codes), undone(noise.transition, test.codes))
    low, high = (1 - np.diagonal(noise.reach_of, axis1=2, axis2=3)).mean(axis=2)[:2, :2].T
    assert (low < 0.2).all()
    assert (high > 0.2).all()
    assert (high - low < 0.15).all()


def test_a_group_without_noise_beside_one_with_some_may_have_a_little():
    """Not seen is not the same as not there."""
    noise, _ = found(0, north={"rate": 0.25}, south={})
    low, high = (1 - np.diagonal(noise.reach_of[noise.names.tolist().index("south")], axis1=1, axis2=2)).mean(axis=1)[:2]
    assert low == pytest.approx(0.0, abs=1e-9)
    assert 0 < high < 0.06


def test_equal_noise_of_an_uneven_shape_is_common():
    """Each class partly mislabelled as its neighbour, in ten groups alike: a group's own fit finds another shape by chance."""
    rates, apart = (0.05, 0.15, 0.25), 0
    transition = np.eye(4)
    for k in range(4):
        transition[k, k] -= rates[k % 3]
        transition[k, (k + 1) % 4] += rates[k % 3]
    for seed in range(4):
        rng, parts = np.random.default_rng(seed), {"test": [], "train": []}
        for number in range(10):
            for split, size in (("test", 300), ("train", 900)):
                expected, truth = drawn(rng, size, c=4)
                codes = truth if split == "train" else np.array([rng.choice(4, p=transition[k]) for k in truth])
                parts[split].append((expected, codes, np.arange(size), np.full(size, f"g{number}")))
        test, train = (together(parts[split]) for split in ("test", "train"))
        fitted, shape = chosen(test, params=Params())
        common = LabelNoise(fitted, shape, 0.1, 0.05, test.expected)
        apart += by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=train).apart
    assert apart == 0


@pytest.mark.parametrize("seed", [0, 2])
def test_what_is_wrong_in_a_harder_group_goes_by_its_own_calibration(seed):
    """Hardness must not pass for wrong labels; by the expectation of all groups it would be 0.29 to 0.32."""
    noise, test = found(seed, north={"rate": 0.25, "harder": 0.6}, south={})
    assert noise.apart
    inside = test.group == "north"
    wrong = 1 - noise.truth(test.codes)[np.arange(len(test.codes)), test.codes]
    assert wrong[inside].mean() == pytest.approx(0.25, abs=0.04)


@pytest.mark.parametrize("power", [0.6, 1.0, 1.5])
def test_calibration_finds_the_power_to_which_a_groups_labels_follow_the_expectation(power):
    rng = np.random.default_rng(11)
    learned, codes = drawn(rng, 6000, harder=power)
    train = Rows.told(learned, codes, np.arange(6000), np.full(6000, "north"))
    expected, unread = drawn(rng, 200)
    test = Rows.told(expected, unread, np.arange(200), np.full(200, "north"))
    names, calibrated = _told_apart(test, fresh=np.ones(200, bool), train=train, floor=0.0)
    right = expected**power / (expected**power).sum(axis=1, keepdims=True)
    assert names == ["north"]
    assert np.abs(calibrated - right).max() < 0.03
    assert np.abs(calibrated - right).mean() < 0.01


def test_groups_of_few_train_rows_are_not_told_apart():
    common, test, train = world(3, north={"rate": 0.3}, south={})
    few = train.of((train.group == "south") | (np.cumsum(train.group == "north") <= 60))
    noise = by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=few)
    place = noise.names.tolist().index("north")
    np.testing.assert_array_equal(noise.of_group[place], noise.of_group[-1])  # what all others share
    assert (1 - np.diag(noise.reach_of[place][1])).mean() > 0.2  # and as much as its easiest rows contradict


def test_what_is_suspected_goes_by_the_group():
    noise, test = found(4, north={"rate": 0.3}, south={})
    right = noise.suspected(test.codes, least=0.02)[np.arange(len(test.codes)), test.codes]
    assert (1 - right)[test.group == "north"].mean() > 3 * (1 - right)[test.group == "south"].mean()


def dull(seed, *, train, test, n=500, c=3):
    """Two alike groups; of the train labels a share `train` is wrong, which the expectation learned, of the test labels of north
    a share `test`. Noise found in them, and the test rows."""
    rng, parts = np.random.default_rng(seed), {"test": [], "train": []}
    for name, wrong in (("north", test), ("south", 0.0)):
        for split, size, rate in (("test", n, wrong), ("train", 3 * n, train)):
            expected, codes = drawn(rng, size, rate=rate, c=c)
            learned = expected @ uniform_transition(c, train)
            parts[split].append((learned, codes, np.arange(size), np.full(size, name)))
    known, learned = (together(parts[split]) for split in ("test", "train"))
    transition, shape = chosen(known, params=Params())
    common = LabelNoise(transition, shape, 0.0, 0.3, known.expected)
    return by_group(common, test=known, fresh=np.ones(len(known.codes), bool), train=learned), known


def most(noise, name):
    ends = noise.reach_of[noise.names.tolist().index(name)]
    return float((1 - np.diagonal(ends, axis1=1, axis2=2)).mean(axis=1).max())


@pytest.mark.parametrize("seed", range(3))
def test_where_train_labels_are_wrong_too_a_group_may_have_as_much_as_these_hide(seed):
    """A quarter of the labels of north is wrong, a fifth of all train labels: north looks right by what train says of it."""
    noise, _ = dull(seed, train=0.2, test=0.25)
    assert most(noise, "north") >= 0.25
    assert most(noise, "south") < 0.08


def alike_in_both(seed, *, rate, harder=1.0, n=400):
    """Two groups, of north a share `rate` of the labels wrong in train and in test alike, of which the models learned nothing."""
    rng, parts = np.random.default_rng(seed), {"test": [], "train": []}
    for name, wrong, power in (("north", rate, harder), ("south", 0.0, 1.0)):
        for split, size in (("test", n), ("train", n)):
            expected, codes = drawn(rng, size, rate=wrong, harder=power)
            parts[split].append((expected, codes, np.arange(size), np.full(size, name)))
    known, learned = (together(parts[split]) for split in ("test", "train"))
    transition, shape = chosen(known, params=Params())
    common = LabelNoise(transition, shape, 0.0, 0.3, known.expected)
    return by_group(common, test=known, fresh=np.ones(len(known.codes), bool), train=learned)


@pytest.mark.parametrize("seed", range(3))
def test_a_group_as_wrong_in_train_as_in_test_may_be_as_wrong_as_its_train_rows_contradict(seed):
    noise = alike_in_both(seed, rate=0.3)
    assert noise.doubted.tolist() == ["north"]
    assert most(noise, "north") >= 0.27
    assert most(noise, "south") < 0.08


@pytest.mark.parametrize("rate", [0.7, 1.0])
def test_a_group_most_of_whose_labels_are_wrong_is_still_told(rate):
    noise = alike_in_both(0, rate=rate)
    assert noise.doubted.tolist() == ["north"]
    assert most(noise, "north") > 0.3


def test_many_groups_do_not_add_chances_to_be_doubted():
    """A group of fifty rows, of which the surest third contradicts the models now and then."""
    doubted = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        parts = {f"g{k}": Rows.told(*drawn(rng, 150, rate=0.1), np.arange(150), np.full(150, f"g{k}")) for k in range(12)}
        doubted.append(bool(_duller(parts, parts["g0"].of(np.zeros(150, bool)), params=Params())))
    assert np.mean(doubted) <= 0.12


def test_only_groups_that_contradict_more_are_held_to_be_as_wrong_in_train():
    rng, rates = np.random.default_rng(0), {"north": 0.3, "south": 0.05}
    test, train = (
        together([(*drawn(rng, 400, rate=rate), np.arange(400), np.full(400, name)) for name, rate in rates.items()])
        for _ in range(2)
    )
    blur, doubted = _blur_of(["north", "south"], test, fresh=np.ones(800, bool), train=train, params=Params())
    assert doubted == ["north"]
    assert blur["north"] > 0.4
    assert blur.get("south", 0.0) < 0.1


def test_groups_that_are_alike_are_hardly_ever_doubted():
    doubted = [bool(len(alike_in_both(seed, rate=0.0).doubted)) for seed in range(30)]
    assert np.mean(doubted) <= 0.1
    assert alike_in_both(0, rate=0.0, harder=0.3).doubted.tolist() == ["north"]  # which labels cannot tell from wrong ones


@pytest.mark.parametrize("seed", range(3))
def test_where_train_labels_are_right_nothing_more_is_held(seed):
    noise, _ = dull(seed, train=0.0, test=0.0)
    assert max(most(noise, "north"), most(noise, "south")) < 0.06


def test_labels_of_single_train_rows_do_not_make_train_look_wrong():
    """No model can know them, and a temperature that fits them dulls the rest; what is handed on leaves them out."""
    alarms = {"all": 0, "learnable": 0}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        (expected, codes), (learned, known) = drawn(rng, 600, c=2), drawn(rng, 150, c=2)
        expected, learned = (0.98 * np.pad(one, ((0, 0), (0, 10))) + 0.02 / 12 for one in (expected, learned))
        known[:10] = np.arange(2, 12)
        test = Rows.told(expected, codes, np.arange(600), np.full(600, "a"))
        for kind, kept in (("all", np.ones(150, bool)), ("learnable", known < 2)):
            train = Rows.told(learned, known, np.arange(150), np.full(150, "a")).of(kept)
            fresh = np.ones(600, bool)
            names, calibrated = _told_apart(test, fresh=fresh, train=train, floor=0.02)
            alarms[kind] += bool(
                _blur_of(names, replace(test, expected=calibrated), fresh=fresh, train=train, params=Params())[0]
            )
    assert alarms["learnable"] == 0
    assert alarms["all"] > 0  # what is left out does make a difference


def test_a_text_that_stands_in_every_group_is_evidence_about_each():
    """Six groups that hold the same texts (as translations do), one with a quarter of its labels wrong."""
    rng, parts = np.random.default_rng(0), {"test": [], "train": []}
    for split, size in (("test", 300), ("train", 600)):
        expected, codes = drawn(rng, size)
        for name in "abcdef":
            wrong = (rng.random(size) < 0.25) & (name == "a") & (split == "test")
            parts[split].append((expected, np.where(wrong, (codes + 1) % 3, codes), np.arange(size), np.full(size, name)))
    test, train = (Rows.told(*(np.concatenate(part) for part in zip(*parts[split], strict=True))) for split in ("test", "train"))
    transition, shape = chosen(test, params=Params())
    common = LabelNoise(transition, shape, 0.0, 0.05, test.expected)
    noise = by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=train)
    rates = (1 - np.diagonal(noise.of_group, axis1=1, axis2=2)).mean(axis=1)
    assert noise.apart
    assert rates[noise.names.tolist().index("a")] == pytest.approx(0.25, abs=0.08)
    assert test.of(test.group == "a").n == pytest.approx(300)


@pytest.mark.parametrize(("c", "rate", "kept"), [(2, 0.45, 0.3), (2, 0.25, 0.25), (4, 0.45, 0.45), (3, 0.45, 0.4)])
def test_noise_that_cannot_be_undone_is_left_to_the_range(c, rate, kept):
    """Undoing 45 % even noise of two classes multiplies what rows differ by ten times: the interval was as wide as that."""
    found = _undoable(uniform_transition(c, rate))
    assert found == pytest.approx(uniform_transition(c, kept), abs=0.003)
    assert np.ptp(np.linalg.inv(found), axis=0).max() <= MOST_UNDONE + 1e-9
    one_way = np.array([[0.55, 0.45], [0.0, 1.0]])  # multiplies by 1 / 0.55
    assert np.array_equal(_undoable(one_way), one_way)


def test_a_group_with_nearly_half_of_its_labels_wrong_is_undone_in_part_and_said_to_have_more():
    """Of two classes: 44 % wrong labels multiply what rows differ by eight times."""
    rng, parts = np.random.default_rng(3), {"test": [], "train": []}
    for name, rate in (("north", 0.44), ("south", 0.0)):
        for split, size in (("test", 600), ("train", 1800)):
            expected, codes = drawn(rng, size, rate=rate if split == "test" else 0.0, c=2)
            parts[split].append((expected, codes, np.arange(size), np.full(size, name)))
    test, train = (together(parts[split]) for split in ("test", "train"))
    transition, shape = chosen(test, params=Params())
    common = LabelNoise(transition, shape, 0.0, 0.05, test.expected)
    noise = by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=train)
    assert noise.held.tolist() == ["north"]
    assert np.ptp(noise.inverted(test.codes)) < MOST_UNDONE
    most = max(np.ptp(labels) for pair in noise.group_extremes(test.codes) for labels in pair)
    assert most > 2 * MOST_UNDONE  # what more there may be is in the range
    assert found(0, north={"rate": 0.25}, south={})[0].held.tolist() == []


def annotators(kind, *, n=170, c=4, k=6):
    """(noise by annotator, test rows, the right labels) of k annotators whose train labels are right; one turns six in ten test
    labels at random, or always answers the same."""
    rng, parts, right = np.random.default_rng(1), {"test": [], "train": []}, []
    for name in range(k):
        for split, size in (("test", n), ("train", 3 * n)):
            expected, codes = drawn(rng, size, c=c)
            given = codes
            if split == "test":
                right.append(codes)
                if name == 0:
                    given = (
                        codes * 0 if kind == "one label" else (codes + (rng.random(size) < 0.6) * rng.integers(1, c, size)) % c
                    )
            parts[split].append((expected, given, np.arange(size), np.full(size, str(name))))
    test, train = (together(parts[split]) for split in ("test", "train"))
    transition, shape = chosen(test, params=Params())
    common = LabelNoise(transition, shape, 0.0, 0.05, test.expected)
    return by_group(common, test=test, fresh=np.ones(len(test.codes), bool), train=train), test, np.concatenate(right)


@pytest.mark.parametrize("kind", ["at random", "one label"])
def test_of_an_annotator_whose_labels_tell_hardly_anything_the_texts_tell_and_the_range_reaches_the_truth(kind):
    noise, test, right = annotators(kind)
    said, inside = test.expected.argmax(axis=1), test.group == "0"
    rows, truth = np.flatnonzero(inside), float((said == right)[inside].mean())

    def scored(labels):
        return float(labels[rows, said[rows]].mean())

    assert noise.held.tolist() == ["0"]
    assert scored(noise.inverted(test.codes)) == pytest.approx(truth, abs=0.08 if kind == "at random" else 0.2)
    np.testing.assert_allclose(noise.inverted(test.codes)[inside], noise.truth(test.codes)[inside])
    ends = [scored(labels) for labels in held_possible(noise, test.codes, said)]
    assert min(ends) <= truth <= max(ends)
    assert noise.fitted_of[0].diagonal().mean() < noise.of_group[0].diagonal().mean()
    older = replace(noise, fitted_of=np.zeros((0, 0, 0)))  # undone as far as it can be
    np.testing.assert_allclose(older.inverted(test.codes)[inside], undone(noise.of_group[0], test.codes)[inside])
