"""Repairs that help are accepted, repairs that do nothing are not, and no repair sees a locked label."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from number_world import KnownEvidence, disagreeing, knowing, record, ridge_fit, ridge_folds, world

from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord, Finding
from veridical.core.run_record import RepairRecord
from veridical.repair._edits import weigh
from veridical.verify.arms import tried_repairs
from veridical.verify.locked_fold import locked_fold

AUDITED = record("label_errors", (Finding("r0", "train", 1.0, "some"),), 1)


def trial(
    planted, monkeypatch, *, look=disagreeing, repairs=("set_aside_label_errors",), seed=0, audit=AUDITED, clusters=None, **more
):
    monkeypatch.setattr("veridical.repair._restricted.out_of_fold", ridge_folds(planted))
    evidence = KnownEvidence(planted.data, clusters=clusters)
    locked = locked_fold(planted.data, evidence.clusters)
    fit = more.pop("fit", ridge_fit(planted.x))
    return tried_repairs(
        planted.data, evidence=evidence, audit=audit, locked=locked, repairs=repairs, fit=fit, look=look, seed=seed, **more
    ).record


def test_a_repair_that_helps_is_accepted(monkeypatch):
    """Helps, that is, on many rows with right labels; the locked labels, of which many are wrong, show a part of it."""
    planted = world(4000, d=200, flipped=0.3, seed=0, n_test=1500, noisy_test=False)
    train, test = planted.data.rows("train"), planted.data.rows("test")
    right = train[planted.data.codes[train] == planted.truth[train]]
    answers = [ridge_fit(planted.x)(rows, planted.data.codes[rows], None, 0)(test).argmax(1) for rows in (train, right)]
    untouched, repaired = (np.mean(answer == planted.truth[test]) for answer in answers)
    assert repaired - untouched > 0.03

    found = trial(planted, monkeypatch, repairs=("set_aside_label_errors", "relabel_label_errors"), look=knowing(planted.wrong))
    assert "set_aside_label_errors" in found.names("accepted")
    assert found.arms[0].gain_over_untouched.low > 0
    assert found.arms[0].gain_over_placebo.low > 0
    for arm in found.arms:
        assert arm.before.n == found.n_locked == 825
        assert arm.log_loss_gain is not None
        assert "how many are wrong was not measured" in arm.why
    assert RepairRecord.from_json(found.to_json()) == found


def random_rows(share):
    def look(evidence, names):
        data = evidence.data
        train = data.rows("train")
        drawn = np.random.default_rng(len(data.texts[0]) + int(data.codes.sum())).random(len(train)) < share
        found = [Finding(data.ids[r], "train", 1.0, "at random") for r in train[drawn]]
        return record("label_errors", tuple(found), len(train))

    return look


def test_a_repair_that_does_nothing_is_rarely_accepted(monkeypatch):
    """25 worlds, right labels, rows set aside at random: at alpha .05 more than 4 acceptances come about in under 1 %."""
    monkeypatch.setattr("veridical.verify.scoring.REPLICATES", 300)  # intervals are not looked at here
    accepted = 0
    for seed in range(25):
        planted = world(2100, d=60, flipped=0.1, seed=seed)
        found = trial(planted, monkeypatch, look=random_rows(0.1), seed=seed)
        accepted += len(found.names("accepted"))
    assert accepted <= 4


def test_a_repair_that_harms_is_rejected(monkeypatch):
    planted = world(4000, d=40, flipped=0.0, seed=1)

    def worst(evidence, names):
        data = evidence.data
        found = [Finding(data.ids[r], "train", 1.0, "pos") for r in data.rows("train") if data.codes[r] == 1]
        return record("label_errors", tuple(found[: len(found) - 20]), len(data))

    arm = trial(planted, monkeypatch, look=worst).arms[0]
    assert arm.outcome == "rejected"
    assert arm.gain_over_untouched.high < 0
    assert "Worse than untouched" in arm.why


def test_weights_are_tried_against_the_same_weights_dealt_out_at_random(monkeypatch):
    planted = world(2400, d=20, flipped=0.0, seed=2)

    def imbalance(evidence, names):
        return record("class_imbalance", (Finding("", "train", 1.0, "rare"),), len(evidence.data))

    audit = imbalance(KnownEvidence(planted.data), ())
    arm = trial(planted, monkeypatch, look=imbalance, repairs=("rebalance_weights",), audit=audit).arms[0]
    assert arm.kind == "training"
    assert arm.rows == int(np.sum(planted.data.splits == "train")) - 360
    assert arm.outcome == "harmless"
    assert "not told apart" in arm.why


def test_no_locked_label_is_read_before_scoring(monkeypatch):
    """Other labels on the locked rows change scores and nothing else: not the edits, not what is fitted."""
    planted = world(2400, d=20, flipped=0.2, seed=3)
    fold = locked_fold(planted.data, np.arange(2400))

    def spied(data):
        fitted: list[tuple[bytes, bytes]] = []
        looked: list[list[str]] = []

        def fit(rows, codes, weights, seed):
            assert not np.isin(rows, fold.rows).any()
            fitted.append((rows.tobytes(), codes.tobytes()))
            return ridge_fit(planted.x)(rows, codes, weights, seed)

        def look(evidence, names):
            looked.append(evidence.data.table.to_pylist())
            return disagreeing(evidence, names)

        evidence = KnownEvidence(data)
        repairs = ("set_aside_label_errors", "relabel_label_errors")
        found = tried_repairs(
            data, evidence=evidence, audit=AUDITED, locked=fold, repairs=repairs, fit=fit, look=look, seed=0
        ).record
        return fitted, looked, found

    monkeypatch.setattr("veridical.repair._restricted.out_of_fold", ridge_folds(planted))
    names = planted.data.table.column("label").to_pylist()
    swapped = [{"neg": "pos", "pos": "neg"}[n] if i in set(fold.rows.tolist()) else n for i, n in enumerate(names)]
    first, second = spied(planted.data), spied(planted.data.with_column("label", swapped))
    assert first[0] == second[0]
    assert first[1] == second[1]
    assert first[2].arms[0].after != second[2].arms[0].after
    assert len(first[2].looks) == 1 + 2 * 2
    assert all("360 locked rows" in look for look in first[2].looks)


def leaky(n_test: int, seed: int):
    """Every second test row has a copy in train, learned by heart."""
    planted = world(3000, d=30, flipped=0.0, seed=seed, n_test=n_test)
    clusters = np.arange(3000 + n_test)
    clusters[3000::2] = np.arange(len(clusters[3000::2]))
    heart = ridge_fit(planted.x)

    def fit(rows, codes, weights, seed):
        few = rows >= 2900  # rows without copies: what is learned of the plane does not hang on the repair
        predict = heart(rows[few & (rows < 3000)], codes[few & (rows < 3000)], None, seed)
        known = dict(zip(clusters[rows].tolist(), codes.tolist(), strict=True))

        def answer(chosen):
            said = predict(chosen)
            for i, row in enumerate(chosen):
                if int(clusters[row]) in known:
                    said[i] = np.eye(2)[planted.truth[row]]
            return said

        return answer

    return planted, clusters, fit


def overlap(evidence, names):
    data, codes = evidence.data, evidence.clusters
    train = {int(codes[r]): data.ids[r] for r in data.rows("train")}
    found = [
        Finding(data.ids[r], "test", 1.0, "in train", other_row=train[int(codes[r])])
        for r in data.rows("test")
        if int(codes[r]) in train
    ]
    return record("train_test_overlap", tuple(found), len(data))


def test_removing_leaks_closes_the_gap_and_is_accepted(monkeypatch):
    planted, clusters, fit = leaky(1000, seed=4)
    audit = overlap(KnownEvidence(planted.data, clusters=clusters), ())
    found = trial(planted, monkeypatch, look=overlap, repairs=("drop_leaks",), audit=audit, clusters=clusters, fit=fit)
    arm = found.arms[0]
    assert arm.kind == "measurement"
    assert arm.placebo is None
    assert "points off the locked one" in arm.why
    assert arm.outcome == "accepted", arm.why
    assert "gap shrinks" in arm.why


def test_a_gap_that_closes_at_the_price_of_the_score_is_not_accepted(monkeypatch):
    planted, clusters, fit = leaky(1000, seed=4)

    def needs_the_leaks(rows, codes, weights, seed):
        predict = fit(rows, codes, weights, seed)
        share_wrong = 0.0 if np.mean(rows < 500) > 0.05 else 0.1
        return lambda chosen: np.where((chosen % 97 < 97 * share_wrong)[:, None], predict(chosen)[:, ::-1], predict(chosen))

    audit = overlap(KnownEvidence(planted.data, clusters=clusters), ())
    more = {"audit": audit, "clusters": clusters, "fit": needs_the_leaks}
    arm = trial(planted, monkeypatch, look=overlap, repairs=("drop_leaks",), **more).arms[0]
    assert arm.gain_over_untouched.low < -1
    assert arm.outcome != "accepted", arm.why


def test_what_cannot_be_tested_says_why(monkeypatch):
    planted = world(2400, d=5, flipped=0.0, seed=5)
    nothing = AuditRecord((), 0)
    arm = trial(planted, monkeypatch, audit=nothing, look=lambda e, n: nothing).arms[0]
    assert (arm.outcome, arm.before) == ("skipped", None)
    assert "None of the checks" in arm.why
    clean = record("label_errors", (), 2400)
    assert "nothing to change" in trial(planted, monkeypatch, audit=clean, look=lambda e, n: clean).arms[0].why
    small = world(400, d=5, flipped=0.0, seed=6)
    assert "under 300" in trial(small, monkeypatch).skipped
    with pytest.raises(InputError, match="at least 5"):
        trial(planted, monkeypatch, seeds=(0, 1))


def test_winning_training_repairs_are_tried_together_as_one_more_arm(monkeypatch):
    """Two repairs that answer different checks each undo half of the wrong labels."""
    monkeypatch.setattr("veridical.verify.scoring.REPLICATES", 300)  # intervals are not looked at here
    planted = world(6000, d=400, flipped=0.3, seed=0, n_test=9000, noisy_test=False)
    halves = {"label_errors": sorted(planted.wrong)[::2], "class_imbalance": sorted(planted.wrong)[1::2]}

    def look(evidence, names):
        train = set(np.asarray(evidence.data.ids)[evidence.data.rows("train")].tolist())
        found = {
            check: tuple(Finding(row, "train", 1.0, "wrong") for row in rows if row in train) for check, rows in halves.items()
        }
        return AuditRecord(tuple(record(check, rows, len(train)).checks[0] for check, rows in found.items()), 0)

    def down_weighted(evidence, audit, params, rng):
        data, place = evidence.data, {row: i for i, row in enumerate(evidence.data.ids)}
        named = [finding.row for finding in audit.findings("class_imbalance") if finding.row in place]
        return tuple(
            weigh(data, place[row], 0.01, reason="wrong", check="class_imbalance", repair="rebalance_weights") for row in named
        )

    plug_in = import_module("veridical.repair.rebalance_weights")
    monkeypatch.setattr(plug_in, "repair", replace(plug_in.repair, apply=down_weighted))
    audit = look(KnownEvidence(planted.data), ())
    found = trial(planted, monkeypatch, repairs=("set_aside_label_errors", "rebalance_weights"), look=look, audit=audit)
    assert found.names("accepted") == ["set_aside_label_errors", "rebalance_weights"], [arm.why for arm in found.arms]
    both = found.combination
    assert both is not None
    assert both.repair == "set_aside_label_errors + rebalance_weights"
    assert both.gain_over_untouched.value > max(arm.gain_over_untouched.value for arm in found.arms)
    assert len(found.looks) == 1 + 3 * 2
    assert RepairRecord.from_json(found.to_json()) == found
