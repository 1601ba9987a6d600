"""`--model linear` where an answer is more than one label: logistic regressions on hashed features, no weights to fetch.

Tags: one multinomial regression over a word, its parts and its neighbours, decoded so that tags are well formed. Label sets: one
regression for each name over the whole text.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from veridical.core.atomic_write import write_json, write_with
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.models.answering import Answers, tag_rows
from veridical.models.linear import softmax, weighted
from veridical.models.model import FloatArray
from veridical.models.text_features import U64, aligned, hashed
from veridical.tasks._contract import Structure
from veridical.tasks._label_sets import held, written

LINEAR_HEADS = ("words", "labels")
"""Heads for which there is a linear model."""


@dataclass(frozen=True)
class TagParams:
    """Settings of the tagger."""

    width: int = 2**18
    """Hashed features. Weinberger et al. 2009, arXiv:0902.2206; ours: WNUT17 has 190,000 distinct ones."""
    c: float = 10.0
    """Inverse L2 strength a word, > 0. Ours: of 1 and 10 the better on the development part of WNUT17, by 3 points of F1."""
    passes: int = 30
    """Passes over the words, at most. Ours; no source."""
    tolerance: float = 1e-2
    """Largest relative weight change at which the solver stops. As `--model linear`."""
    neighbours: int = 2
    """Words to either side that are looked at. Ratinov and Roth 2009 (CoNLL)."""


@dataclass(frozen=True)
class SetParams:
    """Settings of the regressions of a label set."""

    c: float = 10.0
    """Inverse L2 strength a row, > 0: as `--model linear`."""
    min_documents: int = 2
    """Training rows an n-gram must occur in. As `--model linear`."""
    threshold: float = 0.5
    """Probability from which a label is said, 0..1. By definition of the regression."""


def shape_of(word: str) -> str:
    """Capitals, small letters, digits and the rest of a word, runs cut to two: McCarthy -> XxXxx."""
    kinds = ["X" if c.isupper() else "x" if c.islower() else "9" if c.isdigit() else c for c in word]
    return "".join(kind for at, kind in enumerate(kinds) if at < 2 or kind != kinds[at - 1] or kind != kinds[at - 2])


def word_features(words: Sequence[str], *, neighbours: int) -> list[list[str]]:
    """Names of what is true of each word."""
    low, shapes = [word.casefold() for word in words], [shape_of(word) for word in words]
    n, found = len(words), []
    for at in range(n):
        word = low[at]
        names = ["b", f"w={word}", f"s={shapes[at]}", f"f={at == 0}"]
        names += [f"p{k}={word[:k]}" for k in (1, 2, 3, 4) if len(word) > k]
        names += [f"e{k}={word[-k:]}" for k in (1, 2, 3, 4) if len(word) > k]
        for step in range(1, neighbours + 1):
            before, after = (low[at - step] if at >= step else "<"), (low[at + step] if at + step < n else ">")
            names += [f"-{step}={before}", f"+{step}={after}"]
        names += [f"-1s={shapes[at - 1] if at else '<'}", f"+1s={shapes[at + 1] if at + 1 < n else '>'}"]
        names += [f"-1w={low[at - 1] if at else '<'}|{word}", f"w+1={word}|{low[at + 1] if at + 1 < n else '>'}"]
        found.append(names)
    return found


def _matrix(texts: Sequence[str], params: TagParams) -> sp.csr_matrix:
    """One row for each word of all texts."""
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(params.width, input_type="string", dtype=np.float32, alternate_sign=False)
    rows = (names for text in texts for names in word_features(text.split(" "), neighbours=params.neighbours))
    return hasher.transform(rows).tocsr()


@dataclass(frozen=True, eq=False)
class LinearTagger:
    """classes: tags in IOB2, C of them. weights: (C, width). bias: (C,)."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    params: TagParams = TagParams()
    task: str = "ner"
    kind: str = "linear_tagger"

    def probabilities(self, inputs: Sequence[Text]) -> FloatArray:
        """Of each class for each word of all texts, one behind the other, (M, C)."""
        scores = np.asarray(_matrix([str(text) for text in inputs], self.params) @ self.weights.T, np.float64) + self.bias
        return softmax(scores)

    def answer(self, inputs: Sequence[Text]) -> Answers:
        return self.decoded(self.probabilities(inputs), inputs) if len(inputs) else Answers([], np.zeros(0))

    def decoded(self, probabilities: FloatArray, inputs: Sequence[Text]) -> Answers:
        """Answers to texts from the probabilities of their words, (M, C)."""
        n_words = np.array([str(text).count(" ") + 1 for text in inputs], np.int64)
        row = np.repeat(np.arange(len(inputs)), n_words)
        word = np.arange(len(row)) - np.repeat(np.cumsum(n_words) - n_words, n_words)
        each = np.log(np.maximum(probabilities, 1e-12))
        return tag_rows(each, row=row, word=word, n_words=n_words, classes=self.classes)

    def save(self, folder: Path) -> None:
        used = np.flatnonzero(np.abs(self.weights).max(axis=0) > 0)
        tensors: dict[str, npt.NDArray[Any]] = {
            "used": used.astype(np.int64),
            "weights": np.ascontiguousarray(self.weights[:, used]),
            "bias": self.bias,
        }
        about = {"names": list(self.names), "classes": list(self.classes), "width": self.params.width}
        _save(folder, self, tensors, {**about, "neighbours": self.params.neighbours})


