"""Groups, the target and their interactions, on made-up worlds of known truth."""

import csv
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS, Made, account, made, points, texts
from tests.unit.ledger.test_accounting import adds_up

from veridical.audit._made_up import dataset
from veridical.core.errors import InputError
from veridical.ledger.accounting import game_of
from veridical.ledger.borrowing import Borrowed
from veridical.ledger.contract import Contract, Perturbation, Shortcut, read_contract
from veridical.ledger.tables import read_tables, save_tables
from veridical.ledger.transfer import if_edits_break, no_transfer
from veridical.ledger.wording import groups
from veridical.models.linear import train_linear
from veridical.probe.perturbations import perturb
from veridical.tasks._confusion_metrics import accuracy
from veridical.train.trained import Trained


def grouped(seed, *, share=0.5, n=900, n_truth=6000):
    """Group `loud` turns a quarter of its labels round, group `calm` none; half of the rows are loud. truth: at `share` loud."""
    rng = np.random.default_rng(seed)
    every, codes = texts(n + n_truth, rng)
    loud = rng.random(len(every)) < 0.5
    codes = np.where(loud & (rng.random(len(every)) < 0.25), 1 - codes, codes)
    splits = ["train" if i < 600 else "test" for i in range(n)]
    listed = [(f"r{i}", splits[i], every[i], LABELS[codes[i]]) for i in range(n)]
    data = dataset(listed).with_column("group", ["loud" if g else "calm" for g in loud[:n]])
    data = replace(data, roles={"text": "text", "label": "label", "group": "group"})
    rows = data.rows("train")
    model = train_linear(data.inputs(rows), data.codes[rows], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    right = model.predict(every[n:]).argmax(axis=1) == codes[n:]
    truth = share * right[loud[n:]].mean() + (1 - share) * right[~loud[n:]].mean()
    return Made(data, model, trained, {row[0]: row[3] for row in listed}, float(truth))


def mix(share, **more):
    return Contract("mix", "clusters", (), "0" * 64, groups=(("loud", share), ("calm", 1 - share)), **more)


def test_the_contracts_mix_of_groups_is_reached():
    errors, bought, covered = [], [], 0
    for seed in range(8):
        world = grouped(seed, share=0.9)
        tests = {row: label for row, label in world.right.items() if world.data.ids.index(row) >= 600}
        ledger = account(world, contract=mix(0.9), answers=tests)
        assert adds_up(ledger)
        under = ledger.contract.honest
        errors.append(under.value - world.truth)
        covered += under.low <= world.truth <= under.high
        bought.append(points(ledger)["groups"].value)
    assert np.mean(bought) > 3
    assert abs(np.mean(errors)) < 0.02
    assert covered >= 7


def test_the_mix_as_it_is_costs_nothing():
    world = grouped(0)
    loud = float((np.array(world.data.table.column("group").to_pylist())[world.data.rows("test")] == "loud").mean())
    ledger = account(world, contract=mix(loud))
    assert abs(points(ledger)["groups"].value) < 1.0
    assert next(c for c in ledger.components if c.name == "groups").status == "not_detected"


def test_the_honest_score_is_the_same_with_and_without_a_contract():
    world = grouped(1)
    assert account(world, contract=mix(0.9)).honest == account(world).honest


class Blind:
    """Right as the model it wraps, and never sees the word zorblat."""

    kind, labels = "toy", LABELS

    def __init__(self, model):
        self.model = model

    def predict(self, inputs):
        return self.model.predict([text.replace("zorblat ", "") for text in inputs])


@pytest.mark.parametrize(("op", "rows"), [("remove", 150), ("transplant", 300)])
def test_a_declared_word_that_turns_nothing_has_a_bound(op, rows):
    """Of n rows that were asked none turned: at most 1 - 0.025 ** (1 / n) of such rows would, and so much is left open."""
    world = made(seed=4, cue=0.5)
    model = Blind(world.model)
    test = world.data.rows("test")
    trained = replace(world.trained, model=model, probabilities=model.predict(world.data.inputs()))
    contract = Contract("blind", "clusters", (Shortcut("zorblat", op, 0.5 if op == "transplant" else None),), "0" * 64)
    ledger = account(replace(world, model=model, trained=trained), contract=contract)
    (found,) = [c for c in ledger.components if c.name == "shortcut"]
    held = sum("zorblat" in world.data.texts[row] for row in test)
    asked = held if op == "remove" else len(test)
    bound = 100 * asked / len(test) * (1 - 0.025 ** (1 / asked))
    assert abs(asked - rows) < 30
    assert (found.status, found.points.value) == ("not_detected", 0.0)
    assert (found.mde, found.points.high, -found.points.low) == (pytest.approx(bound, rel=0.05),) * 3


def test_a_small_group_that_counts_for_much_is_named():
    contract = Contract("x", "clusters", (), "0" * 64, groups=(("a", 0.2), ("b", 0.4), ("c", 0.4)))
    few, many = (np.repeat([0, 1, 2, -1], [1020, 144, n, 5]) for n in (24, 36))
    assert "the luck of theirs counts with them: c (24 rows for 40 %)." in groups(contract, few).why
    assert "Few rows" not in groups(contract, many).why
    assert "Few rows" not in groups(replace(contract, groups=(("a", 0.98), ("b", 0.0), ("c", 0.02))), few).why


def test_tables_with_groups_survive_a_file(tmp_path):
    world, contract = grouped(2), mix(0.7)
    tables = world.tables(contract)
    save_tables(tables, tmp_path / "tables.npz")
    assert account(world, tables=read_tables(tmp_path / "tables.npz"), contract=contract) == account(
        world, tables=tables, contract=contract
    )


def test_a_mix_that_the_rows_cannot_carry_abstains_and_says_why():
    world = grouped(3)
    groups = np.array(world.data.table.column("group").to_pylist(), dtype=object)
    rare = np.where(np.arange(len(groups)) % 30 == 0, "rare", groups)
    world = replace(world, data=world.data.with_column("group", rare.tolist()))
    contract = replace(mix(0.5), groups=(("rare", 0.97), ("calm", 0.03)))
    component = next(c for c in account(world, contract=contract).components if c.name == "groups")
    assert component.status == "skipped"
    assert "effective rows" in component.why
    with pytest.raises(InputError, match="'absent' a share"):
        account(world, contract=replace(mix(0.5), groups=(("absent", 0.5), ("calm", 0.5))))


def mislabelled(seed, *, flipped=0.3, train_too=False, n=1400, n_train=800, n_truth=6000):
    """Both groups alike, but `flipped` of the test labels of `loud` are wrong, or of its train labels too. truth: of rows that
    are rightly labelled."""
    rng = np.random.default_rng(seed)
    every, codes = texts(n + n_truth, rng)
    loud = rng.random(len(every)) < 0.5
    splits = ["train" if i < n_train else "test" for i in range(n)]
    wrong = loud[:n] & (train_too | (np.arange(n) >= n_train)) & (rng.random(n) < flipped)
    listed = [(f"r{i}", splits[i], every[i], LABELS[1 - codes[i] if wrong[i] else codes[i]]) for i in range(n)]
    data = dataset(listed).with_column("group", ["loud" if g else "calm" for g in loud[:n]])
    data = replace(data, roles={"text": "text", "label": "label", "group": "group"})
    rows = data.rows("train")
    model = train_linear(data.inputs(rows), data.codes[rows], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    truth = float((model.predict(every[n:]).argmax(axis=1) == codes[n:]).mean())
    return Made(data, model, trained, {}, truth)


def test_wrong_labels_of_one_group_do_not_pass_for_a_harder_group():
    """Without a review; taken for a harder group they cost 8 to 11 points that are not there."""
    covered = []
    for seed in range(6):
        world = mislabelled(seed)
        ledger = account(world, contract=mix(0.9))
        part = next(c for c in ledger.components if c.name == "groups")
        assert part.status == "bounded"
        assert "Wrong labels that one group has more of" in part.why
        assert adds_up(ledger)
        under = ledger.contract.honest
        covered.append((part.points.low <= 0 <= part.points.high, under.low <= world.truth <= under.high))
    assert (np.sum(covered, axis=0) >= 5).all()


def test_labels_as_wrong_in_train_as_in_test_do_not_pass_for_a_harder_group():
    """No labels tell which: taken for a harder group they cost 12 points that are not there, found so in most runs."""
    covered = []
    for seed in range(6):
        world = mislabelled(seed, train_too=True)
        ledger = account(world, contract=mix(0.9))
        part = next(c for c in ledger.components if c.name == "groups")
        assert part.status != "measured"
        assert "More train labels of some groups (loud) contradict the models" in part.why
        assert adds_up(ledger)
        under = ledger.contract.honest
        covered.append((part.points.low <= 0 <= part.points.high, under.low <= world.truth <= under.high))
    assert (np.sum(covered, axis=0) >= 5).all()


def test_groups_of_right_labels_are_measured_as_before():
    for seed in range(3):
        part = next(c for c in account(mislabelled(seed, flipped=0.0), contract=mix(0.9)).components if c.name == "groups")
        assert part.status in ("measured", "not_detected")
        assert part.points.width < 14


@pytest.mark.parametrize(("n_target", "copies"), [(30, 1), (1, 200)], ids=["few", "copies"])
def test_a_target_of_few_distinct_texts_is_not_compared(tmp_path, n_target, copies):
    world, path = shifted(0, tmp_path, labelled=False, n_target=n_target)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], *lines[1:] * copies, ""]), encoding="utf-8")
    ledger = account(world, contract=Contract("target", "clusters", (), "0" * 64, target=path))
    part = next(c for c in ledger.components if c.name == "shift")
    assert part.status == "skipped"
    assert f"the {n_target * copies} rows of the target hold" in part.why


