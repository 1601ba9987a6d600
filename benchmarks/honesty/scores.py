"""What a model scores on rows whose right label is known: the truth that an account is judged by."""

import numpy as np

from benchmarks.honesty.worlds import NO_RELATION, World
from veridical.train.trained import Trained

Rows = list[dict[str, str | None]]


def accuracy_of(trained: Trained, rows: Rows) -> float:
    """Share of rows whose label the model gives, 0..1."""
    return float(hits(trained, rows).mean())


def hits(trained: Trained, rows: Rows) -> np.ndarray:
    """Whether the model gives each row's label, (n,)."""
    said, right = _answers(trained, rows)
    return np.asarray(said == right)


def honest_score(made: World, trained: Trained, rows: Rows, *, metric: str = "accuracy") -> float:
    """The metric of a classification; of relations the one that belongs, their mean F1. As scikit-learn counts them."""
    said, right = _answers(trained, rows)
    if made.task == "classification":
        return counted(right, said, metric=metric)
    from sklearn.metrics import f1_score

    relations = [label for label in trained.labels if label != NO_RELATION]
    return float(f1_score(right, said, labels=relations, average="macro", zero_division=0.0))


def counted(right: np.ndarray, said: np.ndarray, *, metric: str) -> float:
    """accuracy, macro_f1 or mcc of labels and answers, (n,) each."""
    from sklearn.metrics import f1_score, matthews_corrcoef

    if metric == "accuracy":
        return float((right == said).mean())
    return float(f1_score(right, said, average="macro") if metric == "macro_f1" else matthews_corrcoef(right, said))


def _answers(trained: Trained, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    assert trained.model is not None
    said = trained.model.predict([str(row["text"]) for row in rows]).argmax(axis=1)
    return np.array(trained.labels)[said], np.array([str(row["label"]) for row in rows])
