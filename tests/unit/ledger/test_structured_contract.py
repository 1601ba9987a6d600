"""Contracts on answers that are structures: scores known by hand, coverage on made-up worlds, what cannot be carried."""

import dataclasses

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.core.ledger_record import Component, Ledger
from veridical.ledger.answer_transfer import AnswerTransfer
from veridical.ledger.contract import Contract, Perturbation, Shortcut, refuse_of_structures
from veridical.ledger.population import Population, PopulationParams
from veridical.ledger.structured import StructuredGame, account_structured, reviewed_answers, scored_answers
from veridical.ledger.structured_tables import read_transfer, save_transfer
from veridical.tasks._contract import Structure
from veridical.tasks.ner import task

assert task.structure is not None
STRUCTURE: Structure = task.structure
CONTRACT = Contract("there", "clusters", (), "0" * 64)
ONE, TWO = "B-X O O O", "B-X O B-X O"
MISSED = "O B-X O O"
"""Of ONE nothing is found, and one word too many is said; of TWO the same once, and one missed."""


def people(n: int) -> Population:
    """Rows that stand for themselves: nothing leaked, nothing to calibrate to."""
    return Population(
        rows=np.arange(n), cluster=np.arange(n), leaked=np.zeros(n, bool), basis=np.ones((n, 1)), vote=np.full(n, 1 / n),
        target=np.ones(1), target_covariance=np.zeros((1, 1)), includes_train=False, n_clusters=n, shift_p=1.0,
        params=PopulationParams(),
    )  # fmt: skip


def transfer(contract: Contract, n: int, **found: object) -> AnswerTransfer:
    none = AnswerTransfer(
        contract, np.array([f"r{i}" for i in range(n)]), np.full(n, -1, np.int64), np.zeros(0), 0.5, (), 0, 0, 0, (), (),
        np.zeros(0, np.int64), np.zeros(0, bool), True,
    )  # fmt: skip
    return dataclasses.replace(none, **found)  # type: ignore[arg-type]


def game(gold: list[str], said: list[str], asked: AnswerTransfer, metric: str = "entity_f1") -> StructuredGame:
    return scored_answers(STRUCTURE, people(len(gold)), gold=gold, said=said, names=("X",), metric=metric, transfer=asked)


def account(found: StructuredGame) -> Ledger:
    ledger = account_structured(found, metric="entity_f1", has_train=True, looks=[], same=0, floors={}, seed=0)
    lost = sum(c.points.value for c in ledger.components if c.kind == "transfer" and c.points)
    if ledger.contract:
        assert ledger.honest.value - lost / 100 == ledger.contract.honest.value  # to the last digit
    return ledger


def part(ledger: Ledger, name: str) -> Component:
    return next(c for c in ledger.components if c.name == name)


def two_groups(loud: float) -> tuple[list[str], list[str], AnswerTransfer]:
    """150 calm rows of one entity, all found; 50 loud ones of two, of which one is found. loud: their share in the contract."""
    gold, said = [ONE] * 150 + [TWO] * 50, [ONE] * 150 + ["B-X O O B-X"] * 50
    mix = dataclasses.replace(CONTRACT, groups=(("calm", 1 - loud), ("loud", loud)))
    return gold, said, transfer(mix, 200, group=np.repeat([0, 1], [150, 50]).astype(np.int64))


def test_a_mix_with_twice_the_loud_rows_scores_what_counting_says() -> None:
    """As it is: 150 + 50 of 150 + 100 entities are found, and as many said: 80 %. Half and half: 0.5 + 0.5 of 0.5 + 1."""
    ledger = account(game(*two_groups(0.5)))
    assert ledger.honest.value == pytest.approx(0.8)
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(2 / 3)
    lost = part(ledger, "groups")
    assert lost.status == "measured"
    assert lost.points is not None
    assert lost.points.value == pytest.approx(100 * (0.8 - 2 / 3))
    assert lost.rows == 200
    assert "calm 50 %, loud 50 %" in lost.why


def test_the_mix_as_it_is_costs_nothing() -> None:
    ledger = account(game(*two_groups(0.25)))
    lost = part(ledger, "groups")
    assert lost.status == "not_detected"
    assert lost.points is not None
    assert abs(lost.points.value) < 1e-9
    assert lost.points.low <= 0 <= lost.points.high
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(ledger.honest.value)


def test_a_group_without_a_share_has_no_vote() -> None:
    gold, said, asked = two_groups(0.5)
    calm = dataclasses.replace(asked.contract, groups=(("calm", 1.0),))
    ledger = account(game(gold, said, dataclasses.replace(asked, contract=calm, group=np.repeat([0, -1], [150, 50]))))
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(1.0)
    assert "50 test rows belong to none of them" in part(ledger, "groups").why


