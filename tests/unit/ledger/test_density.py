"""How much likelier test rows are under a target: told from planted densities."""

import numpy as np
import pytest

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.density import density_of


def rows(rng, n, *, lengths, name):
    """Rows of words drawn alike, of as many as `lengths` gives."""
    return [
        (
            f"{name}{i}",
            "test" if name == "s" else "valid",
            " ".join(f"word{k}" for k in rng.integers(400, size=lengths(rng))),
            "a",
        )
        for i in range(n)
    ]


def short_or_long(rng):
    return int(rng.integers(4, 9) if rng.random() < 0.5 else rng.integers(20, 30))


def mostly_short(rng):
    return int(rng.integers(4, 9) if rng.random() < 0.9 else rng.integers(20, 30))


def weighed(seed, lengths):
    rng = np.random.default_rng(seed)
    data = dataset([*rows(rng, 400, lengths=short_or_long, name="s"), *rows(rng, 400, lengths=lengths, name="t")])
    source, target = np.arange(400), np.arange(400, 800)
    words = np.array([len(text.split()) for text in data.texts])[source]
    return density_of(Evidence(data, seed=0), source, target, seed=0), words < 10


@pytest.mark.parametrize("seed", range(3))
def test_a_target_of_shorter_texts_of_the_same_words_is_seen(seed):
    """Short texts are 0.9 of the target and 0.5 of the source: ratios 1.8 and 0.2. By n-grams alone, which are brought to one
    length, they came out at 1.6 and 0.4."""
    found, short = weighed(seed, mostly_short)
    assert found.ratio[short].mean() == pytest.approx(1.8, abs=0.15)
    assert found.ratio[~short].mean() == pytest.approx(0.2, abs=0.15)
    assert found.auc > 0.65
    assert found.inside.all()


@pytest.mark.parametrize("seed", range(3))
def test_where_lengths_are_alike_weights_are_too(seed):
    found, short = weighed(seed, short_or_long)
    assert found.ratio[short].mean() == pytest.approx(found.ratio[~short].mean(), abs=0.15)
    assert found.ratio.std() < 0.25


def test_a_target_longer_than_all_test_rows_has_no_test_rows_like_it():
    found, _ = weighed(0, lambda rng: int(rng.integers(120, 140)))
    assert found.inside.mean() < 0.25
