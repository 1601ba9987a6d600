"""Inputs without evidence for any label, from a data file and from words of train that lean to no label."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.dataset.words import words

FILE = "unseen_inputs.yaml"


@dataclass(frozen=True, slots=True)
class Kind:
    """Inputs of one kind. units: inputs of one unit say the same (a statement in several languages)."""

    name: str
    inputs: tuple[str, ...]
    units: tuple[int, ...]


@cache
def written() -> dict[str, Any]:
    """The data file."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(files("veridical.probe").joinpath("data", FILE).read_text(encoding="utf-8"))
    return loaded


@dataclass(frozen=True)
class TrainWords:
    """Words of train rows: how many rows hold each (`held`), and those that lean to no label (`neutral`), sorted."""

    held: Counter[str]
    neutral: tuple[str, ...]
    cjk: bool

    def known_share(self, texts: Iterable[str]) -> float:
        """Share of the words of these texts that train rows hold, 0..1."""
        found = [word for text in texts for word in words(text)]
        return sum(word in self.held for word in found) / max(len(found), 1)


def train_words(data: Dataset, rows: IntArray, *, least: int, lean: float) -> TrainWords:
    """Word counts of `rows`. Neutral: in at least `least` rows, and the largest |z| of its label shares is one that a word which
    leans to no label passes with chance `lean` at least."""
    from scipy.stats import norm

    held: Counter[str] = Counter()
    per_label: Counter[tuple[str, int]] = Counter()
    n_labels = np.bincount(data.codes[rows], minlength=len(data.labels))
    for row in rows.tolist():
        present = set(words(data.texts[row])) | (set(words(data.seconds[row])) if data.seconds else set())
        held.update(present)
        per_label.update((word, int(data.codes[row])) for word in present)
    prior = n_labels / max(n_labels.sum(), 1)
    spread = np.sqrt(prior * (1 - prior))
    neutral, bound = [], float(norm.isf(lean / len(prior)))
    for word in sorted(word for word, n in held.items() if n >= least):
        shares = np.array([per_label[word, code] for code in range(len(prior))]) / held[word]
        z = np.abs(shares - prior) * np.sqrt(held[word]) / np.maximum(spread, 1e-9)
        if z.max() < bound:
            neutral.append(word)
    sample = "".join(data.texts[row] for row in rows[:200].tolist())
    return TrainWords(held, tuple(neutral), is_cjk(sample))


def random_words(source: Sequence[str], lengths: Sequence[int], rng: np.random.Generator, *, cjk: bool) -> Kind:
    """Texts of words drawn evenly from `source`, as long as `lengths` says (in words)."""
    drawn = [("" if cjk else " ").join(rng.choice(list(source), max(n, 1)).tolist()) for n in lengths]
    return Kind("random_words", tuple(drawn), tuple(range(len(drawn))))


def other_languages(known: TrainWords, *, familiar: float) -> Kind:
    """The statements in every language of which train knows at most the share `familiar` of the words."""
    inputs: list[str] = []
    units: list[int] = []
    for texts in written()["facts"].values():
        if known.known_share(texts) <= familiar:
            inputs += texts
            units += range(len(texts))
    return Kind("other_language", tuple(inputs), tuple(units))


def other_domains(known: TrainWords, *, n_domains: int) -> Kind:
    """Statements of the trades whose words train knows least, in the language of the data (Chinese, else English)."""
    domains: dict[str, list[str]] = written()["domains"]["zh" if known.cjk else "en"]
    farthest = sorted(domains, key=lambda name: (known.known_share(domains[name]), name))[:n_domains]
    inputs = [text for name in farthest for text in domains[name]]
    return Kind("other_domain", tuple(inputs), tuple(range(len(inputs))))


def questions(*, cjk: bool) -> Kind:
    inputs = written()["questions"]["zh" if cjk else "en"]
    return Kind("out_of_scope_question", tuple(inputs), tuple(range(len(inputs))))


def as_inputs(kind: Kind, *, pair: bool) -> list[Text]:
    """What the model reads; in pair tasks each input goes with the next one, as first and second text."""
    if not pair:
        return list(kind.inputs)
    return [(text, kind.inputs[(at + 1) % len(kind.inputs)]) for at, text in enumerate(kind.inputs)]
