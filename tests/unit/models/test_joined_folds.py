"""Fold models of two families, joined where an encoder gives features, and left as they are where it has met the rows' labels."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS, account, made

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.accounting import tables_of
from veridical.ledger.label_noise import label_noise, trusted
from veridical.ledger.notes import ENCODER_APART, LINEAR_ALONE
from veridical.ledger.population import population
from veridical.ledger.tables import read_tables, save_tables
from veridical.models.weights import resolve


def world(seed, n_train=600, n_test=300, *, family=1):
    """Rows whose label hangs on words and on something that only features tell; (data, features (N, 12)). family: train rows of
    one text each, but for a word."""
    rng = np.random.default_rng(seed)
    n = n_train // family + n_test
    lean = np.random.default_rng(7).normal(size=300)
    chosen, told = rng.integers(300, size=(n, 8)), rng.normal(size=n)
    codes = (lean[chosen].sum(axis=1) / 2 + 1.5 * told + rng.logistic(size=n) > 0).astype(np.int64)
    features = rng.normal(size=(n, 12))
    features[:, 0] += told * 2
    of = np.concatenate([np.repeat(np.arange(n_train // family), family), np.arange(n_train // family, n)])
    rows = [
        (f"r{i}", "train" if i < n_train else "test", " ".join(f"word{k}" for k in chosen[row]), LABELS[codes[row]])
        for i, row in enumerate(of)
    ]
    return dataset(rows), features[of].astype(np.float32)


def seen_by(data, features):
    return Evidence(data, seed=0, encoded=lambda: features)


def stays(evidence):
    """Whether the encoder is left out."""
    return bool((evidence.foresight.probabilities == evidence.folds.probabilities).all())


def gain(evidence):
    """Of the test labels' mean log probability, in nats, over the linear family alone."""
    test = evidence.data.rows("test")
    codes, rows = evidence.data.codes[test], np.arange(len(test))
    both, alone = (np.log(one.probabilities[test][rows, codes]).mean() for one in (evidence.foresight, evidence.folds))
    return both - alone


def test_joined_families_know_more_than_the_linear_one():
    for seed in range(3):
        evidence = seen_by(*world(seed))
        assert gain(evidence) > 0.05
        np.testing.assert_allclose(evidence.foresight.probabilities.sum(axis=1), 1.0)


def test_features_without_news_change_next_to_nothing():
    data, features = world(0)
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    assert gain(seen_by(data, noise)) > -0.02


def with_turned(data, share):
    """Of the test labels a share is turned."""
    rng, test = np.random.default_rng(2), data.rows("test")
    labels = np.array([LABELS[code] for code in data.codes], dtype=object)
    turned = rng.choice(test, int(share * len(test)), replace=False)
    labels[turned] = [LABELS[1 - data.codes[row]] for row in turned]
    return data.with_column("label", labels.tolist())


def told(data, features, strength, *, where="train", column=1):
    """What tuning on these rows writes into features: their own labels."""
    changed, rows = features.copy(), data.rows(where)
    changed[rows, column] += strength * (2 * data.codes[rows] - 1)
    return changed


@pytest.mark.parametrize("flipped", [0.0, 0.3])
@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_an_encoder_that_met_the_train_labels_is_left_out_and_wrong_test_labels_look_like_no_such_thing(flipped, strength):
    data, features = world(0)
    data = with_turned(data, flipped)
    fair = seen_by(data, features)
    assert fair.foresight is not fair.folds
    met = seen_by(data, told(data, features, strength))
    assert met.foresight.apart == "met"
    np.testing.assert_array_equal(met.foresight.probabilities, met.folds.probabilities)


def test_an_encoder_that_knows_the_test_rows_better_is_left_out_without_that_being_said_of_train():
    data, features = world(0)
    evidence = seen_by(data, told(data, features, 3.0, where="test", column=0))
    assert evidence.foresight.apart == "unlike"
    np.testing.assert_array_equal(evidence.foresight.probabilities, evidence.folds.probabilities)


def test_one_that_met_them_a_little_makes_up_no_wrong_test_labels():
    """Too little for the comparison of sureness in some draws: what linear models do not see either is no noise."""
    shapes, joined = [], 0
    for n_train, n_test, strength, seed in ((2000, 300, 0.6, 3), (600, 150, 0.4, 6), (600, 150, 0.6, 6)):
        data, features = world(seed, n_train, n_test)
        evidence = seen_by(data, told(data, features, strength))
        joined += not stays(evidence)
        people = population(evidence, votes="clusters")
        shapes.append(label_noise(evidence, people, codes=data.codes[people.rows]).shape)
        assert trusted(evidence, people, codes=data.codes[people.rows]) is evidence.folds  # for groups as well
    assert shapes == ["none"] * 3
    assert joined == 3  # else the second lock was not tried


