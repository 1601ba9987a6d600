"""What a component of the account truly is, in the worlds where one planted fault alone decides it, in points.

sample, noise: by counting. leakage: what the leaked rows score unread. shortcut, groups, fragility, shift: the same model on
the pristine sample minus on a large sample of the contract's population. concept: the same model on the target's population,
labels before the target turned them minus after; it is an offset that no other player changes, so it has a truth beside a shift
too. protocol: the metric as reported minus the one that belongs, both of the pristine sample, counted by scikit-learn. reuse:
for these very models, the mean over many test sets drawn from the pristine sample of the chosen one's score there minus its
score on all of it. A run's account holds an estimate of that mean and calls it `bounded`, so it never counts as seen.

A truth that is read off a sample has an error of its own, up to half a point: `Truth.error`, over the texts of both samples,
those that stand in both together. Coverage alone counts it (run.py); without it an exact interval seems to miss.

Pairs (cell.py): leakage and noise have a truth where both are planted: over the leaked rows, what reading buys by right labels
against what it buys by those given. No truth was found, that does not lean on the account's own estimators, for pairs with sample
(its share depends on how the account calibrates); pairs inside the transfer block would need a population with both and with each
alone. Shift and concept do not interact, by construction; protocol is not planted together with others.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.scores import accuracy_of, hits, honest_score
from benchmarks.honesty.worlds import MAX_TRUTH, World
from veridical.audit._evidence import Evidence
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import Model
from veridical.train.trained import Trained
from veridical.train.training import train

LUCK_ALONE = ("nothing", "imbalance")
LEAKS_ALONE = ("leak", "leak_02", "leak_05", "leak_10", "test_in_train")
"""Copies of rows drawn at random, unedited."""
SWAPS = 3
"""Trainings without the leaked rows over which what these would have scored is averaged."""
NOISE_ALONE = ("test_noise_02", "test_noise_05", "test_noise_10", "test_noise_20", "test_noise_one_way", "noise_in_both",
               "groups_mislabelled_15", "groups_mislabelled_30",
               "groups_mislabelled_15_both", "groups_mislabelled_30_both")  # fmt: skip
BOTH = ("leak_noise", "leak_noise_more")
"""Worlds of random copies and of wrong test labels, whose interaction is known."""
PAIR = ("leakage", "noise")
TRANSFER = {"cue": "shortcut", "groups": "groups", "typos": "fragility"}
"""First word of a world with a contract and no target -> the one player of its transfer block."""
DRAWS = 4000
"""Test sets over which the optimism of a choice is averaged: its standard error is under 0.02 points. Ours; no source."""


@dataclass(frozen=True)
class Truth:
    """Both in points; error: one standard error, 0 where the truth is counted, and where its error is not known (protocol, reuse,
    pairs; leakage over its trainings)."""

    points: float
    error: float = 0.0


def component_truth(
    made: World, *, data: Dataset, trained: Trained, max_truth: int, model: str, looked: Sequence[Model] = ()
) -> dict[str, Truth]:
    """Component, or pair -> what it truly is. max_truth: pristine rows at most. model: what is trained again where a row has to
    be forgotten. looked: all models scored on the test set, the chosen one among them."""
    test = data.rows("test")
    labels = np.array(data.labels)
    said = labels[trained.probabilities[test].argmax(axis=1)]
    given = labels[data.codes[test]]
    right = np.array([made.right[data.ids[row]] for row in test])
    found: dict[str, Truth] = {}
    if made.name in LUCK_ALONE:
        pristine = hits(trained, made.truth[:max_truth])
        error = _error((pristine, made.origins[:max_truth], 1.0))
        found["sample"] = Truth(100 * (float((said == given).mean()) - float(pristine.mean())), error)
    if made.name in (*LEAKS_ALONE, *BOTH):
        learned = {made.twins[data.ids[row]] for row in data.rows("train")}
        leaked = np.array([made.twins[data.ids[row]] in learned for row in test])
        unread = _said_when_unread(made, asked=test[leaked], data=data, model=model)
        bought, bought_as_given = (
            float(leaked.mean()) * float((said == labels)[leaked].mean() - (unread == labels[leaked]).mean())
            for labels in (right, given)
        )
        if made.name in LEAKS_ALONE:
            found["leakage"] = Truth(100 * bought)
        else:
            found[" x ".join(PAIR)] = Truth(100 * (bought - bought_as_given))
    if made.name in NOISE_ALONE:
        found["noise"] = Truth(100 * float((said == given).mean() - (said == right).mean()))
    if made.task != "classification":
        rows = made.truth[:max_truth]
        found["protocol"] = Truth(100 * (accuracy_of(trained, rows) - honest_score(made, trained, rows)))
    if looked:
        found["reuse"] = Truth(100 * _optimism(made, looked, labels=trained.labels, max_truth=max_truth))
    if made.contract is not None:
        found |= _under_contract(made, trained, max_truth=max_truth)
    return found


def _under_contract(made: World, trained: Trained, *, max_truth: int) -> dict[str, Truth]:
    here, there = made.truth[:max_truth], made.under(max_truth)
    truth, under = (hits(trained, rows) for rows in (here, there))
    origins, elsewhere = made.origins[:max_truth], made.contract_origins[: len(there)]

    def between(one: Hits, other: Hits) -> Truth:
        return Truth(100 * float(one[0].mean() - other[0].mean()), _error((*one, 1.0), (*other, -1.0)))

    if not made.target:
        player = "shortcut" if "cue" in made.name else TRANSFER[made.name.split("_")[0]]
        return {player: between((truth, origins), (under, elsewhere))}
    meant = hits(trained, [{**row, "label": label} for row, label in zip(there, made.meant, strict=False)])
    shift = between((truth, origins), (meant, elsewhere))
    concept = between((meant, elsewhere), (under, elsewhere))
    return {"shift": shift} | ({"concept": concept} if "label" in made.target[0] else {})


Hits = tuple[np.ndarray, Sequence[int]]
"""Whether the model is right on each row, and the text that each comes from."""


def _error(*parts: tuple[np.ndarray, Sequence[int], float]) -> float:
    """Standard error of the sum of means, each times its sign, in points; rows of one text move together."""
    texts = np.concatenate([np.asarray(origin, np.int64) for _, origin, _ in parts])
    moved = np.concatenate([sign * (right - right.mean()) / len(right) for right, _, sign in parts])
    return 100 * float(np.sqrt((np.bincount(texts, moved) ** 2).sum()))


def _optimism(made: World, looked: Sequence[Model], *, labels: tuple[str, ...], max_truth: int) -> float:
    """Mean over test sets of this size of the best model's score there minus its score on all pristine rows."""
    pristine = made.truth[:max_truth]
    codes = np.array([labels.index(str(row["label"])) for row in pristine])
    texts = [str(row["text"]) for row in pristine]
    right = np.array([model.predict(texts).argmax(axis=1) == codes for model in looked], float)
    rng, n = stream(made.seed, "test sets"), len(pristine)
    flattered = []
    for _ in range(DRAWS // 100):
        votes = rng.multinomial(len(made.test), np.full(n, 1 / n), size=100) / len(made.test)
        scores = votes @ right.T
        best = scores.argmax(axis=1)
        flattered.append(scores[np.arange(100), best] - right.mean(axis=1)[best])
    return float(np.mean(flattered))


def _said_when_unread(made: World, *, asked: IntArray, data: Dataset, model: str) -> npt.NDArray[np.str_]:
    """What the model says of these leaked test rows when it has not read them, (SWAPS, rows): their twins in train are swapped
    for pristine rows, other ones each time."""
    leaked = {made.twins[data.ids[row]] for row in asked}
    answers = []
    for swap in range(SWAPS):
        spare = iter(stream(made.seed, f"swap {swap}").permutation(min(MAX_TRUTH, len(made.truth))))
        rows = [
            {**made.truth[next(spare)], "id": row["id"]} if made.twins[str(row["id"])] in leaked else row for row in made.train
        ]
        other = dataset(rows, made.test)
        with tempfile.TemporaryDirectory() as folder:
            clusters = Evidence(other, seed=made.seed).clusters
            again = train(other, model=model, seed=made.seed, folder=Path(folder), clusters=clusters)
        place = {row: at for at, row in enumerate(other.ids)}
        at = [place[data.ids[row]] for row in asked]
        answers.append(np.array(other.labels)[again.probabilities[at].argmax(axis=1)])
    return np.array(answers)
