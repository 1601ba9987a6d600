"""What stages hand on survives the run folder exactly."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord, CheckRecord, Finding
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models.linear import train_linear
from veridical.pipeline import records
from veridical.train.trained import Trained

ESTIMATE = Estimate(1 / 3, 0.1, 0.7, 0.95, 12, 11, "test")
FINDINGS = (Finding("a", "test", 0.1 + 0.2, "why", "word", "b", "drop_leaks"), Finding("", "", 1.0, "all of it"))
AUDIT = AuditRecord(
    (
        CheckRecord("one", "found", 12, 2, "two rows", "", {"share": ESTIMATE}, {"least": 3}, 0.25, FINDINGS),
        CheckRecord("two", "clean", 12, 0, "", "", {}, {}, 0.0),
        CheckRecord("three", "skipped", 0, 0, "", "needs two texts", {}, {}, 0.0),
    ),
    7,
)


def _data() -> Dataset:
    texts = ["good soup", "bad soup", "good room", "bad room", "good day", "好 汤\u2028差"]
    rows = [
        {"id": f"r{k}", "split": "train" if k < 4 else "test", "text": text, "label": "pos" if k % 2 == 0 else "neg"}
        for k, text in enumerate(texts)
    ]
    aside = pa.table({name: pa.array([], pa.string()) for name in (*SCHEMA.names, "reason")})
    return Dataset("classification", pa.Table.from_pylist(rows, schema=SCHEMA), ("neg", "pos"), aside, {"text": "review"})


def test_an_audit_comes_back_as_it_was(tmp_path: Path) -> None:
    records.write_audit(tmp_path, AUDIT)
    assert records.read_audit(tmp_path) == AUDIT
    columns = ["row", "split", "check", "score", "reason", "evidence", "other_row", "repair"]
    assert pq.read_schema(tmp_path / "findings.parquet").names == columns
    with pytest.raises(InputError, match="veridical audit"):
        records.read_audit(tmp_path / "elsewhere")


def test_a_trained_model_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    data = _data()
    model = train_linear(data.inputs(), data.codes, labels=data.labels)
    said = ("a sentence",)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 1.25, False, said)
    records.write_trained(tmp_path, trained, data)
    back = records.read_trained(tmp_path, model="linear", seconds=1.25)
    assert (back.kind, back.ids, back.labels, back.seconds, back.external) == ("linear", trained.ids, data.labels, 1.25, False)
    assert back.warnings == said
    np.testing.assert_array_equal(back.probabilities, trained.probabilities)
    assert back.model is not None
    np.testing.assert_array_equal(back.model.predict(data.inputs()), trained.probabilities)


def test_rows_a_predictions_file_left_out_stay_unknown(tmp_path: Path) -> None:
    data = _data()
    probabilities = np.full((6, 2), np.nan)
    probabilities[4:] = [[0.25, 0.75], [0.5, 0.5]]
    trained = Trained(None, "predictions", tuple(data.ids), probabilities, data.labels, None, 0.0, True)
    records.write_trained(tmp_path, trained, data)
    predicted = pq.read_table(tmp_path / "predictions.parquet").column("predicted").to_pylist()
    assert predicted == [None, None, None, None, "pos", "neg"]
    back = records.read_trained(tmp_path, model="linear", seconds=1.25)
    np.testing.assert_array_equal(back.probabilities, probabilities)
    assert back.model is None
    assert not (tmp_path / "model").exists()


def test_only_rows_that_the_report_can_show_are_kept(tmp_path: Path) -> None:
    findings = (Finding("r4", "test", 0.9, "same", other_row="r0"),)
    audit = AuditRecord((CheckRecord("one", "found", 6, 1, "", "", {}, {}, 0.0, findings),), 0)
    records.write_shown_rows(tmp_path, data=_data(), audit=audit)
    assert pq.read_table(tmp_path / "rows.parquet").column("id").to_pylist() == ["r0", "r4"]