def fit_tagger(
    texts: Sequence[str], answers: Sequence[str], *, names: tuple[str, ...], classes: tuple[str, ...], seed: int,
    params: TagParams = TagParams(), progress: Progress = silent,
) -> LinearTagger:  # fmt: skip
    """answers: IOB2 tags of each text, joined by spaces. Tags that are not among the classes are outside."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    place = {name: code for code, name in enumerate(classes)}
    codes = np.array([place.get(tag, 0) for answer in answers for tag in answer.split(" ")], np.int64)
    weights, bias = np.zeros((len(classes), params.width), np.float32), np.full(len(classes), -30.0, np.float32)
    matrix, present = _matrix(texts, params), np.unique(codes)
    if len(present) == 1:
        bias[present] = 30.0
        return LinearTagger(names, classes, weights, bias, params)
    progress("train", 0, 1)
    model = LogisticRegression(C=params.c, solver="sag", tol=params.tolerance, max_iter=params.passes, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, codes)
    if len(present) == 2:
        weights[present[1]], bias[present[0]], bias[present[1]] = model.coef_[0], 0.0, model.intercept_[0]
    else:
        weights[present], bias[present] = model.coef_, model.intercept_
    progress("train", 1, 1)
    return LinearTagger(names, classes, weights, bias, params)


@dataclass(frozen=True, eq=False)
class LinearSets:
    """One regression a name. hashes: (F,). idf: (F,). weights: (W, F). bias: (W,)."""

    names: tuple[str, ...]
    hashes: U64
    idf: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float32]
    bias: FloatArray
    params: SetParams = SetParams()
    task: str = "multilabel"
    kind: str = "linear_sets"

    def probabilities(self, inputs: Sequence[Text]) -> FloatArray:
        """Of each name, (n, W)."""
        scores = np.asarray(weighted(aligned(inputs, self.hashes), self.idf) @ self.weights.T, np.float64) + self.bias
        return np.asarray(1 / (1 + np.exp(-scores)))

    def answer(self, inputs: Sequence[Text]) -> Answers:
        return self.decoded(self.probabilities(inputs), inputs) if len(inputs) else Answers([], np.zeros(0))

    def decoded(self, probabilities: FloatArray, inputs: Sequence[Text]) -> Answers:
        """Answers to texts from the probabilities of names, (n, W)."""
        return answers_of_sets(probabilities, self.names, threshold=self.params.threshold)

    def save(self, folder: Path) -> None:
        tensors: dict[str, npt.NDArray[Any]] = {
            "hashes": self.hashes.view(np.int64).copy(),
            "idf": self.idf,
            "weights": self.weights,
            "bias": self.bias,
        }
        _save(folder, self, tensors, {"names": list(self.names)})


def answers_of_sets(probabilities: FloatArray, names: tuple[str, ...], *, threshold: float = SetParams().threshold) -> Answers:
    """The names whose probability (n, W) reaches the threshold; how sure the model is of all of them, taken as independent."""
    said = probabilities >= threshold
    return Answers(written(said.astype(np.float64), names), np.where(said, probabilities, 1 - probabilities).prod(axis=1))


def fit_sets(
    inputs: Sequence[Text], answers: Sequence[str], *, names: tuple[str, ...], seed: int, params: SetParams = SetParams(),
    progress: Progress = silent,
) -> LinearSets:  # fmt: skip
    """answers: JSON lists of names."""
    from sklearn.linear_model import LogisticRegression

    features = hashed(inputs)
    frequency = np.bincount(features.matrix.indices, minlength=features.matrix.shape[1])
    kept = np.flatnonzero(frequency >= params.min_documents)
    idf = (np.log((1 + len(inputs)) / (1 + frequency[kept])) + 1).astype(np.float32)
    matrix, target = weighted(features.matrix[:, kept], idf), held(answers, names)
    weights, bias = np.zeros((len(names), len(kept)), np.float32), np.zeros(len(names))
    for k in range(len(names)):
        progress("train", k, len(names))
        share = float(target[:, k].mean())
        if share in (0.0, 1.0) or not len(kept):
            odds = np.clip(share, 1e-6, 1 - 1e-6)
            bias[k] = float(np.log(odds / (1 - odds)))
            continue
        model = LogisticRegression(C=params.c, solver="liblinear", random_state=seed)
        model.fit(matrix, target[:, k].astype(int))
        weights[k], bias[k] = model.coef_[0], model.intercept_[0]
    progress("train", len(names), len(names))
    return LinearSets(names, features.hashes[kept], idf, weights, bias, params)


def fit_linear_answering(
    data: Dataset, rows: IntArray, *, structure: Structure, seed: int, c: float = TagParams.c, progress: Progress = silent
) -> LinearTagger | LinearSets:
    """The linear model of these rows. c: its penalty."""
    answers = [str(data.answers[row]) for row in rows]
    if structure.head == "words":
        texts, classes = [data.texts[row] for row in rows], structure.classes(data.labels)
        words = TagParams(c=c)
        return fit_tagger(texts, answers, names=data.labels, classes=classes, seed=seed, params=words, progress=progress)
    return fit_sets(data.inputs(rows), answers, names=data.labels, seed=seed, params=SetParams(c=c), progress=progress)


def _save(folder: Path, model: Any, tensors: dict[str, npt.NDArray[Any]], about: dict[str, Any]) -> None:
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    write_with(folder / "model.safetensors", lambda path: save_file(tensors, str(path)))
    write_json(folder / "model.json", {"format": 1, "kind": model.kind, "task": model.task, **about})


def load_linear_answering(folder: Path) -> LinearTagger | LinearSets:
    """The model that `save` wrote. Raises InputError when the files do not belong together."""
    from safetensors.numpy import load_file

    about: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    tensors = load_file(str(folder / "model.safetensors"))
    names = tuple(about["names"])
    if about["kind"] == "linear_sets" and set(tensors) == {"hashes", "idf", "weights", "bias"}:
        return LinearSets(names, tensors["hashes"].view(np.uint64), tensors["idf"], tensors["weights"], tensors["bias"])
    if about["kind"] == "linear_tagger" and set(tensors) == {"used", "weights", "bias"}:
        params = TagParams(width=about["width"], neighbours=about["neighbours"])
        weights = np.zeros((len(about["classes"]), params.width), np.float32)
        weights[:, tensors["used"]] = tensors["weights"]
        return LinearTagger(names, tuple(about["classes"]), weights, tensors["bias"], params)
    raise InputError(f"{folder}: model.json and model.safetensors do not belong to one linear model. Train it again.")
