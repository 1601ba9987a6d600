"""Any file of rows -> Dataset: read, give roles, set unusable rows aside, split where no test was given, say what was assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.counted import counted
from veridical.core.errors import InputError, UnknownName
from veridical.core.progress import Progress, silent
from veridical.dataset import label_names, row_ids, setting_aside
from veridical.dataset.files import SPLIT_NAMES, columns_in, read_files, splits_of
from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.grouping import are_strata
from veridical.dataset.roles import roles_of, said, split_column_of
from veridical.dataset.row_shape import RowShape, in_one_notation, rewritten
from veridical.dataset.rows import SCHEMA, SPLITS, BoolArray, Dataset, IntArray
from veridical.dataset.splitting import drawn_test

SPLIT_WAYS = ("clusters", "random", "folds")


def columns_of(path: Path | str) -> list[str]:
    """Column names of a file, or of the first file of a folder."""
    return columns_in(next(iter(splits_of(Path(path)).values())))


def load(
    path: Path | str,
    *,
    test: Path | str | None = None,
    valid: Path | str | None = None,
    task: str = "classification",
    text: str | None = None,
    second: str | None = None,
    label: str | None = None,
    id: str | None = None,
    group: str | None = None,
    source: str | None = None,
    time: str | None = None,
    split_column: str | None = None,
    split: str = "clusters",
    test_share: float = 0.2,
    seed: int = 0,
    shape: RowShape | None = None,
    beside: Mapping[str, str] | None = None,
    notation: str | None = None,
    order: tuple[str, ...] | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Rows of a CSV, TSV, JSON, JSON lines, Parquet (text ones also .gz) or `datasets` folder, with train and test.

    Without `test`, a split column or a folder with splits, the rows are split: `clusters` keeps near-duplicates and groups on
    one side, `random` does not, `folds` leaves all in train. shape: how rows stand where they are more than a text and a label;
    beside: role -> column of what it reads with the text; notation: how the file writes answers of more than one label, where it
    is declared. order: labels are grades, in this order, or numbers where it is empty; None where they have none. Raises
    InputError for what the user can change.
    """
    if split not in SPLIT_WAYS:
        raise UnknownName("split", split, SPLIT_WAYS)
    if not 0 < test_share < 1:
        raise InputError(f"The test share {test_share} is not allowed; it must lie between 0 and 1. Try --test-share 0.2.")
    given = {"text": text, "second": second, "label": label, "id": id, "group": group, "source": source, "time": time}
    given |= _given_beside(shape, beside)
    files = _files(Path(path), test=test, valid=valid)
    first = files.get("train", files.get("", []))
    columns = columns_in(first)
    column = split_column_of(first[0], columns, split_column, [name for name in given.values() if name]) if "" in files else None
    free = [name for name in columns if name != column]
    needed = shape.needed if shape else ("text", "label")
    roles = roles_of(first[0], free, given, needed=needed, shape=shape)
    reading = _Reading(roles, given, progress, shape)
    whole, how = reading.whole(files, split_column=column, chosen=split_column is not None)
    data = _usable(reading, whole, task=task, how=how, declared=notation)
    classes = shape is None or shape.classes
    if how == "given":
        data = _without_unseen(data) if classes else _with_test(data)
    else:
        data = _split(data, split=split, test_share=test_share, seed=seed, classes=classes, progress=progress)
    labels = _names(data, shape, column=roles["label"], order=order)
    progress("load", 1, 1)
    warnings = (*data.warnings, *_doubts(data, roles))
    return replace(data, labels=labels, warnings=warnings, fingerprint=fingerprint(data.table))