def test_weights_that_explode_abstain_and_name_the_rows() -> None:
    gold, said, asked = two_groups(0.97)
    few = np.where(np.arange(200) < 198, 0, 1)
    ledger = account(game(gold, said, dataclasses.replace(asked, group=few)))
    skipped = part(ledger, "groups")
    assert skipped.status == "skipped"
    assert "2 effective rows, fewer than 50" in skipped.why
    assert "'r198', 'r199'" in skipped.why
    assert ledger.contract is None  # nothing of it could be measured
    absent = account(game(gold, said, dataclasses.replace(asked, group=np.zeros(200, np.int64))))
    assert "no unleaked test row belongs to group 'loud'" in part(absent, "groups").why


def drawn(seed: int, *, loud: float, n: int = 400) -> Ledger:
    """Half of the rows loud; of their entities half are found, of the others nine in ten."""
    rng = np.random.default_rng(seed)
    group = rng.integers(2, size=n)
    gold = [TWO if g else ONE for g in group]
    said = []
    for g, tags in zip(group, gold, strict=True):
        found = [tag if tag == "O" or rng.random() < (0.5 if g else 0.9) else "O" for tag in tags.split(" ")]
        said.append(" ".join(found))
    mix = dataclasses.replace(CONTRACT, groups=(("calm", 1 - loud), ("loud", loud)))
    return account(game(gold, said, transfer(mix, n, group=group.astype(np.int64))))


def test_the_interval_under_the_contract_covers_the_truth() -> None:
    """Found are r of t entities, and r said, so F1 is 2 r / (t + r), with r = 0.2 * 0.9 + 0.8 * 2 * 0.5 and t = 0.2 + 0.8 * 2."""
    right, true = 0.2 * 0.9 + 0.8, 0.2 + 1.6
    truth = 2 * right / (true + right)
    runs = [drawn(seed, loud=0.8) for seed in range(24)]
    scores = [run.contract.honest for run in runs if run.contract]
    # Of 24, fewer than 20 would be a chance of 1 in 170 at a coverage of .95.
    assert sum(score.low <= truth <= score.high for score in scores) >= 20
    off = np.array([score.value - truth for score in scores])
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert all(part(run, "groups").status == "measured" for run in runs)
    twins = [part(drawn(seed, loud=0.5), "groups").status for seed in range(12)]
    assert twins.count("measured") <= 3


def test_a_target_weighs_rows_and_its_labels_show_the_rest() -> None:
    """Three calm rows to one loud; in the target as many of each: a loud row counts 2, a calm one 2 / 3."""
    gold, said, asked = two_groups(0.5)
    ratio = np.repeat([2 / 3, 2.0], [150, 50])
    plain = dataclasses.replace(
        asked, contract=CONTRACT, group=np.full(200, -1, np.int64), ratio=ratio, target_rows=90, target_texts=90
    )
    plain = dataclasses.replace(plain, target_like=90)
    ledger = account(game(gold, said, plain))
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(2 / 3)
    assert "90 rows of the target" in part(ledger, "shift").why
    # Of the target's own labelled rows a half is found, whatever the weights say.
    there = ([ONE] * 80, [ONE] * 40 + [MISSED] * 40)
    labelled = dataclasses.replace(
        plain, target_labelled=80, target_gold=tuple(there[0]), target_said=tuple(there[1]),
        target_cluster=np.arange(80, dtype=np.int64), target_inside=np.ones(80, bool),
    )  # fmt: skip
    both = account(game(gold, said, labelled))
    assert both.contract is not None
    assert both.contract.honest.value == pytest.approx(0.5)
    concept = part(both, "concept")
    assert concept.points is not None
    assert concept.points.value == pytest.approx(100 * (2 / 3 - 0.5))
    assert both.contract.variance["target"] > 0.3
    # A density that leaves a handful of rows is not used, and then no label is said to have changed.
    heavy = np.where(np.arange(200) < 3, 50.0, 0.01)
    ledger = account(game(gold, said, dataclasses.replace(labelled, ratio=heavy)))
    assert part(ledger, "shift").status == part(ledger, "concept").status == "skipped"
    assert "effective rows" in part(ledger, "shift").why
    assert "cannot be weighted like the target" in part(ledger, "concept").why
    assert "80 labelled rows of the target themselves the score is 50.0 [" in part(ledger, "concept").why
    assert ledger.contract is None


