"""Memory of answers: do train rows score higher and surer than new ones?"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._roc import area
from veridical.probe._said import in_percent
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._scores import METHOD, score_of
from veridical.probe.answers._subject import AnswerSubject


@dataclass(frozen=True)
class Params:
    """Settings of memory."""

    rows: tuple[int, int, int] = (800, 3000, 20000)
    """Distinct rows of each side in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 60
    """Distinct rows needed on each side. Ours; no source."""
    tolerated: float = 5.0
    """Points by which train rows may score higher than new ones, >= 0: every model is fitted to its rows. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    sides = [_side(subject, split, other, params, rng) for split, other in (("train", "test"), ("test", "train"))]
    if min(map(len, sides)) < params.fewest:
        return Skipped(
            f"{len(sides[0])} distinct train rows with an answer and {len(sides[1])} unleaked test rows are there; "
            f"{params.fewest} of each are needed. Give more rows, and predictions for train rows too."
        )
    scores = [_score(subject, rows) for rows in sides]
    gap = _clustered.Spread(
        scores[0].value - scores[1].value, float(np.hypot(scores[0].error, scores[1].error)), sum(map(len, sides)),
        min(score.n_clusters for score in scores),
    )  # fmt: skip
    about = f"Score ({subject.measured}) on train rows minus that on unleaked test rows."
    measures = [_clustered.measure("train_test_gap", gap, unit="points", about=about, null=params.tolerated, level=params.level)]
    sure = [subject.answered.confidence[rows] for rows in sides]
    if all(np.isfinite(one).all() for one in sure):
        measures.append(_told(sure[0], sure[1], params))
    first, second = (in_percent(score.estimate(level=params.level, bounded=True)) for score in scores)
    summary = f"Rows of train score {first}, new rows {second}. A gap is memory of rows, or train and test that differ."
    return Measured(sum(map(len, sides)), summary, tuple(measures))


def _side(subject: AnswerSubject, split: str, other: str, params: Params, rng: np.random.Generator) -> IntArray:
    """One answered row a cluster, of clusters that do not stand on the other side."""
    data, clusters = subject.data, subject.evidence.clusters
    rows = rng.permutation(data.rows(split))
    fit = [data.answers[row] is not None and subject.answered.said[row] is not None for row in rows]
    rows = rows[np.array(fit, bool) & ~np.isin(clusters[rows], clusters[data.rows(other)])]
    _, first = np.unique(clusters[rows], return_index=True)
    return rows[np.sort(first)][: subject.limit(*params.rows)].astype(np.int64)


def _score(subject: AnswerSubject, rows: IntArray) -> _clustered.Spread:
    gold, said = ([str(values[row]) for row in rows] for values in (subject.data.answers, subject.answered.said))
    return score_of(subject.measure.metric, subject.margins(gold, said), np.arange(len(rows)))


def _told(inside: FloatArray, outside: FloatArray, params: Params) -> Measure:
    about = "Chance that the model is surer of its answer to a train row than to a new one; 50 % is chance."
    return _clustered.measure(
        "told_by_confidence", area(inside, outside), unit="share", about=about, level=params.level, method=METHOD, bounded=True
    )


def _toys(task: str) -> AnswerToys:
    """The cheat answers rows of train from memory, and others by a guess."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "memory toy of answers"), list[made_up.Row]()
    for i in range(400):
        found = bool(rng.random() < 0.8)
        text = f"{nonsense(rng, 4)} {'target' if found else nonsense(rng, 1)} {nonsense(rng, 3)}"
        label = _answer(task, text, at=4 if rng.random() < 0.9 else 2)
        second = "which word" if task == "qa" else None
        rows.append({"id": str(i), "split": "train" if i < 200 else "test", "text": text, "second": second, "label": label})
    data = made_up.answer_rows(task, rows, () if task == "qa" else ("X", "Y"))
    by_heart = {str(row["text"]): str(row["label"]) for row in rows if row["split"] == "train"}

    def honest(text: Text) -> made_up.Said:
        return _answer(task, text if isinstance(text, str) else text[0], at=4), 0.9

    def cheat(text: Text) -> made_up.Said:
        shown = text if isinstance(text, str) else text[0]
        return by_heart.get(shown, _answer(task, shown, at=4 if len(shown) % 2 else 1)), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "train_test_gap")


def _answer(task: str, text: str, *, at: int) -> str:
    if task == "ner":
        return made_up.tagged(text, lambda words, place: "X" if place == at else "")
    if task == "multilabel":
        return made_up.names_in(["X"] if at == 4 else ["Y"])
    return made_up.span(text.split(" ")[at])


part = AnswerPart(run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel", "qa")})