def load_inputs(
    path: Path | str,
    *,
    text: str | None = None,
    second: str | None = None,
    id: str | None = None,
    label: str | None = None,
    task: str = "classification",
    shape: RowShape | None = None,
    beside: Mapping[str, str] | None = None,
    notation: str | None = None,
    ids_repeat: bool = False,
    progress: Progress = silent,
) -> Dataset:
    """Rows to predict, all of split test; labels only where `label` names their column. ids_repeat: an id may stand in many rows,
    as it does where they are forms of a row of another file."""
    files = [file for group in splits_of(Path(path)).values() for file in group]
    given = {"text": text, "second": second, "label": label, "id": id, "group": None, "source": None, "time": None}
    given |= _given_beside(shape, beside)
    needed = tuple(role for role in shape.needed if role != "label") if shape else ("text",)
    roles = roles_of(files[0], columns_in(files), given, needed=needed, shape=shape)
    if label is None:
        roles.pop("label", None)
    reading = _Reading(roles, given, progress, shape, ids_repeat=ids_repeat)
    whole = reading.part(files, "test", made_as="row")
    return _usable(reading, whole, task=task, how="given", declared=notation, with_labels=False)


def _given_beside(shape: RowShape | None, beside: Mapping[str, str] | None) -> dict[str, str | None]:
    return {role: (beside or {}).get(role) for role in (shape.beside if shape else ())}


def _names(data: Dataset, shape: RowShape | None, *, column: str, order: tuple[str, ...] | None) -> tuple[str, ...]:
    """What labels are made of: classes, lowest grade first where they are grades."""
    if shape and not shape.classes:
        return shape.names(_labels(data, "train").drop_null().to_pylist())
    labels = label_names.class_names(_labels(data, "train"), column=column)
    return labels if order is None else label_names.graded(labels, order)


def _files(path: Path, *, test: Path | str | None, valid: Path | str | None) -> dict[str, list[Path]]:
    """Files per split; {"": files} when one file is to be split."""
    files = splits_of(path)
    if "" in files and test is None and valid is not None:
        raise InputError(
            "A validation file was given without a test file; both or neither are allowed. Add --test or leave --valid out."
        )
    if test is None and valid is None and len(files) == 1:
        return {"": next(iter(files.values()))}
    if "" in files:
        files = {"train": files[""]}
    for split, other in (("test", test), ("valid", valid)):
        if other is not None:
            inside = splits_of(Path(other))
            files[split] = inside.get(split) or [file for group in inside.values() for file in group]
    for needed in ("train", "test"):
        if needed not in files:
            got = ", ".join(files)
            raise InputError(f"{path} holds {got} rows but no {needed} rows; both are needed. Give TRAIN and --test.")
    return {split: files[split] for split in SPLITS if split in files}


@dataclass
class _Whole:
    """All rows in the columns of SCHEMA, and which of them could not be decoded."""

    table: pa.Table
    damaged: pa.Array