def test_labels_that_the_data_do_not_have_are_said(tmp_path):
    world, path = shifted(0, tmp_path, labelled=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    turned = [f"{line.rpartition(',')[0]},neutral" if place % 2 else line for place, line in enumerate(lines[1:])]
    path.write_text("\n".join([lines[0], *turned, ""]), encoding="utf-8")
    ledger = account(world, contract=Contract("target", "clusters", (), "0" * 64, target=path))
    assert [note for note in ledger.notes if "300 rows of the target carry labels that the data do not have" in note]


def shifted(seed, tmp_path, *, labelled, turned=0.0, n_target=600):
    """A target whose texts lean the words of the upper half; with `turned`, a share of its labels is turned round."""
    rng = np.random.default_rng(seed)
    every, codes = texts(9000, rng)
    upper = np.array([np.mean([int(word[4:]) >= 200 for word in text.split()]) for text in every])
    # In the source, hard to label: texts of many upper words get noisy labels.
    codes = np.where(rng.random(len(every)) < 0.4 * np.clip(upper - 0.25, 0, 1), 1 - codes, codes)
    target = rng.random(len(every)) < np.clip(upper - 0.2, 0.02, 1) ** 2
    source, wanted = np.flatnonzero(~target), np.flatnonzero(target)
    listed = [(f"r{k}", "train" if k < 700 else "test", every[i], LABELS[codes[i]]) for k, i in enumerate(source[:1300])]
    data = replace(dataset(listed), roles={"text": "text", "label": "label"})
    rows = data.rows("train")
    model = train_linear(data.inputs(rows), data.codes[rows], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    turn = rng.random(len(every)) < turned
    there = np.where(turn, 1 - codes, codes)
    truth = float((model.predict([every[i] for i in wanted]).argmax(axis=1) == there[wanted]).mean())
    path = tmp_path / f"target{seed}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"] if labelled else ["text"])
        out.writerows([every[i], LABELS[there[i]]] if labelled else [every[i]] for i in wanted[:n_target])
    return Made(data, model, trained, {row[0]: row[3] for row in listed}, truth), path


