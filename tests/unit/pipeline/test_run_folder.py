"""One folder, one run, one process."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from veridical.core.errors import InputError, SurroundingsError
from veridical.pipeline.run_folder import claim, content_hash, differences, hash_of

CONFIG = {"seed": 0, "model": "linear", "repairs": ("a", "b")}
IDENTITY = {"verb": "run", "veridical": "0.1.0", "config": CONFIG, "data": {"TRAIN": "aa"}}


def _changed(**parts: object) -> dict[str, object]:
    return {**IDENTITY, **parts}


def test_a_new_folder_is_made_and_remembers_the_threads(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "b", IDENTITY, threads=3) as folder:
        assert not folder.resumed
        folder.mark("load", {"seconds": 1.5})
    with claim(tmp_path / "a" / "b", IDENTITY, threads=8) as folder:
        assert folder.resumed
        assert folder.machine == {"threads": 3}
        assert folder.done("load")
        assert folder.marked("load") == {"seconds": 1.5}
        assert not folder.done("audit")


def test_without_out_the_folder_is_named_by_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with claim(None, IDENTITY, threads=1) as folder:
        assert folder.path == Path("runs") / hash_of(IDENTITY)[:12]
    assert hash_of(_changed(config={**CONFIG, "seed": 1})) != hash_of(IDENTITY)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (_changed(config={**CONFIG, "seed": 1}), "seed was 0, now 1"),
        (_changed(data={"TRAIN": "bb"}), "the content of TRAIN differs"),
        (_changed(data={"TRAIN": "aa", "--test": "cc"}), "the content of --test differs"),
        (_changed(verb="audit"), "verb was run, now audit"),
    ],
)
def test_another_run_is_refused_and_says_what_differs(tmp_path: Path, other: dict[str, object], said: str) -> None:
    with claim(tmp_path, IDENTITY, threads=1):
        pass
    with pytest.raises(InputError, match=said):
        claim(tmp_path, other, threads=1)
    with claim(tmp_path, other, threads=1, fresh=True) as folder:
        assert not folder.resumed


@pytest.mark.parametrize("name", ["notes.txt", "run.json", "model", ".git"])
def test_a_folder_that_holds_something_else_is_refused_even_with_fresh(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    for fresh in (False, True):
        with pytest.raises(InputError, match="holds other files"):
            claim(tmp_path, IDENTITY, threads=1, fresh=fresh)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_fresh_removes_the_run_and_leaves_what_is_not_ours(tmp_path: Path) -> None:
    with claim(tmp_path, IDENTITY, threads=1) as folder:
        folder.mark("load", {})
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "model.json").write_text("{}", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with claim(tmp_path, IDENTITY, threads=1, fresh=True) as folder:
        assert not folder.done("load")
        assert not (tmp_path / "model").exists()
        assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is a file"):
        claim(tmp_path / "file", IDENTITY, threads=1)


def test_a_second_process_is_refused_and_the_lock_goes_with_its_process(tmp_path: Path) -> None:
    code = (
        "import json, sys\nfrom pathlib import Path\nfrom veridical.pipeline.run_folder import claim\n"
        f"folder = claim(Path({str(tmp_path)!r}), json.loads({json.dumps(IDENTITY)!r}), threads=1)\n"
        "print('held', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SurroundingsError, match=f"number {holder.pid}"):
            claim(tmp_path, IDENTITY, threads=1)
        holder.kill()
    with claim(tmp_path, IDENTITY, threads=1) as folder:
        assert folder.resumed


def test_half_written_files_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    with claim(tmp_path, IDENTITY, threads=1):
        (tmp_path / ".run.json.x1.part").write_text("{", encoding="utf-8")
    with claim(tmp_path, IDENTITY, threads=1):
        assert not list(tmp_path.rglob("*.part"))


def test_bad_input_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError), claim(tmp_path / "new", IDENTITY, threads=1):
        raise InputError("no such column")
    assert not (tmp_path / "new").exists()
    with claim(tmp_path / "kept", IDENTITY, threads=1) as folder:
        folder.mark("load", {})
    with pytest.raises(InputError), claim(tmp_path / "kept", IDENTITY, threads=1):
        raise InputError("the contract is wrong")
    assert (tmp_path / "kept").exists()


def test_our_bug_leaves_its_traceback_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught, claim(tmp_path, IDENTITY, threads=1):
        raise ZeroDivisionError("planted")
    assert "planted" in (tmp_path / "traceback.txt").read_text(encoding="utf-8")
    assert caught.value.__notes__ == [f"traceback: {tmp_path / 'traceback.txt'}"]


def test_content_decides_and_not_the_path(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text,label\n", encoding="utf-8")
    assert content_hash(tmp_path / "a.csv") == content_hash(tmp_path / "b.csv")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("1", encoding="utf-8")
    before = content_hash(tmp_path / "folder")
    (tmp_path / "folder" / "x").rename(tmp_path / "folder" / "y")
    assert content_hash(tmp_path / "folder") != before
    with pytest.raises(InputError, match="There is no"):
        content_hash(tmp_path / "absent")


def test_differences_of_equal_identities_are_none() -> None:
    assert differences(IDENTITY, dict(IDENTITY)) == []


def test_fresh_gives_the_old_run_back_where_the_new_one_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def identity(seed: int) -> dict[str, Any]:
        return {"verb": "run", "veridical": "0", "config": {"seed": seed}, "data": {"TRAIN": "f" * 64}}

    with claim(run, identity(0), threads=1) as held:
        (run / "run.json").write_text("{}", encoding="utf-8")
        held.mark("load", {})
        held.mark("finished", {})
    before = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(InputError), claim(run, identity(1), threads=1, fresh=True):
        raise InputError("a column is missing")
    assert {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    # Killed before it had done anything: given back by whoever comes next.
    killed = claim(run, identity(1), threads=1, fresh=True)
    os.close(killed.lock)
    with claim(run, identity(0), threads=1) as held:
        assert held.finished
    with claim(run, identity(1), threads=1, fresh=True) as held:
        held.mark("load", {})
    assert not (run / "run.json").exists()
    assert not (run / ".before").exists()


class Killed(BaseException):
    """As if the process were gone: nothing catches it."""


def _seeded(seed: int) -> dict[str, Any]:
    return {"verb": "run", "veridical": "0", "config": {"seed": seed}, "data": {"TRAIN": "f" * 64}}


def _content(run: Path) -> dict[str, bytes]:
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name != ".lock"}


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished run with a file of the user's in its folder."""
    run = tmp_path / "run"
    with claim(run, _seeded(0), threads=1) as held:
        (run / "run.json").write_text("{}", encoding="utf-8")
        (run / "model").mkdir()
        (run / "model" / "model.json").write_text("{1}", encoding="utf-8")
        held.mark("load", {})
        held.mark("finished", {})
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    return run


