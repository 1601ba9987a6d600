"""Countermeasures that compare groups are refused before the rows are read where no column can be one."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.append(str(Path(__file__).parents[2]))

from tiny_encoder import write_tiny_bert
from veridical.core.errors import InputError
from veridical.pipeline import one_label_running, running
from veridical.pipeline.config import configured
from veridical.pipeline.groups_needed import refuse_no_group_column
from veridical.pipeline.running import run

pytest.importorskip("torch")
WORDS = ("good", "bad")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("bert")))


def written(path: Path, *, more: str = "", values: tuple[str, ...] = ("",)) -> Path:
    """Rows with, where `more` names one, a further column."""
    head = ",".join(name for name in ("text", "label", more) if name)
    rows = [",".join(c for c in (f"{WORDS[k % 2]} film w{k}", WORDS[k % 2], values[k % len(values)]) if c) for k in range(120)]
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["group_dro", "lisa", "dfr", "inlp", "concept_erasure"])
def test_what_needs_groups_is_refused_where_no_column_is_named_or_called_like_one(tmp_path: Path, bert: str, name: str) -> None:
    path = written(tmp_path / "reviews.csv", more="author", values=("ann", "bob"))
    config = configured({"model": bert, "countermeasures": name})
    with pytest.raises(InputError, match=rf"{name} needs a column .* none is named, and no column of reviews\.csv \(text, label"):
        refuse_no_group_column(path, config)
    refuse_no_group_column(path, configured({"model": bert, "countermeasures": name, "group": "author"}))
    refuse_no_group_column(path, configured({"model": bert}))
    refuse_no_group_column(written(tmp_path / "guessed.csv", more=" Group", values=("x", "y")), config)


@pytest.mark.parametrize("fresh", [False, True])
def test_the_run_reads_no_row_and_leaves_no_folder(
    tmp_path: Path, bert: str, monkeypatch: pytest.MonkeyPatch, *, fresh: bool
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("the rows were read")

    monkeypatch.setattr(one_label_running, "load_as_configured", read)
    config = configured({"model": bert, "countermeasures": "group_dro"})
    with pytest.raises(InputError, match="--group COLUMN"):
        run(written(tmp_path / "rows.csv"), config=config, out=tmp_path / "out", fresh=fresh)
    assert not (tmp_path / "out").exists()


def test_a_column_of_authors_is_refused_before_the_audit(tmp_path: Path, bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def audit(*_: object, **__: object) -> None:
        raise AssertionError("it was audited")

    monkeypatch.setattr(running, "_audit", audit)
    path = written(tmp_path / "rows.csv", more="author", values=tuple(f"author {k}" for k in range(60)))
    config = configured({"model": bert, "countermeasures": "group_dro", "group": "author", "split": "random"})
    with pytest.raises(InputError, match="a few large groups; the group column has 5"):
        run(path, config=config, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("groups", "said"), [
    ([None] * 40, "they have no group"),
    (["ann"] * 4 + ["bob"] * 5 + [None] * 31, "only 9 of 40 have a group"),
    (["ann"] * 40, "all of them are in one, 'ann'"),
    ([f"author {k // 3}" for k in range(39)], "the group column has 13 values, the largest with 3 of 39 rows"),
])  # fmt: skip
def test_what_is_wrong_with_the_groups_is_said(groups: list[str | None], said: str) -> None:
    from veridical.dataset.grouping import GroupParams
    from veridical.train._contract import _no_strata

    assert _no_strata(pa.chunked_array([pa.array(groups, pa.string())]), GroupParams()) == said


VALUES: dict[str, tuple[dict[str, object], tuple[str, ...], str]] = {
    "a column that is not there": ({"group": "auhtor"}, ("ann", "bob"), "Unknown column 'auhtor'. Did you mean 'author'?"),
    "one group": ({"group": "author"}, ("ann",), "a few large groups; all of them are in one, 'ann'. Name such a column"),
    "many groups": (
        {"group": "author"},
        tuple(f"author {k}" for k in range(60)),
        r"a few large groups; the group column has 5\d values, the largest with \d of 96 rows. Name such",
    ),
    "a model without steps": ({"group": "author", "model": "linear"}, ("ann",), "group_dro changes steps .* Use --model minilm"),
    "predictions": ({"model": "linear", "predictions": "p.jsonl"}, ("ann",), "--predictions is not trained here, so --counterm"),
    "a function": ({"model": "json:loads"}, ("ann",), "--model json:loads is not trained here, so --countermeasures cannot"),
    "tags": ({"task": "ner"}, ("ann",), "group_dro works on rows with one label each, which task ner does not have"),
}


@pytest.mark.parametrize("what", VALUES)
def test_the_sentence_that_helps_most_comes_first(tmp_path: Path, bert: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def audit(*_: object, **__: object) -> None:
        raise AssertionError("it was audited")

    monkeypatch.setattr(running, "_audit", audit)
    changed, values, said = VALUES[what]
    path = written(tmp_path / "rows.csv", more="author", values=values)
    monkeypatch.chdir(tmp_path)
    Path("p.jsonl").touch()
    config = configured({"model": bert, "countermeasures": "group_dro", "split": "random", **changed})
    with pytest.raises(InputError, match=said):
        run(path, config=config, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_comes_trained_is_not_changed_by_a_countermeasure_that_linear_would_take(tmp_path: Path) -> None:
    path, predictions = written(tmp_path / "rows.csv"), tmp_path / "p.jsonl"
    predictions.touch()
    config = configured({"predictions": str(predictions), "countermeasures": "class_weights"})
    with pytest.raises(InputError, match="--predictions is not trained here"):
        run(path, config=config, out=tmp_path / "out")
