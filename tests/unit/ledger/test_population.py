"""What describes a row, and what the score of a few test rows is held to be on the population."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.accounting import account_tables, tables_of
from veridical.ledger.population import population
from veridical.ledger.wording import leakage_of
from veridical.train.trained import Trained


def plain_words(seed, n_train=280, n_test=120):
    """Rows of one template in which two words give the label away, so that fold models are about equally sure of all of them."""
    rng = np.random.default_rng(seed)
    codes, number = rng.integers(2, size=n_train + n_test), rng.integers(10_000, size=n_train + n_test)
    rows = [f"row {i} is {('bad poor', 'good nice')[code]} {number[i]}" for i, code in enumerate(codes)]
    splits = ["train"] * n_train + ["test"] * n_test
    return dataset([(f"r{i}", splits[i], text, LABELS[code]) for i, (text, code) in enumerate(zip(rows, codes, strict=True))])


@pytest.mark.parametrize("seed", range(5))
def test_a_model_that_always_says_one_label_is_right_as_often_as_that_label_occurs(seed):
    """Few test rows allow few columns; the predicted class is one of them. Without it a line through margins that hardly vary
    stood for two classes, and the score was up to 14 points off."""
    data = plain_words(seed)
    always = np.tile([0.1, 0.9], (len(data), 1))
    trained = Trained(None, "predictions", tuple(data.ids), always, data.labels, None, 0.0, external=True)
    evidence = Evidence(data, seed=0)
    tables = tables_of(trained, evidence=evidence, contract=None, seed=0)
    of_cluster = np.bincount(evidence.clusters, data.codes) / np.bincount(evidence.clusters)
    share = float(of_cluster.mean())
    ledger = account_tables(
        replace(tables, noise=replace(tables.noise, upper_rate=0.0)), task="classification", labels=data.labels, contract=None,
        review=None, metric=None, floors={}, candidates=[], seed=0,
    )  # fmt: skip
    assert ledger.honest.value == pytest.approx(share, abs=0.03)
    assert ledger.honest.low <= share <= ledger.honest.high


def test_rows_that_only_their_group_ties_to_train_are_counted_apart():
    """Of ten test rows of one document that train holds rows of, two have a text of train."""
    data = plain_words(0)
    train, test = data.rows("train"), data.rows("test")
    texts, group = list(data.texts), [None] * len(data)
    for row in test[:2]:
        texts[row] = texts[train[row % 7]]
    for row in [*test[:10], train[100]]:
        group[row] = "document"
    evidence = Evidence(data.with_column("text", texts).with_column("group", group), seed=0)
    people = population(evidence, votes="clusters")
    by_text = int(np.isin(evidence.text_clusters[test], evidence.text_clusters[train]).sum())
    assert people.leaked.sum() >= 10
    assert people.tied == people.leaked.sum() - by_text > 0
    said = leakage_of(people, has_train=True, wrong=0.1, too_few=False, stand_in=False)
    assert f"{people.tied} by a group of which train holds rows" in said.why
    assert said.details["tied_rows"] == people.tied
    alone = population(Evidence(data.with_column("text", texts), seed=0), votes="clusters")
    assert alone.tied == 0
    assert "group" not in leakage_of(alone, has_train=True, wrong=0.1, too_few=False, stand_in=False).why