def test_changed_answers_are_told_from_the_rows_that_test_rows_are_like() -> None:
    """Of the target's 100 rows 60 have test rows like them, where all is found; of the other 40 nothing is."""
    gold, said = [ONE] * 200, [ONE] * 200
    inside = np.arange(100) < 60
    asked = transfer(
        CONTRACT, 200, ratio=np.ones(200), target_rows=100, target_texts=100, target_like=60, target_labelled=100,
        target_gold=(ONE,) * 100,
        target_said=(ONE,) * 60 + (MISSED,) * 40, target_cluster=np.arange(100), target_inside=inside,
    )  # fmt: skip
    ledger = account(game(gold, said, asked))
    concept = part(ledger, "concept")
    assert concept.status == "not_detected"
    assert concept.points is not None
    assert concept.points.value == pytest.approx(0.0)
    assert concept.rows == 60
    assert "60 of the 100 rows" in part(ledger, "shift").why
    assert ledger.contract is not None
    assert ledger.contract.target_share == 0.6
    few = account(game(gold, said, dataclasses.replace(asked, target_inside=np.arange(100) < 4)))
    assert "only 4 distinct labelled rows of the target" in part(few, "concept").why
    assert few.contract is not None
    assert few.contract.unmeasured == ("concept",)
    away = account(game(gold, said, dataclasses.replace(asked, target_like=3)))
    assert "only 3 of 100 rows of the target are like any test row" in part(away, "shift").why
    assert part(away, "concept").status == "skipped"
    assert away.contract is None


def test_parts_that_only_together_leave_too_few_rows_abstain_together() -> None:
    """Alone the groups leave 100 effective rows and the target some 90; both at once 40 or so."""
    gold, said, asked = two_groups(0.5)
    mix = dataclasses.replace(asked.contract, groups=(("calm", 0.1), ("loud", 0.9)))
    group, ratio = np.repeat([0, 1], [100, 100]).astype(np.int64), np.where(np.arange(200) % 4 == 0, 6.0, 0.4)
    found = game(
        gold,
        said,
        dataclasses.replace(asked, contract=mix, group=group, ratio=ratio, target_rows=90, target_texts=90, target_like=90),
    )
    assert not found.unsupported("groups")
    assert not found.unsupported("shift")
    ledger = account(found)
    assert "together with groups the weights leave" in part(ledger, "shift").why
    assert ledger.contract is not None
    assert ledger.contract.unmeasured == ("shift",)


EDITS = Perturbation(("keyboard",), rate=0.5, draws=2)


def test_edits_cost_what_a_mixture_of_rows_costs() -> None:
    """Of the rows that arrive edited, one draw finds nothing and the other all: a quarter of 200 entities is missed."""
    gold = [ONE] * 200
    edited = (tuple([ONE] * 200), tuple(["O O O O"] * 200))
    asked = transfer(dataclasses.replace(CONTRACT, perturbation=EDITS), 200, edited=edited)
    ledger = account(game(gold, list(gold), asked))
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(2 * 0.75 / 1.75)
    assert part(ledger, "fragility").details["changed"] == pytest.approx(0.5)
    unsure = dataclasses.replace(
        asked, contract=dataclasses.replace(CONTRACT, perturbation=dataclasses.replace(EDITS, valid=0.6))
    )
    bounded = account(game(gold, list(gold), unsure))
    assert part(bounded, "fragility").status == "bounded"
    assert bounded.contract is not None
    assert bounded.contract.honest.low < 2 * 0.75 * 0.8 / 1.75
    silent = account(game(gold, list(gold), dataclasses.replace(asked, edited=(tuple(gold), tuple(gold)))))
    assert part(silent, "fragility").status == "not_detected"
    mute = account(game(gold, list(gold), dataclasses.replace(asked, edited=(), asked=False)))
    assert part(mute, "fragility").status == "skipped"
    assert "only predictions are there" in part(mute, "fragility").why


def test_labels_of_a_target_that_no_model_can_answer_are_said_to_be_left_out() -> None:
    gold = [ONE] * 200
    asked = transfer(CONTRACT, 200, ratio=np.ones(200), target_rows=100, target_texts=100, target_like=100, target_labelled=100)
    mute = account(game(gold, list(gold), dataclasses.replace(asked, asked=False)))
    assert mute.contract is not None
    assert mute.contract.unmeasured == ("concept",)
    assert "only predictions are there" in part(mute, "concept").why
    plain = account(game(gold, list(gold), dataclasses.replace(asked, asked=False, target_labelled=0)))
    assert plain.contract is not None
    assert plain.contract.unmeasured == ()