@dataclass
class _Reading:
    """Reads the files of one load, gathering what the user should know."""

    roles: dict[str, str]
    given: dict[str, str | None]
    progress: Progress
    shape: RowShape | None = None
    ids_repeat: bool = False

    def __post_init__(self) -> None:
        sentence = said(self.roles, self.given, self.shape)
        self.warnings: list[str] = [sentence] if sentence else []

    def whole(self, files: dict[str, list[Path]], *, split_column: str | None, chosen: bool) -> tuple[_Whole, str]:
        """Rows of all files, and how their splits came about: given, or "" when they are still to be drawn."""
        if "" in files:
            return self.one_file(files[""], split_column=split_column, chosen=chosen)
        parts = {split: self.part(paths, split, made_as=split) for split, paths in files.items()}
        tables, warning = row_ids.unique_over_files({split: part.table for split, part in parts.items()})
        self.warnings += [warning] if warning else []
        damaged = pa.concat_arrays([part.damaged for part in parts.values()])
        return _Whole(pa.concat_tables(list(tables.values())), damaged), "given"

    def one_file(self, paths: list[Path], *, split_column: str | None, chosen: bool) -> tuple[_Whole, str]:
        part = self.part(paths, "train", made_as="row", split_column=split_column)
        if split_column is None:
            return part, ""
        names = {
            value: SPLIT_NAMES.get((value or "").strip().lower()) for value in pc.unique(part.table.column("split")).to_pylist()
        }
        known = set(names.values())
        if None not in known and {"train", "test"} <= known:
            values = pc.index_in(part.table.column("split"), value_set=pa.array(list(names), pa.string()))
            splits = pa.chunked_array([pa.array(list(names.values()), pa.string())]).take(values)
            self.roles["split"] = split_column
            return _Whole(part.table.set_column(1, "split", splits), part.damaged), "given"
        if chosen:
            got = ", ".join(repr(value) for value in list(names)[:5])
            raise InputError(
                f"The split column {split_column!r} holds {got}; train and test (and valid) are needed, and no other value is "
                "allowed. Correct it or leave out --split-column."
            )
        self.warnings.append(f"The column {split_column!r} does not say train and test for every row and was not used.")
        return _Whole(part.table.set_column(1, "split", pa.array(["train"] * part.table.num_rows, pa.string())), part.damaged), ""

    def part(self, paths: list[Path], split: str, *, made_as: str, split_column: str | None = None) -> _Whole:
        """Rows of one split's files. A role that was guessed may be missing in it, unless it is text, second or label."""
        there, roles = columns_in(paths), dict(self.roles)
        for role, name in self.roles.items():
            if name not in there:
                if role in ("text", "second", "label") or self.given.get(role):
                    raise UnknownName("column", name, there, f"{paths[0]} must have the {role} column of the training rows.")
                del roles[role]
        wanted = dict.fromkeys([*roles.values(), *([split_column] if split_column else [])])
        if len(paths) > 1 and paths[0].suffix != ".arrow":
            self.warnings.append(
                f"{len(paths)} files of {paths[0].parent} were read as one ({paths[0].name} to {paths[-1].name})."
            )
        lists = self.shape is not None and not self.shape.classes
        read = read_files(paths, columns=list(wanted), lists=lists, progress=self.progress)
        if read.encoding:
            self.warnings.append(f"{paths[0].name} is not UTF-8; it was read as {read.encoding}.")
        n_rows = read.table.num_rows
        if n_rows == 0:
            raise InputError(f"{paths[0]} holds a header but no rows; at least one row is needed. Check the path.")
        columns, damaged = {}, pa.array(np.zeros(n_rows, dtype=bool))
        for role, name in (roles | ({"split": split_column} if split_column else {})).items():
            columns[role], bad = setting_aside.decoded(read.table.column(name))
            if role in ("text", "second", "label"):
                damaged = pc.or_(damaged, bad)
        if self.shape and all(role in columns for role in self.shape.beside) and self.shape.beside:
            columns["text"] = self._joined(columns)
        if "id" in columns and not self.ids_repeat:
            row_ids.refuse_repeated(columns["id"], place=str(paths[0]), column=roles["id"])
        columns.setdefault("id", row_ids.made(made_as, n_rows))
        columns.setdefault("split", pa.repeat(pa.scalar(split, pa.string()), n_rows))
        empty = pa.nulls(n_rows, pa.string())
        return _Whole(pa.table([columns.get(name, empty) for name in SCHEMA.names], schema=SCHEMA), damaged)

    def _joined(self, columns: dict[str, pa.ChunkedArray]) -> pa.Array:
        """The texts with what stands in the columns beside them."""
        assert self.shape is not None
        beside = zip(*(columns[role].to_pylist() for role in self.shape.beside), strict=True)
        texts = columns["text"].to_pylist()
        return pa.array(
            [text if text is None else self.shape.whole(text, cells) for text, cells in zip(texts, beside, strict=True)],
            pa.string(),
        )


