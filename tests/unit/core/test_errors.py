"""Sentences of refusal: near names are offered, distant ones are not, and lists stay short; numbers agree with their nouns."""

from pathlib import Path

import pytest

from veridical.core.atomic_write import write_with
from veridical.core.counted import counted
from veridical.core.errors import SHOWN_NAMES, SurroundingsError, UnknownName, nearest


@pytest.mark.parametrize(
    ("got", "known", "offered"),
    [
        ("acuracy", ["accuracy", "macro_f1"], " Did you mean 'accuracy'?"),
        ("--tset", ["--test", "--text"], " Did you mean '--test'?"),
        ("frobnicate", ["accuracy", "macro_f1"], ""),
        ("--frobnicate", ["--fresh", "--predictions", "--model"], ""),
        ("--colour", ["--source", "--column", "--second"], ""),
        ("--predict", ["--predictions", "--test"], " Did you mean '--predictions'?"),
        ("Text", ["texts", "title"], " Did you mean 'texts'?"),
        ("x", [], ""),
    ],
)
def test_only_near_names_are_offered(got: str, known: list[str], offered: str) -> None:
    assert nearest(got, known) == offered


def test_a_long_list_is_cut_and_says_how_much_is_left() -> None:
    names = [f"name{k:02}" for k in range(SHOWN_NAMES + 7)]
    said = str(UnknownName("thing", "qqq", names, "See: here"))
    assert said.startswith("Unknown thing 'qqq'. Known: name00, name01")
    assert said.endswith(f"name{SHOWN_NAMES - 1:02} and 7 more. See: here")
    assert str(UnknownName("thing", "qqq", [])) == "Unknown thing 'qqq'. Known: none."


@pytest.mark.parametrize(("n", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows")])
def test_a_number_agrees_with_its_noun(n: int, said: str) -> None:
    assert counted(n, "row") == said
    assert counted(n, "family", "families") == said.replace("rows", "families").replace("row", "family")


def test_a_full_disk_is_said_of_the_one_file_it_is_true_of(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old", encoding="utf-8")

    def full(temporary: Path) -> None:
        temporary.write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(SurroundingsError) as caught:
        write_with(path, full)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]
    said = str(caught.value)
    assert "a.json: No space left on device. That file is as it was." in said
    assert "goes on where it stopped" in said
    assert "Nothing was changed" not in said
