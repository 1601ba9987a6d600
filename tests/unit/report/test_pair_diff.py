"""Two texts side by side: nothing is lost, what differs is marked, long texts are shown where they differ."""

import pytest

from veridical.report.pair_diff import Excerpt, side_by_side


def whole(excerpt: Excerpt) -> str:
    return "".join(piece.text for piece in excerpt.pieces)


def marked(excerpt: Excerpt) -> list[str]:
    return [piece.text for piece in excerpt.pieces if piece.differs]


@pytest.mark.parametrize(
    ("left", "right", "only_left", "only_right"),
    [
        ("a slow book", "a quick book", ["slow"], ["quick"]),
        ("很好看的书", "很难看的书", ["好"], ["难"]),
        ("same", "same", [], []),
        ("one", "one two", [], [" two"]),
        ("", "new", [], ["new"]),
        ("naïve café", "naïve cafe", ["café"], ["cafe"]),
    ],
)
def test_what_differs_is_marked_and_nothing_is_lost(left: str, right: str, only_left: list[str], only_right: list[str]) -> None:
    shown = side_by_side(left, right, limit=100)
    assert (whole(shown[0]), whole(shown[1])) == (left, right)
    assert (marked(shown[0]), marked(shown[1])) == (only_left, only_right)


def test_long_texts_are_shown_from_shortly_before_their_first_difference() -> None:
    same = "word " * 500
    left, right = side_by_side(same + "red end", same + "blue end", limit=100)
    assert marked(left) == ["red"]
    assert marked(right) == ["blue"]
    assert whole(left).startswith("…")
    assert left.full_length == len(same + "red end")


def test_a_cut_is_not_shown_as_a_difference() -> None:
    text = "很好看的一本书，" * 100
    left, right = side_by_side(text, "前言。" + text, limit=50)
    assert marked(left) == []
    assert marked(right) == ["前言。"]
    assert len(whole(left)) == 51
