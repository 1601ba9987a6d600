"""Repairs of tagged rows on trial: those that help are accepted, nothing is where nothing is wrong, no locked tag is read."""

from collections import Counter, defaultdict
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest
from number_world import KnownEvidence, record

from veridical.core.finding import AuditRecord, Finding
from veridical.core.run_record import RepairRecord
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.repair._edits import weigh
from veridical.verify.arms import tried_repairs
from veridical.verify.locked_fold import locked_fold

REPAIRS = ("drop_duplicates", "drop_leaks", "keep_clusters_together", "set_aside_label_errors")


@pytest.fixture(autouse=True)
def _no_fold_models(monkeypatch):
    """All rows are equally hard here, and intervals are wide enough."""
    folds = import_module("veridical.train.answer_folds")
    monkeypatch.setattr(folds, "difficulty", lambda evidence, structure: np.zeros((len(evidence.data), 1)))
    monkeypatch.setattr("veridical.verify.scoring.REPLICATES", 400)


def tagged(rows, clusters):
    """rows: (split, topic, tags). Rows of one cluster are one text."""
    table = [
        {"id": f"r{i}", "split": split, "text": f"topic{topic} text{cluster}", "label": tags}
        for i, ((split, topic, tags), cluster) in enumerate(zip(rows, clusters, strict=True))
    ]
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset("ner", pa.Table.from_pylist(table, schema=SCHEMA), ("X", "Y"), none)


def by_topic(data, *, heart=None):
    """A model that says of a row the commonest tags of its topic in train; and those it has read of a cluster, with `heart`."""
    topics = [text.split(" ")[0] for text in data.texts]

    def fit(rows, labels, weights, seed):
        seen, known = defaultdict(Counter), {}
        for row, tags in zip(rows.tolist(), labels.tolist(), strict=True):
            seen[topics[row]][tags] += 1
            if heart is not None:
                known[heart[row]] = tags
        usual = {topic: min(counts, key=lambda tags: (-counts[tags], tags)) for topic, counts in seen.items()}

        def answer(chosen):
            said = []
            for row in chosen.tolist():
                by_heart = known.get(heart[row]) if heart is not None else None
                said.append(by_heart or usual.get(topics[row], "O O"))
            return np.array(said, object)

        return answer

    return fit


def looked(evidence, names):
    """Both checks, by clusters alone."""
    data, codes = evidence.data, evidence.clusters
    first = {int(codes[row]): data.ids[row] for row in data.rows("train")[::-1]}
    copies = [
        Finding(data.ids[row], "train", 1.0, "again", other_row=first[int(codes[row])])
        for row in data.rows("train")
        if first[int(codes[row])] != data.ids[row]
    ]
    leaks = [
        Finding(data.ids[row], "test", 1.0, "in train", other_row=first[int(codes[row])])
        for row in data.rows("test")
        if int(codes[row]) in first
    ]
    found = [
        record(check, tuple(f), len(data)).checks[0] for check, f in (("exact_duplicates", copies), ("train_test_overlap", leaks))
    ]
    return AuditRecord(tuple(found), 0)


def trial(data, clusters, *, heart=False, repairs=REPAIRS, look=looked, **more):
    evidence = KnownEvidence(data, clusters=clusters)
    return tried_repairs(
        data, evidence=evidence, audit=looked(evidence, ()), locked=locked_fold(data, clusters), repairs=repairs,
        fit=by_topic(data, heart=clusters if heart else None), metric="entity_f1", look=look, **more,
    )  # fmt: skip


def world(seed, *, copies=0, leaked=0, n_test=600, usual=0.9):
    """2,400 train rows of ten topics, one kind of entity each in a share `usual` of its rows. Copies: so many more of one
    row of the other kind in each of four topics. Leaked: so many test rows that stand in train."""
    rng = np.random.default_rng(seed)

    def row(split):
        topic = int(rng.integers(10))
        kind = "XY"[topic % 2 if rng.random() < usual else 1 - topic % 2]
        return (split, topic, f"B-{kind} O")

    rows = [row("train") for _ in range(2400)]
    clusters = list(range(2400))
    for topic in range(4 if copies else 0):
        at = next(i for i, (_, of, tags) in enumerate(rows) if of == topic and tags[2] == "YX"[topic % 2])
        rows += [rows[at]] * copies
        clusters += [at] * copies
    for number in range(n_test):
        source = int(rng.integers(2400)) if number < leaked else None
        rows.append(("test", *rows[source][1:]) if source is not None else row("test"))
        clusters.append(source if source is not None else len(rows) + 10_000)
    return tagged(rows, clusters), np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def test_copies_with_wrong_tags_are_dropped_and_the_repair_is_accepted():
    data, clusters = world(0, copies=400)
    found = trial(data, clusters)
    arm = found.record.arms[0]
    assert (arm.repair, arm.outcome) == ("drop_duplicates", "accepted"), arm.why
    assert arm.gain_over_untouched.low > 15
    assert arm.gain_over_placebo.low > 15
    assert arm.log_loss_gain is None
    assert arm.mde > 0
    assert set(found.figures[0].recall) == {"X", "Y"}
    assert found.record.one_fit
    assert RepairRecord.from_json(found.record.to_json()) == found.record
    skipped = {arm.repair: arm.why for arm in found.record.arms if arm.outcome == "skipped"}
    assert set(skipped) == set(REPAIRS) - {"drop_duplicates"}
    assert "None of the checks it answers to looked (label_errors, answer_errors)" in skipped["set_aside_label_errors"]


