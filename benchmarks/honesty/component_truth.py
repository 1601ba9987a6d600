"""What a component of the account truly is, in the worlds where one planted fault alone decides it, in points."""

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.worlds import MAX_TRUTH, World
from veridical.audit._evidence import Evidence
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.train.trained import Trained
from veridical.train.training import train

LUCK_ALONE = ("nothing", "imbalance")
LEAKS_ALONE = ("leak", "leak_02", "leak_05", "leak_10", "test_in_train")
"""Copies of rows drawn at random, unedited."""
SWAPS = 3
"""Trainings without the leaked rows over which what these would have scored is averaged."""
NOISE_ALONE = ("test_noise_02", "test_noise_05", "test_noise_10", "test_noise_20", "test_noise_one_way", "noise_in_both")
TRANSFER = {"cue": "shortcut", "groups": "groups", "typos": "fragility", "target": "shift"}
"""First word of a world with a contract -> the one player of its transfer block."""
MORE_THAN_ONE = ("target_turned", "target_leak_noise")
"""Worlds whose target differs from the test set by more than one player, or in what a label means."""


def component_truth(
    made: World, *, data: Dataset, trained: Trained, truth: float, truth_contract: float | None, model: str
) -> dict[str, float]:
    """Component -> points. truth: accuracy on pristine rows, truth_contract: on those of the contract's population, 0..1. model:
    what is trained again where a row has to be forgotten."""
    test = data.rows("test")
    labels = np.array(data.labels)
    said = labels[trained.probabilities[test].argmax(axis=1)]
    given = labels[data.codes[test]]
    right = np.array([made.right[data.ids[row]] for row in test])
    found: dict[str, float] = {}
    if made.name in LUCK_ALONE:
        found["sample"] = float((said == given).mean()) - truth
    if made.name in LEAKS_ALONE:
        learned = {made.twins[data.ids[row]] for row in data.rows("train")}
        leaked = np.array([made.twins[data.ids[row]] in learned for row in test])
        unread = _right_when_unread(made, asked=test[leaked], data=data, model=model)
        found["leakage"] = float(leaked.mean()) * (float((said == right)[leaked].mean()) - unread)
    if made.name in NOISE_ALONE:
        found["noise"] = float((said == given).mean() - (said == right).mean())
    if truth_contract is not None and made.name not in MORE_THAN_ONE:
        player = "shortcut" if "cue" in made.name else TRANSFER[made.name.split("_")[0]]
        found[player] = truth - truth_contract
    return {name: 100 * share for name, share in found.items()}


def _right_when_unread(made: World, *, asked: IntArray, data: Dataset, model: str) -> float:
    """Share of these leaked test rows that the model is right on when it has not read them: their twins in train are swapped for
    pristine rows, other ones each time."""
    leaked = {made.twins[data.ids[row]] for row in asked}
    shares = []
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
        said = np.array(other.labels)[again.probabilities[at].argmax(axis=1)]
        shares.append(float(np.mean([said[k] == made.right[data.ids[row]] for k, row in enumerate(asked)])))
    return float(np.mean(shares))
