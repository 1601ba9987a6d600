"""Interrupted at any moment, the same call goes on and ends identical."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tiny_encoder import TINY, make_toy, same
from veridical.core.errors import InputError
from veridical.train.training import train

CONFIG = replace(TINY, dropout=0.1, accumulation=2)


class Interrupted(Exception):
    pass


def stop_at(n_steps):
    def progress(stage, done, total):
        if stage == "train" and done == n_steps:
            raise Interrupted

    return progress


@pytest.fixture(scope="module")
def whole(toy, tiny_bert):
    steps = []
    trained = train(toy, model=tiny_bert, config=CONFIG, seed=1, progress=lambda stage, done, total: steps.append((stage, total)))
    return trained, max(total for stage, total in steps if stage == "train")


@pytest.mark.parametrize("moment", [1, 2, "end of epoch", "after epoch", "last", "twice"])
@pytest.mark.parametrize("every", [0.0, 1e9])
def test_interrupted_by_an_exception(toy, tiny_bert, whole, tmp_path, moment, every):
    uninterrupted, n_steps = whole
    per_epoch = n_steps // 3
    stops = {"end of epoch": [per_epoch], "after epoch": [per_epoch + 2], "last": [n_steps], "twice": [3, n_steps - 2]}
    config = replace(CONFIG, checkpoint_seconds=every)
    for stop in stops.get(moment, [moment]):
        with pytest.raises(Interrupted):
            train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path, progress=stop_at(stop))
    resumed = train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path)
    assert same(resumed, uninterrupted)
    assert pq.read_table(tmp_path / "dynamics.parquet").equals(uninterrupted.dynamics)


def test_it_really_goes_on_from_the_saved_step(toy, tiny_bert, tmp_path):
    with pytest.raises(Interrupted):
        train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path, progress=stop_at(10))
    seen = []
    train(
        toy,
        model=tiny_bert,
        config=CONFIG,
        seed=1,
        folder=tmp_path,
        progress=lambda stage, done, total: seen.append((stage, done)),
    )
    # The progress call of step 10 came before that step was saved.
    assert next(done for stage, done in seen if stage == "train") == 10


def test_a_finished_run_is_not_trained_again(toy, tiny_bert, whole, tmp_path):
    train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)
    seen = []
    again = train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path, progress=lambda stage, *_: seen.append(stage))
    assert "train" not in seen
    assert same(again, whole[0])


def test_another_run_s_folder_is_refused(toy, tiny_bert, tmp_path):
    train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)
    with pytest.raises(InputError, match="other data, settings or weights"):
        train(toy, model=tiny_bert, config=CONFIG, seed=2, folder=tmp_path)
    (tmp_path / "choices.json").unlink()
    with pytest.raises(InputError, match="other data, settings or weights"):
        train(make_toy(n=199), model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)


def test_a_damaged_state_is_refused_in_a_sentence(toy, tiny_bert, tmp_path):
    train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half a file")
    with pytest.raises(InputError, match="cannot be read as a saved training state"):
        train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)


def test_what_was_chosen_is_stored_and_reused(toy, tiny_bert, tmp_path, monkeypatch):
    config = replace(CONFIG, threads=0, dtype="auto", attention="auto", token_budget=0, epochs=1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path)
    stored = json.loads((tmp_path / "choices.json").read_text(encoding="utf-8"))
    assert stored["choices"]["threads"] == 1
    assert stored["choices"]["dtype"] in ("float32", "bfloat16")
    assert stored["choices"]["attention"] in ("eager", "sdpa")
    assert stored["choices"]["token_budget"] == 384
    changed = {"threads": 2, "dtype": "float32", "attention": "sdpa", "token_budget": 200}
    (tmp_path / "choices.json").write_text(json.dumps({**stored, "choices": changed}), encoding="utf-8")
    (tmp_path / "checkpoint.safetensors").unlink()
    steps = []
    trained = train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path, progress=lambda *step: steps.append(step))
    assert (trained.model.dtype, trained.model.attention) == ("float32", "sdpa")
    assert max(total for stage, _, total in steps if stage == "train") > 7  # 200 tokens a step, not 384


SCRIPT = """
import sys, time
from pathlib import Path
from dataclasses import replace
from tiny_encoder import TINY, make_toy
from veridical.train.training import train

def slow(stage, done, total):
    print(stage, done, flush=True)
    time.sleep(0.02)

config = replace(TINY, dropout=0.1, accumulation=2)
train(make_toy(), model=sys.argv[1], config=config, seed=1, folder=Path(sys.argv[2]), progress=slow)
"""


def test_killed_without_warning(toy, tiny_bert, whole, tmp_path):
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-c", SCRIPT, tiny_bert, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tests)}
    process = subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    steps = 0
    for line in process.stdout:
        steps += line.startswith("train")
        if steps == 12:
            break
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said
    assert (tmp_path / "checkpoint.safetensors").is_file()
    resumed = train(toy, model=tiny_bert, config=CONFIG, seed=1, folder=tmp_path)
    assert same(resumed, whole[0])
