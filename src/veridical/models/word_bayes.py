"""Word naive Bayes: the second torch-free model family, with errors unlike those of the linear one.

Naive Bayes on word presence with add-one smoothing (Wang and Manning 2012, ACL). The evidence is divided by the square root of
the number of words in the row: words are far from independent, and undamped probabilities would all be 0 or 1 (ours; no source).
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from veridical.dataset.rows import IntArray
from veridical.models.linear import softmax
from veridical.models.model import FloatArray


@dataclass(frozen=True, eq=False)
class WordBayes:
    """log_odds: (F, C) log p(feature | class). prior: (C,) log p(class)."""

    log_odds: FloatArray
    prior: FloatArray

    def predict_features(self, counts: sp.csr_matrix) -> FloatArray:
        """Probabilities (N, C) from counts in the columns the model was fitted on."""
        return self.predict_present(present(counts))

    def predict_present(self, held: sp.csr_matrix) -> FloatArray:
        """The same from what `present` gives."""
        n_features = np.maximum(np.diff(held.indptr), 1)[:, None]
        return softmax(np.asarray(held @ self.log_odds) / np.sqrt(n_features) + self.prior)


def present(counts: sp.csr_matrix) -> sp.csr_matrix:
    """1 for every count that is stored, (N, F)."""
    held = counts.copy()
    held.data = np.ones_like(held.data)
    return held


def fit_word_bayes(counts: sp.csr_matrix, codes: IntArray, *, n_classes: int) -> WordBayes:
    """Fit on word-presence counts (N, F) and label codes (N,)."""
    return fit_per_class(per_class(present(counts), codes, n_classes=n_classes), codes)


def per_class(held: sp.csr_matrix, codes: IntArray, *, n_classes: int) -> FloatArray:
    """Rows of each class that hold each feature, (C, F), from what `present` gives."""
    indicator = sp.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_classes, len(codes)))
    return np.asarray((indicator @ held).todense())


def fit_per_class(found: FloatArray, codes: IntArray) -> WordBayes:
    """Fit on what `per_class` gives, and the label codes (N,)."""
    rows = np.bincount(codes, minlength=len(found))
    log_odds = np.log((found + 1.0) / (rows[:, None] + 2.0))
    return WordBayes((log_odds - log_odds.mean(axis=0)).T, np.log((rows + 1.0) / (rows.sum() + len(found))))
