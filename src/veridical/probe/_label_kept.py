"""Does an edited text keep its right label? Estimated by a torch-free reference model where no person has read edits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.probe_record import Measure
from veridical.dataset.rows import IntArray, Text
from veridical.models.linear import LinearModel, fit_linear
from veridical.models.model import FloatArray
from veridical.models.text_features import U64, aligned, hashed, is_word
from veridical.models.word_bayes import WordBayes, fit_word_bayes
from veridical.probe import _clustered
from veridical.probe._share import share_estimate
from veridical.probe._subject import Subject


@dataclass(frozen=True, eq=False)
class _Bayes:
    """Word naive Bayes over the columns `hashes`."""

    fitted: WordBayes
    hashes: U64

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        return self.fitted.predict_features(aligned(inputs, self.hashes))


@dataclass(frozen=True, slots=True)
class Reference:
    """A torch-free model fitted on train rows, of another family than the model that is probed: edits that were searched or
    chosen against a model say nothing about labels when they are judged by a copy of it. right: 1.0 where it gives the label of
    the unedited row, (n,); for other rows it does not speak."""

    family: str
    model: LinearModel | _Bayes
    right: FloatArray


def reference_of(subject: Subject, places: IntArray, *, most: int, rng: np.random.Generator) -> Reference | None:
    """Fitted on at most `most` train rows: word naive Bayes where the probed model is linear, else a linear model. None without
    train rows of two classes."""
    rows = subject.data.rows("train")
    rows = rows[subject.data.codes[rows] >= 0]
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    codes = subject.data.codes[rows]
    if len(np.unique(codes)) < 2:
        return None
    features = hashed(subject.data.inputs(rows))
    model: LinearModel | _Bayes
    if subject.model is not None and subject.model.kind == "linear":
        family = "word Bayes"
        words = np.flatnonzero(is_word(features.hashes))
        fitted = fit_word_bayes(features.matrix[:, words], codes, n_classes=len(subject.labels))
        model = _Bayes(fitted, features.hashes[words])
    else:
        family, model = "linear", fit_linear(features, codes, labels=subject.labels)
    said = model.predict([subject.inputs[i] for i in places]).argmax(axis=1)
    return Reference(family, model, np.asarray(said == subject.codes[places], np.float64))


def kept_by_reference(name: str, reference: Reference, edits: Sequence[tuple[int, Text]], codes: IntArray, clusters: IntArray,
                      *, level: float) -> Measure | None:  # fmt: skip
    """edits: (place in the sample, edited text). The share of edits after which the reference still gives the label, among rows
    on which it did before: a lower bound if what leaves a reader's label leaves the label of the reference no more often."""
    usable = [(i, text) for i, text in edits if reference.right[i]]
    if not usable:
        return None
    at = np.array([i for i, _ in usable], np.int64)
    said = reference.model.predict([text for _, text in usable]).argmax(axis=1)
    kept = np.asarray(said == codes[at], np.float64)
    about = (
        f"Share of edits after which a reference model ({reference.family}) still gives the label; a lower bound, if readers "
        f"keep the label wherever it does. Not reviewed by a person ({name})."
    )
    spread = _clustered.mean(kept, clusters[at], votes=np.ones(len(at)))
    return Measure(f"label kept, reference ({name})", share_estimate(spread, level=level), "share", about)