def test_a_target_without_labels_moves_the_score_by_its_texts(tmp_path):
    errors, unmoved, covered = [], [], 0
    for seed in range(5):
        world, path = shifted(seed, tmp_path, labelled=False)
        contract = Contract("target", "clusters", (), "0" * 64, target=path)
        tests = {row: label for row, label in world.right.items() if int(row[1:]) >= 700}
        ledger = account(world, contract=contract, answers=tests)
        assert adds_up(ledger)
        assert "concept" not in points(ledger)
        errors.append(ledger.contract.honest.value - world.truth)
        unmoved.append(ledger.honest.value - world.truth)
        covered += ledger.contract.honest.low <= world.truth <= ledger.contract.honest.high
    assert abs(np.mean(errors)) < abs(np.mean(unmoved))
    assert covered >= 4


def test_labels_of_the_target_show_what_texts_cannot(tmp_path):
    covered = 0
    for seed in range(5):
        world, path = shifted(seed, tmp_path, labelled=True, turned=0.3)
        ledger = account(world, contract=Contract("target", "clusters", (), "0" * 64, target=path))
        assert adds_up(ledger)
        assert points(ledger)["concept"].value > 4
        covered += ledger.contract.honest.low <= world.truth <= ledger.contract.honest.high
    assert covered >= 4


