"""Which place of a text answers a question, as a linear model sees it: how near the question's words stand, of what shape the
place is for that kind of question, and what stands around it.

No weights to fetch, English and Chinese. It ranks places; it is no model that answers: of all places of a text it seldom names
the right one.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex
import scipy.sparse as sp

from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.dataset.words import han_words
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import N_FOLDS, deal_clusters

Place = tuple[int, int]
"""First character, last character + 1."""
Features = dict[str, float]

ELSEWHERE = 30
"""Other places of a text that an answer is compared with, drawn at random. Ours; no source."""
SWAPPED = 3.0
"""Weight of a place that answers another question about the same text; of other places 1. Ours, on XQuAD: 1 to 5 tried."""
ANSWERS = 5.0
"""Weight of a given answer. Ours; no source."""
STRENGTH = 0.1
"""Inverse L2 strength, > 0. Ours, on XQuAD: the better of 0.1 and 1."""
MOST_ROWS = 3000
"""Rows that a fold model learns from, at most; of more, some are drawn. Ours; no source."""
NEAR = 8
"""Words to either side that count as near. Ours; no source."""
COMMON = 0.08
"""Share of the texts from which a word is looked at by name, 0..1; a rarer one is `rare`. Ours; no source."""
WIDTH = 2**18
"""Hashed features. As the tagger."""

_RUN = regex.compile(r"[\p{L}\p{M}\p{N}--\p{Han}]+", regex.V1)
_END = regex.compile(r"[.!?](?=\s)|[。！？；]|\n")
_YEAR = regex.compile(r"\b(?:1\d|20)\d\d\b|年")
_MONEY = regex.compile("[$£€¥]|元")
ASKING = ("who", "whom", "whose", "what", "which", "when", "where", "why", "how")
ASKING_HAN = ("为什么", "什么", "多少", "何时", "如何", "哪", "谁", "几", "怎", "何")


@dataclass(frozen=True, eq=False)
class Asked:
    """A text and a question. words: places of the text's words. low: these words, case folded. weight: of the question's words,
    the rarer the higher. sentence: number of each word's sentence. share: of the question that stands in each sentence, 0..1."""

    text: str
    words: list[Place]
    low: list[str]
    weight: dict[str, float]
    kind: tuple[str, str]
    sentence: IntArray
    share: FloatArray


def word_places(text: str) -> list[Place]:
    """Where the words of a text stand, Chinese ones by jieba's dictionary."""
    return sorted([match.span() for match in _RUN.finditer(text)] + han_words(text))


def asked(text: str, question: str, *, words: list[Place], rarity: dict[str, float]) -> Asked:
    low = [text[begin:end].casefold() for begin, end in words]
    of_question = [question[begin:end].casefold() for begin, end in word_places(question)]
    weight = {word: rarity.get(word, max(rarity.values(), default=1.0)) for word in set(of_question)}
    at = next((n for n, word in enumerate(of_question) if word in ASKING), None)
    first = of_question[at] if at is not None else next((word for word in ASKING_HAN if word in question), "")
    second = of_question[at + 1] if at is not None and at + 1 < len(of_question) else ""
    ends = [match.end() for match in _END.finditer(text)] + [len(text)]
    sentence = np.searchsorted(ends, [begin for begin, _ in words], side="right").astype(np.int64)
    held: list[set[str]] = [set() for _ in range(len(ends) + 1)]
    for word, number in zip(low, sentence.tolist(), strict=True):
        if word in weight:
            held[number].add(word)
    whole = sum(weight.values()) or 1.0
    share = np.array([sum(weight[word] for word in of_one) / whole for of_one in held])
    return Asked(text, words, low, weight, (first, f"{first}_{second}"), sentence, share)


def covered(of: Asked, place: Place) -> tuple[int, int]:
    """First and last word that a place touches."""
    first = bisect_right(of.words, place[0], key=lambda word: word[1])
    last = bisect_left(of.words, place[1], key=lambda word: word[0]) - 1
    return (first, last) if first <= last else (min(first, len(of.words) - 1),) * 2


