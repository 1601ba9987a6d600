"""Labels as names: without blanks around them, 1.0 as 1 where all are numbers, sorted as numbers where all are."""

import shlex
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.errors import InputError

MAX_CLASSES = 200
NUMBER = r"^[+-]?\d+(\.\d+)?$"


def normalised(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Labels without blanks around them; an empty one is null; 1.0 is 1 where every label is a number."""
    bare = trimmed(column)
    if not _all_numbers(pc.unique(bare.drop_null()).to_pylist()):
        return bare
    return pc.replace_substring_regex(bare, r"^([+-]?\d+)\.0+$", r"\1")


def trimmed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Names, of labels or groups, without blanks around them; an empty one is null."""
    bare = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, pa.string()), bare)


def _all_numbers(names: list[str]) -> bool:
    return bool(names) and bool(pc.all(pc.match_substring_regex(pa.array(names, pa.string()), NUMBER)).as_py())


def ordered(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (float(name), name)) if _all_numbers(names) else sorted(names))


def class_names(train: pa.ChunkedArray, *, column: str) -> tuple[str, ...]:
    """Sorted names of the labels in train. Raises InputError for fewer than 2 and more than 200."""
    names = ordered(pc.unique(train.drop_null()).to_pylist())
    if len(names) < 2:
        got = f"only the label {names[0]!r}" if names else "no label at all"
        raise InputError(
            f"The column {column!r} holds {got} in the training rows; 2 to {MAX_CLASSES} classes are needed. "
            "Name another column with --label, or add rows of another class."
        )
    if len(names) > MAX_CLASSES:
        shown = ", ".join(repr(name[:30]) for name in names[:3])
        raise InputError(
            f"The column {column!r} holds {len(names)} different labels ({shown}, ...); 2 to {MAX_CLASSES} classes are allowed. "
            "If it is not the label, name the right column with --label."
        )
    return names


def graded(labels: tuple[str, ...], order: tuple[str, ...]) -> tuple[str, ...]:
    """Labels that are grades, lowest first: as `order` says, or by value where it is empty and all are numbers."""
    if not order:
        if _all_numbers(list(labels)):
            return labels
        odd, example = [name for name in labels if not _all_numbers([name])], shlex.quote(",".join(labels))
        if len(odd) < len(labels):
            raise InputError(
                f"Among {len(labels)} grades the training rows hold {_shown(odd)}, which is no number, so nothing says where it "
                f"stands. Correct these rows, or give all labels from lowest to highest: --order {example}"
            )
        raise InputError(
            f"The labels ({_shown(labels)}) are no numbers, so nothing says which grade is higher. "
            f"Give them from lowest to highest, for example --order {example}."
        )
    twice = next((name for name in order if order.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--order names {twice!r} twice; each grade has one place. Name each once, lowest first.")
    missing, unknown = [name for name in labels if name not in order], [name for name in order if name not in labels]
    if missing or unknown:
        what = f"the training rows also hold {_shown(missing)}" if missing else f"no training row holds {_shown(unknown)}"
        raise InputError(
            f"--order must name the labels of the training rows, each once, and {what}. They hold: {_shown(labels)}."
        )
    return order


def _shown(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:30]) for name in list(names)[:10]) + (" ..." if len(names) > 10 else "")
