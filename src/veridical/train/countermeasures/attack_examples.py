"""Rows are also learned as an attack rewrites them: with slips of the keys, or as a file of attack examples has them.

What it measures: which of a few rewritten forms of a row the model finds hardest just now; the loss of that one is added.
Why it inflates a score: test rows are written as carefully as train rows; a model that one slip of the key overturns scores high.
How it errs: it guards against the kind of rewriting it saw and little else; of a rewriting that changes the label it learns harm.
Source: Goodfellow et al. 2015, arXiv:1412.6572 (learning from attack examples); the slips are those of Pruthi et al. 2019,
arXiv:1905.11268, without neighbouring keys, and are made before training and not by search: the hardest of a few is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import regex

from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.train._contract import Countermeasure, Pass, Study, Toy
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._rows_of_file import rows_of
from veridical.train.countermeasures._toys import slipped_words, wrong_on_test

TELLING = 20
"""Forms, and rows, from which it is looked at whether they belong together. Ours; no source."""
NEARER = 0.3
"""Forms nearer to their own row less those nearer to another's, a share: 0 on average where ids mean other rows. Ours."""
SHORTEST = 4
"""Letters a word must have for a slip, so that a reader still knows it. Pruthi et al. 2019."""
_WORD = regex.compile(rf"\p{{L}}{{{SHORTEST},}}")
_HAN = regex.compile(r"\p{Han}")


@dataclass(frozen=True)
class Params:
    """Settings of attack_examples."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss of the rewritten row, >= 0; 0 is off. Ours; no source."""
    words: float = field(default=0.2, metadata=between(0, 1))
    """Share of the long words of a row that slip, at least one, 0..1. Ours; no source."""
    variants: int = field(default=4, metadata=between(1))
    """Rewritten forms of each row made before training, >= 1. Ours; no source."""
    tries: int = field(default=2, metadata=between(1))
    """Forms of a row looked at in a step, of which the hardest is learned, >= 1; each costs a pass. Ours; no source."""
    file: str = field(default="", metadata=a_file())
    """File of rewritten rows, with columns id (of a train row, which may have several) and text; empty: slips made here."""
    made: tuple[Text, ...] = field(default=(), repr=False, compare=False)
    """The rewritten forms."""
    owner: IntArray | None = field(default=None, repr=False, compare=False)
    """Position in the data set of the row of each form, ascending."""


def study(seen: Study, params: Params) -> Params:
    """Forms made, or read."""
    if not params.weight or params.owner is not None:
        return params
    pairs = _read(seen.data, seen.train, params.file) if params.file else _slipped(seen, params)
    pairs.sort(key=lambda pair: pair[0])
    return replace(params, made=tuple(form for _, form in pairs), owner=np.array([row for row, _ in pairs], np.int64))


def _read(data: Dataset, train: IntArray, path: str) -> list[tuple[int, Text]]:
    found = rows_of(path, data=data, name="attack_examples:file", with_labels=False)
    place = {data.ids[row]: int(row) for row in train}
    given = zip(found.ids, found.inputs(), strict=True)
    pairs = list(dict.fromkeys((place[id_], form) for id_, form in given if id_ in place))
    if not pairs:
        raise InputError(
            f"No id in {path}, named by attack_examples:file, is that of a train row. "
            "Give columns id and text, and the ids of the train rows."
        )
    if _strangers(data.inputs(np.array([row for row, _ in pairs], np.int64)), [form for _, form in pairs]):
        raise InputError(
            f"The texts in {path}, named by attack_examples:file, are no nearer to the train rows of their ids than to others, "
            "so they may be of another file. Write it again from this run's rows, or give the ids of these rows."
        )
    return pairs


def _strangers(own: Sequence[Text], forms: Sequence[Text]) -> bool:
    """Whether forms share no more threes of letters with their rows than with those of other forms: ids that are places in a file
    mean other rows once the file is another. Few forms do not tell."""
    if len(forms) < TELLING or len(set(own)) < TELLING:
        return False
    mine, theirs = [_threes(text) for text in own], [_threes(text) for text in forms]
    other = mine[len(mine) // 2 :] + mine[: len(mine) // 2]
    signs = np.array([np.sign(len(a & c) - len(b & c)) for a, b, c in zip(mine, other, theirs, strict=True)])
    telling = signs[signs != 0]
    return len(telling) >= TELLING and float(telling.mean()) < NEARER


def _threes(text: Text) -> set[str]:
    joined = " ".join([text] if isinstance(text, str) else text).lower()
    return {joined[at : at + 3] for at in range(max(len(joined) - 2, 1))}


def _slipped(seen: Study, params: Params) -> list[tuple[int, Text]]:
    """Distinct forms of every training row that has a word to slip in."""
    pairs: list[tuple[int, Text]] = []
    for row, own in zip(seen.train.tolist(), seen.data.inputs(seen.train), strict=True):
        rng = stream(seen.seed, f"attack_examples/{row}")
        forms = {slips(own, rng, share=params.words): None for _ in range(params.variants)}
        pairs += [(row, form) for form in forms if form != own]
    return pairs


def slips(text: Text, rng: np.random.Generator, *, share: float) -> Text:
    """The text with slips in a share of its long words, at least one where there is any; of a pair, in both texts."""
    if not isinstance(text, str):
        first, second = (slips(part, rng, share=share) for part in text)
        return str(first), str(second)
    places = [match.span() for match in _WORD.finditer(text) if not _HAN.search(match.group())]
    chosen = rng.permutation(len(places))[: max(1, round(share * len(places)))] if places else np.zeros(0, np.int64)
    for at in sorted(chosen.tolist(), reverse=True):
        start, end = places[at]
        text = text[:start] + _slip(text[start:end], rng) + text[end:]
    return text


def _slip(word: str, rng: np.random.Generator) -> str:
    """A letter after the first is lost, doubled, or swapped with the one before it."""
    kind, at = int(rng.integers(3)), int(rng.integers(1, len(word)))
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1 or at == 1:
        return word[:at] + word[at] + word[at:]
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


def texts(params: Params) -> Sequence[Text]:
    """The rewritten forms."""
    return params.made


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) of the hardest form; 0 for a row without one."""
    import torch

    added = seen.logits.new_zeros(len(seen.logits))
    if not params.weight or params.owner is None:
        return added
    low, high = (np.searchsorted(params.owner, seen.rows, side) for side in ("left", "right"))
    places = np.flatnonzero((high > low) & (seen.rows >= 0))
    if not len(places):
        return added
    streams, at = seen.streams(), torch.from_numpy(places).to(seen.codes.device)
    looked = np.stack(
        [low[p] + streams[p].permutation(high[p] - low[p])[np.arange(params.tries) % (high[p] - low[p])] for p in places]
    )
    chosen = looked[:, 0]
    if params.tries > 1:
        with torch.no_grad():
            hard = torch.stack([seen.loss(seen.read_texts(forms).logits, seen.codes[at]) for forms in looked.T], dim=1)
        chosen = looked[np.arange(len(places)), hard.argmax(dim=1).cpu().numpy()]
    losses = seen.loss(seen.read_texts(chosen).logits, seen.codes[at])
    return params.weight * added.index_add(0, at, losses.to(added.dtype))


def toy() -> Toy:
    """A long word always says the label, a short one beside it in eight of ten; in test rows the long word has a slip, which the
    word list does not know."""
    return Toy(slipped_words(stream(0, "attack examples")), wrong_on_test)


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(weight=0.0), toy=toy, study=study, texts=texts, beside=beside
)