def features(of: Asked, place: Place, *, common: set[str]) -> Features:
    """What is true of a place. common: words that are looked at by name."""
    first, last = covered(of, place)
    n, said = last - first + 1, of.text[place[0] : place[1]]
    whole = sum(of.weight.values()) or 1.0
    near = {*of.low[max(0, first - NEAR) : first], *of.low[last + 1 : last + 1 + NEAR]}
    here, best = of.share[of.sentence[first]], of.share.max()
    before = of.text[max(0, of.words[first][0] - 2) : of.words[first][0]].strip()[-1:]
    behind = of.text[of.words[last][1] : of.words[last][1] + 2].strip()[:1]
    left, right, begins, ends = (
        word if word in common else "rare"
        for word in (
            of.low[first - 1] if first else "<",
            of.low[last + 1] if last + 1 < len(of.low) else ">",
            of.low[first],
            of.low[last],
        )
    )
    shape = "".join(
        letter
        for letter, holds in (
            ("d", any(c.isdigit() for c in said)),
            ("Y", _YEAR.search(said)),
            ("C", said[:1].isupper()),
            ("%", "%" in said),
            ("$", _MONEY.search(said)),
        )
        if holds
    )
    length = min(n, 6) if n < 6 else 8 if n < 10 else 12
    kind, closer = of.kind
    found: Features = {
        "share": here,
        "best": float(here >= best - 1e-9),
        "gap": best - here,
        "near": sum(of.weight.get(word, 0.0) for word in near) / whole,
        "inside": sum(of.weight.get(word, 0.0) for word in set(of.low[first : last + 1])) / whole,
        "rank": min(int((of.share > here).sum()), 5) / 5,
        "crosses": float(of.sentence[first] != of.sentence[last]),
    }
    named = [f"n={length}", f"s={shape}", f"l={left}", f"r={right}", f"b={begins}", f"e={ends}", f"<{before}", f">{behind}"]
    named += [f"{kind}|n={length}", f"{kind}|s={shape}", f"{closer}|s={shape}", f"{kind}|l={left}", f"{kind}|b={begins}"]
    found |= dict.fromkeys(named, 1.0)
    return found | ({f"{closer}|in={word}": 1 / n for word in of.low[first : last + 1]} if n < 7 else {})


@dataclass(frozen=True, eq=False)
class PlaceFolds:
    """given: probability that the given place is the answer, of models that saw neither the row nor its text, (N,); NaN where
    none is given, or none could be judged. row, place, probability, swapped: of other places of the same texts, M of each;
    swapped: it answers another question about the text. share: of the question that stands in the given place's sentence, (N,);
    nearest: the largest such share of the text, (N,). n_drawn: rows that a fold model learned from where it could not learn from
    all."""

    given: FloatArray
    row: IntArray
    place: list[Place]
    probability: FloatArray
    swapped: BoolArray
    share: FloatArray
    nearest: FloatArray
    n_drawn: int


@dataclass(frozen=True, eq=False)
class _Places:
    """Given places and others, with their features, one behind the other. kind: 1 given, 0 another place, 2 swapped."""

    row: IntArray
    place: list[Place]
    kind: IntArray
    matrix: sp.csr_matrix
    share: FloatArray
    nearest: FloatArray


def place_folds(
    data: Dataset, given: Sequence[Place | None], *, clusters: IntArray, seed: int, progress: Progress = silent
) -> PlaceFolds:
    """given: the place of each row's answer, None where there is none to judge. A text stands in one fold with all of its
    questions."""
    found = _places(data, given, seed=seed)
    fold = deal_clusters(_one_text(data, clusters), n_folds=N_FOLDS, rng=stream(seed, "out_of_fold"))
    score, of_train = np.full(len(found.row), np.nan), np.asarray(data.splits == "train")
    n_drawn = 0
    for number in range(N_FOLDS):
        progress("fold models", number, N_FOLDS)
        rows = np.unique(found.row[(fold[found.row] != number) & of_train[found.row]])
        if len(rows) > MOST_ROWS:
            rows = stream(seed + number, "places").permutation(rows)[:MOST_ROWS]
            n_drawn = MOST_ROWS
        inside, outside = fold[found.row] == number, np.isin(found.row, rows)
        kind = found.kind[outside]
        if not inside.any() or len(set((kind == 1).tolist())) < 2:
            continue
        weight = np.where(kind == 1, ANSWERS, np.where(kind == 2, SWAPPED, 1.0))
        score[inside] = _fitted(found.matrix[outside], kind == 1, weight, found.matrix[inside], seed=seed)
    progress("fold models", N_FOLDS, N_FOLDS)
    probability, mine = 1 / (1 + np.exp(-score)), found.kind == 1
    of_given = np.full(len(data), np.nan)
    of_given[found.row[mine]] = probability[mine]
    others = np.flatnonzero(~mine & ~np.isnan(score))
    places = [found.place[at] for at in others]
    swapped = found.kind[others] == 2
    return PlaceFolds(of_given, found.row[others], places, probability[others], swapped, found.share, found.nearest, n_drawn)


