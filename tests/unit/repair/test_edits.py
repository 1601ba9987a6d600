"""Edits are applied, logged and undone without losing a row."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from veridical.core.errors import InputError
from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.dataset.storage import read, save
from veridical.repair._contract import Edit
from veridical.repair._edit_log import read_edits, write_edits
from veridical.repair._edits import apply_edits, move, relabel, restore, row_weights, set_aside, weigh

BY = {"reason": '因为 "it"\nrepeats', "check": "some_check", "repair": "some_repair"}


@pytest.fixture
def data() -> Dataset:
    rows = [
        {"id": "a", "split": "train", "text": "好\u200b书", "label": "neg", "group": "g", "time": "2020"},
        {"id": "b", "split": "train", "text": "二", "label": "pos", "source": 'quote " and , comma'},
        {"id": "c", "split": "test", "text": "line\nbreak", "label": "neg"},
        {"id": "d", "split": "train", "text": "😀", "label": "pos"},
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    aside = pa.Table.from_pylist(
        [{"id": "empty", "split": "train", "text": "", "label": "neg", "reason": "empty text"}],
        schema=SCHEMA.append(pa.field("reason", pa.string())),
    )
    return Dataset("classification", table, ("neg", "pos"), aside, fingerprint=fingerprint(table))


@pytest.fixture
def edits(data) -> tuple[Edit, ...]:
    return (
        relabel(data, 0, "pos", **BY),
        move(data, 1, "test", **BY),
        set_aside(data, 3, **BY),
        weigh(data, 0, 2.5, **BY),
    )


def test_edits_do_what_they_say_and_leave_the_input_alone(data, edits):
    before = data.table
    repaired = apply_edits(data, edits)
    assert data.table.equals(before)
    assert repaired.table.column("label").to_pylist() == ["pos", "pos", "neg"]
    assert repaired.table.column("split").to_pylist() == ["train", "test", "test"]
    assert repaired.set_aside.column("id").to_pylist() == ["empty", "d"]
    assert repaired.set_aside.column("reason")[1].as_py() == f"some_repair: {BY['reason']}"
    assert len(data) + len(data.set_aside) == len(repaired) + len(repaired.set_aside)


def test_the_input_is_rebuilt_from_what_is_left(data, edits):
    rebuilt = restore(apply_edits(data, edits), edits)
    assert fingerprint(rebuilt.table) == data.fingerprint
    assert rebuilt.table.sort_by("id").equals(data.table.sort_by("id"))
    assert rebuilt.set_aside.equals(data.set_aside)


def test_a_row_changed_twice_and_then_set_aside_comes_back_as_it_was(data):
    first = (relabel(data, 0, "pos", **BY), move(data, 0, "test", **BY))
    half = apply_edits(data, first)
    second = (set_aside(half, 0, **BY),)
    rebuilt = restore(apply_edits(half, second), first + second)
    assert rebuilt.table.sort_by("id").equals(data.table.sort_by("id"))


def test_a_missing_label_comes_back_missing(data):
    unlabelled = data.with_column("label", [None, "pos", "neg", "pos"])
    unlabelled = replace(unlabelled, fingerprint=fingerprint(unlabelled.table))
    edits = (relabel(unlabelled, 0, "pos", **BY),)
    rebuilt = restore(apply_edits(unlabelled, edits), edits)
    assert rebuilt.table.sort_by("id").column("label")[0].as_py() is None


def test_the_log_survives_the_disk(data, edits, tmp_path):
    path = write_edits(edits, tmp_path / "edits.parquet")
    assert read_edits(path) == edits
    assert read_edits(write_edits((), tmp_path / "none.parquet")) == ()


def test_a_log_that_is_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_edits(tmp_path / "edits.parquet")
    (tmp_path / "edits.parquet").write_text("hello")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_edits(tmp_path / "edits.parquet")


def test_edits_of_other_data_are_refused(data, edits):
    repaired = apply_edits(data, edits)
    with pytest.raises(InputError, match="other data"):
        apply_edits(repaired, edits)  # row d is gone
    with pytest.raises(InputError, match="to go from"):
        apply_edits(data.with_column("label", ["pos"] * 4), edits)
    with pytest.raises(InputError, match="fingerprint"):
        restore(repaired, edits[1:])
    with pytest.raises(InputError, match="holds no such row"):
        restore(repaired.take(np.array([1, 2])), edits)


def test_a_label_nobody_knows_is_refused(data):
    with pytest.raises(InputError, match="Allowed: neg, pos"):
        apply_edits(data, (relabel(data, 0, "maybe", **BY),))


def test_weights_live_in_the_log_and_have_mean_one(data, edits):
    repaired = apply_edits(data, edits)
    assert row_weights(repaired, edits[:3]) is None
    weights = row_weights(data, edits)
    assert weights[data.rows("train")].mean() == pytest.approx(1)
    assert weights[0] / weights[1] == pytest.approx(2.5)


def test_the_input_is_rebuilt_from_files_alone(data, edits, tmp_path):
    """As after a run: repaired data and edit log on disk, the original gone."""
    taken = data.fingerprint
    save(apply_edits(data, edits), tmp_path / "data.parquet")
    write_edits(edits, tmp_path / "edits.parquet")
    del data
    rebuilt = restore(read(tmp_path / "data.parquet"), read_edits(tmp_path / "edits.parquet"))
    assert fingerprint(rebuilt.table) == taken
    assert rebuilt.set_aside.column("id").to_pylist() == ["empty"]
