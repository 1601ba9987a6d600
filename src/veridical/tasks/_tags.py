"""Tags of words and the spans they stand for, in four schemes.

IOB1: I- goes on, B- only parts neighbours of one type. IOB2: B- begins, I- goes on. BIOES: S- stands alone, E- ends. BILOU: the
same with U- and L-. Read as by default, a tag that follows nothing it could go on opens an entity (conlleval; Tjong Kim Sang and
De Meulder 2003); read strictly, only entities written as the scheme says count. Both readings are seqeval 1.2.2's, its odd cases
in IOB1 included: read strictly, `B-X` after O opens nothing but the `I-X` behind it does, and `B-X` before `B-Y` never ends.
seqeval's default reading knows no L- and U-; here they are read as E- and S-.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from veridical.core.errors import InputError

SCHEMES = ("iob2", "iob1", "bioes", "bilou")
Span = tuple[int, int, str]
"""Start, end (exclusive), type."""
OUTSIDE = "O"
PREFIXES = {"iob1": "IB", "iob2": "IB", "bioes": "IBES", "bilou": "IBLU"}
LETTERS = "BIESO"
_AS_BIOES = str.maketrans("LU", "ES")


@dataclass(frozen=True, slots=True)
class Reading:
    """When spans start, go on and end, by two neighbouring tags.

    Each is words of: letter before, letter here, and `=` for one type, `!` for two, neither for both; `*` is any letter. A tag
    goes on with the span that is open before it; else that span ends, and counts where `ends` says so; then one may start. The
    first letter of a pair that both starts and goes on must be one that never goes on itself.
    """

    starts: str
    goes_on: str
    ends: str

    def bits(self) -> dict[str, int]:
        """By letter before + letter here + `=` or `!`: 1 starts, 2 goes on, 4 ends."""
        table = {before + here + types: 0 for before in LETTERS for here in LETTERS for types in "=!"}
        for bit, pairs in ((1, self.starts), (2, self.goes_on), (4, self.ends)):
            for before, here, types in ((*pair, "") if len(pair) == 2 else tuple(pair) for pair in pairs.split()):
                for key in table:
                    table[key] |= bit * (before in ("*", key[0]) and here in ("*", key[1]) and types in ("", key[2]))
        return table


_LENIENT = Reading("*B *S OI OE EI EE SI SE BI! BE! II! IE!", "BI= BE= II= IE=", "**")
_PARTED = Reading("*B *S", "BI= BE= II= IE=", "S* E*")
_STRICT = {
    "iob1": Reading("OI II! BI IB= BB=", "BI= II=", "II! IO IB BO BI! BB="),
    "iob2": Reading("*B", "BI= II=", "IO II! IB BO BI! BB"),
    "bioes": _PARTED,
    "bilou": _PARTED,
}


@cache
def bits(scheme: str, *, strict: bool) -> dict[str, int]:
    """What two neighbouring tags of a scheme say; see `Reading.bits`."""
    return (_STRICT[scheme] if strict else _LENIENT).bits()


def parted(tag: str, *, scheme: str) -> tuple[str, str]:
    """Letter (L and U as E and S) and type of a tag. Raises InputError where the scheme does not know it."""
    if not _knows(scheme, tag):
        raise InputError(
            f"The tag {tag!r} was read as {scheme}, which knows {_allowed(scheme)}. Name the scheme the tags are in."
        )
    letter, _, kind = tag.partition("-")
    return letter.translate(_AS_BIOES), kind


def _knows(scheme: str, tag: str) -> bool:
    return tag == OUTSIDE or (len(tag) > 2 and tag[1] == "-" and tag[0] in PREFIXES[scheme])


def _allowed(scheme: str) -> str:
    return ", ".join((OUTSIDE, *(f"{letter}-TYPE" for letter in sorted(PREFIXES[scheme]))))


def spans(tags: Sequence[str], *, scheme: str, strict: bool = False) -> list[Span]:
    """Entities of one text, from left to right. strict: only those that are written as the scheme says."""
    found: list[Span] = []
    known = bits(scheme, strict=strict)
    start, before, kind_before = -1, OUTSIDE, ""
    for at, tag in enumerate((*tags, OUTSIDE)):
        here, kind = parted(tag, scheme=scheme)
        said = known[before + here + ("=" if kind == kind_before else "!")]
        if start < 0 or not said & 2:
            if start >= 0 and said & 4:
                found.append((start, at, kind_before))
            start = at if said & 1 else -1
        before, kind_before = here, kind
    return found


def encode(found: Iterable[Span], n: int, *, scheme: str) -> list[str]:
    """Tags of a text of n words that holds these entities. They must not overlap."""
    tags = [OUTSIDE] * n
    closing, alone = {"bioes": ("E", "S"), "bilou": ("L", "U")}.get(scheme, ("I", "B"))
    for start, end, kind in sorted(found):
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
        if scheme == "iob1" and not (start and tags[start - 1].partition("-")[2] == kind):
            tags[start] = f"I-{kind}"
        elif scheme in ("bioes", "bilou"):
            tags[end - 1] = f"{alone if end - start == 1 else closing}-{kind}"
    return tags


def convert(tags: Sequence[str], *, source: str, target: str) -> list[str]:
    """The same entities in another scheme."""
    return encode(spans(tags, scheme=source), len(tags), scheme=target)


def problem(tags: Sequence[str], *, scheme: str) -> str:
    """What is wrong with the first tag that a scheme does not know; empty where it knows all."""
    for at, tag in enumerate(tags, start=1):
        if not _knows(scheme, tag):
            return f"tag {at} is {tag!r}, and {scheme} knows {_allowed(scheme)}"
    return ""


def guessed_scheme(sequences: Sequence[Sequence[str]]) -> str:
    """BILOU where L or U occur, BIOES where E or S do; else IOB1 if more entities begin with I- than B-, else IOB2."""
    letters = {tag[0] for tag in set().union(*sequences) if "-" in tag}
    if letters & {"L", "U"}:
        return "bilou"
    if letters & {"E", "S"}:
        return "bioes"
    begun = {"B": 0, "I": 0}
    for tags in sequences:
        readable = [tag if _knows("iob2", tag) else OUTSIDE for tag in tags]
        for start, _, _ in spans(readable, scheme="iob2"):
            begun[readable[start][0]] += 1
    return "iob1" if begun["I"] > begun["B"] else "iob2"
