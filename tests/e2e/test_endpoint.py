"""A model behind an HTTP endpoint, through the command line: run, contract, probe, resume, and everything that can go wrong."""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.endpoint_server import Reply, serving

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair", "--quiet")
BAD = {"awful", "rude", "stale", "broken", "terrible", "noisy", "dirty", "slow", "horrible", "dull"}
SECRET = "Bearer hush-hush-7"
pytestmark = pytest.mark.loopback


def by_words(texts: list[Any]) -> Reply:
    shares = [0.9 if BAD & set(text.split()) else 0.2 for text in texts]
    return Reply([{"neg": share, "pos": 1 - share} for share in shares])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("veridical.models.endpoint.FIRST_WAIT", 0.001)
    monkeypatch.chdir(tmp_path)


def _run(veridical: Callable[..., Any], files: tuple[Path, Path], address: str, *more: object, out: str = "run") -> Any:
    train, test = files
    return veridical("run", train, "--test", test, *ROLES, "--model", address, "--out", out, *more)


def _record(out: str = "run") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(out, "run.json").read_text(encoding="utf-8"))
    return found


def test_an_endpoint_is_judged_like_a_function_and_can_be_probed(
    veridical: Callable[..., Any], english: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIDICAL_HEADER_AUTHORIZATION", SECRET)
    code = f"BAD = {sorted(BAD)}\ndef score(texts):\n    p = [0.9 if set(BAD) & set(t.split()) else 0.2 for t in texts]\n"
    Path("words_too.py").write_text(code + "    return [{'neg': n, 'pos': 1 - n} for n in p]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    Path("c.yaml").write_text("name: desk\nshortcuts:\n- {word: soup, op: transplant, rate: 0.5}\n", encoding="utf-8")
    header = ("--model-header", "Authorization")
    with serving(by_words) as served:
        said = _run(veridical, english, served.address, *header, "--contract", "c.yaml", "--texts-per-request", 10)
        assert said.code == 0, said.err
        probed = veridical("probe", "run", "--only", "calibration,shortcuts", "--budget", "quick")
        assert probed.code == 0, probed.err
        assert all(asked.headers["Authorization"] == SECRET for asked in served.asked)
        assert max(len(asked.texts) for asked in served.asked) == 10
        n_asked = len(served.asked)
        assert _run(veridical, english, served.address, *header, "--contract", "c.yaml", "--timeout", 9).code == 0  # as it was
        assert len(served.asked) == n_asked
    assert _run(veridical, english, "words_too:score", "--contract", "c.yaml", out="other/callable").code == 0
    served_record, called = _record(), _record("other/callable")
    for part in ("n_test", "reported", "honest", "contract", "components", "floors"):
        assert served_record[part] == called[part]
    assert {p["status"] for p in json.loads(Path("run/probes.json").read_text(encoding="utf-8"))["probes"]} != {"skipped"}
    assert served_record["config"]["model_header"] == ["Authorization"]
    for path in [p for p in Path.cwd().rglob("*") if p.is_file()]:
        assert b"hush-hush" not in path.read_bytes(), path


def test_the_same_command_goes_on_after_the_server_died_and_asks_for_the_rest(
    veridical: Callable[..., Any], english: tuple[Path, Path]
) -> None:
    calls = itertools.count()

    def dies(texts: list[Any]) -> Reply:
        return by_words(texts) if next(calls) < 12 or alive else Reply("out of memory", 500)

    alive = False
    settings = ("--texts-per-request", 10, "--retries", 1)
    with serving(dies) as served:
        said = _run(veridical, english, served.address, *settings)
        assert said.code == 3
        last = said.err.strip().splitlines()[-1]
        assert last.startswith(f"{served.address} answered HTTP 500 and 'out of memory' in 2 tries.")
        assert "The same command goes on where it stopped." in last
        assert "Traceback" not in said.err
        assert not Path("run/run.json").exists()
        kept = len(Path("run/checkpoint/answers.jsonl").read_text(encoding="ascii").splitlines())
        assert kept >= 60
        for thread in threading.enumerate():
            if thread.name == "veridical-endpoint":
                thread.join(10)  # in a process of its own it would have ended with the process
        served.asked.clear()
        alive = True
        assert _run(veridical, english, served.address, *settings).code == 0
        resumed = sum(len(asked.texts) for asked in served.asked)
        served.asked.clear()
        assert _run(veridical, english, served.address, *settings, out="whole").code == 0
        assert resumed == sum(len(asked.texts) for asked in served.asked) - kept - 1  # 1: asked before the audit
    first, second = _record(), _record("whole")
    assert {k: first[k] for k in ("reported", "honest", "components")} == {
        k: second[k] for k in ("reported", "honest", "components")
    }
    assert not Path("run/checkpoint").exists()


def test_an_endpoint_that_changes_its_answers_is_measured(veridical: Callable[..., Any], english: tuple[Path, Path]) -> None:
    calls = itertools.count()

    def fickle(texts: list[Any]) -> Reply:
        return Reply([{"pos": 1.0} if next(calls) % 3 else {"neg": 1.0} for _ in texts])

    with serving(fickle) as served:
        said = _run(veridical, english, served.address)
        assert said.code == 0, said.err
        (warning,) = [w for w in _record()["warnings"] if "changes its answers" in w]
        assert warning.startswith(f"{served.address} changes its answers: asked twice, ")
        assert veridical("probe", "run", "--only", "unseen_input", "--budget", "quick").code == 0
    outcomes = {p["probe"]: p for p in json.loads(Path("run/probes.json").read_text(encoding="utf-8"))["probes"]}
    assert outcomes["unseen_input"]["counts"]["changed"] > 0.2
    assert outcomes["calibration"]["counts"]["changed"] is None  # it asks nothing, so nothing was asked twice


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (lambda texts: Reply([{"neg": float("nan"), "pos": 1.0} for _ in texts]), 2, "gives nan for label 'neg'"),
        (lambda texts: Reply([{"negative": 1.0} for _ in texts]), 2, "names the label 'negative'"),
        (lambda texts: Reply([{"neg": 0.3, "pos": 0.3, "third": 0.4} for _ in texts]), 2, "'third'"),
        (lambda texts: Reply([{"neg": 0.3} for _ in texts]), 2, "sum to 0.300"),
        (lambda texts: Reply([]), 2, "got 1 text and gave 0 answers"),
        (lambda texts: Reply("<html>"), 2, "which is not JSON"),
        (lambda texts: Reply("who are you", 401), 2, "HTTP 401 and 'who are you'. Check --model-header"),
        (lambda texts: Reply("", 307, {"Location": "http://198.51.100.7/"}), 2, "redirects to another host"),
        (lambda texts: Reply("boom\nat line 3", 500), 3, "HTTP 500 and 'boom at line 3' in 4 tries"),
    ],
)
def test_what_goes_wrong_ends_in_one_sentence_before_any_long_work(
    veridical: Callable[..., Any], english: tuple[Path, Path], answer: Callable[[list[Any]], Reply], code: int, words: str
) -> None:
    with serving(answer) as served:
        _refused(_run(veridical, english, served.address), words, code=code)


