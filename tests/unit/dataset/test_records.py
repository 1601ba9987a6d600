"""Fingerprint, storage, and the drawing of parts."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.core.errors import InputError
from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.loading import load
from veridical.dataset.rows import SCHEMA
from veridical.dataset.splitting import drawn_test, fold_of_clusters
from veridical.dataset.storage import read, save

cell = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=3))
table_rows = st.lists(st.tuples(*[cell] * len(SCHEMA)), min_size=1, max_size=8)


def table(rows: list[tuple[str | None, ...]]) -> pa.Table:
    return pa.table([[row[at] for row in rows] for at in range(len(SCHEMA))], schema=SCHEMA)


@settings(deadline=None)
@given(rows=table_rows, order=st.randoms(use_true_random=False))
def test_order_does_not_matter(rows: list[tuple[str | None, ...]], order: object) -> None:
    mixed = list(rows)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert fingerprint(table(rows)) == fingerprint(table(mixed))


@settings(deadline=None)
@given(rows=table_rows, at=st.integers(0, 7), column=st.integers(0, len(SCHEMA) - 1), new=cell)
def test_any_other_cell_matters(rows: list[tuple[str | None, ...]], at: int, column: int, new: str | None) -> None:
    row = list(rows[at % len(rows)])
    if row[column] == new:
        return
    row[column] = new
    changed = [*rows]
    changed[at % len(rows)] = tuple(row)
    assert fingerprint(table(rows)) != fingerprint(table(changed))
    assert fingerprint(table(rows)) != fingerprint(table([*rows, tuple(row)]))
    assert fingerprint(table(rows)) != fingerprint(table(rows).slice(1))


def test_a_saved_data_set_comes_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text,label\n1,早上好,x\n2,b,y\n3,,x\n", encoding="utf-8")
    data = load(path, split="folds")
    save(data, tmp_path / "data.parquet")
    back = read(tmp_path / "data.parquet")
    assert back.table.equals(data.table)
    assert back.set_aside.equals(data.set_aside)
    for name in ("task", "labels", "roles", "warnings", "fingerprint", "split_how"):
        assert getattr(back, name) == getattr(data, name)
    assert fingerprint(back.table) == data.fingerprint


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_bytes(b"no")
    with pytest.raises(InputError, match="not a data set"):
        read(tmp_path / "data.parquet")


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 600, 1000)
    return clusters, (clusters % 7 == 0).astype(np.int64) + 2 * (clusters % 50 == 0)


@pytest.mark.parametrize("seed", range(5))
def test_folds_hold_whole_clusters_and_every_label(seed: int) -> None:
    clusters, codes = world(seed)
    folds = fold_of_clusters(clusters, codes, 5, seed)
    assert all(len(set(folds[clusters == one])) == 1 for one in set(clusters))
    assert np.bincount(folds, minlength=5).tolist() == pytest.approx([200] * 5, abs=8)
    for code in range(3):
        each = np.bincount(folds[codes == code], minlength=5)
        assert each.max() - each.min() <= max(4, 0.15 * each.mean())


@pytest.mark.parametrize("seed", range(5))
def test_the_test_part_has_its_share_of_clusters_of_every_size(seed: int) -> None:
    clusters, codes = world(seed)
    chosen = drawn_test(clusters, codes, 0.2, seed)
    assert chosen.sum() == pytest.approx(200, abs=8)
    assert not set(clusters[chosen]) & set(clusters[~chosen])
    sizes = np.bincount(clusters)
    assert sizes[clusters[chosen]].mean() == pytest.approx(sizes[clusters[~chosen]].mean(), rel=0.15)
    assert (drawn_test(clusters, codes, 0.2, seed) == chosen).all()
    assert (drawn_test(clusters, codes, 0.2, seed + 1) != chosen).any()


def test_one_huge_cluster_goes_to_train() -> None:
    clusters = np.concatenate([np.zeros(80, dtype=np.int64), np.arange(1, 21)])
    chosen = drawn_test(clusters, np.arange(100) % 2, 0.2, 0)
    assert not chosen[:80].any()
    assert chosen.sum() == 20
