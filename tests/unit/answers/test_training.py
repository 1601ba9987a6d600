"""Models of tags, label sets and spans: they learn a known rule, are saved and read back, resume, and do not depend on pieces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

from tiny_encoder import TINY
from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.models.stored import open_answering
from veridical.train._contract import Countermeasure, Pass
from veridical.train.answer_training import train_answers
from veridical.train.answered import Answered
from veridical.train.step import Stepper

ROWS: dict[str, Callable[..., list[dict[str, object]]]] = {"ner": ner_rows, "multilabel": set_rows, "qa": qa_rows}
CONFIG = replace(TINY, token_budget=256, max_length=64)


def made(task: str, folder: Path, *, n: int = 160, **options: object) -> Dataset:
    path = write(folder / f"{task}.jsonl", ROWS[task](n, seed=3, **options))
    return load(path, task=task, shape=get("veridical.tasks", "task", task).structure.shape, split="random")


def score(data: Dataset, trained: Answered, *, split: str = "test") -> float:
    task, rows = get("veridical.tasks", "task", data.task), data.rows(split)
    measure = task.structure.measures[task.declared]
    found = measure.margins([str(data.answers[r]) for r in rows], [str(trained.said[r]) for r in rows], data.labels)
    return float(measure.metric(found.right.sum(axis=0), found.true.sum(axis=0), found.predicted.sum(axis=0)))


@pytest.mark.parametrize("task", ["ner", "multilabel"])
def test_the_linear_model_learns_the_rule(task: str, tmp_path: Path) -> None:
    data = made(task, tmp_path)
    trained = train_answers(data)
    assert score(data, trained) > 0.95
    assert trained.model is not None
    trained.model.save(tmp_path / "model")
    again = open_answering(tmp_path / "model").answer(data.inputs())
    assert tuple(again.said) == trained.said
    assert np.allclose(again.confidence, trained.confidence, atol=1e-6)


@pytest.mark.parametrize(("task", "epochs"), [("ner", 6), ("multilabel", 20), ("qa", 40)])
def test_the_encoder_learns_the_rule(task: str, epochs: int, tiny_bert: str, tmp_path: Path) -> None:
    data = made(task, tmp_path)
    config = replace(CONFIG, epochs=epochs, patience=epochs, checkpoint_seconds=1e9)
    trained = train_answers(data, model=tiny_bert, config=config)
    assert score(data, trained) > 0.8
    assert trained.model is not None
    trained.model.save(tmp_path / "model")
    assert tuple(open_answering(tmp_path / "model").answer(data.inputs()).said) == trained.said
    assert trained.dynamics is not None
    assert set(trained.dynamics.column("row").to_pylist()) == {data.ids[row] for row in data.rows("train")}


def test_where_texts_lack_the_answer_saying_nothing_is_one(tiny_bert: str, tmp_path: Path) -> None:
    data = made("qa", tmp_path, silent=True)
    trained = train_answers(data, model=tiny_bert, config=replace(CONFIG, epochs=20, patience=20, checkpoint_seconds=1e9))
    test = data.rows("test")
    lacking = [row for row in test if data.answers[row] == "[]"]
    assert np.mean([trained.said[row] == "[]" for row in lacking]) > 0.7
    assert np.mean([trained.said[row] == "[]" for row in test if row not in lacking]) < 0.3


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("task", ["ner", "multilabel", "qa"])
def test_interrupted_it_goes_on_and_ends_identical(task: str, tiny_bert: str, tmp_path: Path) -> None:
    import torch

    data = made(task, tmp_path, n=60)
    config = replace(CONFIG, dropout=0.1)
    whole = train_answers(data, model=tiny_bert, config=config)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == total // 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_answers(data, model=tiny_bert, config=config, folder=tmp_path / "kept", progress=stop)
    resumed = train_answers(data, model=tiny_bert, config=config, folder=tmp_path / "kept")
    a, b = whole.model.network.state_dict(), resumed.model.network.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert resumed.said == whole.said
    assert resumed.dynamics == whole.dynamics


@pytest.mark.parametrize("task", ["ner", "multilabel", "qa"])
def test_pieces_change_no_gradient(task: str, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, seen = made(task, tmp_path, n=60), {1: [], 3: []}
    whole = Stepper.gradients

    def watched(stepper: Stepper, *args: Any) -> float:
        loss = whole(stepper, *args)
        grads = {name: p.grad.clone() for name, p in stepper.network.named_parameters() if p.grad is not None}
        seen[stepper.accumulation].append(grads)
        return loss

    monkeypatch.setattr(Stepper, "gradients", watched)
    for pieces in seen:
        train_answers(data, model=tiny_bert, config=replace(CONFIG, epochs=1, checkpoint_seconds=1e9, accumulation=pieces))
    one, three = seen[1][0], seen[3][0]  # later steps start from weights that Adam has drawn apart in the last digits
    assert max(float(one[name].abs().max()) for name in one) > 0.01
    assert max(float((one[name] - three[name]).abs().max()) for name in one) < 1e-6


@pytest.mark.parametrize("task", ["ner", "multilabel", "qa"])
def test_a_part_of_a_piece_answers_as_it_does_within_the_whole(task: str, tiny_bert: str, tmp_path: Path) -> None:
    """Without dropout another pass of some rows gives their own logits, wherever inside the rows the classes stand."""
    apart: list[float] = []

    def beside(seen: Pass, _params: object) -> Any:
        logits, where = seen.again_of(np.arange(0, len(seen.rows), 2))
        apart.append(float((seen.logits[where] - logits).detach().abs().max()))
        assert len(where) < len(seen.logits) or len(seen.rows) == 1
        return seen.logits.new_zeros(len(seen.logits))

    watching = Countermeasure(params=None, toy=lambda: pytest.fail("not asked for"), beside=beside)
    config = replace(CONFIG, epochs=1, checkpoint_seconds=1e9)
    train_answers(made(task, tmp_path, n=60), model=tiny_bert, config=config, countermeasures=[watching])
    assert len(apart) > 1
    assert max(apart) < 1e-4


@pytest.mark.parametrize("name", ["fgm", "r_drop", "label_smoothing", "ema", "l2_sp"])
def test_countermeasures_of_the_loop_work_inside_rows(name: str, tiny_bert: str, tmp_path: Path) -> None:
    data = made("ner", tmp_path, n=60)
    config = replace(CONFIG, epochs=2, dropout=0.1, checkpoint_seconds=1e9)
    assert score(data, train_answers(data, model=tiny_bert, config=config, countermeasures=[name]), split="train") >= 0


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("ner", {"countermeasures": ["class_weights"], "model": "BERT"}, "class_weights works on rows with one label each"),
        ("qa", {}, "no linear model for task qa"),
        ("ner", {"config": replace(CONFIG, tuning="head"), "model": "BERT"}, "--tuning head solves for one label a row"),
    ],
)
def test_what_has_no_place_is_refused(task: str, options: dict[str, object], said: str, tiny_bert: str, tmp_path: Path) -> None:
    given = {name: tiny_bert if value == "BERT" else value for name, value in options.items()}
    with pytest.raises(InputError, match=said):
        train_answers(made(task, tmp_path, n=20), **given)  # type: ignore[arg-type]