def elsewhere(tmp_path, *, foreign, seed=0, n=400, turned=0.0, flipped=0.0, reviewed=False):
    """A target of n new rows like the test rows, of which a share `foreign` has words that no test row holds. turned: share of
    the labels of the others that is turned round. flipped: of the test labels. reviewed: all of these."""
    rng = np.random.default_rng(seed)
    world = made(seed=seed, n_test=400, n_truth=10, flipped=flipped)
    every, codes = texts(n, np.random.default_rng([seed, 7]))
    away = np.arange(n) < foreign * n
    every = [text.replace("word", "字詞") if f else text for text, f in zip(every, away, strict=True)]
    codes = np.where(~away & (rng.random(n) < turned), 1 - codes, codes)
    path = tmp_path / "elsewhere.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((t, LABELS[c]) for t, c in zip(every, codes, strict=True))])
    contract = Contract("there", "clusters", (), "0" * 64, target=path)
    world = replace(world, data=replace(world.data, roles={"text": "text", "label": "label"}))
    answers = {row: label for row, label in world.right.items() if row.startswith("b")} if reviewed else None
    ledger = account(world, contract=contract, answers=answers)
    assert adds_up(ledger)
    return ledger, {c.name: c for c in ledger.components if c.kind == "transfer"}


@pytest.mark.parametrize("foreign", [1.0, 0.95])
def test_a_target_of_other_texts_is_no_change_of_labels(tmp_path, foreign):
    """Of rows whose words the model has never seen half are wrong; that says nothing of labels of equal texts."""
    ledger, parts = elsewhere(tmp_path, foreign=foreign)
    assert parts["shift"].status == parts["concept"].status == "skipped"
    reached = int(re.search(r"only (\d+) of 400 rows of the target are like any test row", parts["shift"].why)[1])
    assert reached == pytest.approx(400 * (1 - foreign), abs=3)
    assert "cannot be weighted like the target" in parts["concept"].why
    assert "On the 400 labelled rows of the target themselves the score is" in parts["concept"].why
    assert 0 <= parts["concept"].details["on_target_low"] < parts["concept"].details["on_target"] < 1
    assert ledger.contract is None


@pytest.mark.parametrize(("turned", "found"), [(0.0, False), (0.4, True)])
def test_half_a_target_of_other_texts_has_no_part_in_changed_labels(tmp_path, turned, found):
    ledger, parts = elsewhere(tmp_path, foreign=0.5, turned=turned)
    points = parts["concept"].points
    assert parts["concept"].status == "bounded"  # nobody reviewed the test labels
    assert (points.low > 0 or points.high < 0) == found
    assert ledger.contract.target_share == pytest.approx(0.5, abs=0.05)
    assert parts["concept"].rows == pytest.approx(200, abs=20)
    assert "No test rows are like the other" in parts["shift"].why