def test_leaks_are_removed_and_the_gap_shrinks():
    data, clusters = world(1, leaked=420, usual=0.75)
    arms = {arm.repair: arm for arm in trial(data, clusters, heart=True).record.arms}
    leaks = arms["drop_leaks"]
    assert leaks.outcome == "accepted", leaks.why
    assert "The gap shrinks" in leaks.why
    assert leaks.rows > 200
    assert arms["keep_clusters_together"].outcome == "accepted", arms["keep_clusters_together"].why


def test_nothing_is_accepted_where_nothing_is_wrong():
    data, clusters = world(2)
    found = trial(data, clusters, heart=True).record
    assert not found.names("accepted")
    assert found.looks == ()  # and no model was trained
    assert all("nothing to change" in arm.why or "looked" in arm.why for arm in found.arms)


def test_a_repair_that_does_nothing_is_rarely_accepted():
    """12 worlds, copies of rows at random: at alpha .05 more than 3 acceptances come about in under 1 %."""
    accepted = 0
    for seed in range(12):
        data, clusters = world(seed + 10, n_test=0)
        twice = np.random.default_rng(seed).random(len(data)) < 0.3
        copies = data.take(np.flatnonzero(twice))
        renamed = copies.with_column("id", [f"z{row}" for row in copies.ids])
        doubled = pa.concat_tables([data.table, renamed.table])
        again = Dataset("ner", doubled, data.labels, data.set_aside)
        found = trial(again, np.concatenate([clusters, clusters[twice]]), repairs=("drop_duplicates",)).record
        accepted += len(found.names("accepted"))
    assert accepted <= 3


def test_repairs_of_a_file_of_answers_are_those_of_the_test_set():
    data, clusters = world(3, leaked=150, n_test=1000)
    fit = by_topic(data, heart=clusters)(data.rows("train"), np.array(data.answers, object)[data.rows("train")], None, 0)
    said = fit(np.arange(len(data)))
    evidence = KnownEvidence(data, clusters=clusters)
    from veridical.repair.keep_clusters_together import repair as together

    locked = locked_fold(data, clusters, fixed=True)
    found = tried_repairs(
        data, evidence=evidence, audit=looked(evidence, ()), locked=locked, repairs=("drop_leaks", "keep_clusters_together"),
        fit=lambda rows, labels, weights, seed: lambda chosen: said[chosen], metric="entity_f1", look=looked, fixed=True,
        params={"keep_clusters_together": together.params_fixed},
    ).record  # fmt: skip
    arms = {arm.repair: arm for arm in found.arms}
    assert "cannot be trained again" in arms["drop_leaks"].why
    assert arms["keep_clusters_together"].outcome in ("accepted", "harmless"), arms["keep_clusters_together"].why
    assert arms["keep_clusters_together"].gain_over_untouched.value == 0
    assert found.n_locked == pytest.approx(425, abs=3)


def test_no_locked_tag_is_read_before_scoring():
    """Other tags on the locked rows change scores and nothing else: not the edits, not what is fitted."""
    data, clusters = world(4, copies=60)
    fold = locked_fold(data, clusters)
    inside = set(fold.rows.tolist())
    other = {"B-X O": "B-Y O", "B-Y O": "B-X O"}
    swapped = data.with_column("label", [other[tags] if i in inside else tags for i, tags in enumerate(data.answers)])

    def spied(rows_of):
        fitted, seen = [], []

        def fit(rows, labels, weights, seed):
            assert not np.isin(rows, fold.rows).any()
            fitted.append((rows.tolist(), labels.tolist()))
            return by_topic(rows_of)(rows, labels, weights, seed)

        def look(evidence, names):
            seen.append(evidence.data.table.to_pylist())
            return looked(evidence, names)

        evidence = KnownEvidence(rows_of, clusters=clusters)
        found = tried_repairs(
            rows_of, evidence=evidence, audit=looked(evidence, ()), locked=fold, repairs=("drop_duplicates",), fit=fit,
            metric="entity_f1", look=look,
        )  # fmt: skip
        return fitted, seen, found.record

    first, second = spied(data), spied(swapped)
    assert first[0] == second[0]
    assert first[1] == second[1]
    assert first[2].arms[0].after != second[2].arms[0].after


def test_weights_of_rows_without_one_label_are_refused(monkeypatch):
    from dataclasses import replace

    from veridical.repair import drop_duplicates

    data, clusters = world(5, copies=60)

    def weighing(evidence, audit, params, rng):
        return (weigh(evidence.data, 0, 2.0, reason="more", check="exact_duplicates", repair="drop_duplicates"),)

    monkeypatch.setattr(drop_duplicates, "repair", replace(drop_duplicates.repair, apply=weighing))
    arm = trial(data, clusters, repairs=("drop_duplicates",)).record.arms[0]
    assert (arm.outcome, "one label each" in arm.why) == ("skipped", True)
