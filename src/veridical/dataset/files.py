"""Any file or folder of rows: its format by its name, its splits where it is a folder."""

import re
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from veridical.core.errors import InputError, UnknownName
from veridical.core.progress import Progress, silent
from veridical.dataset import columnar, delimited, json_rows, tagged_text
from veridical.dataset.encodings import encoding_of, is_gzip

FORMATS = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".tab": "delimited",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "columnar",
    ".pq": "columnar",
    ".arrow": "columnar",
    ".conll": "tagged",
    ".bio": "tagged",
    ".iob": "tagged",
    ".iob2": "tagged",
}
SPLIT_NAMES = {"train": "train", "training": "train", "test": "test", "testing": "test"}
SPLIT_NAMES |= dict.fromkeys(("valid", "validation", "val", "dev", "eval", "development"), "valid")
SPLIT_NAMES |= {"训练": "train", "训练集": "train", "测试": "test", "测试集": "test", "验证": "valid", "验证集": "valid"}
BESIDE_DATA = ("dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json")


@dataclass(frozen=True, slots=True)
class Read:
    """table: the named columns as bytes. encoding: named where it is not UTF-8."""

    table: pa.Table
    encoding: str | None


def splits_of(path: Path) -> dict[str, list[Path]]:
    """Files per split; one file, or a folder without splits, is {"": files}. Raises InputError for what is not there."""
    if not path.exists():
        near = [other.name for other in path.parent.glob("*") if other.stem == path.stem] if path.parent.is_dir() else []
        hint = f" Did you mean {path.parent / near[0]}?" if near else " Check the path."
        raise InputError(f"{path} does not exist; a file or folder with rows is needed.{hint}")
    if path.is_file():
        return {"": [path]}
    found: dict[str, list[Path]] = {}
    for file in sorted(path.rglob("*")):
        if file.is_file() and _format(file) and file.name not in BESIDE_DATA and not file.name.startswith((".", "cache-")):
            found.setdefault(_split_named(file.relative_to(path)), []).append(file)
    if not found:
        raise InputError(
            f"The folder {path} holds no {', '.join(FORMATS)} file; a datasets folder holds some. Name a file instead."
        )
    if "" in found and len(found) > 1:
        raise InputError(
            f"{found[''][0]} is in a folder with splits but names none; name it train, test or valid, or move it away."
        )
    return found


def _split_named(file: Path) -> str:
    """The split that a folder's or a file's name says: train/data-0.arrow, test-00000-of-00001.parquet, train10k.csv."""
    for part in (*file.parts[:-1], file.name):
        word = re.match(r"[^\W\d_]*", part.lower())
        if word and word.group() in SPLIT_NAMES:
            return SPLIT_NAMES[word.group()]
    return ""


def _format(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    last = suffixes[-2] if is_gzip(path) and len(suffixes) > 1 else (suffixes or [""])[-1]
    found = FORMATS.get(last)
    return None if found == "columnar" and is_gzip(path) else found


def _known_format(path: Path) -> str:
    found = _format(path)
    if found is None:
        allowed = ", ".join(FORMATS)
        raise InputError(
            f"{path} has the unknown ending {path.suffix!r}; allowed: {allowed}, text ones also with .gz. Rename or convert it."
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; it must hold rows. Check the path or write the file again.")
    return found


def columns_in(files: list[Path]) -> list[str]:
    """Column names of the first file."""
    path = files[0]
    kind = _known_format(path)
    if kind == "columnar":
        return columnar.names(path)
    encoding = encoding_of(path)
    if kind == "tagged":
        return tagged_text.names(path, encoding)
    return delimited.header(path, encoding) if kind == "delimited" else json_rows.keys(path, encoding)


def read_files(files: list[Path], *, columns: list[str], lists: bool = False, progress: Progress = silent) -> Read:
    """The named columns of all files, one after another, in the order of `files`. lists: cells may hold lists, which are given as
    JSON."""
    tables, encodings = [], []
    for path in files:
        kind = _known_format(path)
        absent = next((name for name in columns if len(files) > 1 and name not in columns_in([path])), None)
        if absent is not None:
            raise UnknownName("column", absent, columns_in([path]), f"{path} must have the columns of {files[0].name} beside it.")
        if kind == "columnar":
            tables.append(columnar.read(path, columns=columns, lists=lists))
            continue
        encoding = encoding_of(path)
        total = 0 if is_gzip(path) else path.stat().st_size

        def tell(done: int, total: int = total) -> None:
            progress("load", done, total)

        if kind == "delimited":
            tables.append(delimited.read(path, encoding, columns=columns, tell=tell))
        elif kind == "tagged":
            tables.append(tagged_text.read(path, encoding, columns=columns, tell=tell))
        else:
            tables.append(json_rows.read(path, encoding, columns=columns, lists=lists, tell=tell))
        encodings += [encoding.codec] if encoding.announced else []
    return Read(pa.concat_tables(tables), encodings[0] if encodings else None)
