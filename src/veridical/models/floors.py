"""What trivial rules reach on the test rows: no score is shown without them."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import scipy.sparse as sp

from veridical.core.bootstrap import cluster_bootstrap_means, percentile_interval
from veridical.core.estimate import Estimate
from veridical.core.plugins import get
from veridical.core.proportion import opened_share
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.dataset.words import words
from veridical.models.text_features import hashed, is_word
from veridical.models.word_bayes import fit_word_bayes
from veridical.tasks._class_metrics import margins
from veridical.tasks._contract import Metric, Task

REPLICATES = 1000
"""Bootstrap replicates. Convention."""
FIRST_WORDS = 3
"""Words of a single text that count as a part of it. Ours; no source."""
OPENING = 48
"""Characters in which these words are looked for. Ours; no source."""


def floors(data: Dataset, *, metric: str, seed: int) -> dict[str, Estimate]:
    """Floor name -> its score on the test rows, learned on the train rows; {} without labelled rows of both.

    Intervals resample distinct inputs: equal texts are one unit.
    """
    train, test = (rows[data.codes[rows] >= 0] for rows in (data.rows("train"), data.rows("test")))
    if not len(train) or not len(test):
        return {}
    task: Task = get("veridical.tasks", "task", data.task)
    score, inputs = task.metric(metric, data.labels), data.inputs()
    seen: dict[Text, int] = {}
    units = np.array([seen.setdefault(inputs[row], len(seen)) for row in test], dtype=np.int64)
    codes, n_classes = data.codes[train], len(data.labels)

    def always(code: int) -> IntArray:
        return np.full(len(test), code, dtype=np.int64)

    def words_of(part: sp.csr_matrix) -> IntArray:
        return _bayes(part[train], codes, part[test], n_classes)

    present = presence(inputs)
    rules: dict[str, Callable[[], IntArray]] = {
        "majority": lambda: always(int(np.bincount(codes, minlength=n_classes).argmax())),
        "middle_grade": lambda: always(int(np.median(codes))),
        "one_word": lambda: one_word(present[train], codes, present[test], n_classes=n_classes),
        "partial_input": lambda: words_of(presence(opening(inputs))),
        "bag_of_words": lambda: words_of(present),
    }
    for name, part in task.parts.items():
        rules[name] = partial(lambda part: words_of(presence([part(text) for text in inputs])), part)
    return {
        name: _estimate(
            data.codes[test], rules[name](), units, score=score, n_classes=n_classes, rng=stream(seed, f"floors/{name}")
        )
        for name in task.floors
    }


def opening(inputs: Sequence[Text]) -> list[str]:
    """A part of each input: the second text of a pair, or the first words."""
    return [text[1] if isinstance(text, tuple) else " ".join(words(text[:OPENING])[:FIRST_WORDS]) for text in inputs]


def presence(texts: Sequence[Text]) -> sp.csr_matrix:
    """Which words (Chinese: characters and pairs of them) each text holds, 0 or 1, (N, V)."""
    found = hashed(texts)
    held = found.matrix[:, np.flatnonzero(is_word(found.hashes))].tocsr()
    held.data = np.ones(len(held.data))
    return held


def one_word(train: sp.csr_matrix, codes: IntArray, test: sp.csr_matrix, *, n_classes: int) -> IntArray:
    """Predictions of the rule "one label with the word, one without it" that is right most often on the train rows."""
    indicator = sp.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_classes, len(codes)))
    held = np.asarray((indicator @ train).todense())  # (C, V)
    totals = np.bincount(codes, minlength=n_classes)
    if not held.shape[1]:
        return np.full(test.shape[0], totals.argmax(), dtype=np.int64)
    rest = totals[:, None] - held
    best = int((held.max(axis=0) + rest.max(axis=0)).argmax())
    has = np.asarray(test[:, [best]].todense()).ravel() > 0
    return np.where(has, held[:, best].argmax(), rest[:, best].argmax()).astype(np.int64)


def _bayes(train: sp.csr_matrix, codes: IntArray, test: sp.csr_matrix, n_classes: int) -> IntArray:
    model = fit_word_bayes(train, codes, n_classes=n_classes)
    return np.asarray(model.predict_features(test).argmax(axis=1), dtype=np.int64)


def _estimate(
    true: IntArray, predicted: IntArray, units: IntArray, *, score: Metric, n_classes: int, rng: np.random.Generator
) -> Estimate:
    rows = margins(true, predicted, n_classes=n_classes, metric=score).stacked()
    value = float(score(*np.split(rows.sum(axis=0), 3)))
    means = cluster_bootstrap_means(rows, units, REPLICATES, rng)
    n_units = len(np.unique(units))
    drawn = np.array([score(*np.split(row, 3)) for row in means])
    interval = percentile_interval(drawn, value)
    low, high = opened_share(interval, value, n=n_units) if value > 0 else interval  # a rule is not wrong everywhere by luck
    return Estimate(value, low, high, 0.95, len(true), n_units, "bootstrap over distinct inputs")
