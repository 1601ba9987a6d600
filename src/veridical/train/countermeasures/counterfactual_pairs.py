"""Each row is paired with an edited twin; the twin is learned, and the two answers must differ as the labels do.

What it measures: nothing; words are exchanged as declared, or twins are read from a file, and the distance of the logits of row
and twin is added to the loss of the twin.
Why it inflates a score: a word that must not decide goes with the label in train and test alike; exchanging it shows that.
How it errs: exchanged words leave sentences nobody writes; a word declared wrongly is made invisible, or taught wrongly.
Source: Garg et al. 2019, arXiv:1809.10610 (counterfactual logit pairing); Kaushik et al. 2020, arXiv:1909.12434 (twins of the
other label, by hand).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import regex

from veridical.core.errors import InputError
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.train._contract import Countermeasure, Pass, Study, Toy
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._rows_of_file import labelled, rows_of
from veridical.train.countermeasures._toys import planted_cue, worst_group

BOTH = 2
"""Classes a task must have where an exchanged word makes the label the other one."""


@dataclass(frozen=True)
class Params:
    """Settings of counterfactual_pairs."""

    swaps: str = ""
    """Words to exchange for one another, as he/she+his/her; this or `file` must be given."""
    label: Literal["keep", "flip"] = "keep"
    """Whether the twin has the same label (words that must not decide), or the other one of two (good/bad)."""
    file: str = field(default="", metadata=a_file())
    """File of twins, with columns id (of the train row), text and label, such as people wrote them."""
    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss of the twin, >= 0. Ours; no source."""
    pair: float = field(default=1.0, metadata=between(0))
    """Factor on the mean distance of the logits of row and twin, >= 0; of twins that keep the label only, or of two classes
    that change places. With `weight` 0 too it is off. Ours."""
    made: tuple[tuple[Text, int], ...] = field(default=(), repr=False, compare=False)
    """The twins and their classes."""
    twin: IntArray | None = field(default=None, repr=False, compare=False)
    """Position in `made` of the twin of every row of the data set, -1 where there is none."""


def lacking(params: Params) -> str | None:
    """Words or twins."""
    if not (params.weight or params.pair) or params.swaps or params.file:
        return None
    return (
        "counterfactual_pairs needs words to exchange or a file of twins. "
        "Give some: --countermeasures counterfactual_pairs:swaps=he/she."
    )


def study(seen: Study, params: Params) -> Params:
    """Twins made, or read."""
    if not (params.weight or params.pair) or params.twin is not None:
        return params
    data, twins = seen.data, {}
    if params.file:
        twins = _read(data, seen.train, params.file)
    else:
        if params.label == "flip" and len(data.labels) != BOTH:
            raise InputError(
                f"counterfactual_pairs:label=flip is for two classes, and there are {len(data.labels)}. Give a file."
            )
        words = pairs_of(params.swaps)
        for row, own in zip(seen.train.tolist(), data.inputs(seen.train), strict=True):
            edited = exchanged(own, words)
            if edited != own:
                code = int(data.codes[row])
                twins[row] = (edited, 1 - code if params.label == "flip" else code)
    if not twins:
        raise InputError(
            f"counterfactual_pairs found no train row with a twin ({params.file or params.swaps}). Check words or ids."
        )
    place = np.full(len(data), -1, np.int64)
    place[list(twins)] = np.arange(len(twins))
    return replace(params, made=tuple(twins.values()), twin=place)


def _read(data: Dataset, train: IntArray, path: str) -> dict[int, tuple[Text, int]]:
    found = rows_of(path, data=data, name="counterfactual_pairs:file", with_labels=True)
    place = {data.ids[row]: int(row) for row in train}
    rows = [
        (place[id_], text, label)
        for id_, text, label in zip(found.ids, found.inputs(), found.answers, strict=True)
        if id_ in place and label is not None
    ]
    labelled([(text, label) for _, text, label in rows], data.labels, path=path, name="counterfactual_pairs:file")
    return {row: (text, data.labels.index(label)) for row, text, label in rows}


def pairs_of(swaps: str) -> Mapping[str, str]:
    """Word -> the word it becomes, both ways. Raises InputError for what is no list of pairs."""
    found: dict[str, str] = {}
    for pair in swaps.split("+"):
        words = [word.strip().lower() for word in pair.split("/")]
        if len(words) != BOTH or not all(words) or words[0] == words[1]:
            raise InputError(f"swaps of counterfactual_pairs has {pair!r}; write pairs of words as he/she+his/her.")
        found.setdefault(words[0], words[1])
        found.setdefault(words[1], words[0])
    return found


def exchanged(text: Text, words: Mapping[str, str]) -> Text:
    """Every word of the list as its partner, written with capitals where it was; of a pair, in both texts."""
    if not isinstance(text, str):
        first, second = (exchanged(part, words) for part in text)
        return str(first), str(second)
    spelled = "|".join(regex.escape(word) for word in sorted(words, key=len, reverse=True))
    # Words of languages without blanks stand anywhere, others between word boundaries.
    edge = "" if regex.search(r"\p{Han}", spelled) else r"\b"

    def partner(match: "regex.Match[str]") -> str:
        old, new = match.group(), words[match.group().lower()]
        if old.isupper() and len(old) > 1:
            return new.upper()
        return new[:1].upper() + new[1:] if old[:1].isupper() else new

    return str(regex.sub(f"{edge}(?:{spelled}){edge}", partner, text, flags=regex.IGNORECASE))


def texts(params: Params) -> Sequence[Text]:
    """The twins."""
    return [text for text, _ in params.made]


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) of the twin and distance to it; 0 for a row without one."""
    import torch

    added = seen.logits.new_zeros(len(seen.logits))
    if params.twin is None:
        return added
    twin = np.where(seen.rows >= 0, params.twin[seen.rows], -1)
    places = np.flatnonzero(twin >= 0)
    if not len(places):
        return added
    at = torch.from_numpy(places).to(seen.codes.device)
    codes = torch.tensor([params.made[number][1] for number in twin[places]], device=at.device)
    logits, own = seen.read_texts(twin[places]).logits, seen.logits[at]
    changes = (codes != seen.codes[at])[:, None]
    wanted = torch.where(changes, logits.flip(-1), logits)
    comparable = ~changes[:, 0] if logits.shape[1] > BOTH else torch.ones_like(changes[:, 0])
    losses = params.weight * seen.loss(logits, codes) + params.pair * comparable * (own - wanted).abs().mean(-1)
    return added.index_add(0, at, losses.to(added.dtype))


def toy() -> Toy:
    """A cue goes with the label in 95 of 100 train rows and in half of the test rows; it is declared not to decide."""
    return Toy(planted_cue(), worst_group, params=Params(swaps="odd/plain+w1/w2"))


countermeasure = Countermeasure(
    params=Params(), off=Params(weight=0.0, pair=0.0), toy=toy, lacking=lacking, study=study, texts=texts, beside=beside
)