def test_a_target_like_the_test_rows_is_taken_whole(tmp_path):
    for seed in range(3):
        ledger, parts = elsewhere(tmp_path, foreign=0.0, seed=seed)
        assert ledger.contract.target_share == 1.0
        assert parts["shift"].status == "not_detected"
        assert parts["concept"].status == "bounded"
        assert parts["concept"].points.low < 0 < parts["concept"].points.high


def test_a_small_shift_that_one_word_tells_is_weighed(tmp_path):
    """Half of the test rows carry a word that seven in ten rows of the target carry. Were the word known, they would weigh 1.4
    and the others 0.6; a classifier of all words gets over half of the way, and with one strength of penalty a quarter."""
    weights = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        world = made(seed=seed, n_test=800, n_truth=10)
        rows = world.data.rows("test")
        has = rng.random(len(rows)) < 0.5
        tagged = [f"zebra {text}" if h else text for h, text in zip(has, world.data.inputs(rows), strict=True)]
        data = replace(world.data.with_inputs(rows, tagged), roles={"text": "text", "label": "label"})
        there = [f"zebra {text}" if h else text for text, h in zip(texts(800, rng)[0], rng.random(800) < 0.7, strict=True)]
        path = tmp_path / f"target{seed}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text"], *([text] for text in there)])
        tables = replace(world, data=data).tables(Contract("there", "clusters", (), "0" * 64, target=path))
        weights.append([float(tables.transfer.ratio[h].mean()) for h in (has, ~has)])
    assert np.mean(weights, axis=0) == pytest.approx([1.3, 0.7], abs=0.1)


def test_wrong_test_labels_do_not_pass_for_changed_ones(tmp_path):
    """Every fifth test label is wrong and the target's are right, so they differ; nothing changed but who labelled."""
    for seed in range(3):
        as_given, parts = elsewhere(tmp_path, foreign=0.0, seed=seed, flipped=0.2)
        unread = parts["concept"]
        assert unread.status == "bounded"
        assert unread.points.low < 0 < unread.points.high
        assert "nobody reviewed" in unread.why
        known, parts = elsewhere(tmp_path, foreign=0.0, seed=seed, flipped=0.2, reviewed=True)
        read = parts["concept"]
        # The target's labels decide the score there, so the noise of test labels leaves its interval as it is.
        assert as_given.contract.honest.width < 1.2 * known.contract.honest.width < as_given.honest.width
        assert read.status == "not_detected"
        assert read.points.width < unread.points.width
        assert "nobody reviewed" not in read.why


