"""Searches: generators that yield inputs and are sent probabilities, until they know whether the answer can be turned.

Every search counts the different inputs it asked; an input asked twice is one. The count does not depend on how many searches run
at once, nor on what other searches asked.
"""

from collections.abc import Callable, Generator, Sequence

import numpy as np

from veridical.dataset.rows import Text
from veridical.models.model import FloatArray
from veridical.models.queries import Search
from veridical.probe.attack._record import Attempt, Outcome, Spot, Written, parts_of

UNKNOWN = "[UNK]"
"""What stands for a word while its importance is measured; the name of BERT's own token, an unknown word to other models."""
FORESEEN = 2
"""Rewrites of a word that are asked when gradients foresee their effect. Ours; no source."""
Answers = Generator[Sequence[Text], FloatArray, FloatArray]


class Asked:
    """The inputs one search has asked, within its budget."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._answers: dict[Text, FloatArray] = {}

    @property
    def n(self) -> int:
        return len(self._answers)

    def ask(self, texts: Sequence[Text]) -> Answers:
        """Probabilities (k, C) of the first k texts: all of them, unless the budget ends before."""
        new: dict[Text, None] = {}
        kept = 0
        for text in texts:
            if text not in self._answers and text not in new:
                if self.n + len(new) >= self.budget:
                    break
                new[text] = None
            kept += 1
        if new:
            answers = yield list(new)
            self._answers.update(zip(new, answers, strict=True))
        return np.array([self._answers[text] for text in texts[:kept]])


Order = list[tuple[Spot, Sequence[str]]]
"""Spots in the order in which to change them, with what to try at each."""
Ranking = Callable[[Attempt, Asked, FloatArray], Generator[Sequence[Text], FloatArray, Order]]
"""Given the attempt, what was asked, and the answer to the original (C,)."""


def left_out(stand_in: str) -> Ranking:
    """Spots by how near the goal the answer comes when the word is replaced by `stand_in` ("" deletes it)."""

    def rank(attempt: Attempt, asked: Asked, first: FloatArray) -> Generator[Sequence[Text], FloatArray, Order]:
        spots = list(attempt.options)
        gains = yield from _gains_without(attempt, asked, spots, stand_in, first)
        return [(spots[i], attempt.options[spots[i]]) for i in np.argsort(-gains, kind="stable")]

    return rank


def _gains_without(
    attempt: Attempt, asked: Asked, spots: Sequence[Spot], stand_in: str, first: FloatArray
) -> Generator[Sequence[Text], FloatArray, FloatArray]:
    """Score without each spot's word minus the score of the original; -inf for spots the budget did not reach."""
    answers = yield from asked.ask([attempt.changed({spot: stand_in}) for spot in spots])
    gains = np.full(len(spots), -np.inf)
    if len(answers):
        base = attempt.goal.score(first[None], attempt.label)[0]
        gains[: len(answers)] = attempt.goal.score(answers, attempt.label) - base
    return gains


def head_and_tail(attempt: Attempt, asked: Asked, first: FloatArray) -> Generator[Sequence[Text], FloatArray, Order]:
    """Gao et al.'s combined score: what a word adds to the words before it, plus what it adds to the words after it."""
    spots = list(attempt.options)
    texts: list[Text] = []
    for spot in spots:
        texts += [_cut(attempt.text, spot, head=True, with_word=word) for word in (True, False)]
        texts += [_cut(attempt.text, spot, head=False, with_word=word) for word in (True, False)]
    answers = yield from asked.ask(texts)
    score = 1 - attempt.goal.score(answers, attempt.label) if len(answers) else np.zeros(0)
    full = len(score) // 4
    quads = score[: 4 * full].reshape(full, 4)
    gains = np.full(len(spots), -np.inf)
    gains[:full] = quads[:, 0] - quads[:, 1] + quads[:, 2] - quads[:, 3]
    return [(spots[i], attempt.options[spots[i]]) for i in np.argsort(-gains, kind="stable")]


def _cut(text: Text, spot: Spot, *, head: bool, with_word: bool) -> Text:
    k, (start, end) = spot
    part = parts_of(text)[k]
    kept = part[: end if with_word else start] if head else part[start if with_word else end :]
    if isinstance(text, str):
        return kept
    return (kept, text[1]) if k == 0 else (text[0], kept)


def weighted_saliency(attempt: Attempt, asked: Asked, first: FloatArray) -> Generator[Sequence[Text], FloatArray, Order]:
    """Ren et al.: softmax of the saliency of a word times what its best substitute gains; each word keeps its best substitute."""
    return (yield from _weighted(attempt, asked, first, base=float(attempt.goal.score(first[None], attempt.label)[0])))


