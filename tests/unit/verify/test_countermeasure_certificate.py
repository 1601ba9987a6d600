"""What a certificate says of countermeasures comes out of the stored answers, and what was changed is named."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.unit.verify.test_countermeasure_arms import CUE, N, judging, teach, world

from veridical.core.errors import InputError
from veridical.verify.certificate import routing_json
from veridical.verify.countermeasure_arms import tried_countermeasures
from veridical.verify.countermeasure_replay import replayed_countermeasures
from veridical.verify.countermeasure_verdict import Exams, Proposal, best
from veridical.verify.exam_table import FILE, write_exams


@pytest.fixture(scope="module")
def routing():
    proposals = [Proposal("read", "shortcut"), Proposal("noop", "noise"), Proposal("fgm", "fragility", "It needs an encoder.")]
    return tried_countermeasures(
        world(), clusters=np.arange(N), locked=np.arange(N), proposals=proposals, teach=teach, judging=judging(world()),
        votes="clusters", contract=CUE, transfer=("shortcut", "groups", "fragility"),
    )  # fmt: skip


@pytest.fixture
def certified(routing, tmp_path):
    """(certificate, path of its answers)"""
    path = tmp_path / FILE
    write_exams(path, routing.exams, routing.said)
    knobs = {"read": {"words": ""}, "noop": {}, "fgm": {"epsilon": 1.0}}
    said = routing_json(routing, knobs=knobs, contract=CUE, on_top_of=("drop_leaks",), chosen=best(routing.arms))
    whole = {"config": {"task": "classification"}, "metric": "accuracy", "labels": ["neg", "pos"], "votes": "clusters", "seed": 0}
    return json.loads(json.dumps({**whole, "countermeasures": said})), path


def asked():
    data = world()
    return Exams.of(data, np.arange(N), np.arange(N), judging=judging(data), votes="clusters", contract=CUE, seed=0)


def wrong(certificate, path, *, questions=None):
    return [(c.name, c.why) for c in replayed_countermeasures(certificate, path, asked=questions) if not c.holds]


def changed(path, column, change):
    """The stored answers with one column changed from the values it had."""
    table = pq.read_table(path)
    place = table.column_names.index(column)
    values = change(table.column(column).to_pylist())
    pq.write_table(table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type)), path)


def test_every_countermeasure_is_there_with_its_figures(certified):
    certificate, path = certified
    said = certificate["countermeasures"]
    read, noop, fgm = said["arms"]
    assert said["chosen"] == "read"
    assert read["endpoint"] == {"name": "no zorblat", "sha256": "0" * 64}
    assert noop["endpoint"] == {"name": "locked"}
    assert read["knobs"] == {"words": ""}
    assert read["elsewhere"]["value"] < 0
    assert noop["elsewhere"] is None
    assert read["models"] == {"plain": 5, "with": 5}
    assert (read["outcome"], noop["outcome"], fgm["outcome"]) == ("accepted", "harmless", "skipped")
    assert read["holm"]["p_better"] == pytest.approx(2 * read["figures"]["p_untouched"])  # over two that were tried
    assert "against plain training on" in read["claim"]
    assert (fgm["figures"], fgm["claim"]) == (None, "")
    claims = replayed_countermeasures(certificate, path, asked=asked())
    assert [c.name for c in claims if not c.holds] == []
    assert len(claims) == 5


def test_a_changed_answer_is_said(certified):
    certificate, path = certified
    changed(path, "predicted", lambda given: [1 - p for p in given[:5]] + given[5:])  # of plain training, as they are
    assert {name for name, _ in wrong(certificate, path)} >= {"figures of countermeasure read", "figures of countermeasure noop"}


def test_a_changed_share_of_a_vote_is_said_whatever_the_hash(certified):
    certificate, path = certified
    changed(path, "share", lambda given: [1.1 * s if s < 1 else s for s in given])
    found = dict(wrong(certificate, path, questions=asked()))
    assert "questions of the exams" in found
    changed(path, "label", lambda given: [1 - code for code in given])
    assert "figures of countermeasure read" in dict(wrong(certificate, path))


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda arm: arm["figures"]["gain_over_untouched"].update(value=99.0), "figures of countermeasure read"),
        (lambda arm: arm["elsewhere"].update(value=0.0), "figures of countermeasure read"),
        (lambda arm: arm.update(p_worse=0.5), "figures of countermeasure read"),
        (lambda arm: arm.update(endpoint={"name": "locked"}), "figures of countermeasure read"),
        (lambda arm: arm["models"].update(plain=50), "figures of countermeasure read"),
        (lambda arm: arm["holm"].update(p_better=0.5), "Holm's correction over countermeasures"),
        (lambda arm: arm.update(outcome="harmless"), "Holm's correction over countermeasures"),
        (lambda arm: arm.update(claim="It is perfect."), "Holm's correction over countermeasures"),
    ],
)
def test_a_changed_figure_is_said(certified, change, claim):
    certificate, path = certified
    change(certificate["countermeasures"]["arms"][0])
    assert [name for name, _ in wrong(certificate, path)] == [claim]


def test_another_choice_is_said(certified):
    certificate, path = certified
    certificate["countermeasures"]["chosen"] = None
    assert wrong(certificate, path) == [
        ("countermeasure of the repaired model", "The stored answers choose read; the certificate says no countermeasure.")
    ]


def test_what_is_missing_is_said(certified):
    certificate, path = certified
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.not_equal(table["arm"], "read")), path)
    assert ("figures of countermeasure read", f"{FILE} lacks the answers of its models.") in wrong(certificate, path)
    pq.write_table(table.drop_columns(["share"]), path)
    with pytest.raises(InputError, match=r"needed: arm \(string\), exam \(string\), seed"):
        replayed_countermeasures(certificate, path, asked=None)
    path.unlink()
    with pytest.raises(InputError, match="Put the file back"):
        replayed_countermeasures(certificate, path, asked=None)


def test_where_none_was_tried_nothing_is_claimed(certified):
    certificate, path = certified
    certificate["countermeasures"]["arms"] = certificate["countermeasures"]["arms"][2:]
    path.unlink()
    claim, chosen = replayed_countermeasures(certificate, path, asked=None)
    assert (claim.holds, claim.why) == (True, "None was tried, so nothing is claimed.")
    assert chosen.name == "countermeasure of the repaired model"
