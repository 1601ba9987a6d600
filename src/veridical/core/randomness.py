"""Every part owns its random stream: named, derived from the one seed, independent of what ran before it."""

import hashlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """A generator for the part called `name`. Same seed and name, same numbers, on every machine."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
