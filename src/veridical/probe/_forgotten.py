"""What linear readers of an encoder's features lost by tuning, on tasks whose answers the texts themselves give.

Source: Conneau et al. 2018, arXiv:1805.01070 (probing tasks, word content and swapped words).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.dataset.words import words
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._concepts import Concept, concepts, read_scores
from veridical.probe._representation import Inside
from veridical.probe._roc import area_difference
from veridical.probe._text_edits import each, pieces


@dataclass(frozen=True)
class Wanted:
    """Which tasks. n_topics: clusters of texts whose membership is read, the smallest left out. n_words: words whose presence is
    read, those that stand nearest to `word_share` of the rows. Ours; no source."""

    n_topics: int = 3
    n_words: int = 2
    word_share: float = 0.15


@dataclass(frozen=True)
class Task:
    """A concept with the features in which it is read. before, after: (N, D)."""

    concept: Concept
    about: str
    before: FloatArray
    after: FloatArray


@dataclass(frozen=True)
class Read:
    """inputs: n texts. before, after: their features, (n, D)."""

    inputs: Sequence[Text]
    before: FloatArray
    after: FloatArray

    @classmethod
    def of(cls, inside: Inside, inputs: Sequence[Text]) -> "Read":
        return cls(inputs, inside.before(inputs), inside.after(inputs))


def made_tasks(
    inside: Inside, read: Read, data: Dataset, rows: IntArray, wanted: Wanted, rng: np.random.Generator, *, seed: int
) -> list[Task]:
    """What the texts of `rows` themselves give the answers to."""
    told = [(concept, concept.name.replace("_", " ")) for concept in concepts(data, rows, n_topics=wanted.n_topics, seed=seed)]
    told += _word_tasks(read.inputs, wanted)
    return [*(Task(concept, about, read.before, read.after) for concept, about in told), _order_task(inside, read.inputs, rng)]


@dataclass(frozen=True)
class Forgotten:
    """lost: mean over the tasks of the area under the ROC before tuning minus after, a share; its error is the mean of theirs, as
    if all erred together, so never too small. drift: of each row asked, (n,): 1 - cosine of its features before and after, both
    seen from the middle of those before."""

    lost: _clustered.Spread
    n_tasks: int
    drift: FloatArray


def forgotten(inside: Inside, data: Dataset, *, fit: IntArray, asked: IntArray, clusters: IntArray, seed: int) -> Forgotten:
    """fit, asked: rows on which readers are fitted, and rows they are asked on. clusters: of every row. 0 tasks where none can be
    made."""
    rows = np.concatenate([fit, asked])
    read = Read.of(inside, data.inputs(rows))
    first, last = np.arange(len(fit)), np.arange(len(fit), len(rows))
    tasks = made_tasks(inside, read, data, rows, Wanted(), stream(seed, "forgotten"), seed=seed)
    found = [spread for task in tasks if (spread := area_lost(task, first, last, clusters[asked])) is not None]
    value, error = (float(np.mean([getattr(one, name) for one in found])) if found else 0.0 for name in ("value", "error"))
    lost = _clustered.Spread(value, error, len(asked), len(np.unique(clusters[asked])))
    return Forgotten(lost, len(found), drifts(read.before[last], read.after[last]))


def drifts(before: FloatArray, after: FloatArray) -> FloatArray:
    """Features (N, D) before and after -> (N,), 0 where the direction from the mean of those before is the same, up to 2."""
    middle = before.mean(axis=0)
    one, other = before - middle, after - middle
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosine = np.einsum("nd,nd->n", one, other) / np.maximum(lengths, 1e-12)
    return np.clip(np.where(lengths > 1e-12, 1 - cosine, 0.0), 0.0, 2.0)


def _word_tasks(inputs: Sequence[Text], wanted: Wanted) -> list[tuple[Concept, str]]:
    """Does the text hold this word?"""
    held = [set(words(text if isinstance(text, str) else " ".join(text))) for text in inputs]
    counts = Counter(word for row in held for word in row)
    near = wanted.word_share * len(inputs)
    chosen = sorted(counts, key=lambda word: (abs(counts[word] - near), word))[: wanted.n_words]
    made = []
    for number, word in enumerate(chosen, start=1):
        present = np.asarray([float(word in row) for row in held], np.float64)
        if 0.02 < present.mean() < 0.98:
            made.append((Concept(f"word_{number}", present), f"whether {word!r} is there"))
    return made


def _order_task(inside: Inside, inputs: Sequence[Text], rng: np.random.Generator) -> Task:
    """Were two neighbouring words swapped? Half of the rows have it, drawn at random."""
    swapped = np.asarray(rng.random(len(inputs)) < 0.5, np.float64)
    changed = [_swap(text, rng) if on else text for text, on in zip(inputs, swapped, strict=True)]
    return Task(Concept("word_order", swapped), "whether two words were swapped", inside.before(changed), inside.after(changed))


def _swap(text: Text, rng: np.random.Generator) -> Text:
    def swap(part: str) -> str:
        units, between = pieces(part)
        if len(units) < 2:
            return part
        at = int(rng.integers(0, len(units) - 1))
        units[at], units[at + 1] = units[at + 1], units[at]
        return between.join(units)

    return each(text, swap)


def area_lost(task: Task, fit: IntArray, asked: IntArray, units: IntArray) -> _clustered.Spread | None:
    present = task.concept.present
    if min(present[fit].sum(), (1 - present[fit]).sum(), present[asked].sum(), (1 - present[asked]).sum()) < 5:
        return None
    scores = [read_scores(side, present, fit, asked) for side in (task.before, task.after)]
    return area_difference(scores[0], scores[1], present[asked], units)
