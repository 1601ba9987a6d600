"""Which column plays which role: as the options say, else by the columns' names, else refused with the candidates named."""

from collections.abc import Sequence
from pathlib import Path

from veridical.core.errors import InputError, UnknownName
from veridical.dataset.row_shape import RowShape

ROLES = ("text", "second", "label", "id", "group", "source", "time")
NAMES: dict[str, tuple[str, ...]] = {
    "text": (
        *("text", "sentence", "review", "content", "comment", "tweet", "utterance", "body", "message", "document", "title"),
        *("文本", "内容", "評論", "评论", "句子", "正文", "評語", "评价", "內容", "微博", "标题"),
    ),
    "label": (
        *(
            "label",
            "labels",
            "class",
            "category",
            "sentiment",
            "intent",
            "target",
            "topic",
            "rating",
            "stars",
            "polarity",
            "gold_label",
        ),
        *("标签", "標籤", "类别", "類別", "分类", "情感", "意图", "类型"),
    ),
    "id": ("id", "row_id", "example_id", "guid", "uid", "idx", "编号", "序号"),
    "group": ("group", "group_id", "组"),  # an author or user column groups rows only where the user says so
    "source": ("source", "domain", "origin", "来源", "來源"),
    "time": ("time", "date", "timestamp", "created_at", "datetime", "时间", "日期", "時間"),
}
PAIRS = (
    *(
        ("premise", "hypothesis"),
        ("sentence1", "sentence2"),
        ("text1", "text2"),
        ("text_a", "text_b"),
        ("sentence_a", "sentence_b"),
    ),
    *(("question1", "question2"), ("question", "sentence"), ("text", "second"), ("query", "document"), ("前提", "假设")),
    *(("句子1", "句子2"), ("文本1", "文本2")),
)
SPLIT_COLUMNS = ("split", "fold", "partition", "subset", "set", "划分", "数据集")


def roles_of(
    path: Path,
    columns: list[str],
    given: dict[str, str | None],
    *,
    needed: tuple[str, ...],
    shape: RowShape | None = None,
) -> dict[str, str]:
    """Role -> column. Raises InputError for a column that is not there and where a needed role has no or several candidates."""
    roles = {}
    for role, name in given.items():
        if name is None:
            continue
        if name not in columns:
            raise UnknownName("column", name, columns, f"It was given as --{role.replace('_', '-')} for {path}.")
        roles[role] = name
    twice = next((role for role, name in roles.items() if list(roles.values()).count(name) > 1), None)
    if twice:
        raise InputError(f"The column {roles[twice]!r} was given two roles; each role needs its own. Correct --{twice}.")
    free = {name.strip().lower(): name for name in columns if name not in roles.values()}
    if shape:
        _guess_first(roles, free, shape)
    else:
        _guess_pair(roles, free)
    for role in ("label", "text", "id", "group", "source", "time"):
        if role not in roles:
            _guess(role, roles, free, path, needed=role in needed, option=_option(role, shape))
    return {role: roles[role] for role in (*ROLES, *(shape.beside if shape else ())) if role in roles}


def _option(role: str, shape: RowShape | None) -> str:
    """What the command line calls a role."""
    return next((option for option, meant in (shape.options if shape else {}).items() if meant == role), role).replace("_", "-")


def _guess_first(roles: dict[str, str], free: dict[str, str], shape: RowShape) -> None:
    """The columns that the task's own names point at, the first that is there."""
    for role, names in shape.guesses.items():
        name = next((name for name in names if name in free), None)
        if role not in roles and name is not None:
            roles[role] = free.pop(name)


def _guess_pair(roles: dict[str, str], free: dict[str, str]) -> None:
    """Both texts of a recognised pair, or the second where the first was given; never the second alone."""
    for first, second in PAIRS:
        known_first = roles.get("text", "").strip().lower() == first if "text" in roles else first in free
        if "second" not in roles and known_first and second in free:
            roles.setdefault("text", free.pop(first, roles.get("text", "")))
            roles["second"] = free.pop(second)
            return


def could_be(role: str, columns: Sequence[str]) -> list[str]:
    """Columns whose names say that they may play the role, the likeliest first."""
    named = {column.strip().lower(): column for column in columns}
    return [named[name] for name in NAMES[role] if name in named]


def _guess(role: str, roles: dict[str, str], free: dict[str, str], path: Path, *, needed: bool, option: str) -> None:
    found = could_be(role, list(free.values()))
    if not found and not needed:
        return
    exact = [name for name in found if name.lower() == role]
    if len(found) == 1 or exact:
        roles[role] = exact[0] if exact else found[0]
        del free[roles[role].strip().lower()]
        return
    if not needed:
        return
    if found:
        candidates = " or ".join(repr(name) for name in found)
        raise InputError(f"{path}: the {role} could be {candidates}; one is allowed. Choose with --{option} COLUMN.")
    there = ", ".join(free.values()) or "none"
    raise InputError(
        f"{path}: no column is named like a {role}; columns left: {there} (CSV needs a header). Choose with --{option} COLUMN."
    )


def split_column_of(path: Path, columns: list[str], given: str | None, taken: list[str]) -> str | None:
    """The column that says train, valid or test: as given, else one whose name says so."""
    if given is not None:
        if given not in columns:
            raise UnknownName("column", given, columns, f"It was given as --split-column for {path}.")
        return given
    return next((name for name in columns if name.strip().lower() in SPLIT_COLUMNS[:1] and name not in taken), None)


def said(roles: dict[str, str], given: dict[str, str | None], shape: RowShape | None = None) -> str | None:
    """A sentence naming the guessed roles as the command line calls them, None where all were given."""
    guessed = [f"{_option(role, shape)} = {column!r}" for role, column in roles.items() if given.get(role) is None]
    others = ", ".join(f"--{_option(role, shape)}" for role in ("text", "label"))
    if not guessed:
        return None
    return f"Guessed from the columns' names: {', '.join(guessed)}; choose others with {others} and so on."