def _weighted(attempt: Attempt, asked: Asked, first: FloatArray, *, base: float) -> Generator[Sequence[Text], FloatArray, Order]:
    """Softmax of the saliency of a word times the score of its best substitute above `base`."""
    spots = list(attempt.options)
    saliency = yield from _gains_without(attempt, asked, spots, UNKNOWN, first)
    candidates = [(i, word) for i, spot in enumerate(spots) for word in attempt.options[spot]]
    answers = yield from asked.ask([attempt.changed({spots[i]: word}) for i, word in candidates])
    gains = attempt.goal.score(answers, attempt.label) - base if len(answers) else np.zeros(0)
    best: dict[int, tuple[float, str]] = {}
    for (i, word), gain in zip(candidates, gains.tolist(), strict=False):
        if i not in best or gain > best[i][0]:
            best[i] = gain, word
    finite = np.where(np.isfinite(saliency), saliency, 0.0)
    weight = np.exp(finite - finite.max()) if len(finite) else finite
    weight = weight / weight.sum() if len(weight) else weight
    order = sorted(best, key=lambda i: (-weight[i] * best[i][0], i))
    return [(spots[i], (best[i][1],)) for i in order]


def saliency_order(attempt: Attempt, asked: Asked, first: FloatArray) -> Generator[Sequence[Text], FloatArray, Order]:
    """TextAttack's order: its code weighs by the score of the best substitute, not by what that gains over the original. All
    substitutes are to be asked again at each word."""
    order = yield from _weighted(attempt, asked, first, base=0.0)
    return [(spot, attempt.options[spot]) for spot, _ in order]


def by_gains(attempt: Attempt, asked: Asked, first: FloatArray) -> Generator[Sequence[Text], FloatArray, Order]:
    """Spots by the largest gain foreseen for one of their rewrites, each with its most promising FORESEEN ones; asks nothing."""
    gains = attempt.gains or {}
    order = []
    for spot, words in attempt.options.items():
        foreseen = gains.get(spot, [0.0] * len(words))
        best = sorted(range(len(words)), key=lambda i: -foreseen[i])
        order.append((foreseen[best[0]], spot, [words[i] for i in best[:FORESEEN]]))
    yield from ()
    return [(spot, words) for _, spot, words in sorted(order, key=lambda one: -one[0])]


def greedy(ranking: Ranking, *, keep_worse: bool = False) -> Callable[[Attempt], Search[Outcome]]:
    """Word by word in the order of `ranking`, the best rewrite of each is kept where it comes nearer to the goal (keep_worse:
    always), until the goal is reached or the budget or the words end."""

    def search(attempt: Attempt) -> Search[Outcome]:
        asked = Asked(attempt.budget)
        answers = yield from asked.ask([attempt.text])
        if not len(answers) or attempt.goal.reached(answers, attempt.label)[0]:
            return Outcome("wrong", attempt.text, attempt.text, {}, asked.n)
        order = yield from ranking(attempt, asked, answers[0])
        near, written = float(attempt.goal.score(answers, attempt.label)[0]), dict[Spot, str]()
        for spot, words in order:
            tried = [{**written, spot: word} for word in words]
            tried = [one for one in tried if attempt.allowed(attempt.changed(one))]
            answers = yield from asked.ask([attempt.changed(one) for one in tried])
            if not len(answers):
                if tried:
                    break  # the budget is spent
                continue
            scores = attempt.goal.score(answers, attempt.label)
            top = int(scores.argmax())
            if scores[top] > near or keep_worse:
                near, written = float(scores[top]), dict(tried[top])
                if attempt.goal.reached(answers[top : top + 1], attempt.label)[0]:
                    return Outcome("turned", attempt.text, attempt.changed(written), written, asked.n)
        return Outcome("held", attempt.text, attempt.changed(written), written, asked.n)

    return search


def beam(width: int, *, depth: int) -> Callable[[Attempt], Search[Outcome]]:
    """All rewrites of all words at once; the `width` best go on, up to `depth` changed words. Finds the fewest changes first."""

    def search(attempt: Attempt) -> Search[Outcome]:
        asked = Asked(attempt.budget)
        answers = yield from asked.ask([attempt.text])
        if not len(answers) or attempt.goal.reached(answers, attempt.label)[0]:
            return Outcome("wrong", attempt.text, attempt.text, {}, asked.n)
        states: list[Written] = [{}]
        for _ in range(depth):
            grown: dict[Text, Written] = {}
            for state in states:
                for spot, words in attempt.options.items():
                    for word in words if spot not in state else ():
                        one = {**state, spot: word}
                        changed = attempt.changed(one)
                        if attempt.allowed(changed):
                            grown.setdefault(changed, one)
            answers = yield from asked.ask(list(grown))
            if not len(answers):
                break
            order = np.argsort(-attempt.goal.score(answers, attempt.label), kind="stable")
            known = list(grown.items())
            states = [known[i][1] for i in order[:width]]
            reached = attempt.goal.reached(answers, attempt.label)
            if reached.any():
                changed, written = known[next(int(i) for i in order if reached[i])]
                return Outcome("turned", attempt.text, changed, dict(written), asked.n)
        best = states[0]
        return Outcome("held", attempt.text, attempt.changed(best), dict(best), asked.n)

    return search
