"""Entities as a person reads and writes them in one cell: `New York [LOC]; Ann [PER]`, in the order of the text; `[]`: none.

`Ann@7 [PER]` says that the entity begins at the text's seventh word, where the same words stand there more than once. A cell may
as well hold a tag for every word, in the scheme of the files.
"""

import re
from collections.abc import Sequence

from veridical.core.errors import nearest
from veridical.dataset.row_shape import BadCell
from veridical.tasks._cells import NOTHING, known
from veridical.tasks._tags import Span, convert, encode, problem, spans

ITEM = re.compile(r"\s*(?P<words>.+?)(?:@(?P<place>\d+))?\s*[\[【](?P<kind>[^\[\]【】]+)[\]】]\s*(?:[;；]|$)")
EXAMPLE = "New York [LOC]; Ann [PER]"


def entities_cell(words: Sequence[str], tags: Sequence[str], *, notation: str) -> str:
    """Entities, with places where words alone would be read otherwise; tags where no list of entities is read as these tags."""
    found = spans(tags, scheme="iob2")
    kinds = tuple(sorted({kind for _, _, kind in found}))
    for placed in (False, True):
        cell = "; ".join(_item(words, span, placed=placed) for span in found) or NOTHING
        try:
            if entities_in(words, cell, notation=notation, types=kinds) == list(tags):
                return cell
        except BadCell:
            continue
    return " ".join(convert(tags, source="iob2", target=notation) if notation not in ("", "iob2") else tags)


def _item(words: Sequence[str], span: Span, *, placed: bool) -> str:
    start, end, kind = span
    return f"{' '.join(words[start:end])}{f'@{start + 1}' if placed else ''} [{kind}]"


def entities_in(words: Sequence[str], cell: str, *, notation: str, types: tuple[str, ...]) -> list[str]:
    """Tags in IOB2. Raises BadCell."""
    if cell.strip() == NOTHING:
        return encode([], len(words), scheme="iob2")
    tags, scheme = cell.split(), notation or "iob2"
    wrong = problem(tags, scheme=scheme)
    if not wrong and len(tags) == len(words):
        _refuse_unknown([kind for _, _, kind in spans(tags, scheme=scheme)], types)
        return tags if scheme == "iob2" else convert(tags, source=scheme, target="iob2")
    if not wrong:
        raise BadCell(f"{len(tags)} tags for a text of {len(words)} words")
    taken: list[Span] = []
    at = 0
    while at < len(cell.rstrip()):
        item = ITEM.match(cell, at)
        if item is None:
            raise BadCell(f"{cell[at:].strip()!r} is not written like {EXAMPLE}")
        (kind,) = _refuse_unknown([item["kind"].strip()], types)
        taken.append((*_place(words, item, taken), kind))
        at = item.end()
    return encode(taken, len(words), scheme="iob2")


def _refuse_unknown(kinds: Sequence[str], types: tuple[str, ...]) -> list[str]:
    found = []
    for kind in kinds:
        meant = known(kind, types)
        if meant is None:
            raise BadCell(f"no type is called {kind!r}.{nearest(kind, types)} Types: {', '.join(types[:20])}")
        found.append(meant)
    return found


def _place(words: Sequence[str], item: re.Match[str], taken: Sequence[Span]) -> tuple[int, int]:
    """Start and end of an entity: where it says, else the first free place behind the entity before it, else any free one."""
    wanted = "".join(item["words"].split())
    after = taken[-1][1] if taken else 0
    anywhere = [*range(after, len(words)), *range(after)]
    starts = [int(item["place"]) - 1] if item["place"] else anywhere
    for start in starts:
        end = _end(words, start, wanted)
        if end and not any(start < other_end and other < end for other, other_end, _ in taken):
            return start, end
    where = f" at word {item['place']}" if item["place"] else ""
    raise BadCell(f"the text holds no {item['words'].strip()!r}{where} that is not named before")


def _end(words: Sequence[str], start: int, wanted: str) -> int:
    """Where words that make up `wanted` end; 0 where they do not stand at `start`."""
    made, end = "", start
    while 0 <= end < len(words) and len(made) < len(wanted):
        made += words[end]
        end += 1
    return end if made == wanted else 0