def _fitted(seen: sp.csr_matrix, right: BoolArray, weight: FloatArray, asked_of: sp.csr_matrix, *, seed: int) -> FloatArray:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=STRENGTH, solver="liblinear", random_state=seed)
    model.fit(seen, right, sample_weight=weight)
    return np.asarray(asked_of @ model.coef_[0] + model.intercept_[0], np.float64)


def _one_text(data: Dataset, clusters: IntArray) -> IntArray:
    """A code for each row, the same for rows of one cluster or of one text, (N,)."""
    from scipy.sparse.csgraph import connected_components

    texts = np.unique(np.array(data.texts, dtype=object).astype(str), return_inverse=True)[1] + len(data)
    held = np.unique(clusters, return_inverse=True)[1] + 2 * len(data)
    rows, n = np.arange(len(data)), 3 * len(data)
    links = sp.coo_matrix((np.ones(2 * len(data)), (np.tile(rows, 2), np.concatenate([texts, held]))), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1][: len(data)], np.int64)


def _places(data: Dataset, given: Sequence[Place | None], *, seed: int) -> _Places:
    """The given place of every row that has one, ELSEWHERE others, and those given to other questions about its text."""
    from sklearn.feature_extraction import FeatureHasher

    judged = [(row, place) for row, place in enumerate(given) if place is not None]
    cut = {text: word_places(text) for text in {data.texts[row] for row, _ in judged}}
    rarity, common = _rarity([[text[begin:end].casefold() for begin, end in words] for text, words in cut.items()])
    of_text: dict[str, set[Place]] = {}
    for row, mine in judged:
        of_text.setdefault(data.texts[row], set()).add(mine)
    long = sorted(_n_words(cut[data.texts[row]], mine) for row, mine in judged)
    seconds, found, true = data.seconds or [""] * len(data), list[tuple[int, Place, int]](), list[Features]()
    share, nearest = np.full(len(data), np.nan), np.full(len(data), np.nan)
    for row, mine in judged:
        text = data.texts[row]
        of = asked(text, seconds[row] or "", words=cut[text], rarity=rarity)
        if not of.words:
            continue
        share[row], nearest[row] = of.share[of.sentence[covered(of, mine)[0]]], of.share.max()
        others = _elsewhere(of, mine, long, rng=stream(seed, f"places/{data.ids[row]}"))
        chosen = [(mine, 1), *((place, 0) for place in others)]
        chosen += [(place, 2) for place in sorted(of_text[text]) if apart(place, mine)]
        found += [(row, place, kind) for place, kind in chosen]
        true += [features(of, place, common=common) for place, _ in chosen]
    hasher = FeatureHasher(WIDTH, dtype=np.float32, alternate_sign=False)
    matrix = hasher.transform(true).tocsr() if true else sp.csr_matrix((0, WIDTH), dtype=np.float32)
    rows, kinds = (np.array([one[k] for one in found], np.int64) for k in (0, 2))
    return _Places(rows, [place for _, place, _ in found], kinds, matrix, share, nearest)


def _n_words(words: list[Place], place: Place) -> int:
    """Words that a place touches, at least 1."""
    return max(1, sum(begin < place[1] and end > place[0] for begin, end in words))


def apart(place: Place, other: Place) -> bool:
    """Whether two places share no character."""
    return place[1] <= other[0] or place[0] >= other[1]


def _rarity(texts: list[list[str]]) -> tuple[dict[str, float], set[str]]:
    """(weight of each word, words that stand in a share COMMON of the texts)."""
    counts = Counter(word for words in texts for word in set(words))
    weights = {word: math.log((1 + len(texts)) / count) for word, count in counts.items()}
    return weights, {word for word, count in counts.items() if count >= COMMON * len(texts)}


def _elsewhere(of: Asked, mine: Place, long: list[int], *, rng: np.random.Generator) -> list[Place]:
    """Places of the text, as long as given answers are, that share nothing with this one."""
    found: dict[Place, None] = {}
    sizes, starts = rng.choice(long, 2 * ELSEWHERE), rng.random(2 * ELSEWHERE)
    for size, at in zip(sizes.tolist(), starts.tolist(), strict=True):
        if size > len(of.words) or len(found) == ELSEWHERE:
            continue
        first = int(at * (len(of.words) - size + 1))
        place = (of.words[first][0], of.words[first + size - 1][1])
        if apart(place, mine):
            found[place] = None
    return list(found)
