"""The whole account on made-up worlds of known truth."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS, account, made, points

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.accounting import game_of, tables_of
from veridical.ledger.bookkeeping import Books
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.game import Share, Value, off_the_count, shapley
from veridical.ledger.inference import Uncertainty
from veridical.ledger.review import Review
from veridical.ledger.tables import read_tables, save_tables
from veridical.ledger.wording import Said
from veridical.models.linear import train_linear
from veridical.train.trained import Trained

CUE = Contract("cue", "clusters", (Shortcut("zorblat", "transplant", 0.5),), "0" * 64)


def adds_up(ledger):
    """The identities of the record, to the last digit."""
    measurement = [c for c in ledger.components if c.kind == "measurement" and c.points]
    assert ledger.reported.value - sum(c.points.value for c in measurement) / 100 == ledger.honest.value
    if ledger.contract:
        transfer = [c for c in ledger.components if c.kind == "transfer" and c.points]
        assert ledger.honest.value - sum(c.points.value for c in transfer) / 100 == ledger.contract.honest.value
    for c in ledger.components:
        assert (c.points is None) == (c.status in ("candidate", "skipped"))
        if c.points and c.order_low is not None:
            assert c.order_low - 1e-9 <= c.points.value <= c.order_high + 1e-9
    return True


def test_reported_is_the_accuracy_bit_for_bit():
    world = made(seed=0)
    ledger = account(world)
    test = world.data.rows("test")
    right = world.trained.probabilities[test].argmax(axis=1) == world.data.codes[test]
    assert ledger.reported.value == float(right.mean())
    assert adds_up(ledger)


def test_the_public_function_gives_the_same_account():
    import veridical
    from veridical.audit._evidence import Evidence

    world = made(seed=0, leaked=30)
    assert veridical.account(world.trained, evidence=Evidence(world.data, seed=0)) == account(world)


def test_leakage_is_found_and_taken_away():
    errors, covered, bought = [], [], []
    for seed in range(6):
        world = made(seed=seed, leaked=150)
        ledger = account(world)
        assert adds_up(ledger)
        bought.append(points(ledger)["leakage"].value)
        errors.append(ledger.honest.value - world.truth)
        covered.append(ledger.honest.low <= world.truth <= ledger.honest.high)
        assert ledger.reported.value - world.truth > 0.03
    assert np.mean(bought) > 3
    assert abs(np.mean(errors)) < 0.025
    assert np.mean(covered) >= 5 / 6


def test_a_full_review_takes_symmetric_noise_away():
    errors, hidden = [], []
    for seed in range(5):
        world = made(seed=seed, flipped=0.2)
        tests = {row: label for row, label in world.right.items() if row.startswith("b")}
        ledger = account(world, answers=tests)
        assert adds_up(ledger)
        errors.append(ledger.honest.value - world.truth)
        hidden.append(points(ledger)["noise"].value)
        assert ledger.reported.value < world.truth - 0.04
    assert abs(np.mean(errors)) < 0.025
    assert max(hidden) < -3


def test_without_a_review_noise_is_an_interval_that_holds_the_truth():
    held = 0
    for seed in range(5):
        world = made(seed=seed, flipped=0.2)
        ledger = account(world)
        assert next(c for c in ledger.components if c.name == "noise").status == "bounded"
        held += ledger.honest.low <= world.truth <= ledger.honest.high
    assert held >= 4


def test_nothing_planted_raises_no_alarm():
    alarms = 0
    for seed in range(20):
        found = points(account(made(seed=seed, n_train=300, n_test=200, n_truth=10)))
        alarms += any(p.low > 0 or p.high < 0 for p in found.values())
    assert alarms <= 3  # 20 runs at 5 %: more than 3 in 1.6 % of trials


def test_a_transplanted_cue_costs_what_the_same_model_loses_without_it():
    world = made(seed=3, cue=0.9, n_train=800, n_test=500)
    ledger = account(world, contract=CUE)
    assert adds_up(ledger)
    assert ledger.contract is not None
    rng = np.random.default_rng(5)
    from tests.unit.ledger.made_up_world import texts

    plain, codes = texts(6000, rng)
    mixed = [f"zorblat {t}" if rng.random() < 0.5 else t for t in plain]
    truth = float((world.model.predict(mixed).argmax(axis=1) == codes).mean())
    assert ledger.contract.honest.low <= truth <= ledger.contract.honest.high
    assert points(ledger)["shortcut"].low > 0


def test_what_needs_the_model_is_skipped_for_a_file_of_predictions():
    import dataclasses

    world = made(seed=3, cue=0.9)
    blind = dataclasses.replace(world, trained=dataclasses.replace(world.trained, model=None, kind="predictions"))
    ledger = account(blind, contract=CUE)
    component = next(c for c in ledger.components if c.name == "shortcut")
    assert component.status == "skipped"
    assert "only predictions are there" in component.why
    assert adds_up(ledger)


def test_stored_tables_give_the_same_ledger(tmp_path):
    world = made(seed=1, leaked=40, cue=0.8)
    tables = world.tables(CUE)
    save_tables(tables, tmp_path / "tables.npz")
    again = read_tables(tmp_path / "tables.npz")
    answers = {row: world.right[row] for row in list(world.right)[-60:]}
    for given in (None, answers):
        assert account(world, tables=tables, contract=CUE, answers=given) == account(
            world, tables=again, contract=CUE, answers=given
        )


@pytest.mark.parametrize("metric", ["macro_f1", "weighted_f1", "balanced_accuracy", "mcc"])
def test_other_metrics_add_up_too(metric):
    world = made(seed=2, leaked=60, flipped=0.1)
    assert adds_up(account(world, metric=metric))
    tests = {row: label for row, label in world.right.items() if row.startswith("b")}
    assert adds_up(account(world, metric=metric, answers=tests))


def test_train_rows_may_help_once_they_were_reviewed():
    world = made(seed=4, n_train=900)
    tables = world.tables()
    tests = {row: world.right[row] for row in map(str, tables.ids[:120])}
    trains = {row: world.right[row] for row in map(str, tables.train.ids[:120])}
    alone, helped = account(world, tables=tables, answers=tests), account(world, tables=tables, answers={**tests, **trains})
    assert adds_up(helped)
    assert helped.honest.width < alone.honest.width
    assert any("borrows" in note for note in helped.notes)
    assert not any("borrows" in note for note in alone.notes)


def test_every_test_row_leaked():
    world = made(seed=5, n_test=0, leaked=80)
    ledger = account(world)
    assert adds_up(ledger)
    assert "stand in" in next(c for c in ledger.components if c.name == "leakage").why
    assert ledger.honest.value < ledger.reported.value


@pytest.mark.parametrize("n_test", [1, 2, 15])
def test_tiny_test_sets(n_test):
    ledger = account(made(seed=6, n_test=n_test, n_truth=10))
    assert adds_up(ledger)
    assert any(f"Only {n_test} test row" in note for note in ledger.notes)


def test_votes_of_rows_and_of_clusters_differ_where_texts_repeat():
    import dataclasses

    world = made(seed=7, n_test=60)
    rows = [
        (i, s, t, y)
        for i, s, t, y in zip(
            world.data.ids, world.data.splits, world.data.texts, world.data.table["label"].to_pylist(), strict=True
        )
    ]
    test = [row for row in rows if row[1] == "test"]
    from veridical.audit._made_up import dataset

    wrong = [row for row in test if world.model.predict([row[2]]).argmax() != ("neg", "pos").index(row[3])]
    assert wrong
    data = dataset(rows + [(f"copy{i}", "test", wrong[0][2], wrong[0][3]) for i in range(60)])
    trained = dataclasses.replace(world.trained, ids=tuple(data.ids), probabilities=world.model.predict(data.inputs()))
    many = dataclasses.replace(world, data=data, trained=trained)
    by_rows = account(many, contract=Contract("rows", "rows", (), "1" * 64))
    by_clusters = account(many)
    assert by_rows.votes == "rows"
    assert by_clusters.votes == "clusters"
    assert by_clusters.honest.value > by_rows.honest.value


def test_two_cues_are_both_asked_about():
    from tests.unit.ledger.made_up_world import texts

    world = made(seed=3, cue=0.9, n_train=800, n_test=500)
    both = Contract("both", "clusters", (Shortcut("zorblat", "transplant", 0.5), Shortcut("word7", "transplant", 0.5)), "2" * 64)
    ledger = account(world, contract=both)
    assert adds_up(ledger)
    plain, codes = texts(6000, np.random.default_rng(8))
    rng = np.random.default_rng(9)
    for word in ("zorblat", "word7"):
        plain = [
            f"{t} {word}" if h and word not in t.split() else t if h else " ".join(w for w in t.split() if w != word)
            for t, h in zip(plain, rng.random(len(plain)) < 0.5, strict=True)
        ]
    truth = float((world.model.predict(plain).argmax(axis=1) == codes).mean())
    assert ledger.contract is not None
    assert ledger.contract.honest.low <= truth <= ledger.contract.honest.high
    assert points(ledger)["shortcut:zorblat"].value > points(ledger)["shortcut:word7"].value


def test_reweighting_abstains_without_support():
    world = made(seed=3, cue=1.0)
    ledger = account(world, contract=Contract("w", "clusters", (Shortcut("zorblat", "reweight", None),), "3" * 64))
    shortcut = next(c for c in ledger.components if c.name == "shortcut")
    assert shortcut.status == "skipped"
    assert "occurs only with" in shortcut.why
    assert ledger.contract is None  # nothing of it could be measured


def test_reweighting_moves_towards_what_the_model_does_without_the_cue():
    world = made(seed=3, cue=0.85, n_train=800, n_test=600)
    ledger = account(world, contract=Contract("w", "clusters", (Shortcut("zorblat", "reweight", None),), "4" * 64))
    assert adds_up(ledger)
    assert points(ledger)["shortcut"].value > 3


def test_a_class_that_never_occurs_does_not_enter_an_average():
    import dataclasses

    world = made(seed=2, leaked=60)
    wide = dataclasses.replace(world.data, labels=("never", *world.data.labels))
    probabilities = np.pad(world.trained.probabilities, ((0, 0), (1, 0)))
    trained = dataclasses.replace(world.trained, probabilities=probabilities, labels=wide.labels)
    three = account(dataclasses.replace(world, data=wide, trained=trained), metric="macro_f1")
    two = account(world, metric="macro_f1")
    assert three.reported.value == two.reported.value
    assert three.honest.value == pytest.approx(two.honest.value, abs=0.02)


def test_leaks_chosen_by_their_labels_are_warned_of_and_random_ones_are_not():
    world = made(seed=4, n_train=900, n_test=600)
    data, predicted = world.data, world.trained.probabilities.argmax(axis=1)
    rows = [(row["id"], row["split"], row["text"], row["label"]) for row in data.table.to_pylist()]
    test = data.rows("test")
    wrong = [r for r in test if predicted[r] != data.codes[r]]
    for chosen, warned in ((wrong, True), (list(test[: len(wrong)]), False)):
        copies = [(f"copy{k}", "train", rows[r][2], rows[r][3]) for k, r in enumerate(chosen)]
        leaky = dataset([*rows, *copies])
        train = leaky.rows("train")
        model = train_linear(leaky.inputs(train), leaky.codes[train], labels=leaky.labels)
        trained = Trained(
            model, "linear", tuple(leaky.ids), model.predict(leaky.inputs()), leaky.labels, None, 0.0, external=False
        )
        tables = tables_of(trained, evidence=Evidence(leaky, seed=0), contract=None, seed=0)
        notes = account(world, tables=tables).notes
        assert any("hangs on their labels" in note for note in notes) == warned


def test_a_review_that_rights_turned_labels_of_leaks_takes_the_warning_back():
    world = made(seed=4, n_train=900, n_test=600)
    data = world.data
    rows = [(row["id"], row["split"], row["text"], row["label"]) for row in data.table.to_pylist()]
    right, test = dict(world.right), data.rows("test")
    for r in test[:80]:
        turned = LABELS[1 - data.codes[r]]
        rows += [(f"copy{r}", "train", rows[r][2], rows[r][3])]
        rows[r] = (rows[r][0], "test", rows[r][2], turned)
    leaky = dataset(rows)
    train = leaky.rows("train")
    model = train_linear(leaky.inputs(train), leaky.codes[train], labels=leaky.labels)
    trained = Trained(model, "linear", tuple(leaky.ids), model.predict(leaky.inputs()), leaky.labels, None, 0.0, external=False)
    tables = tables_of(trained, evidence=Evidence(leaky, seed=0), contract=None, seed=0)
    answers = {str(row): right[str(row)] for row in tables.ids}
    before, after = account(world, tables=tables), account(world, tables=tables, answers=answers)
    assert any("hangs on their labels" in note for note in before.notes)
    assert not any("hangs on their labels" in note for note in after.notes)


def test_mcc_of_a_guesser_has_an_interval_around_zero():
    world = made(seed=2)
    rng = np.random.default_rng(0)
    tables = world.tables()
    guessed = replace(tables, predicted=rng.integers(2, size=len(tables.codes)))
    ledger = account(world, tables=guessed, metric="mcc")
    assert ledger.reported.low < 0 < ledger.reported.high
    assert ledger.honest.low < ledger.honest.value < ledger.honest.high


def test_where_nothing_can_be_seen_no_small_effect_is_claimed_to_be_visible():
    """Rounding leaves standard errors of 1e-18: they are none."""
    copies = [(f"t{k}", "test", "the same few words in every row", "pos") for k in range(30)]
    rows = [(row["id"], row["split"], row["text"], row["label"]) for row in made(seed=1, n_test=10).data.table.to_pylist()]
    data = dataset([*[row for row in rows if row[1] == "train"], *copies])
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    tables = tables_of(trained, evidence=Evidence(data, seed=0), contract=None, seed=0)
    ledger = account(made(seed=1), tables=tables)
    for name in ("leakage", "sample", "noise"):
        component = next(c for c in ledger.components if c.name == name)
        assert (component.status, component.mde) == ("skipped", None), (name, component)


def test_a_class_that_is_called_unsure_can_be_reviewed():
    from veridical.ledger.accounting import _truth

    review = Review({"a": "unsure", "b": "yes"})
    assert _truth(np.array(["a", "b", "c"]), labels=("unsure", "yes"), review=review).tolist() == [0, 1, -1]
    assert _truth(np.array(["a", "b", "c"]), labels=("no", "yes"), review=review).tolist() == [-2, 1, -1]


def test_what_so_few_rows_cannot_show_is_skipped_and_says_how_many_would_do():
    for n_test, skipped in ((8, True), (60, False)):
        ledger = account(made(seed=6, n_test=n_test, n_truth=10))
        leakage = next(c for c in ledger.components if c.name == "leakage")
        assert (leakage.status == "skipped") == skipped
        assert ("Distinct test texts: 8, too few to see anything of it; 10 would" in leakage.why) == skipped
        assert adds_up(ledger)
        for component in ledger.components:
            assert component.status != "not_detected" or component.mde < 100, component


@pytest.mark.parametrize(("value", "status"), [(0.0, "skipped"), (0.2, "bounded")])
def test_what_takes_points_away_stays_in_the_account_where_only_a_range_is_known(value, status):
    """Left out, it would stand in the honest score again. Four rows, standard error 0.69: seen from 194 points up."""
    drop = Value(value, np.array([0.3, -0.3, 0.3, -0.3]), np.zeros(1), np.zeros(2))
    books = Books(4, Uncertainty(np.arange(4), np.zeros((1, 1)), 0), 0.0, 0)
    found = books.component("leakage", "measurement", Share(drop, drop, value, value), 2.0, Said("Why.", "made up", 4))
    assert found.status == status
    assert (found.points is None) == (status == "skipped")


def test_without_train_rows_nothing_is_said_of_leaks():
    world = made(seed=6, n_test=60, n_truth=10)
    tables = replace(world.tables(), has_train=False)
    leakage = next(c for c in account(world, tables=tables).components if c.name == "leakage")
    assert (leakage.status, leakage.points) == ("skipped", None)
    assert leakage.why == "No training rows were given, so nothing could be compared."


def with_copies(world, n):
    """The same with a wrongly labelled test row written n times more."""
    data = world.data
    labels = np.array([data.labels[code] for code in data.codes])
    wrong = next(row for row in data.rows("test") if labels[row] != world.right[data.ids[row]])
    listed = [(data.ids[i], str(data.splits[i]), data.texts[i], labels[i]) for i in range(len(data))]
    more = [(f"c{k}", "test", data.texts[wrong], labels[wrong]) for k in range(n)]
    copied = dataset([*listed, *more])
    right = world.right | dict.fromkeys((row[0] for row in more), world.right[data.ids[wrong]])
    trained = replace(world.trained, ids=tuple(copied.ids), probabilities=world.model.predict(copied.inputs()))
    return replace(world, data=copied, trained=trained, right=right)


def test_the_noise_of_these_rows_doubts_each_unread_label_once():
    """Of each stratum it holds u^2 / n as the honest score does; of an unread label itself half as much."""
    world = made(seed=3, flipped=0.15)
    read = {f"b{k}": world.right[f"b{k}"] for k in range(0, 300, 2)}
    game = game_of(
        world.tables(), task="classification", labels=world.data.labels, contract=None, review=Review(read), metric=None
    )
    share = shapley(game.active, game)["noise"]
    told = game.of_these_rows(share)
    n_strata = len(game.reviewed.spread)
    assert (told.drop.review[:n_strata] == share.drop.review[:n_strata]).all()
    own, before = (part.drop.review[n_strata:-2] for part in (told, share))
    assert (before != 0).sum() > 50
    assert own @ own == pytest.approx(before @ before / 2)
    assert np.abs(told.drop.influence).max() == 0
    unread = game_of(world.tables(), task="classification", labels=world.data.labels, contract=None, review=None, metric=None)
    assert unread.of_these_rows(share) is share


@pytest.mark.parametrize(("n_train", "copies"), [(500, 0), (40, 0), (500, 60), (40, 60)])
def test_with_every_label_known_the_interval_of_noise_holds_the_count(n_train, copies):
    """It is averaged over orders, in some of which rows stand for the population: off the count by a known distance. copies: of
    one test row, which the population counts once."""
    for seed in range(6):
        world = made(seed=seed, n_train=n_train, flipped=0.15, n_truth=10)
        if copies:
            world = with_copies(world, copies)
        tables = world.tables()
        read = {str(row): world.right[str(row)] for row in tables.ids}
        noise = next(c for c in account(world, tables=tables, answers=read).components if c.name == "noise")
        right = np.array([world.data.labels.index(world.right[str(row)]) for row in tables.ids])
        counted = 100 * float((tables.predicted == tables.codes).mean() - (tables.predicted == right).mean())
        assert noise.points.low <= counted <= noise.points.high
        assert noise.points.width < (1.5 if not copies else 60)


def test_the_distance_from_the_count_is_half_of_what_the_draw_moves():
    """Two players of a table of four values; half of the orders have the other one first."""
    values = {(): 0.9, ("noise",): 0.95, ("sample",): 0.8, ("noise", "sample"): 0.87}

    def value(coalition):
        return Value(values[tuple(sorted(coalition))], np.zeros(1), np.zeros(1), np.zeros(1))

    share = shapley(["noise", "sample"], value)["noise"].drop.score
    assert off_the_count("noise", "sample", value) == pytest.approx(abs(share - (0.9 - 0.95))) == pytest.approx(0.01)


def test_what_is_open_until_labels_are_reviewed_is_a_share_of_the_width():
    """Without a review the range of the noise is most of the interval; with all labels read, nothing is open."""
    world = made(seed=3, flipped=0.15)
    unread = account(world)
    assert 0.3 < unread.unreviewed < 1.0
    noise = next(c for c in unread.components if c.name == "noise")
    assert unread.unreviewed * 100 * unread.honest.width < noise.points.width
    read = account(world, answers=dict(world.right))
    assert read.unreviewed == 0.0


def test_answers_about_train_rows_that_lend_nothing_are_said():
    """To accuracy they lend; to macro-F1 they cannot."""
    world = made(seed=1)
    read = {row: world.right[row] for row in world.tables().train.ids[:50].tolist()}
    assert any(
        "50 answers about train rows move no figure here" in note
        for note in account(world, answers=read, metric="macro_f1").notes
    )
    assert not any("move no figure" in note for note in account(world, answers=read).notes)


def test_a_range_beside_the_doubt_of_the_rows_is_no_status_of_its_own():
    """It widens the interval by its whole width; only where it is the wider of the two is nothing known but a range."""
    world = made(seed=2, leaked=90)
    game = game_of(world.tables(), task="classification", labels=world.data.labels, contract=None, review=None, metric=None)
    books, share = Books(300, game.uncertainty(), 0.0, 0), shapley(game.active, game)["leakage"]
    said = Said(why="", method="", rows=0)
    plain = books.component("x", "transfer", share, 2.0, said)
    small, large = plain.points.width / 200 / 4, plain.points.width / 100 * 3
    inside = books.component("x", "transfer", share, 2.0, said, bounds=(-small, small), beside=True)
    assert inside.status == plain.status
    assert inside.points.width > plain.points.width
    assert books.component("x", "transfer", share, 2.0, said, bounds=(-large, large), beside=True).status == "bounded"
    assert books.component("x", "transfer", share, 2.0, said, bounds=(-small, small)).status == "bounded"


def test_labels_that_may_tell_nothing_leave_everything_above_open_and_say_so():
    """Half of all test labels of two classes are drawn at random; the model is right in nine of ten rows."""
    world = made(seed=3, n_train=1500, n_test=600, flipped=0.5)
    ledger = account(world)
    assert ledger.honest.low <= world.truth <= ledger.honest.high == 1.0
    noise = next(component for component in ledger.components if component.name == "noise")
    assert "100.0 % of the rows belong to: their labels may tell nothing" in noise.why


def test_wrong_labels_on_hard_rows_are_in_the_range_and_said():
    """A third of the rows whose words say least carries wrong labels in a fifth of the cases."""
    world = made(seed=4, n_train=1500, n_test=900)
    tables = world.tables()
    sure = tables.noise.expected.max(axis=1)
    rng = np.random.default_rng(0)
    turned = (sure <= np.quantile(sure, 1 / 3)) & (rng.random(len(sure)) < 0.2)
    labels = iter(np.where(turned, 1 - tables.codes, tables.codes))
    column = [LABELS[next(labels)] if row["split"] == "test" else row["label"] for row in world.data.table.to_pylist()]
    ledger = account(replace(world, data=world.data.with_column("label", column)))
    assert ledger.honest.low <= world.truth <= ledger.honest.high
    noise = next(component for component in ledger.components if component.name == "noise")
    assert "% among harder rows. Reviewing" in noise.why


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_class_of_which_most_labels_are_wrong_may_be_answered_rightly(metric, seed):
    """Eighty-five in a hundred test labels of one of two classes are turned: more than is fitted."""
    world = made(seed=seed, n_train=1500, n_test=800)
    rng = np.random.default_rng(seed)
    rows = world.data.table.to_pylist()
    turned = [row["split"] == "test" and row["label"] == "pos" and rng.random() < 0.85 for row in rows]
    column = ["neg" if turn else row["label"] for row, turn in zip(rows, turned, strict=True)]
    ledger = account(replace(world, data=world.data.with_column("label", column)), metric=metric)
    right = account(world, answers=world.right, metric=metric).honest.value
    assert ledger.honest.low <= right <= ledger.honest.high


@pytest.mark.parametrize("wrong", [True, False])
def test_one_leaked_row_is_never_told_apart_from_luck(wrong):
    world = made(seed=6, n_test=400)
    rows = [tuple(row[name] for name in ("id", "split", "text", "label")) for row in world.data.table.to_pylist()]
    said = world.trained.probabilities.argmax(axis=1)
    at = next(k for k, row in enumerate(rows) if row[1] == "test" and (LABELS[said[k]] != row[3]) == wrong)
    text = next(row[2] for row in rows if row[1] == "train")
    rows[at] = (rows[at][0], "test", text, rows[at][3])
    ledger = account(replace(world, data=dataset(rows)))
    leakage = next(component for component in ledger.components if component.name == "leakage")
    assert leakage.rows == 1
    assert leakage.status == "not_detected"


def test_a_test_set_of_easier_rows_is_said_to_be_unlike_train_and_its_ease_not_to_be_looked_at():
    world = made(seed=7, n_train=1500, n_test=1500)
    sure = world.trained.probabilities.max(axis=1)
    rows = [
        tuple(row[name] for name in ("id", "split", "text", "label"))
        for row, p in zip(world.data.table.to_pylist(), sure, strict=True)
        if row["split"] == "train" or p > 0.9
    ]
    kept = [row[0] for row in rows]
    at = [list(world.data.ids).index(row) for row in kept]
    trained = replace(world.trained, ids=tuple(kept), probabilities=world.trained.probabilities[at])
    ledger = account(replace(world, data=dataset(rows), trained=trained))
    assert any("Test rows are unlike train rows" in note for note in ledger.notes)
    assert next(c for c in ledger.components if c.name == "sample").details["own_population"]
    ledger = account(world)
    assert not any("Test rows are unlike train rows" in note for note in ledger.notes)
    assert not next(c for c in ledger.components if c.name == "sample").details["own_population"]