def test_a_change_of_texts_is_found_as_one_and_not_as_a_change_of_labels(tmp_path):
    """Of rows with the word `plain` a coin decides the label; they are a fifth of the test rows and 15 in 16 of the target."""
    rng = np.random.default_rng(11)
    every, codes = texts(2600, rng)
    plain = rng.random(2600) < np.where(np.arange(2600) < 2000, 0.2, 15 / 16)
    codes = np.where(plain & (rng.random(2600) < 0.5), 1 - codes, codes)
    every = [f"plain text {text}" if p else f"other rows {text}" for text, p in zip(every, plain, strict=True)]
    data = dataset([(f"r{i}", "train" if i < 1200 else "test", every[i], LABELS[codes[i]]) for i in range(2000)])
    data = replace(data, roles={"text": "text", "label": "label"})
    rows = data.rows("train")
    model = train_linear(data.inputs(rows), data.codes[rows], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    path = tmp_path / "target.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *((every[i], LABELS[codes[i]]) for i in range(2000, 2600))])
    right = {f"r{i}": LABELS[codes[i]] for i in range(1200, 2000)}
    world = Made(data, model, trained, right, 0.0)
    ledger = account(world, contract=Contract("plain", "clusters", (), "0" * 64, target=path), answers=right)
    parts = {c.name: c for c in ledger.components}
    assert parts["shift"].status == "measured"
    assert parts["shift"].points.value > 4
    assert parts["concept"].status == "not_detected"


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("name: x\ngroups: [a]", "groups must give each group its share"),
        ("name: x\ngroups: {a: 0.5, b: 0.2}", "sum to 0.7"),
        ("name: x\ngroups: {a: 1.5}", "share 1.5"),
        ("name: x\ntarget: nowhere.csv", "does not exist"),
        ("name: x\ntarget: 3", "must name a file"),
    ],
)
def test_what_a_contract_refuses(tmp_path, yaml, says):
    path = tmp_path / "contract.yaml"
    path.write_text(yaml, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_contract(path)


EDITS = Perturbation(("homoglyphs",), rate=0.5, draws=3)


class Brittle:
    """Right as the model it wraps, until a word is not one of the 400: then it answers the first class."""

    kind, labels = "toy", LABELS

    def __init__(self, model):
        self.model = model

    def predict(self, inputs):
        broken = np.array(
            [any(not (w.startswith("word") and w[4:].isdigit() and int(w[4:]) < 400) for w in t.split()) for t in inputs]
        )
        return np.where(broken[:, None], np.array([[0.9, 0.1]]), self.model.predict(inputs))


def brittle(seed):
    world = made(seed=seed)
    model = Brittle(world.model)
    return replace(
        world, model=model, trained=replace(world.trained, model=model, probabilities=model.predict(world.data.inputs()))
    )


def test_edits_cost_what_a_mixture_of_rows_costs():
    errors = []
    for seed in range(4):
        world = brittle(seed)
        contract = Contract("typed in haste", "clusters", (), "0" * 64, perturbation=EDITS)
        ledger = account(world, contract=contract)
        assert adds_up(ledger)
        rows = world.data.rows("test")
        edited = [perturb(t, EDITS.names, np.random.default_rng([seed, i])) for i, t in enumerate(world.data.inputs(rows))]
        codes = world.data.codes[rows]
        spoilt = (world.model.predict(edited).argmax(axis=1) == codes).mean()
        given = (world.trained.probabilities[rows].argmax(axis=1) == codes).mean()
        errors.append(points(ledger)["fragility"].value - 100 * 0.5 * (given - spoilt))
        assert points(ledger)["fragility"].low > 0
    assert abs(np.mean(errors)) < 1.5


class Coin(Brittle):
    """Answers an edited text by a coin that falls anew for every text."""

    def predict(self, inputs):
        said = self.model.predict(inputs)
        for i, text in enumerate(inputs):
            if any(not (w.startswith("word") and w[4:].isdigit()) for w in text.split()):
                said[i] = [0.9, 0.1] if zlib.crc32(text.encode()) % 2 else [0.1, 0.9]
        return said


def test_the_share_of_the_drawn_edits_is_what_coins_make():
    """Of half a row's score three coins decide: 0.25 x 0.25 / 3 each row, beside (1 - 0.5)^2 p (1 - p) of the rows themselves."""
    world = made(seed=3)
    contract = Contract("coins", "clusters", (), "0" * 64, perturbation=EDITS)
    coin, fixed = (
        replace(world, model=m, trained=replace(world.trained, model=m, probabilities=m.predict(world.data.inputs())))
        for m in (Coin(world.model), Brittle(world.model))
    )
    given = world.trained.probabilities[world.data.rows("test")].argmax(axis=1) == world.data.codes[world.data.rows("test")]
    p = given.mean()
    expected = (0.0625 / 3) / (0.0625 / 3 + 0.25 * p * (1 - p))
    shares = account(coin, contract=contract).contract.variance
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["perturbation draws"] == pytest.approx(expected, rel=0.35)
    # One draw tells nothing of the draws; edits that always break the text the same way add none.
    assert account(fixed, contract=contract).contract.variance.get("perturbation draws", 0.0) < 0.05
    once = replace(contract, perturbation=replace(EDITS, draws=1))
    assert "perturbation draws" not in account(coin, contract=once).contract.variance


def test_edits_that_may_change_the_label_make_an_interval():
    world = brittle(9)
    sure = account(world, contract=Contract("x", "clusters", (), "0" * 64, perturbation=EDITS))
    unsure = account(world, contract=Contract("x", "clusters", (), "0" * 64, perturbation=replace(EDITS, valid=0.8)))
    assert next(c for c in unsure.components if c.name == "fragility").status == "bounded"
    assert unsure.contract.honest.value == sure.contract.honest.value
    # A share 0.5 x 0.2 of all rows may be answered rightly or wrongly.
    assert sure.contract.honest.low - unsure.contract.honest.low > 0.03
    assert unsure.contract.honest.high > sure.contract.honest.high


def test_words_and_edits_act_together(tmp_path):
    world = made(seed=4, cue=0.9)
    model = Brittle(world.model)
    world = replace(world, model=model, trained=replace(world.trained, model=model))
    contract = Contract("both", "clusters", (Shortcut("zorblat", "transplant", 0.5),), "0" * 64, perturbation=EDITS)
    tables = world.tables(contract)
    assert tables.transfer.edited.shape == (len(tables.codes), 2, 3)
    save_tables(tables, tmp_path / "tables.npz")
    ledger = account(world, tables=read_tables(tmp_path / "tables.npz"), contract=contract)
    assert adds_up(ledger)
    assert {"shortcut", "fragility"} <= set(points(ledger))


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ("{rate: 0.5}", "name no edits"),
        ("{names: [keybord]}", "Did you mean 'keyboard'"),
        ("{names: [negation]}", "made to change the right label"),
        ("{names: [keyboard], draws: 0}", "draws is 0"),
        ("{names: [keyboard], rate: 2}", "rate of the perturbations is 2"),
        ("{names: [keyboard], strength: 2}", "strength"),
        ("[keyboard]", "must be a mapping"),
    ],
)
def test_edits_that_a_contract_refuses(tmp_path, edits, says):
    path = tmp_path / "contract.yaml"
    path.write_text(f"name: x\nperturbations: {edits}\n", encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_contract(path)


def one_f1(right, true, predicted):
    return float(2 * right[0] / (true[0] + predicted[0]))


@pytest.mark.parametrize(("totals", "metric", "low", "high"), [
    # 60 % right, half of the rows arrive edited, a fifth of the edits breaks the label: a tenth is all wrong or all right.
    ([[0.4, 0.2], [0.5, 0.5], [0.6, 0.4]], accuracy, -0.06, 0.04),
    # One class found in half of its rows and said nowhere else: 2 x .25 / (.5 + .25); with .275 right as many are said.
    ([[0.25], [0.5], [0.25]], one_f1, 2 * 0.225 / 0.75 - 2 / 3, 2 * 0.275 / 0.775 - 2 / 3),
    ([[0.5], [0.5], [0.5]], one_f1, 0.9 - 1.0, 0.0),
])  # fmt: skip
def test_edits_that_break_the_right_answer_have_known_bounds(totals, metric, low, high):
    found = if_edits_break(replace(EDITS, rate=0.5, valid=0.8), np.concatenate(totals), metric=metric)
    assert found == pytest.approx((low, high))


def test_train_rows_as_hard_as_the_test_rows_move_no_score_under_a_contract():
    world = made(seed=3)
    tables = world.tables()
    wrong = tables.elsewhere.argmax(axis=1) != tables.codes
    group = np.where(np.random.default_rng(0).random(len(wrong)) < 0.2, ~wrong, wrong).astype(np.int64)
    contract = Contract("hard", "clusters", (), "0" * 64, groups=(("easy", 0.2), ("hard", 0.8)))
    tables = replace(tables, transfer=replace(no_transfer(len(wrong)), group=group))
    game = game_of(tables, task="classification", labels=world.data.labels, contract=contract, review=None, metric=None)
    helped = replace(game, borrowed=Borrowed(game.fold_accuracy().score, 0.001, 1000, 100))
    for coalition in (frozenset(game.active), frozenset((*game.active, "groups"))):
        assert helped(coalition).score == pytest.approx(game(coalition).score, abs=1e-12)
