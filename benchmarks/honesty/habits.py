"""What people do instead: the score as reported, after dropping duplicates, after dropping or relabelling flagged rows."""

from dataclasses import dataclass

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.proportion import wilson
from veridical.dataset.rows import IntArray


@dataclass(frozen=True)
class Score:
    """A share with its plain Wilson interval."""

    value: float
    low: float
    high: float


def habits(evidence: Evidence, predicted: IntArray) -> dict[str, Score]:
    """predicted: of the scored model, for the test rows in order, (n,)."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    data = evidence.data
    test, train = data.rows("test"), data.rows("train")
    codes = data.codes[test]
    right = predicted == codes
    exact = np.isin(evidence.similar.groups[test], evidence.similar.groups[train])
    near = np.isin(evidence.clusters[test], evidence.clusters[train])
    probabilities = evidence.folds.probabilities[test]
    flagged = find_label_issues(codes, probabilities, n_jobs=1)
    own = (probabilities.argmax(axis=1) != codes) & (get_label_quality_scores(codes, probabilities) < 0.2)
    relabelled = np.where(flagged, probabilities.argmax(axis=1), codes)
    return {
        "as reported": _score(right),
        "exact duplicates dropped": _score(right[~exact]),
        "near-duplicates dropped": _score(right[~near]),
        "suspect labels dropped": _score(right[~own]),
        "cleanlab's flags dropped": _score(right[~flagged]),
        "cleanlab's flags relabelled": _score(predicted == relabelled),
    }


def _score(right: np.ndarray) -> Score:
    if not len(right):
        return Score(0.5, 0.0, 1.0)
    low, high = wilson(int(right.sum()), len(right))
    return Score(float(right.mean()), low, high)
