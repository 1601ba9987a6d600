"""What a model writes to standard output, by whatever road, does not stand among the results."""

import json
import os
import subprocess
import sys
from pathlib import Path

LOUD = """import os

def answer(texts):
    os.write(1, b"from a library in C\\n")
    os.system("echo from a child")
    print("from Python")
    return [{"good": 0.6, "bad": 0.4} for _ in texts]
"""


def test_results_stand_alone_whatever_a_model_writes(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    lines = [
        f"a {('good', 'bad')[k % 2]} film number {k},{('good', 'bad')[k % 2]},{'test' if k % 3 else 'train'}" for k in range(120)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label,split", *lines, ""]), encoding="utf-8")
    command = ["run", "rows.csv", "--model", "loud:answer", "--out", "run", "--probes", "none", "--quiet", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "veridical", *command], cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "classification"
    assert done.stdout == (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
    for said in ("from a library in C", "from a child", "from Python"):
        assert said in done.stderr


def test_a_reader_who_leaves_ends_the_command_with_a_code_of_its_own(tmp_path: Path) -> None:
    lines = [f"a {('good', 'bad')[k % 2]} film number {k},{('good', 'bad')[k % 2]}" for k in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    for command in (["audit", "rows.csv", "--json", "--quiet"], ["audit", "rows.csv"], ["list", "checks"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "veridical", *command], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
        os.close(writing)
        assert done.returncode == 141, (command, done.stderr)
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr
