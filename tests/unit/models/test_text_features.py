"""Hashed n-grams: what counts as one, and that how texts are batched does not matter."""

import numpy as np
import pytest

from veridical.models import text_features
from veridical.models.text_features import aligned, hashed, is_word


def features(text):
    return set(hashed([text]).hashes.tolist())


def test_case_and_width_do_not_matter():
    assert features("Good HOTEL") == features("good hotel") == features("ｇｏｏｄ hotel")


def test_words_of_an_alphabetic_text():
    found = hashed(["one two one"])
    assert int(is_word(found.hashes).sum()) == 2
    counts = np.asarray(found.matrix.todense())[0][is_word(found.hashes)]
    assert sorted(counts.tolist()) == [1.0, 2.0]


def test_cjk_runs_of_one_to_three():
    found = hashed(["酒店好"])
    assert found.matrix.sum() == 3 + 2 + 1
    assert int(is_word(found.hashes).sum()) == 5  # runs of one and two stand for words


def test_no_n_gram_crosses_into_the_next_row():
    together = hashed(["ab cd", "ef gh"])
    for row, text in enumerate(("ab cd", "ef gh")):
        held = set(together.hashes[together.matrix[row].indices].tolist())
        assert held == features(text)


def test_the_two_texts_of_a_pair_have_features_of_their_own():
    first, second = hashed([("good", "bad")]), hashed([("bad", "good")])
    assert not set(first.hashes.tolist()) & set(second.hashes.tolist())
    assert set(first.hashes.tolist()) & set(hashed(["good"]).hashes.tolist())


@pytest.mark.parametrize("text", ["", " ", "!", "😀", "\u200b"])
def test_texts_without_letters(text):
    assert hashed([text, "word"]).matrix[0].nnz == 0


def test_no_rows():
    assert hashed([]).matrix.shape == (0, 0)


def test_batches_give_the_same_as_one_pass(monkeypatch):
    texts = [f"row {i} says 酒店{i} again" for i in range(40)]
    whole = hashed(texts)
    monkeypatch.setattr(text_features, "BATCH_CHARACTERS", 50)
    pieces = hashed(texts)
    assert np.array_equal(whole.hashes, pieces.hashes)
    assert (whole.matrix != pieces.matrix).nnz == 0


def test_aligned_drops_what_is_unknown():
    known = hashed(["alpha beta"]).hashes
    assert aligned(["gamma"], known).nnz == 0
    assert np.array_equal(
        np.asarray(aligned(["alpha beta"], known).todense()), np.asarray(hashed(["alpha beta"]).matrix.todense())
    )
    assert aligned(["x"], known[:0]).shape == (1, 0)