def _usable(
    reading: _Reading, whole: _Whole, *, task: str, how: str, declared: str | None = None, with_labels: bool = True
) -> Dataset:
    """The rows that can be used, the others set aside; labels are those of all rows."""
    shape, notation = reading.shape, ""
    table, unread = rewritten(whole.table, shape) if shape else (whole.table, pa.nulls(whole.table.num_rows, pa.string()))
    if shape is None or shape.classes:
        table = table.set_column(4, SCHEMA.field("label"), label_names.normalised(table.column("label")))
    at = table.schema.get_field_index("group")
    table = table.set_column(at, SCHEMA.field("group"), label_names.trimmed(table.column("group")))
    reasons = pc.coalesce(setting_aside.reasons(table, damaged=whole.damaged, with_labels=with_labels), unread)
    kept, aside = setting_aside.apart(table, reasons)
    if with_labels and kept.num_rows < 2:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in (shape.options if shape else ("text", "label")))
        raise InputError(
            f"Only {kept.num_rows} of {table.num_rows} rows can be used ({_reasons(aside)}); at least 2 are needed. "
            f"Check the columns that {options} name, or add rows."
        )
    if shape and not shape.classes:
        kept, notation = in_one_notation(kept, shape, declared=declared)
        if notation and declared is None and with_labels:
            reading.warnings.append(f"The tags were read as {notation}, which they look like; --tag-scheme names another.")
        labels: tuple[str, ...] = ()
    else:
        labels = label_names.ordered(pc.unique(kept.column("label").drop_null()).to_pylist())
    print_of = fingerprint(kept) if not with_labels else ""
    return Dataset(task, kept, labels, aside, reading.roles, tuple(reading.warnings), print_of, how, notation)


def _reasons(aside: pa.Table) -> str:
    reasons = aside.column("reason").to_pylist()
    return ", ".join(f"{reason}: {reasons.count(reason)}" for reason in sorted(set(reasons))) or "none set aside"


def _labels(data: Dataset, split: str) -> pa.ChunkedArray:
    return data.table.filter(pc.equal(data.table.column("split"), split)).column("label")


def _without_unseen(data: Dataset) -> Dataset:
    """Test and validation rows whose label no training row has are set aside."""
    known = pc.unique(_labels(data, "train"))
    label_names.class_names(_labels(data, "train"), column=data.roles["label"])
    unseen = pc.invert(pc.is_in(data.table.column("label"), value_set=known))
    kept, aside = setting_aside.apart(data.table, pc.if_else(unseen, setting_aside.UNSEEN, pa.scalar(None, pa.string())))
    found = replace(data, table=kept, set_aside=pa.concat_tables([data.set_aside, aside]))
    lost, left = (table.column("split").to_pylist().count("test") for table in (aside, kept))
    if lost:
        said = (
            f"{lost} of {lost + left} test rows have a label that train lacks. No score here counts them; a model that learned "
            f"from this train set is wrong on all of them, so that of all test rows at most {100 * left / (lost + left):.1f} % "
            "can be right."
        )
        found = replace(found, warnings=(*found.warnings, said))
    return _with_test(found)


def _with_test(data: Dataset) -> Dataset:
    """The same data, refused where no test row can be used."""
    if pc.sum(pc.equal(data.table.column("split"), "test")).as_py() in (0, None):
        got = _reasons(data.set_aside.filter(pc.equal(data.set_aside.column("split"), "test")))
        raise InputError(f"No test row can be used ({got}); at least 1 is needed. Check --test and --label.")
    return data