def test_ctrl_c_does_not_wait_for_answers(english: tuple[Path, Path]) -> None:
    asked, release = threading.Event(), threading.Event()

    def hangs(texts: list[Any]) -> Reply:
        asked.set()
        release.wait(60)
        return by_words(texts)

    train, test = english
    with serving(hangs) as served:
        command = ["run", train, "--test", test, *ROLES, "--model", served.address, "--timeout", "60", "--out", "run"]
        start = [sys.executable, "-c", "from veridical.cli import main; main()", *map(str, command)]
        with subprocess.Popen(start, stderr=subprocess.PIPE, text=True) as process:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            _, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 20
        release.set()
    assert process.returncode == 130
    assert err.strip() == "Interrupted. The same command goes on where it stopped."


def test_nobody_there(veridical: Callable[..., Any], english: tuple[Path, Path]) -> None:
    with serving() as served:
        pass
    _refused(_run(veridical, english, served.address), f"{served.address} cannot be reached (Connection refused)", code=3)


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("http://a:hush-hush@host/", (), "Leave it out"),
        ("http://host/?key=hush-hush", (), "--model-header NAME"),
        ("http://host:x/", (), "is no address"),
        ("http://host/", ("--model-header", f"Authorization: {SECRET}"), "VERIDICAL_HEADER_AUTHORIZATION"),
        ("http://host/", ("--model-header", "X-Token"), "VERIDICAL_HEADER_X_TOKEN is not set"),
        ("http://host/", ("--retries", "-1"), "--retries"),
        ("http://host/", ("--timeout", "0"), "--timeout"),
        ("http://host/", ("--predictions", __file__), "exclude each other"),
        ("http://host/", ("--countermeasures", "class_weights"), "not trained here"),
        ("linear", ("--model-header", "X-Token"), "not for --model linear"),
    ],
)
def test_settings_that_are_refused(
    veridical: Callable[..., Any], english: tuple[Path, Path], model: str, more: tuple[object, ...], words: str
) -> None:
    said = _run(veridical, english, model, *more)
    _refused(said, words, code=2)
    assert "hush" not in said.err


def _refused(said: Any, words: str, *, code: int) -> None:
    assert said.code == code, said
    (last,) = said.err.strip().splitlines()[-1:]
    assert words in last
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not Path("run").exists()