@pytest.mark.parametrize("moves_back", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize("moves", [0, 1, 2, 3, 4])
def test_fresh_that_is_killed_at_any_move_loses_nothing(
    finished: Path, monkeypatch: pytest.MonkeyPatch, moves: int, moves_back: int | None
) -> None:
    """moves: how many succeed before the kill, of run.json, stages, model and the folder itself. moves_back: the same for whoever
    comes next and is killed too."""
    before, rename = _content(finished), Path.rename

    def killed_after(allowed: int, *, seed: int, fresh: bool) -> None:
        left = [allowed]

        def counted(self: Path, target: Path) -> Path:
            if self.parent.name == "run" or self.parent.parent.name == "run":
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            return rename(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", counted)
            with suppress(Killed):
                os.close(claim(finished, _seeded(seed), threads=1, fresh=fresh).lock)

    killed_after(moves, seed=1, fresh=True)
    if moves_back is not None:
        killed_after(moves_back, seed=0, fresh=False)
    with claim(finished, _seeded(0), threads=1) as held:
        assert held.finished
    assert _content(finished) == before
    assert not [path.name for path in finished.iterdir() if path.name.startswith(".before")]


def test_what_was_replaced_goes_though_the_kill_came_as_it_was_removed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with claim(finished, _seeded(1), threads=1, fresh=True) as held, monkeypatch.context() as patched:
        patched.setattr("veridical.pipeline.run_folder.shutil.rmtree", _raise_killed)
        with pytest.raises(Killed):
            held.mark("load", {})
    with claim(finished, _seeded(1), threads=1) as held:
        assert held.done("load")
        assert not held.finished
    assert not (finished / ".before").exists()


def _raise_killed(*_: object, **__: object) -> None:
    raise Killed


def test_fresh_in_a_new_folder_leaves_none_behind_where_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError), claim(tmp_path / "new", IDENTITY, threads=1, fresh=True):
        raise InputError("no such column")
    assert not (tmp_path / "new").exists()
