"""Token classification: one tag for every word, spans of them the entities. IOB1, IOB2, BIOES and BILOU are read and written.

Tags are stored as IOB2. The declared score counts whole entities, right in type and both ends; what counting words, the tag O or
padding would have bought is the protocol component.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from veridical.core.errors import InputError, UnknownName
from veridical.dataset.row_shape import RowShape
from veridical.dataset.rows import Dataset, Text
from veridical.tasks import _cells
from veridical.tasks._confusion_metrics import accuracy, macro_f1, micro_f1
from veridical.tasks._contract import Margins, Measure, Structure, Task
from veridical.tasks._entity_cells import entities_cell, entities_in
from veridical.tasks._entity_scores import entity_counts
from veridical.tasks._tags import SCHEMES, convert, guessed_scheme, problem, spans

OUTSIDE = "O"
PADDED_TO = 128
"""Places a row fills with its padding where padding is counted: the length most tutorials pad to, or the row's own if longer."""
SPECIAL = 2
"""Places of special tokens a row, one before and one after the text."""


def tagged(labels: Sequence[str], declared: str | None) -> tuple[list[str], str]:
    """Tags in IOB2, and the scheme they came in: as declared, else guessed from the tags."""
    rows = [label.split(" ") for label in labels]
    if declared is not None and declared not in SCHEMES:
        raise UnknownName("tag scheme", declared, SCHEMES, "Give it as --tag-scheme NAME.")
    scheme = declared or (guessed_scheme(rows) if rows else SCHEMES[0])
    for number, tags in enumerate(rows, start=1):
        wrong = problem(tags, scheme=scheme)
        if wrong:
            said = f"declared as {scheme}" if declared else f"read as {scheme}, the scheme that the tags are nearest to"
            raise InputError(
                f"Labelled row {number}: {wrong}; the tags were {said}. Name their scheme with --tag-scheme "
                f"{'|'.join(SCHEMES)}, or correct them."
            )
    if declared:
        _refuse_another(rows, scheme=scheme)
    same = scheme == "iob2"
    return [
        label if same else " ".join(convert(tags, source=scheme, target="iob2")) for label, tags in zip(labels, rows, strict=True)
    ], scheme


ILL_WRITTEN = 0.2
"""Share of the rows with entities that are not written as a declared scheme says, from which it is another scheme. Ours."""


def _refuse_another(rows: list[list[str]], *, scheme: str) -> None:
    """Tags may all be known to a scheme and still be those of another: `B-x O` is an entity in IOB2 and half of one in BILOU."""
    entities = [(number, tags) for number, tags in enumerate(rows, start=1) if spans(tags, scheme=scheme)]
    wrong = [number for number, tags in entities if spans(tags, scheme=scheme) != spans(tags, scheme=scheme, strict=True)]
    if len(wrong) > ILL_WRITTEN * len(entities):
        raise InputError(
            f"{len(wrong)} of {len(entities)} rows with entities are not written as {scheme} says, row {wrong[0]} first; the "
            f"tags were declared as {scheme}. Name their scheme with --tag-scheme {'|'.join(SCHEMES)}, or leave it out."
        )


def _written(answer: str, notation: str) -> list[str]:
    """Tags in the scheme of the files."""
    tags = answer.split(" ")
    return tags if notation in ("", "iob2") else convert(tags, source="iob2", target=notation)


def _shown(text: Text, answer: str) -> str:
    """Entities with their types, in the order of the text."""
    words, tags = str(text).split(" "), answer.split(" ") if answer else []
    return "; ".join(f"{' '.join(words[start:end])} [{kind}]" for start, end, kind in spans(tags, scheme="iob2"))


def _in_sheet(text: Text, answer: str, notation: str) -> str:
    return entities_cell(str(text).split(" "), answer.split(" "), notation=notation)


def _from_sheet(text: Text, cell: str, notation: str, names: tuple[str, ...]) -> str:
    return " ".join(entities_in(str(text).split(" "), cell, notation=notation, types=names))


def types(labels: Sequence[str]) -> tuple[str, ...]:
    """Entity types, sorted."""
    found = {tag[2:] for tags in set(labels) for tag in tags.split(" ") if tag != OUTSIDE}
    if not found:
        raise InputError("No training row holds an entity: every tag is O. Check --tags, or give other rows.")
    return tuple(sorted(found))


def _agree(text: str, _second: str | None, label: str | None) -> str:
    n_words, n_tags = text.count(" ") + 1, 0 if label is None else label.count(" ") + 1
    return "" if label is None or n_words == n_tags else "tokens and tags of different length"