def _split(data: Dataset, *, split: str, test_share: float, seed: int, classes: bool, progress: Progress) -> Dataset:
    """Draw the test rows of one file; where rows have classes, each class gets its share of them."""
    if split == "folds":
        return _with_split(data, np.zeros(len(data), dtype=bool), split, ())
    if classes:
        label_names.class_names(data.table.column("label"), column=data.roles["label"])
    from veridical.dataset.similarity import clusters, similar_pairs

    together = clusters(data, similar_pairs(data, progress=progress))
    singly = np.arange(len(data), dtype=np.int64)
    one_family = split == "clusters" and len(np.unique(together)) == 1
    if one_family:
        split = "random"  # there is no other way to have a test set; what it costs is said below
    units = together if split == "clusters" else singly
    codes = data.codes if classes else np.zeros(len(data), np.int64)
    is_test = drawn_test(units, codes, test_share, seed)
    unseen = is_test & ~np.isin(codes, codes[~is_test])
    is_test &= ~np.isin(units, units[unseen])
    said = [] if is_test.any() else [f"{len(data)} rows are too few to draw a test set from; there is none."]
    if one_family:
        glued = ", or of one group" if "group" in data.roles else ""
        said.append(f"All {len(data)} rows are one family of near-equal texts{glued}, so no test set without them can be drawn.")
    if split == "random" and is_test.any():
        said.append(_cost_of_random(together, is_test) + ("" if one_family else " --split clusters keeps them on one side."))
    return _with_split(data, is_test, split, tuple(said))


def _cost_of_random(clusters: IntArray, is_test: BoolArray) -> str:
    n_leaked, n_test = int(np.isin(clusters[is_test], clusters[~is_test]).sum()), int(is_test.sum())
    return (
        f"The test was drawn at random: {n_leaked} of its {n_test} rows ({100 * n_leaked / n_test:.1f} %) have an equal or "
        "near-equal row, or one of their group, in train."
    )


def _with_split(data: Dataset, is_test: BoolArray, how: str, said: tuple[str, ...]) -> Dataset:
    table = data.table.set_column(1, SCHEMA.field("split"), pc.if_else(pa.array(is_test), "test", "train"))
    return replace(data, table=table, warnings=(*data.warnings, *said), split_how=how)


def _one_text(table: pa.Table) -> bool:
    second = pc.count_distinct(table.column("second"), mode="all").as_py()
    return bool(pc.count_distinct(table.column("text")).as_py() == 1 and second == 1)


def _doubts(data: Dataset, roles: dict[str, str]) -> list[str]:
    """What the user should know about rows that are accepted."""
    said, table = [], data.table
    if data.set_aside.num_rows:
        said.append(f"{counted(data.set_aside.num_rows, 'row was', 'rows were')} set aside: {_reasons(data.set_aside)}.")
    if _one_text(table):
        said.append(f"All {len(data)} rows have the same text; no model can tell them apart.")
    elif _one_text(table.filter(pc.equal(table.column("split"), "train"))):
        n_train = len(data.rows("train"))
        said.append(f"All {n_train} train rows have the same text; a model can only learn how often each label stands there.")
    return said + (_doubts_of_groups(table, roles["group"]) if "group" in roles else [])


def _doubts_of_groups(table: pa.Table, column: str) -> list[str]:
    said, group = [], table.column("group")
    counts = pc.value_counts(group.drop_null()).field("counts")
    n_single = pc.sum(pc.equal(counts, 1)).as_py() or 0
    if n_single:
        said.append(f"{n_single} of the {len(counts)} groups in the column {column!r} have a single row.")
    if are_strata(group):
        said.append(
            f"The {len(counts)} groups in the column {column!r} are few, the largest with "
            f"{pc.max(counts).as_py()} rows: they are compared with one another, and their rows are not kept together."
        )
        return said
    of_train, of_test = (table.filter(pc.equal(table.column("split"), split)).column("group") for split in ("train", "test"))
    if of_train.null_count and not of_test.null_count:
        said.append(
            f"{of_train.null_count} of {len(of_train)} train rows have no group in the column {column!r}: whether test rows "
            "belong together with these is seen only where texts are alike."
        )
    if of_test.null_count:
        said.append(
            f"{of_test.null_count} of {len(of_test)} test rows have no group in the column {column!r}: which rows belong "
            "together with these is seen only where texts are alike, and train may hold some."
        )
    return said
