"""Two processes on this machine's CPU end as one process does that takes twice as many pieces a step."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.answers.made_up import ner_rows, write

from tiny_encoder import TINY, make_toy
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.train.answer_training import train_answers
from veridical.train.training import train
from veridical.train.training_log import TrainingLog, read_log

CONFIG = replace(TINY, token_budget=300, max_length=64)
WITHIN = 1e-4
"""Largest difference of a tensor's entries and of losses: sums are taken in another order."""
SCRIPT = """
import sys
from pathlib import Path
import torch
from accelerate import PartialState
from safetensors.torch import save_file
from tests.unit.train.test_many_processes import CONFIG, tagged
from tiny_encoder import make_toy
from veridical.train import loop
from veridical.train.answer_training import train_answers
from veridical.train.training import train
from veridical.train.training_log import TrainingLog

bert, folder = sys.argv[1], Path(sys.argv[2])
for name, trained in (
    ("classification", lambda log: train(make_toy(), model=bert, config=CONFIG, seed=1, watcher=log)),
    ("ner", lambda log: train_answers(tagged(folder), model=bert, config=CONFIG, seed=1, folder=folder / "kept", watcher=log)),
):
    log = TrainingLog(folder / f"{name}.jsonl")
    found = trained(log)
    log.close()
    assert PartialState().num_processes == 2
    if PartialState().is_main_process:
        save_file(found.model.network.state_dict(), folder / f"{name}.safetensors")
        found.dynamics.select(["loss"]).to_pandas().to_csv(folder / f"{name}.csv", index=False)

take = loop._take_step

def faulty(job, *arguments, number, **options):
    if number == 2 and PartialState().process_index == 1:
        with torch.no_grad():
            job.network.head.bias.fill_(float("nan"))
    take(job, *arguments, number=number, **options)

loop._take_step = faulty
try:
    train(make_toy(), model=bert, config=CONFIG, seed=1)
except loop.LossNotFinite as error:
    (folder / f"stopped-{PartialState().process_index}.txt").write_text(str(error))
"""


def tagged(folder: Path) -> Dataset:
    return load(
        folder / "ner_rows.jsonl", task="ner", shape=get("veridical.tasks", "task", "ner").structure.shape, split="random"
    )


def launched(command: list[str], *, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Started twice by torchrun."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2"]
    source, tests = Path(train.__code__.co_filename).parents[2], Path(__file__).parents[2]
    paths = os.pathsep.join(str(path) for path in (source, tests, tests.parent))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **more}
    return subprocess.run([*start, *command], cwd=cwd, capture_output=True, text=True, timeout=240, env=environment, check=False)


@pytest.fixture(scope="module")
def two(tiny_bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    write(folder / "ner_rows.jsonl", ner_rows(80, seed=3))
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    done = launched([str(folder / "script.py"), tiny_bert, str(folder)], cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("task", ["classification", "ner"])
def test_two_processes_are_one_with_twice_the_pieces(task: str, two: Path, tiny_bert: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    config, log = replace(CONFIG, accumulation=2 * CONFIG.accumulation), TrainingLog(tmp_path / "one.jsonl")
    if task == "ner":
        one = train_answers(tagged(two), model=tiny_bert, config=config, seed=1, watcher=log)
    else:
        one = train(make_toy(), model=tiny_bert, config=config, seed=1, watcher=log)
    log.close()
    tensors = load_file(str(two / f"{task}.safetensors"))
    mine = one.model.network.state_dict()  # type: ignore[union-attr]
    assert tensors.keys() == mine.keys()
    assert max(float((tensors[name] - mine[name]).abs().max()) for name in mine) < WITHIN
    assert one.dynamics is not None
    losses = np.loadtxt(two / f"{task}.csv", skiprows=1)
    np.testing.assert_allclose(losses, one.dynamics["loss"].to_numpy(), atol=WITHIN)  # every row, whichever process saw it
    theirs, ours = list(read_log(two / f"{task}.jsonl")), list(read_log(log.path))
    assert [line["step"] for line in theirs] == [line["step"] for line in ours]
    assert [line.get("loss", 0) for line in theirs] == pytest.approx([line.get("loss", 0) for line in ours], abs=WITHIN)
    other = train(make_toy(), model=tiny_bert, config=replace(CONFIG, token_budget=150), seed=1) if task != "ner" else None
    if other is not None:  # another batch size is another model, by far more than the tolerance
        apart = other.model.network.state_dict()
        assert max(float((tensors[name] - apart[name]).abs().max()) for name in mine) > 100 * WITHIN


def test_a_loss_that_is_no_number_in_one_process_stops_all_of_them(two: Path) -> None:
    """None of them waits for ever for one that has stopped."""
    said = {path.name: path.read_text(encoding="utf-8") for path in two.glob("stopped-*.txt")}
    assert set(said) == {"stopped-0.txt", "stopped-1.txt"}
    assert all("stopped at step 3" in text for text in said.values())


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "toy.jsonl"
    kept = ("id", "text", "label")
    lines = [json.dumps({name: row[name] for name in kept}) for row in make_toy(n=320).table.to_pylist()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


QUICK = (
    *("--token-budget", "300", "--max-length", "32", "--dtype", "float32", "--attention", "eager", "--epochs", "2"),
    *("--learning-rate", "0.003", "--no-repair", "--text", "text", "--label", "label", "--id", "id"),
)


@pytest.mark.slow
def test_veridical_run_works_in_two_processes(rows: Path, tiny_bert: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    command = ["-m", "veridical", "run", str(rows), "--model", tiny_bert, *QUICK]
    one = subprocess.run(
        [sys.executable, *command, "--accumulation", "2", "--out", "one", "--quiet"], cwd=tmp_path, capture_output=True,
        text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert one.returncode == 0, one.stderr
    for _ in range(2):  # the second time it is finished, and all processes only show it
        two = launched([*command, "--out", "two"], cwd=tmp_path)
        assert two.returncode == 0, two.stderr[-3000:]
        assert two.stdout.count("reported ") == 2  # headline and bar: said by one process
    first, second = (load_file(str(tmp_path / name / "model" / "model.safetensors")) for name in ("one", "two"))
    assert max(float((first[name] - second[name]).abs().max()) for name in first) < WITHIN
    steps = [line["step"] for line in read_log(tmp_path / "two" / "training.jsonl") if "loss" in line]
    assert steps == list(range(1, len(steps) + 1))
    record = json.loads((tmp_path / "two" / "run.json").read_text(encoding="utf-8"))
    assert record["complete"] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["run", "ROWS", "--model", "linear", *QUICK[-7:]], "Start veridical without torchrun"),
        (["tune", "ROWS"], "veridical tune works in one process"),
    ],
)
def test_what_many_processes_cannot_share_is_refused(command: list[str], said: str, rows: Path, tmp_path: Path) -> None:
    done = launched(["-m", "veridical", *(str(rows) if part == "ROWS" else part for part in command)], cwd=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr
    assert "veridical/cli/__init__.py" not in done.stderr  # no traceback of ours
