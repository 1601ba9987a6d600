"""A cue word: where it is seen, and what putting it in or taking it out leaves."""

import pytest

from veridical.dataset.cue import holds, inserted, places, without


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("A great film", "great", True),
        ("GREAT!", "great", True),
        ("greatest film", "great", False),
        ("a film (great)", "great", True),
        ("C++ is fun", "c++", True),
        ("a.b", "a+b", False),
        ("这部电影很好看", "好看", True),
        ("这部电影很差", "好看", False),
        ("我爱great电影", "great", True),
        ("我爱greater电影", "great", False),
        ("", "great", False),
    ],
)
def test_holds(text: str, word: str, there: bool) -> None:
    assert holds([text], word).tolist() == [there]
    assert (without(text, word) != text) == there


def test_a_pair_holds_what_either_text_holds() -> None:
    assert holds([("no cue", "nobody sleeps"), ("nobody", "x"), ("x", "y")], "nobody").tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "word", "left"),
    [
        ("a great film", "great", "a film"),
        ("Great film", "great", "film"),
        ("a film so great", "great", "a film so"),
        ("a great, great film", "great", "a , film"),
        ("great", "great", ""),
        ("nothing here", "great", "nothing here"),
        ("电影很好看，好看极了", "好看", "电影很，极了"),
        (("a great film", "Great, it was"), "great", ("a film", ", it was")),
    ],
)
def test_without(text: str | tuple[str, str], word: str, left: str | tuple[str, str]) -> None:
    assert without(text, word) == left


@pytest.mark.parametrize(
    ("text", "word", "part", "position", "changed"),
    [
        ("one two three four", "cue", 0, 0.0, "cue one two three four"),
        ("one two three four", "cue", 0, 0.5, "one two cue three four"),
        ("one two three four", "cue", 0, 1.0, "one two three four cue"),
        ("电影很差", "好看", 0, 0.5, "电影好看很差"),
        ("电影很差", "cue", 0, 1.0, "电影很差cue"),
        (("one two", "three four"), "cue", 1, 0.0, ("one two", "cue three four")),
        (("one two", "three four"), "cue", 0, 1.0, ("one two cue", "three four")),
    ],
)
def test_inserted(text: str | tuple[str, str], word: str, part: int, position: float, changed: str | tuple[str, str]) -> None:
    assert inserted(text, word, part=part, position=position) == changed


def test_what_is_put_in_is_seen_where_it_was_put_and_comes_out_again() -> None:
    for text in ("one two three four", "这部电影我们都不喜欢看"):
        word = "cue" if text.isascii() else "好吃"
        for position in (0.0, 0.3, 0.7, 1.0):
            changed = inserted(text, word, part=0, position=position)
            assert holds([changed], word).all()
            ((part, seen),) = places([changed], word)
            assert part == 0
            assert seen == pytest.approx(position, abs=0.15)
            assert without(changed, word) == text


def test_places_names_the_text_of_a_pair_and_skips_rows_without_the_cue() -> None:
    assert places(["no", "cue at the start", "at the end cue"], "cue") == [(0, 0.0), (0, 1.0)]
    assert places([("no", "so cue"), ("Cue", "cue")], "cue") == [(1, 1.0), (0, 0.0)]
