"""How each training row moves a quantity that depends on a multinomial logistic regression.

At the optimum of sum_j w_j loss_j + |W|^2 / (2 c), taking row j out moves a smooth q by grad(q)^T H^-1 w_j grad(loss_j) to first
order (Cook and Weisberg 1982; Koh and Liang 2017, arXiv:1703.04730). One linear system a quantity, solved by conjugate
gradients on Hessian-vector products: no Hessian is formed. Features, and with them document frequencies, are held.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from veridical.dataset.rows import IntArray
from veridical.models.frozen_features import HEAD_C, Float32, Head
from veridical.models.linear import softmax
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class SolveParams:
    """Settings of the linear solve."""

    tolerance: float = 1e-5
    """Relative residual at which conjugate gradients stop, > 0. Ours: ranks no longer move below it."""
    rounds: int = 300
    """Hessian-vector products at most. Ours; no source."""
    damping: float = 1e-8
    """Added to the curvature of the bias, per row: adding one number to every class's bias changes nothing. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fitted classifier on n training rows with d features and C classes.

    features: (n, d), dense or csr. codes: (n,). row_weights: (n,). weights: (C, d). bias: (C,). c: inverse L2 strength per row.
    free: the classes whose weights were fitted; of two classes only the second is.
    """

    features: FloatArray | sp.csr_matrix
    codes: IntArray
    row_weights: FloatArray
    weights: FloatArray
    bias: FloatArray
    c: float

    @cached_property
    def free(self) -> IntArray:
        present = np.unique(self.codes)
        return present[1:] if len(present) == 2 else present

    @cached_property
    def probabilities(self) -> FloatArray:
        """Of the training rows, (n, C)."""
        return self.predict(self.features)

    def predict(self, features: FloatArray | sp.csr_matrix) -> FloatArray:
        return softmax(np.asarray(features @ self.weights.T, np.float64) + self.bias)

    def gradient(self, features: FloatArray | sp.csr_matrix, pull: FloatArray) -> FloatArray:
        """Slope of sum(pull * probabilities) over rows of features (t, d) with pull (t, C) by the free weights, (F, d + 1)."""
        p = self.predict(features)
        moved = p * (pull - (p * pull).sum(axis=1, keepdims=True))
        return _outer(moved[:, self.free], features)

    def influence(self, gradient: FloatArray, *, params: SolveParams = SolveParams()) -> FloatArray:
        """By how much more the quantity is with each training row than without it, (n,)."""
        direction = self._solved(gradient, params)
        residual = self.probabilities - np.eye(len(self.bias))[self.codes]
        along = np.asarray(self.features @ direction[:, :-1].T) + direction[:, -1]
        return np.asarray(-self.row_weights * (residual[:, self.free] * along).sum(axis=1))

    def _curved(self, direction: FloatArray, damping: float) -> FloatArray:
        """Hessian times a direction (F, d + 1)."""
        p = self.probabilities[:, self.free]
        along = np.asarray(self.features @ direction[:, :-1].T) + direction[:, -1]
        moved = self.row_weights[:, None] * p * (along - (p * along).sum(axis=1, keepdims=True))
        found = _outer(moved, self.features)
        found[:, :-1] += direction[:, :-1] / self.c
        found[:, -1] += damping * len(self.codes) * direction[:, -1]
        return found

    def _solved(self, gradient: FloatArray, params: SolveParams) -> FloatArray:
        """H^-1 gradient by conjugate gradients, preconditioned by the Hessian's diagonal."""
        p = self.probabilities[:, self.free]
        spread = self.row_weights[:, None] * p * (1 - p)
        squares = self.features.power(2) if isinstance(self.features, sp.csr_matrix) else self.features**2
        diagonal = _outer(spread, squares)
        diagonal[:, :-1] += 1 / self.c
        diagonal[:, -1] += params.damping * len(self.codes)
        found, rest = np.zeros_like(gradient), gradient.copy()
        scaled = rest / diagonal
        direction, energy = scaled.copy(), float((rest * scaled).sum())
        enough = params.tolerance * float(np.linalg.norm(gradient))
        for _ in range(params.rounds):
            if float(np.linalg.norm(rest)) <= enough or energy <= 0:
                break
            curved = self._curved(direction, params.damping)
            length = energy / float((direction * curved).sum())
            found += length * direction
            rest -= length * curved
            scaled = rest / diagonal
            before, energy = energy, float((rest * scaled).sum())
            direction = scaled + energy / before * direction
        return found


def of_head(head: Head, features: Float32, codes: IntArray, *, row_weights: FloatArray | None = None) -> Logistic:
    """The head that `fit_head` fitted on these features (n, D); `standardised` gives other rows' features as it reads them."""
    weights = np.ones(len(codes)) if row_weights is None else row_weights
    return Logistic(standardised(head, features), codes, weights, head.weights, head.bias, HEAD_C)


def standardised(head: Head, features: Float32) -> FloatArray:
    return np.asarray((features - head.mean) / head.scale, np.float64)


def _outer(left: FloatArray, features: FloatArray | sp.csr_matrix) -> FloatArray:
    """left^T [features, 1], (F, d + 1)."""
    return np.concatenate([np.asarray(features.T @ left).T, left.sum(axis=0)[:, None]], axis=1)
