"""Countermeasures where an answer is more than one label: judged by the task's own metric, under edits that leave the right
answer where it is, and checked again from the stored answers."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veridical.dataset.rows import SCHEMA, Dataset
from veridical.ledger.contract import Contract, Perturbation
from veridical.verify.certificate import routing_json
from veridical.verify.countermeasure_arms import tried_countermeasures
from veridical.verify.countermeasure_replay import replayed_countermeasures
from veridical.verify.countermeasure_verdict import Exams, Proposal, best
from veridical.verify.exam_table import FILE, write_exams
from veridical.verify.exams import under_contract
from veridical.verify.judging import judging_of, labels_of

N = 400
EDITS = Contract("edits", "clusters", (), "0" * 64, (), Perturbation(("keyboard",), 1.0, 1))
ALL = np.arange(N)


def world():
    """One name a row, at a place that differs from row to row."""
    rng, rows = np.random.default_rng(1), []
    for k in range(N):
        words, at = [f"quiet{k}", "words", "stand", "around", "here"], int(rng.integers(5))
        tags = ["O"] * 5
        words[at], tags[at] = "Ridgeway", f"B-{'XY'[k % 2]}"
        rows.append({"id": f"r{k}", "split": "train", "text": " ".join(words), "label": " ".join(tags)})
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset("ner", pa.Table.from_pylist(rows, schema=SCHEMA), ("X", "Y"), none)


def judging(data):
    return judging_of("ner", metric="token_accuracy", labels=data.labels, right=labels_of(data), clusters=ALL)


def teach(name, seed):
    """Every model knows whether a row is of X or Y and misses some names: plainly those that are not spelt as they were in
    train, `near` no more than `noop` misses of any; `harm` takes half of them for the other kind."""

    def answers(inputs):
        rng, said = np.random.default_rng([seed, name == "noop"]), []
        for k, text in enumerate(inputs):
            words = str(text).split(" ")
            missed = rng.random() < 0.1 or (name != "near" and "Ridgeway" not in words)
            kind = "XY"[k % 2] if name != "harm" or rng.random() < 0.5 else "YX"[k % 2]
            found = [not missed and len(set(word) & set("Ridgeway")) > 5 and word[:1] != "q" for word in words]
            said.append(" ".join(f"B-{kind}" if hit else "O" for hit in found))
        return np.array(said, dtype=object)

    return answers


@pytest.fixture(scope="module")
def routing():
    data = world()
    tried = [("near", "fragility"), ("noop", "fragility"), ("harm", "noise"), ("gce", "noise", "It has no place here.")]
    return tried_countermeasures(
        data, clusters=ALL, locked=ALL, proposals=[Proposal(*one) for one in tried], teach=teach, judging=judging(data),
        votes="clusters", contract=EDITS, transfer=("fragility",),
    )  # fmt: skip


def test_what_helps_under_the_edits_is_kept_and_nothing_else(routing):
    near, noop, harm, unfit = routing.arms
    assert (near.arm.outcome, noop.arm.outcome) == ("accepted", "harmless")
    assert near.endpoint == "edits"
    assert near.arm.gain_over_untouched.low > 5
    assert abs(near.elsewhere.value) < 3
    assert near.arm.log_loss_gain is None
    assert harm.arm.outcome == "rejected"
    assert harm.endpoint == "locked"
    assert (unfit.arm.outcome, unfit.arm.why) == ("skipped", "It has no place here.")
    assert best(routing.arms) == "near"


def test_edits_keep_the_number_of_words_and_the_vote_of_each_row():
    data = world()
    exam = under_contract(data, ALL, EDITS, seed=0)
    assert exam.shows == ("fragility",)
    changed = [text != data.texts[row] for text, row in zip(exam.inputs, exam.row, strict=True)]
    assert np.mean(changed) > 0.9
    assert all(text.count(" ") == 4 for text in exam.inputs)
    asked = exam.ruler(judging(data).ruler(ALL, votes="clusters"))
    assert list(asked.right) == [data.answers[row] for row in exam.row]
    assert np.bincount(exam.row, asked.votes) == pytest.approx(np.ones(N))


@pytest.fixture
def certified(routing, tmp_path):
    write_exams(tmp_path / FILE, routing.exams, routing.said)
    knobs = {arm.arm.repair: {} for arm in routing.arms}
    said = routing_json(routing, knobs=knobs, contract=EDITS, on_top_of=(), chosen=best(routing.arms))
    whole = {"config": {"task": "ner"}, "metric": "entity_f1", "labels": ["X", "Y"], "votes": "clusters", "seed": 0}
    return json.loads(json.dumps({**whole, "countermeasures": said})), tmp_path / FILE


def _wrong(certificate, path):
    data = world()
    asked = Exams.of(data, ALL, ALL, judging=judging(data), votes="clusters", contract=EDITS, seed=0)
    return {claim.name for claim in replayed_countermeasures(certificate, path, asked=asked) if not claim.holds}


def test_the_certificate_comes_out_of_the_stored_answers(certified):
    assert not _wrong(*certified)


def test_a_changed_answer_and_another_right_answer_are_named(certified):
    certificate, path = certified
    table = pq.read_table(path)
    for column, claims in (("predicted", {"figures of countermeasure near"}), ("label", {"questions of the exams"})):
        values = ["O O O O O" if k % 7 == 0 else value for k, value in enumerate(table.column(column).to_pylist())]
        place = table.column_names.index(column)
        if column == "label":  # the same for all models of an exam
            told = dict(zip(table.column("row").to_pylist(), values, strict=True))
            values = [told[row] for row in table.column("row").to_pylist()]
        pq.write_table(table.set_column(place, table.schema.field(column), pa.array(values, pa.string())), path)
        assert _wrong(certificate, path) >= claims
