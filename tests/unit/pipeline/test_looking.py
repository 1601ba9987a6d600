"""A finished run is one look at its test set, whatever the folder it stands in; a log that cannot be written is said."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.golden import frozen_run

from veridical.audit._made_up import dataset
from veridical.core import looks
from veridical.dataset.fingerprint import fingerprint_of_test
from veridical.pipeline.looking import earlier_looks, log_look, predicted_at, run_hash
from veridical.pipeline.run_folder import RunFolder, claim

ROWS = [("a", "train", "one text", "neg"), ("b", "test", "another text", "pos"), ("c", "test", "a third one", "neg")]


def folder(path: Path, seed: int) -> RunFolder:
    identity: dict[str, Any] = {"verb": "run", "veridical": "0", "config": {"seed": seed}, "data": {"TRAIN": "f" * 64}}
    return claim(path, identity, threads=1)


def test_looks_add_up_over_runs_and_not_over_repetitions(tmp_path: Path) -> None:
    data = dataset(ROWS)
    found = []
    for name, seed in (("first", 0), ("second", 1), ("second again", 1), ("third", 2)):
        with folder(tmp_path / name, seed) as held:
            found.append(log_look(held, data, model="linear", ledger=frozen_run.ledger()))
            held.mark("finished", {})
    assert [looked.earlier for looked in found] == [0, 1, 1, 2]
    assert {looked.test for looked in found} == {fingerprint_of_test(data)}
    assert not any(looked.warnings for looked in found)
    with folder(tmp_path / "fourth", 3) as held:
        assert [look.folder for look in earlier_looks(held, data)] == ["first", "second again", "third"]
        assert earlier_looks(held, dataset([*ROWS[:2], ("c", "test", "a third one", "pos")])) == ()
        held.mark("finished", {})
    assert run_hash(tmp_path / "second") == run_hash(tmp_path / "second again") != run_hash(tmp_path / "third")


def test_the_fingerprint_is_of_texts_and_labels_of_the_test_rows_alone() -> None:
    own = fingerprint_of_test(dataset(ROWS))
    assert own == fingerprint_of_test(dataset([("z", "train", "other", "neg"), ("n2", *ROWS[2][1:]), ("n1", *ROWS[1][1:])]))
    assert own != fingerprint_of_test(dataset([*ROWS[:2], ("c", "test", "a third one!", "neg")]))
    assert own != fingerprint_of_test(dataset([*ROWS, ("d", "test", "a fourth one", "neg")]))
    all_rows = dataset([(row, "train", text, label) for row, _, text, label in ROWS])
    assert fingerprint_of_test(all_rows) != own  # without a test split every row is tested


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / looks.FILE).mkdir()
    with folder(tmp_path / "run", 0) as held:
        looked = log_look(held, dataset(ROWS), model="linear", ledger=frozen_run.ledger())
        held.mark("finished", {})
    assert looked.earlier == 0
    assert "could not be logged" in looked.warnings[0]


def test_foreign_lines_are_said(tmp_path: Path) -> None:
    (tmp_path / looks.FILE).write_text("scribble\n", encoding="utf-8")
    with folder(tmp_path / "run", 0) as held:
        looked = log_look(held, dataset(ROWS), model="linear", ledger=frozen_run.ledger())
        held.mark("finished", {})
    assert "were skipped: 1." in looked.warnings[0]
    assert (tmp_path / looks.FILE).read_text(encoding="utf-8").startswith("scribble\n")


@pytest.mark.parametrize(("ids", "told"), [(["b", "a"], ["pos", "neg"]), (["a", "absent"], None)])
def test_predictions_of_an_earlier_look(tmp_path: Path, ids: list[str], told: list[str] | None) -> None:
    log = tmp_path / looks.FILE
    look = looks.Look("t", "r", "earlier", looks.now(), "linear", "accuracy", 0.9)
    assert predicted_at(look, log=log, ids=ids) is None
    (tmp_path / "earlier").mkdir()
    pq.write_table(pa.table({"id": ["a", "b"], "predicted": ["neg", "pos"]}), tmp_path / "earlier" / "predictions.parquet")
    assert predicted_at(look, log=log, ids=ids) == told
    (tmp_path / "earlier" / "predictions.parquet").write_text("not parquet", encoding="utf-8")
    assert predicted_at(look, log=log, ids=ids) is None


def test_a_folder_that_another_run_took_over_tells_nothing_of_the_earlier_one(tmp_path: Path) -> None:
    data, log = dataset(ROWS), tmp_path / looks.FILE
    with folder(tmp_path / "one", 0) as held:
        log_look(held, data, model="linear", ledger=frozen_run.ledger())
        held.mark("finished", {})
    (look,) = looks.read(log).looks
    pq.write_table(pa.table({"id": ["a"], "predicted": ["neg"]}), tmp_path / "one" / "predictions.parquet")
    assert predicted_at(look, log=log, ids=["a"]) == ["neg"]
    shutil.rmtree(tmp_path / "one")
    with folder(tmp_path / "one", 1) as held:
        held.mark("finished", {})
    pq.write_table(pa.table({"id": ["a"], "predicted": ["neg"]}), tmp_path / "one" / "predictions.parquet")
    assert predicted_at(look, log=log, ids=["a"]) is None
