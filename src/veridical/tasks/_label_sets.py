"""Sets of labels as they are stored, sorted JSON lists, and as rows of 0 and 1."""

import json
from collections.abc import Sequence

import numpy as np

from veridical.tasks._contract import FloatArray


def held(answers: Sequence[str], names: tuple[str, ...]) -> FloatArray:
    """Which names each answer holds, (n, W) of 0 and 1; names not known are left out."""
    place = {name: at for at, name in enumerate(names)}
    found = np.zeros((len(answers), len(names)))
    for row, answer in enumerate(answers):
        for name in json.loads(answer):
            if name in place:
                found[row, place[name]] = 1.0
    return found


def written(chosen: FloatArray, names: tuple[str, ...]) -> list[str]:
    """Answers of the names that are not 0 in each row of (n, W)."""
    return [json.dumps([name for name, yes in zip(names, row, strict=True) if yes], ensure_ascii=False) for row in chosen]
