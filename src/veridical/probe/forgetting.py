"""What did the encoder know before tuning that it no longer knows?

What it measures: tasks with known answers made from the data itself (is the text long, does it hold a number, a name, a given
word, which topic, are two neighbouring words swapped), each by a linear reader on the features before and after tuning, fitted on
train rows and asked on unleaked test rows; the difference of the areas under the ROC. Where the weights hold a language head, how
much worse they predict each token of plain sentences: a masked head from all the others, a causal head from those before it; how
alike the two feature spaces are (CKA).
Why it inflates a score: tuning is scored on its own task alone; what it gave up is paid elsewhere, or when the input changes.
How it errs: what a linear reader no longer sees may still be there; nothing lost on these tasks says nothing of others; the
head of the base weights was made for the untuned encoder and may misread a tuned one that knows as much.
Source: Conneau et al. 2018, arXiv:1805.01070 (probing tasks, word content and swapped words); Salazar et al. 2020,
arXiv:1910.14659 (every token masked in turn); Kornblith et al. 2019, arXiv:1905.00414 (CKA); Luo et al. 2023, arXiv:2308.08747
(forgetting in fine-tuning).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._forgotten import Read, Task, Wanted, area_lost, made_tasks
from veridical.probe._no_evidence import written
from veridical.probe._representation import EncoderInside, Inside, inside_of, rows_to_read
from veridical.probe._said import as_number, gap_in_points
from veridical.probe._subject import Subject, subject_of


@dataclass(frozen=True)
class Params:
    """Settings of forgetting."""

    n_topics: int = 3
    """Clusters of texts whose membership is read, the smallest left out. Ours; no source."""
    n_words: int = 2
    """Words whose presence is read: those that stand nearest to `word_share` of the rows. Ours; no source."""
    word_share: float = 0.15
    """Share of rows, 0..1. Ours; no source."""
    fewest: int = 100
    """Train rows and test rows needed. Count. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


FROM = {"masked": "all the others", "causal": "those before it"}
"""Kind of language head -> what it foretells a token from."""


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    inside = inside_of(subject)
    if isinstance(inside, Skipped):
        return inside
    picked = rows_to_read(subject, rng, fewest=params.fewest)
    if isinstance(picked, Skipped):
        return picked
    rows, n_fit = picked
    read = Read.of(inside, subject.data.inputs(rows))
    fit, asked = np.arange(n_fit), np.arange(n_fit, len(rows))
    wanted = Wanted(params.n_topics, params.n_words, params.word_share)
    tasks = made_tasks(inside, read, subject.data, rows, wanted, rng, seed=subject.seed)
    units = subject.evidence.clusters[rows[asked]]
    measures = [m for m in (_lost(task, fit, asked, units, params) for task in tasks) if m is not None]
    language, notes = _language(inside, subject, params, rng)
    kept = _kept(read.before[asked], read.after[asked], units, params)
    if not measures:
        return Skipped("No task could be made: the texts are alike in all that is asked.")
    most = max(measures, key=lambda measure: measure.estimate.value)
    summary = (
        f"{len(measures)} tasks; most was lost on {most.name.removeprefix('forgot_').replace('_', ' ')}, in area: "
        f"{gap_in_points(most.estimate)}. Likeness of the feature spaces: {as_number(kept.estimate)}."
    )
    return Measured(len(asked), summary, (*measures, *language, kept), notes=notes)


def _lost(task: Task, fit: IntArray, asked: IntArray, units: IntArray, params: Params) -> Measure | None:
    spread = area_lost(task, fit, asked, units)
    if spread is None:
        return None
    about = f"Area under the ROC of a linear reader of {task.about}, before tuning minus after."
    name = f"forgot_{task.concept.name}"
    return _clustered.measure(
        name, spread, unit="share", about=about, null=0.0, level=params.level, method="DeLong, paired", changes=False
    )


