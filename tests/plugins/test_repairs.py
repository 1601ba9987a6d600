"""What every repair keeps, proven on its own planted data. A new file in the folder is tested by being there."""

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from veridical.audit._evidence import Evidence
from veridical.audit._runner import run_checks
from veridical.core.errors import InputError, UnknownName
from veridical.core.plugins import get, module, names
from veridical.dataset.fingerprint import fingerprint
from veridical.repair._edits import apply_edits, restore, row_weights
from veridical.repair._runner import edits_of, repair

ALL = names("veridical.repair")
QUESTIONS = ("What it measures:", "Why it inflates a score:", "How it errs:", "Source:")


@pytest.fixture(scope="module", params=ALL)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def record(name):
    return get("veridical.repair", "repair", name)


def audited(data, record, seed=0):
    evidence = Evidence(data, seed=seed)
    return evidence, run_checks(evidence, only=[c for c in record.answers if c in names("veridical.audit")], seed=seed)


@pytest.fixture(scope="module")
def planted(record):
    """(planted, evidence, audit, edits)."""
    found = record.planted()
    data = replace(found.data, fingerprint=fingerprint(found.data.table))
    return replace(found, data=data), *audited(data, record)


@pytest.fixture(scope="module")
def edits(name, planted):
    _, evidence, audit = planted
    return edits_of(name, evidence=evidence, audit=audit, seed=0)


def test_it_answers_to_checks_that_exist(record):
    assert record.answers
    assert set(record.answers) <= set(names("veridical.audit"))
    assert record.kind in ("training", "measurement")


def test_the_docstring_answers_four_questions(name):
    doc = module("veridical.repair", name).__doc__ or ""
    assert all(re.search(rf"^{re.escape(q)} \S", doc, re.MULTILINE) for q in QUESTIONS)


def test_every_parameter_says_unit_range_and_origin(name, record):
    source = Path(module("veridical.repair", name).__file__).read_text(encoding="utf-8")
    for field in fields(record.params):
        assert re.search(rf'^    {field.name}: .*\n    """.+"""', source, re.MULTILINE), field.name


def test_it_edits_the_planted_rows(planted, edits):
    assert {edit.row for edit in edits} == planted[0].bad


def test_it_leaves_the_twin_alone(name, record, planted):
    evidence, audit = audited(planted[0].twin, record)
    assert edits_of(name, evidence=evidence, audit=audit, seed=0) == ()


def test_edits_name_row_reason_check_and_repair(name, record, edits):
    for edit in edits:
        assert edit.row
        assert edit.reason
        assert edit.repair == name
        assert edit.check in record.answers
        assert edit.action in ("set_aside", "relabel", "move", "weight")


def test_it_is_pure(name, planted, edits):
    found, evidence, audit = planted
    before = found.data.table.to_pylist()
    assert edits_of(name, evidence=evidence, audit=audit, seed=0) == edits
    assert evidence.data.table.to_pylist() == before


def test_training_repairs_touch_train_rows_only(record, planted, edits):
    data = planted[0].data
    split = dict(zip(data.ids, data.splits, strict=True))
    if record.kind == "training":
        assert {split[edit.row] for edit in edits} == {"train"}


def test_rows_in_are_rows_kept_plus_rows_set_aside(planted, edits):
    data = planted[0].data
    repaired = apply_edits(data, edits)
    aside = repaired.set_aside.num_rows - data.set_aside.num_rows
    assert len(data) == len(repaired) + aside
    assert aside == sum(edit.action == "set_aside" for edit in edits)


def test_it_can_be_undone(planted, edits):
    data = planted[0].data
    assert fingerprint(restore(apply_edits(data, edits), edits).table) == data.fingerprint


def test_the_check_it_answers_finds_less_afterwards(record, planted, edits):
    found, _, audit = planted
    data = found.data
    weights = row_weights(data, edits)
    if weights is not None:  # the check counts rows; weights must bring the labels' shares closer
        codes = data.codes[data.rows("train")]
        counted, weighed = np.bincount(codes), np.bincount(codes, weights[data.rows("train")])
        assert weighed.min() / weighed.sum() > counted.min() / counted.sum()
        return
    _, after = audited(apply_edits(data, edits), record)
    check = edits[0].check
    assert len(after.findings(check)) < len(audit.findings(check))


def test_row_order_does_not_matter(name, record, planted, edits):
    data = planted[0].data
    turned = data.take(np.random.default_rng(0).permutation(len(data)))
    evidence, audit = audited(turned, record)
    again = edits_of(name, evidence=evidence, audit=audit, seed=0)
    assert {(e.row, e.action, e.after) for e in again} == {(e.row, e.action, e.after) for e in edits}


def test_the_runner_logs_every_edit(name, planted, edits):
    found, evidence, audit = planted
    repaired, log = repair(found.data, audit=audit, repairs=[name], seed=0, evidence=evidence)
    assert log == edits
    assert repaired.table.equals(apply_edits(found.data, edits).table)


def test_several_repairs_in_a_row_can_be_undone():
    found = get("veridical.repair", "repair", "set_aside_conflicts").planted()
    data = replace(found.data, fingerprint=fingerprint(found.data.table))
    evidence = Evidence(data, seed=0)
    audit = run_checks(evidence, only=["exact_duplicates", "conflicting_labels"], seed=0)
    repaired, log = repair(data, audit=audit, repairs=["set_aside_conflicts", "drop_duplicates"], seed=0, evidence=evidence)
    assert {edit.repair for edit in log} == {"set_aside_conflicts", "drop_duplicates"}
    assert len({edit.row for edit in log}) == len(log)
    kept = [t for t, s in zip(repaired.texts, repaired.splits, strict=True) if s == "train"]
    assert len(kept) == len(set(kept))
    assert fingerprint(restore(repaired, log).table) == data.fingerprint


def test_unknown_and_doubled_repairs_are_refused(planted):
    found, evidence, audit = planted
    with pytest.raises(UnknownName, match="drop_duplicates"):
        repair(found.data, audit=audit, repairs=["drop_duplicate"], evidence=evidence)
    with pytest.raises(InputError, match="twice"):
        repair(found.data, audit=audit, repairs=["drop_leaks", "drop_leaks"], evidence=evidence)
