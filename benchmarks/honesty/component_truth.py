"""What a component of the account truly is, in the worlds where one planted fault alone decides it, in points."""

import numpy as np

from benchmarks.honesty.worlds import World
from veridical.dataset.rows import Dataset
from veridical.train.trained import Trained

LUCK_ALONE = ("nothing", "imbalance")
LEAKS_ALONE = ("leak", "leak_02", "leak_05", "leak_10", "test_in_train")
"""Copies of rows drawn at random, unedited: a fresh row like a leaked one is a fresh row."""
NOISE_ALONE = ("test_noise_02", "test_noise_05", "test_noise_10", "test_noise_20", "test_noise_one_way", "noise_in_both")
TRANSFER = {"cue": "shortcut", "groups": "groups", "typos": "fragility", "target": "shift"}
"""First word of a world with a contract -> the one player of its transfer block."""
MORE_THAN_ONE = ("target_turned", "target_leak_noise")
"""Worlds whose target differs from the test set by more than one player, or in what a label means."""


def component_truth(
    made: World, *, data: Dataset, trained: Trained, truth: float, truth_contract: float | None
) -> dict[str, float]:
    """Component -> points. truth: accuracy on pristine rows, truth_contract: on those of the contract's population, 0..1."""
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
        found["leakage"] = float(leaked.mean()) * (float((said == right)[leaked].mean()) - truth)
    if made.name in NOISE_ALONE:
        found["noise"] = float((said == given).mean() - (said == right).mean())
    if truth_contract is not None and made.name not in MORE_THAN_ONE:
        player = "shortcut" if "cue" in made.name else TRANSFER[made.name.split("_")[0]]
        found[player] = truth - truth_contract
    return {name: 100 * share for name, share in found.items()}
