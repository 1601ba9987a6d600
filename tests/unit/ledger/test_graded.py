"""The account where answers may be partly right, and where the metric reported is not the one declared."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.graded_world import GRADES, account, made
from tests.unit.ledger.test_accounting import adds_up

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.accounting import account_tables, tables_of
from veridical.ledger.score_table import statistics
from veridical.models.linear import train_linear
from veridical.tasks._class_metrics import scored
from veridical.tasks.ordinal import task as ordinal
from veridical.tasks.relation import task as relation
from veridical.train.trained import Trained

GRADED = ("quadratic_kappa", "closeness", "macro_closeness", "within_one")


def component(ledger, name):
    return next(c for c in ledger.components if c.name == name)


def test_statistics_are_linear_in_label_and_answer():
    rng = np.random.default_rng(0)
    labels, credit = rng.dirichlet(np.ones(5), size=7), np.asarray(1 - np.abs(np.subtract.outer(np.arange(5), np.arange(5))) / 4)
    first, second = rng.integers(5, size=7), rng.integers(5, size=7)
    metric = ordinal.metric("macro_closeness", GRADES)
    found = statistics(labels, ((first, 0.3), (second, 0.7)), metric=metric)
    by_hand = np.array(
        [[labels[i, k] * (0.3 * credit[k, first[i]] + 0.7 * credit[k, second[i]]) for k in range(5)] for i in range(7)]
    )
    assert np.allclose(found.right, by_hand)
    assert np.allclose(found.correctness, by_hand.sum(axis=1))


@pytest.mark.parametrize("metric", GRADED)
def test_reported_is_the_metric_and_a_twin_without_faults_is_quiet(metric):
    world = made(seed=1)
    ledger = account(world, metric=metric)
    test = world.data.rows("test")
    said = world.trained.probabilities[test].argmax(axis=1)
    exact = scored(world.data.codes[test], said, n_classes=5, metric=ordinal.metric(metric, GRADES))
    assert ledger.reported.value == pytest.approx(exact, abs=1e-12)
    assert adds_up(ledger)
    assert component(ledger, "leakage").status == "not_detected"
    assert component(ledger, "protocol").points.value == 0.0
    assert ledger.honest.low <= world.truth(metric) <= ledger.honest.high


@pytest.mark.parametrize("metric", ["quadratic_kappa", "closeness"])
def test_leakage_is_found_and_taken_away(metric):
    errors = []
    for seed in range(3):
        world = made(seed=seed, leaked=200)
        ledger = account(world, metric=metric)
        assert adds_up(ledger)
        assert component(ledger, "leakage").status == "measured"
        assert ledger.reported.value - world.truth(metric) > 0.05
        errors.append(ledger.honest.value - world.truth(metric))
    assert np.abs(errors).mean() < 0.02


def test_reviewed_labels_bring_the_score_back():
    """Wrong labels hide more of a kappa than of an accuracy, since they lie far off; the answers must say how far."""
    hidden, left, covered = [], [], 0
    for seed in range(4):
        world = made(seed=seed, off=0.15)
        ids = [world.data.ids[row] for row in world.data.rows("test")]
        read = np.random.default_rng(seed).choice(ids, 150, replace=False)
        ledger = account(world, metric="quadratic_kappa", answers={row: world.right[row] for row in read})
        assert adds_up(ledger)
        truth = world.truth("quadratic_kappa")
        hidden.append(truth - ledger.reported.value)
        left.append(truth - ledger.honest.value)
        covered += ledger.honest.low <= truth <= ledger.honest.high
    assert np.mean(hidden) > 0.08
    assert abs(np.mean(left)) < 0.5 * np.mean(hidden)
    assert covered >= 3


RELATIONS = ("Cause(e1,e2)", "Cause(e2,e1)", "Other")
WORDS = {"Cause(e1,e2)": ("caused", "made"), "Cause(e2,e1)": ("from", "by"), "Other": ("near", "with")}


def _relations(n_train=300, n_test=300, leaked=0):
    rng = np.random.default_rng(3)

    def row(number):
        label = RELATIONS[int(rng.choice(3, p=[0.15, 0.15, 0.7]))]
        word = WORDS[label if rng.random() < 0.7 else str(rng.choice(RELATIONS))][int(rng.integers(2))]
        filler = " ".join(f"w{k}" for k in rng.integers(300, size=6))
        return f"the <e1>thing{rng.integers(400)}</e1> {word} a <e2>thing{rng.integers(400)}</e2> {filler}", label

    listed = [(f"a{k}", "train", *row(k)) for k in range(n_train)] + [(f"b{k}", "test", *row(k)) for k in range(n_test)]
    listed += [(f"c{k}", "test", *listed[k][2:]) for k in range(leaked)]
    data = replace(dataset(listed), task="relation")
    model = train_linear(data.inputs(data.rows("train")), data.codes[data.rows("train")], labels=data.labels)
    return data, Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)


def _account(data, trained, metric):
    tables = tables_of(trained, evidence=Evidence(data, seed=0), contract=None, seed=0)
    return account_tables(
        tables, task="relation", labels=data.labels, contract=None, review=None, metric=metric, floors={}, candidates=[], seed=0
    )


@pytest.mark.parametrize("leaked", [0, 120])
def test_counting_rows_without_a_relation_is_the_protocol_component(leaked):
    data, trained = _relations(leaked=leaked)
    test = data.rows("test")
    true, said = data.codes[test], trained.probabilities[test].argmax(axis=1)
    by_accuracy, declared = _account(data, trained, "accuracy"), _account(data, trained, None)
    assert adds_up(by_accuracy)
    assert adds_up(declared)
    assert by_accuracy.reported.value == pytest.approx((true == said).mean(), abs=1e-12)
    assert declared.metric == "relation_macro_f1"
    # Both roads end at the same place: the same answers, counted as the task declares.
    assert by_accuracy.honest.value == pytest.approx(declared.honest.value, abs=1e-12)
    assert component(declared, "protocol").points.value == 0.0
    protocol = component(by_accuracy, "protocol")
    assert protocol.status == "measured"
    assert protocol.points.low > 0
    assert protocol.details["instead"] == "relation_macro_f1"
    if not leaked:
        apart = (true == said).mean() - scored(true, said, n_classes=3, metric=relation.metric("relation_macro_f1", RELATIONS))
        assert protocol.points.value == pytest.approx(100 * apart, abs=2.0)
    assert component(by_accuracy, "leakage").status == ("measured" if leaked else "not_detected")
