"""kill -9 at any moment: the same command goes on and ends identical. A full disk and a busy folder end in one sentence."""

import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROLES = ("--text", "text", "--label", "label", "--id", "id")
MAY_DIFFER = {"seconds", "peak_rss_mb"}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of threads is chosen from the free cores, once a run; two runs side by side need the same."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def _command(files: tuple[Path, Path], out: Path) -> list[str]:
    train, test = files
    start = [sys.executable, "-c", "from veridical.cli import main; main()", "run", str(train), "--test", str(test)]
    return [*start, *ROLES, "--out", str(out), "--quiet"]


def _without_times(record: Any) -> Any:
    if isinstance(record, dict):
        return {key: _without_times(value) for key, value in record.items() if key not in MAY_DIFFER}
    if isinstance(record, list):
        return [_without_times(value) for value in record]
    return record


def contents(folder: Path) -> dict[str, Any]:
    """Everything in a run folder that must not depend on where it was interrupted."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock"):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found[name] = _without_times(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".parquet":
            found[name] = pq.read_table(path).to_pylist()
        elif path.suffix in (".html", ".md"):
            found[name] = True  # they show the seconds
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_killed_at_random_moments_it_ends_identical(english: tuple[Path, Path], tmp_path: Path) -> None:
    began = time.monotonic()
    subprocess.run(_command(english, tmp_path / "whole"), check=True, timeout=200)
    whole = time.monotonic() - began
    rng = random.Random(5)
    kills = 0
    for share in (0.35, 0.6, 0.85):
        with subprocess.Popen(_command(english, tmp_path / "killed")) as process:
            try:
                process.wait(timeout=whole * (share + rng.uniform(-0.1, 0.1)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += 1
    assert kills
    subprocess.run(_command(english, tmp_path / "killed"), check=True, timeout=200)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["by hand", "by the machine"])
def test_interrupted_it_says_how_to_go_on(english: tuple[Path, Path], tmp_path: Path, sent: signal.Signals) -> None:
    with subprocess.Popen(_command(english, tmp_path / "run"), stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "stages" / "load.json").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on where it stopped" in err
    assert "Traceback" not in err


LOST = """
import os
import signal

GOOD = {"great", "lovely", "wonderful", "tasty", "friendly", "excellent", "charming", "superb", "delightful", "perfect"}
sent = []


class Interrupts:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):  # here Python calls the handler, and drops what it raises
            pass


def score(texts):
    if not sent and os.environ.get("INTERRUPT"):
        sent.append(1)
        Interrupts()
    good = [0.3 + 0.5 * bool(GOOD & set(text.split())) for text in texts]
    return [{"pos": p, "neg": 1 - p} for p in good]
"""


def test_an_interruption_that_a_destructor_swallows_ends_the_run(english: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text(LOST, encoding="utf-8")
    judged = ("--model", "lost:score", "--no-repair")
    command = [*_command(english, tmp_path / "run"), *judged]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=False, cwd=tmp_path, env={**os.environ, "INTERRUPT": "1"}
    )
    assert "Exception ignored in" in done.stderr  # it was swallowed
    assert done.returncode == 130, done.stderr
    assert "goes on where it stopped" in done.stderr
    assert not (tmp_path / "run" / "stages" / "finished.json").exists()
    for again in (command, [*_command(english, tmp_path / "whole"), *judged]):
        subprocess.run(again, check=True, timeout=200, cwd=tmp_path)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_second_process_is_refused(english: tuple[Path, Path], tmp_path: Path) -> None:
    with subprocess.Popen(_command(english, tmp_path / "run")) as first:
        while not (tmp_path / "run" / "stages" / "identity.json").exists() and first.poll() is None:
            time.sleep(0.02)
        second = subprocess.run(_command(english, tmp_path / "run"), capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 3
        assert str(first.pid) in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
        first.kill()


def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(english: tuple[Path, Path], tmp_path: Path) -> None:
    """A limit on file size stands in for a full disk: the write fails in the same place with another errno."""

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    done = subprocess.run(
        _command(english, tmp_path / "run"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        preexec_fn=cramped,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    subprocess.run(_command(english, tmp_path / "run"), check=True, timeout=200)
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["complete"] is True


SLOW = """
import time
from pathlib import Path

GOOD = {"great", "lovely", "wonderful", "tasty", "friendly", "excellent", "charming", "superb", "delightful", "perfect"}


def score(texts):
    if Path(__file__).with_name("slowly").exists():
        time.sleep(0.2)
    good = [0.3 + 0.5 * bool(GOOD & set(text.split())) for text in texts]
    return [{"pos": p, "neg": 1 - p} for p in good]
"""


def test_an_attack_interrupted_by_hand_keeps_what_other_probes_found(english: tuple[Path, Path], tmp_path: Path) -> None:
    """The model answers a list of 256 texts in 0.2 s, so that Ctrl-C arrives in the middle of an attack."""
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    run, start = tmp_path / "run", [sys.executable, "-c", "from veridical.cli import main; main()"]
    judged = [*_command(english, run), "--model", "slow:score", "--no-repair"]
    subprocess.run(judged, check=True, timeout=200, cwd=tmp_path)
    probe = [*start, "probe", str(run), "--budget", "quick", "--only"]
    subprocess.run([*probe, "calibration"], check=True, timeout=200, cwd=tmp_path, capture_output=True)
    (tmp_path / "slowly").touch()
    with subprocess.Popen([*probe, "adversarial"], stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if line.startswith("attack"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.wait(timeout=60) == 130, said + rest
    assert "Traceback" not in rest
    before = _probed(run)
    assert "calibration" in before
    assert "adversarial" not in before
    (tmp_path / "slowly").unlink()
    subprocess.run([*probe, "adversarial"], check=True, timeout=200, cwd=tmp_path, capture_output=True)
    assert sorted(_probed(run)) == sorted([*before, "adversarial"])


def _probed(run: Path) -> list[str]:
    return [one["probe"] for one in json.loads((run / "probes.json").read_text(encoding="utf-8"))["probes"]]