def _entities(*, strict: bool) -> Callable[[Sequence[str], Sequence[str], tuple[str, ...]], Margins]:
    def margins(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
        counted = entity_counts([g.split(" ") for g in gold], [s.split(" ") for s in said], scheme="iob2", strict=strict)
        place = {name: at for at, name in enumerate(names)}
        extra = [name for name in counted.types if name not in place]
        place |= {name: len(names) + at for at, name in enumerate(extra)}
        parts = [np.zeros((len(gold), len(place))) for _ in range(3)]
        at = [place[name] for name in counted.types]
        for part, found in zip(parts, (counted.right, counted.true, counted.predicted), strict=True):
            part[:, at] = found
        return Margins(*parts)

    return margins


def _tokens(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
    """Every word counts, those outside of entities too."""
    pairs = [(g.split(" "), s.split(" ")) for g, s in zip(gold, said, strict=True)]
    right = np.array([sum(a == b for a, b in zip(g, s, strict=True)) for g, s in pairs], np.float64)
    n = np.array([len(g) for g, _ in pairs], np.float64)
    return Margins(right[:, None], n[:, None], n[:, None])


def _padded(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
    """Special tokens and padding up to PADDED_TO places count as words that everybody gets right."""
    plain = _tokens(gold, said, names)
    filled = np.maximum(PADDED_TO - plain.true, SPECIAL)
    return Margins(plain.right + filled, plain.true + filled, plain.predicted + filled)


def _inside(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
    """Words inside entities, each for itself: half an entity found is half a success."""
    found = np.zeros((3, len(gold), 1))
    for row, (g, s) in enumerate(zip(gold, said, strict=True)):
        pairs = [(a, b) for a, b in zip(g.split(" "), s.split(" "), strict=True)]
        found[0, row] = sum(a == b != OUTSIDE for a, b in pairs)
        found[1, row] = sum(a != OUTSIDE for a, _ in pairs)
        found[2, row] = sum(b != OUTSIDE for _, b in pairs)
    return Margins(*found)


def _most_frequent_tag(data: Dataset) -> dict[str, list[str]]:
    """The most frequent tag of each word in train, O for words not seen there; and the entities of train wherever they stand."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    known: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in data.rows("train"):
        tags = str(data.answers[row]).split(" ")
        words = data.texts[row].split(" ")
        for word, tag in zip(words, tags, strict=True):
            seen[word][tag] += 1
        for start, end, kind in spans(tags, scheme="iob2"):
            known[tuple(words[start:end])][kind] += 1
    usual = {word: tags.most_common(1)[0][0] for word, tags in seen.items()}
    test = [data.texts[row].split(" ") for row in data.rows("test")]
    return {
        "word_tag": [" ".join(usual.get(word, OUTSIDE) for word in words) for words in test],
        "known_entities": [_looked_up(words, known) for words in test],
    }


def _looked_up(words: list[str], known: dict[tuple[str, ...], Counter[str]]) -> str:
    """The longest entities of train, from left to right."""
    longest = max((len(entity) for entity in known), default=0)
    tags, at = [OUTSIDE] * len(words), 0
    while at < len(words):
        width = next((w for w in range(min(longest, len(words) - at), 0, -1) if tuple(words[at : at + w]) in known), 0)
        if width:
            kind = known[tuple(words[at : at + width])].most_common(1)[0][0]
            tags[at : at + width] = [f"B-{kind}", *[f"I-{kind}"] * (width - 1)]
        at += max(width, 1)
    return " ".join(tags)


MEASURES = {
    "entity_f1": Measure(micro_f1, _entities(strict=False), by_name=True),
    "entity_macro_f1": Measure(macro_f1, _entities(strict=False), by_name=True),
    "strict_entity_f1": Measure(micro_f1, _entities(strict=True), by_name=True),
    "token_f1": Measure(
        micro_f1, _inside, "entity_f1", "each word inside an entity counts for itself, so half an entity is half a success"
    ),
    "token_accuracy": Measure(accuracy, _tokens, "entity_f1", "every word counts, and most carry the tag O"),
    "padded_accuracy": Measure(accuracy, _padded, "entity_f1", "padding and special tokens count as words that are right"),
}
"""By the name that --metric takes; micro averages over entities unless they say macro."""

task = Task(
    name="ner",
    metrics={name: measure.metric for name, measure in MEASURES.items()},
    declared="entity_f1",
    floors=("word_tag", "known_entities"),
    structure=Structure(
        shape=RowShape(
            options={"tokens": "text", "tags": "label"},
            guesses={
                "text": ("tokens", "words", "token", "词", "字"),
                "label": ("ner_tags", "tags", "ner", "bio", "labels", "标签"),
            },
            needed=("text", "label"),
            cells={"text": lambda cell: _cells.words(cell, what="token"), "label": lambda cell: _cells.words(cell, what="tag")},
            agree=_agree,
            notation=tagged,
            names=types,
        ),
        measures=MEASURES,
        head="words",
        classes=lambda names: (OUTSIDE, *(f"{part}-{name}" for name in names for part in "BI")),
        floors=_most_frequent_tag,
        written=_written,
        shown=_shown,
        in_sheet=_in_sheet,
        from_sheet=_from_sheet,
    ),
)
