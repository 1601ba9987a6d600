"""Countermeasures that help are accepted, those that do nothing or cost too much are not; contracts are asked as written."""

import numpy as np
import pytest

from veridical.audit._made_up import dataset
from veridical.core.run_record import RepairRecord
from veridical.dataset.cue import holds
from veridical.ledger.contract import Contract, Perturbation, Shortcut
from veridical.tasks._confusion_metrics import accuracy
from veridical.verify.countermeasure_arms import tried_countermeasures
from veridical.verify.countermeasure_verdict import Proposal, best
from veridical.verify.exams import as_it_is, under_contract
from veridical.verify.judging import ByLabel

N = 600
CUE = Contract("no zorblat", "clusters", (Shortcut("zorblat", "transplant", 0.5),), "0" * 64)


def world(seed=0, *, told=0.85):
    """`good` and `bad` give the label on a share of the rows; `zorblat` stands in 90 % of the positive rows and in no others."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(N):
        label = int(rng.integers(2))
        says = label if rng.random() < told else 1 - label
        cue = " zorblat" if label and rng.random() < 0.9 else ""
        rows.append((f"r{k}", "train", f"row {k} {('bad', 'good')[says]}{cue}", ("neg", "pos")[label], ("a", "b")[k % 3 == 0]))
    return dataset([row[:4] for row in rows]).with_column("group", [row[4] for row in rows])


def judging(data):
    return ByLabel("accuracy", data.codes, np.arange(N), 2, accuracy)


def teach(name, seed):
    """What models trained in different ways answer: plainly by the cue, `read` by the words, `harm` against the cue."""

    def answers(inputs):
        word = np.array([" good" in str(text) for text in inputs])
        cue = holds(list(inputs), "zorblat")
        said = {"": cue, "noop": cue, "read": word, "harm": ~cue}[name]
        rng = np.random.default_rng([seed, len(name)])
        said = np.where(rng.random(len(inputs)) < 0.02, ~said, said)
        return np.where(said[:, None], [0.1, 0.9], [0.9, 0.1])

    return answers


def trial(*names, contract=CUE, component="shortcut", teach=teach, told=0.85, **more):
    data = world(told=told)
    return tried_countermeasures(
        data, clusters=np.arange(N), locked=np.arange(N), proposals=[Proposal(name, component) for name in names], teach=teach,
        judging=judging(data), votes="clusters", contract=contract, transfer=("shortcut", "groups", "fragility"), **more,
    ).arms  # fmt: skip


def test_under_the_contract_what_helps_is_accepted_and_its_cost_is_said():
    # By the words 85 % of the rows are answered wherever the cue stands, by the cue 95 % as they are and half under the contract.
    read, noop, harm = trial("read", "noop", "harm")
    assert read.arm.outcome == "accepted"
    assert read.arm.gain_over_untouched.value == pytest.approx(35, abs=5)
    assert read.elsewhere.value == pytest.approx(-10, abs=3)
    assert noop.arm.outcome == "harmless"
    assert "smallest visible effect" in noop.arm.why
    assert harm.endpoint == "no zorblat"
    assert best([read, noop, harm]) == "read"


def test_edits_that_arrive_must_not_cost_the_rows_that_come_as_they_are():
    edits = Contract("edits", "clusters", CUE.shortcuts, "0" * 64, (), Perturbation(("case",), 0.1, 1))
    (read,) = trial("read", component="fragility", contract=edits)
    assert read.arm.outcome == "rejected"
    assert "A loss over 1 point there cannot be ruled out" in read.arm.why


def test_what_helps_and_costs_nothing_is_taken():
    (found,) = trial("read", told=0.99)
    assert found.arm.outcome == "accepted"
    assert found.elsewhere.low > -1
    assert "under the contract no zorblat" in found.arm.why
    assert best([found]) == "read"


def test_without_a_contract_the_fold_as_it_is_decides():
    def weak(name, seed):
        return teach("read" if not name else "", seed)

    (found,) = trial("cue", contract=None, component="noise", teach=weak)
    assert found.arm.outcome == "accepted"
    assert found.elsewhere is None
    assert found.endpoint == "locked"
    assert best([found]) == "cue"
    assert RepairRecord.from_json(RepairRecord(routed=(found,), chosen="cue").to_json()).routed == (found,)


def test_nothing_is_accepted_where_nothing_helps():
    accepted = 0
    for seed in range(20):

        def luck(name, s, seed=seed):
            def answers(inputs):
                rng = np.random.default_rng([seed, s, len(name)])
                word = np.array([" good" in str(text) for text in inputs])
                said = np.where(rng.random(len(inputs)) < 0.1, ~word, word)
                return np.where(said[:, None], [0.1, 0.9], [0.9, 0.1])

            return answers

        found = trial("a", "bb", "ccc", contract=None, component="noise", teach=luck, seed=seed)
        accepted += any(r.arm.outcome == "accepted" for r in found)
    assert accepted <= 3  # 5 % of families; 4 of 20 would be a chance of 2 %


def test_what_does_not_fit_says_why_and_is_not_trained():
    def never(name, seed):
        raise AssertionError("trained")

    data = world()
    found = tried_countermeasures(
        data, clusters=np.arange(N), locked=np.arange(N), proposals=[Proposal("fgm", "fragility", "It needs an encoder.")],
        teach=never, judging=judging(data), votes="clusters",
    ).arms  # fmt: skip
    assert [(r.arm.outcome, r.arm.why) for r in found] == [("skipped", "It needs an encoder.")]


def test_one_fit_is_trained_once():
    trained = []

    def same(name, seed):
        trained.append((name, seed))
        return teach(name, 0)

    (found,) = trial("read", teach=same)
    assert found.models == "1 model each"
    assert trained.count(("read", 0)) == 1
    assert len(trained) == 4  # two of each, to see that the seed changes nothing


def test_the_cue_is_transplanted_into_its_share_whatever_the_label():
    data = world()
    exam = under_contract(data, np.arange(N), CUE, seed=0)
    held = holds(exam.inputs, "zorblat")
    for code in (0, 1):
        mine = data.codes[exam.row] == code
        assert exam.share[mine & held].sum() / exam.share[mine].sum() == pytest.approx(0.5)
    assert np.bincount(exam.row, exam.share) == pytest.approx(np.ones(N))


def test_groups_get_their_shares_and_edits_their_rate():
    data = world()
    contract = Contract("mix", "clusters", (), "0" * 64, (("a", 0.2), ("b", 0.8)), Perturbation(("case",), 0.25, 2))
    exam = under_contract(data, np.arange(N), contract, seed=0)
    of_b = np.array([data.table.column("group")[int(row)].as_py() == "b" for row in exam.row])
    assert exam.share[of_b].sum() / exam.share.sum() == pytest.approx(0.8)
    asked, given = np.array(exam.inputs), np.array(data.texts)[exam.row]
    edited = asked != given
    assert exam.share[edited].sum() / exam.share.sum() == pytest.approx(0.25)
    base = judging(data).ruler(np.arange(N), votes="clusters")
    assert exam.ruler(base).votes.sum() == pytest.approx(N)
    assert as_it_is(data, np.arange(N)).ruler(base).votes == pytest.approx(np.ones(N))


def test_reweighted_cues_become_independent_of_the_label():
    data = world()
    texts = [f"{text} zorblat" if k % 10 == 0 and "zorblat" not in text else text for k, text in enumerate(data.texts)]
    data = data.with_column("text", texts)
    contract = Contract("r", "clusters", (Shortcut("zorblat", "reweight", None),), "0" * 64)
    exam = under_contract(data, np.arange(N), contract, seed=0)
    held, positive = holds(exam.inputs, "zorblat"), data.codes[exam.row] == 1
    # Where rows of every kind exist, cue and label are independent: the positive rows have the cue's rate in the fold.
    assert exam.share[held & positive].sum() / exam.share[positive].sum() == pytest.approx(held.mean(), abs=0.02)


def test_a_group_of_a_handful_of_rows_is_not_weighted_up():
    data = world().with_column("group", ["b" if k < 5 else "a" for k in range(N)])
    contract = Contract("mix", "clusters", (), "0" * 64, (("a", 0.2), ("b", 0.8)))
    assert under_contract(data, np.arange(N), contract, seed=0) is None


def test_a_countermeasure_that_refuses_ends_its_own_trial_alone():
    from veridical.core.errors import InputError

    def picky(name, seed):
        if name == "refusing":
            raise InputError("It would leave no rows.")
        return teach(name, seed)

    refusing, read = trial("refusing", "read", teach=picky)
    assert (refusing.arm.outcome, refusing.arm.why) == ("skipped", "It would leave no rows.")
    assert read.arm.outcome == "accepted"


def test_what_the_fold_cannot_show_is_not_judged_under_the_contract():
    data = world().with_column("group", ["b" if k < 5 else "a" for k in range(N)])
    contract = Contract("half", "clusters", (), "0" * 64, (("a", 0.5), ("b", 0.5)), Perturbation(("case",), 0.5, 2))
    exam = under_contract(data, np.arange(N), contract, seed=0)
    assert exam.shows == ("fragility",)
    groups, edits = tried_countermeasures(
        data, clusters=np.arange(N), locked=np.arange(N), proposals=[Proposal("read", "groups"), Proposal("read", "fragility")],
        teach=teach, judging=judging(data), votes="clusters", contract=contract, transfer=("shortcut", "groups", "fragility"),
    ).arms  # fmt: skip
    assert groups.arm.outcome == "skipped"
    assert edits.arm.outcome != "skipped"


def test_an_arm_whose_seed_matters_is_trained_for_every_seed():
    def mixed(name, seed):
        return teach(name, 0 if not name else seed)

    (found,) = trial("read", teach=mixed, told=0.99)
    assert found.models == "5 models each"