def test_families_in_train_and_easy_leaks_are_no_sign_of_tuning():
    left_out = {"families": 0, "easy": 0}
    for seed in range(8):
        families = seen_by(*world(seed, 2000, 300, family=20))
        left_out["families"] += stays(families)
        data, features = world(seed)
        test = data.rows("test")
        sure = Evidence(data, seed=0).folds.probabilities[test].max(axis=1)
        easy = test[np.argsort(-sure)[:90]]
        texts, labels = data.texts, [LABELS[code] for code in data.codes]
        rows = [(f"r{i}", split, texts[i], labels[i]) for i, split in enumerate(data.splits)]
        copied = [(f"c{i}", "train", texts[i], labels[i]) for i in easy]
        leaked = seen_by(dataset([*rows, *copied]), np.concatenate([features, features[easy]]))
        left_out["easy"] += stays(leaked)
        assert len(leaked.data) == len(rows) + 90
    assert max(left_out.values()) <= 1


def test_one_row_of_a_rare_label_does_not_blunt_the_others():
    data, features = world(0)
    labels = [LABELS[code] for code in data.codes]
    rare = [*"abcdefghij", *labels[10:]]
    rows = [(f"r{i}", *row) for i, row in enumerate(zip(data.splits, data.texts, rare, strict=True))]
    plain, odd = seen_by(data, features), seen_by(dataset(rows), features)
    sure = [np.abs(np.log(one.foresight.probabilities[data.rows("test")].max(axis=1))).mean() for one in (plain, odd)]
    assert sure[1] < 1.25 * sure[0] + 0.02


def test_where_there_is_too_little_the_folds_stand_and_nothing_is_encoded():
    def never():
        raise AssertionError("nothing is to be encoded here")

    data, _ = world(0)
    plain = Evidence(data, seed=0)
    assert plain.foresight is plain.folds
    untested = Evidence(data.take(data.rows("train")), seed=0, encoded=never)
    assert (untested.foresight.apart, stays(untested)) == ("few", True)
    few = Evidence(data.take(np.concatenate([data.rows("train"), data.rows("test")[:20]])), seed=0, encoded=never)
    assert (few.foresight.apart, stays(few)) == ("few", True)


def test_weights_that_were_tuned_before_are_left_out_and_that_is_said():
    data, _ = world(0)
    evidence = Evidence(data, seed=0, encoded=lambda: None)
    assert (evidence.foresight.apart, stays(evidence)) == ("tuned", True)


@pytest.mark.parametrize("why", ["", *ENCODER_APART])
def test_the_account_says_why_the_encoder_was_left_out(why, tmp_path):
    world = made(seed=0)
    tables = tables_of(world.trained, evidence=Evidence(world.data, seed=0), contract=None, seed=0)
    save_tables(replace(tables, apart=why), tmp_path / "tables.npz")
    notes = account(world, tables=read_tables(tmp_path / "tables.npz")).notes
    assert [note for note in notes if "encoder" in note] == ([f"{ENCODER_APART[why]} {LINEAR_ALONE}"] if why else [])


def test_a_family_that_is_all_of_train_leaves_one_fold_without_rows():
    data, features = world(0, 40, 100)
    one = replace_texts(data)
    evidence = seen_by(one, features)
    assert len(np.unique(evidence.clusters[one.rows("train")])) == 1
    assert (evidence.foresight.apart, stays(evidence)) == ("few", True)


def replace_texts(data):
    """All train rows say the same, but for a number at the end."""
    same = [
        f"one and the same sentence stands here in every row of train again {i}" if split == "train" else text
        for i, (split, text) in enumerate(zip(data.splits, data.texts, strict=True))
    ]
    return data.with_column("text", same)


def test_weights_that_were_tuned_on_labels_are_told_by_their_folder(tmp_path):
    weights = resolve("minilm")
    assert not weights.tuned
    config = json.loads((weights.folder / "config.json").read_text(encoding="utf-8"))
    for name, architecture, ours, tuned in (
        ("plain", "BertModel", False, False), ("masked", "BertForMaskedLM", False, False),
        ("classifier", "BertForSequenceClassification", False, True), ("of a run", "BertModel", True, True),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}), encoding="utf-8")
        if ours:
            (folder / "model.json").write_text("{}", encoding="utf-8")
        assert replace(weights, folder=folder).tuned is tuned