def _kept(before: FloatArray, after: FloatArray, units: IntArray, params: Params) -> Measure:
    """Linear CKA, with the interval of leaving out one tenth of the clusters at a time (jackknife)."""
    value = cka(before, after)
    fold = np.unique(units, return_inverse=True)[1] % 10
    left = np.array([cka(before[fold != k], after[fold != k]) for k in np.unique(fold)])
    error = float(np.sqrt((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum()))
    spread = _clustered.Spread(value, error, len(before), len(left))
    about = "Likeness of the features before and after tuning (linear CKA): 1 the same up to rotation and scale."
    return _clustered.measure(
        "features_kept", spread, unit="share", about=about, level=params.level, method="jackknife over tenths", bounded=True
    )


def cka(first: FloatArray, second: FloatArray) -> float:
    """Linear centred kernel alignment of two feature sets (N, D) and (N, E)."""
    if np.array_equal(first, second):
        return 1.0
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.linalg.norm(a.T @ b) ** 2 / norms) if norms > 0 else 0.0


def _language(
    inside: Inside, subject: Subject, params: Params, rng: np.random.Generator
) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Loss of the language head on plain sentences, after tuning minus before."""
    if not isinstance(inside, EncoderInside):
        return (), ()
    from veridical.models.language_losses import language_losses

    texts, encoder = _plain_sentences(subject), inside.model.network.encoder
    found = language_losses(inside.base.folder, texts, encoder=encoder, max_length=inside.model.max_length)
    if isinstance(found, Skipped):
        return (), (found.why,)
    kind, before, after = found
    known = np.isfinite(before) & np.isfinite(after)
    if known.sum() < 10:
        return (), ("The tokenizer knows too few of the plain sentences; how well words are predicted was not asked.",)
    level, given = float(before[known].mean()), FROM[kind]
    about = f"Loss a token, foretold from {given}, of {int(known.sum())} plain sentences after tuning minus before ({level:.2f})."
    rise = _clustered.paired_measure(
        "language_loss_rise", after[known] - before[known], np.arange(int(known.sum())), rng, unit="nats", about=about,
        level=params.level,
    )  # fmt: skip
    return (rise,), ()


def _plain_sentences(subject: Subject) -> list[str]:
    from veridical.dataset.normalisation import is_cjk

    language = "zh" if is_cjk("".join(subject.data.texts[:200])) else "en"
    file = written()
    return [*file["facts"][language], *[text for texts in file["domains"][language].values() for text in texts]]


@dataclass(frozen=True, eq=False)
class _ToyInside:
    """Features: evidence, length, and counts of letters; tuning multiplies them by `kept`."""

    labels: tuple[str, ...]
    kept: float
    kind: str = "toy"

    def before(self, inputs: Sequence[Text]) -> FloatArray:
        rows = [
            [1.0 if "good" in str(text) else -1.0, len(str(text)) / 50, *[str(text).count(c) / 3 for c in "aeioru"]]
            for text in inputs
        ]
        return np.array(rows, np.float64).reshape(len(inputs), -1)

    def after(self, inputs: Sequence[Text]) -> FloatArray:
        found = self.before(inputs)
        found[:, 1:] *= self.kept
        return found

    def decide(self, features: FloatArray) -> FloatArray:
        return softmax(np.stack([-features[:, 0], features[:, 0]], axis=1))

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        return self.decide(self.after(inputs))

    def save(self, folder: Path) -> None:
        raise InputError(f"A toy model is code; there is nothing to save in {folder}.")


def toys() -> Toys:
    """The cheat keeps the evidence for the label and nothing else."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "forgetting toy"), []
    for i in range(700):
        positive = bool(rng.random() < 0.5)
        text = f"{nonsense(rng, int(rng.integers(4, 12)))} {'good' if positive else 'bad'}"
        rows.append((str(i), "train" if i < 400 else "test", text, "pos" if positive else "neg"))
    data = dataset(rows)
    return Toys(subject_of(data, _ToyInside(data.labels, 1.0)), subject_of(data, _ToyInside(data.labels, 0.0)), "forgot_length")


probe = Probe(run, Params(), toys)
