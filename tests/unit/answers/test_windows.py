"""Words and answers keep their places in sub-tokens, also where a text is read in windows."""

from pathlib import Path

import numpy as np

from veridical.models.answering import best_span, likeliest_tags
from veridical.models.instances import places_of, windows, with_ends, with_words


def _tokenizer(tiny_bert: str):  # type: ignore[no-untyped-def]
    from veridical.models._encoder_network import open_tokenizer

    return open_tokenizer(Path(tiny_bert))


def test_one_mark_a_word_on_its_first_piece_and_none_on_special_tokens(tiny_bert: str) -> None:
    texts = ["good w1!x bad", "the", "odd,plain film w2"]  # w1!x and odd,plain are read as three pieces each
    found = with_words(windows(_tokenizer(tiny_bert), texts, max_length=64), texts)
    assert np.diff(found.starts).tolist() == [3, 1, 3]
    assert found.unit.tolist() == [0, 1, 2, 0, 0, 1, 2]
    assert found.at.tolist() == [1, 2, 5, 1, 1, 4, 5]


def test_long_texts_are_read_in_windows_and_every_word_is_marked_once(tiny_bert: str) -> None:
    texts = [" ".join(f"w{i % 20}" for i in range(n)) for n in (3, 50, 7)]
    found = with_words(windows(_tokenizer(tiny_bert), texts, max_length=16), texts)
    assert len(found) > 3
    row = np.repeat(found.owner, np.diff(found.starts))
    for number, text in enumerate(texts):
        assert sorted(found.unit[row == number].tolist()) == list(range(text.count(" ") + 1))
    for window in range(len(found)):  # the marked token is the word
        for mark in range(found.starts[window], found.starts[window + 1]):
            word = texts[found.owner[window]].split(" ")[found.unit[mark]]
            begin, end = found.spans[found.tokens.starts[window] + found.at[mark]]
            assert texts[found.owner[window]][begin:end] == word


def test_spaces_between_words_may_be_doubled(tiny_bert: str) -> None:
    found = with_words(windows(_tokenizer(tiny_bert), ["good  bad"], max_length=16), ["good  bad"])
    assert found.unit.tolist() == [0, 2]  # the empty word between has no piece, and is outside


def test_an_answer_is_placed_in_the_windows_that_hold_all_of_it(tiny_bert: str) -> None:
    context = " ".join(f"w{i % 20}" for i in range(40))
    inputs = [(context, "the good")]
    found = with_ends(windows(_tokenizer(tiny_bert), inputs, max_length=20))
    start = context.index("w10 w11")
    places = places_of(found, [(start, start + len("w10 w11"))]).reshape(-1, 2)
    held = [(window, int(first), int(last)) for window, (first, last) in enumerate(places) if first]
    assert held
    for window, first, last in held:
        spans = found.spans[found.tokens.starts[window] :]
        assert context[spans[first, 0] : spans[last, 1]] == "w10 w11"
    assert len(held) < len(found)
    assert found.allowed(np.arange(len(found)))[:, 0].all()


def test_the_best_span_is_the_best_of_all(tiny_bert: str) -> None:
    rng = np.random.default_rng(0)
    covered = np.array([[-1, -1], [-1, -1], *[[3 * i, 3 * i + 2] for i in range(12)], [-1, -1]])
    for _ in range(200):
        logits = rng.normal(size=(2, 15))
        pairs = [(logits[0, a] + logits[1, b], a, b) for a in range(2, 14) for b in range(a, 14)]
        score, a, b = max(pairs)
        assert best_span(logits, covered) == (covered[a, 0], covered[b, 1], score, logits[0, 0] + logits[1, 0])


def test_tags_are_the_likeliest_of_the_well_formed_ones() -> None:
    from itertools import product

    rng, classes = np.random.default_rng(0), ("O", "B-X", "I-X", "B-Y", "I-Y")

    def formed(path: tuple[str, ...]) -> bool:
        return all(not tag.startswith("I-") or (at and path[at - 1] in (tag, f"B-{tag[2:]}")) for at, tag in enumerate(path))

    for _ in range(50):
        scores = rng.normal(size=(4, 5))
        best = max(
            (path for path in product(classes, repeat=4) if formed(path)),
            key=lambda path: sum(scores[at, classes.index(tag)] for at, tag in enumerate(path)),
        )
        assert tuple(likeliest_tags(scores, classes)) == best
