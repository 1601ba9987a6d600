"""Countermeasures that compare groups are refused before the rows are read where no column can be one."""

import sys
from pathlib import Path

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