def test_a_review_of_every_row_corrects_the_score_under_the_contract_too() -> None:
    """Every second loud answer given was wrong in that it missed one of the entities which the model finds."""
    gold, said, asked = two_groups(0.5)
    edits = dataclasses.replace(asked.contract, perturbation=EDITS)
    edited = tuple(tuple("O O O O" for _ in gold) for _ in range(2))
    found = game(gold, said, dataclasses.replace(asked, contract=edits, edited=edited))
    right = [*gold[:150], *["B-X O O B-X"] * 25, *gold[175:]]
    review = reviewed_answers(
        STRUCTURE, people(200), ids=list(asked.ids), gold=gold, said=said, right=right, unsure=np.zeros(200, bool), names=("X",),
        metric="entity_f1", edited=edited,
    )  # fmt: skip
    ledger = account(dataclasses.replace(found, review=review))
    assert ledger.contract is not None
    # Calm: one of one. Loud: 1.5 of 2 with 2 said. A half of all arrives edited, and nothing is said of that.
    right_mass, true_mass, said_mass = (0.5 * 1 + 0.5 * 1.5) / 2, 0.5 * 1 + 0.5 * 2, (0.5 * 1 + 0.5 * 2) / 2
    assert ledger.contract.honest.value == pytest.approx(2 * right_mass / (true_mass + said_mass))
    assert {c.name for c in ledger.components if c.kind == "transfer"} == {"groups", "fragility"}


def test_where_counting_is_no_achievement_the_contract_is_about_the_declared_score() -> None:
    ledger = account(game(*two_groups(0.5), metric="token_accuracy"))
    assert ledger.contract is not None
    assert ledger.contract.honest.value == pytest.approx(2 / 3)
    assert part(ledger, "protocol").points is not None


def test_what_was_asked_survives_a_file(tmp_path) -> None:
    gold, said, asked = two_groups(0.5)
    (tmp_path / "contract.yaml").write_text("name: there\ngroups: {calm: 0.5, loud: 0.5}\n", encoding="utf-8")
    more = dataclasses.replace(
        asked, edited=(("O", "B-\ud800"), ()), target_gold=("O",), target_said=("B-X",), target_cluster=np.zeros(1, np.int64),
        target_inside=np.ones(1, bool),
    )  # fmt: skip
    save_transfer(more, tmp_path)
    back = read_transfer(tmp_path)
    assert back is not None
    assert (back.edited, back.target_gold, back.target_said, back.asked) == (more.edited, ("O",), ("B-X",), True)
    assert np.array_equal(back.group, more.group)
    assert back.target_inside.tolist() == [True]
    save_transfer(asked, tmp_path)
    again = read_transfer(tmp_path)
    assert again is not None
    here = dataclasses.replace(asked, contract=again.contract)
    assert account(game(gold, said, again)) == account(game(gold, said, here))
    (tmp_path / "transfer.npz").unlink()
    with pytest.raises(InputError, match="is missing"):
        read_transfer(tmp_path)


def test_words_that_must_not_decide_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"names shortcuts.*task ner.*groups, perturbations and target can stay"):
        refuse_of_structures(dataclasses.replace(CONTRACT, shortcuts=(Shortcut("a", "transplant", None),)), task="ner")
    refuse_of_structures(CONTRACT, task="ner")


@pytest.mark.parametrize(("n", "skipped"), [(8, True), (60, False)])
def test_what_so_few_rows_cannot_show_is_skipped(n: int, skipped: bool) -> None:
    ledger = account_structured(
        game([ONE] * n, [ONE] * (n - 2) + [MISSED] * 2, transfer(CONTRACT, n)), metric="entity_f1", has_train=True, looks=[],
        same=0, floors={}, seed=0,
    )  # fmt: skip
    leakage = part(ledger, "leakage")
    assert (leakage.status == "skipped", leakage.points is None) == (skipped, skipped)
    assert ("Distinct test texts: 8, too few to see anything of it; 10 would" in leakage.why) == skipped
    assert all(c.status != "not_detected" or (c.mde or 0.0) < 100 for c in ledger.components)


def test_where_every_row_leaked_the_amount_is_not_told_and_the_score_may_be_anything() -> None:
    all_leaked = dataclasses.replace(people(60), leaked=np.ones(60, bool))
    found = scored_answers(STRUCTURE, all_leaked, gold=[ONE] * 60, said=[ONE] * 60, names=("X",), metric="entity_f1")
    ledger = account_structured(found, metric="entity_f1", has_train=True, looks=[], same=0, floors={}, seed=0)
    assert part(ledger, "leakage").status == "skipped"
    assert part(ledger, "leakage").rows == 60
    assert (ledger.honest.low, ledger.honest.high) == (0.0, 1.0)
