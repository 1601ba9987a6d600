"""Real sets of every task that an encoder is fine-tuned for, cut to a size that one core trains in minutes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.plugins import get
from veridical.core.randomness import stream
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.tasks._class_metrics import scored
from veridical.tasks._contract import Task

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Kit:
    """One set. read: data folder -> (train rows, test rows). multilingual: wants an encoder that reads Chinese. columns: as
    `load` takes them."""

    task: str
    read: Callable[[Path], tuple[Rows, Rows]]
    n_train: int = 1000
    n_test: int = 1000
    epochs: int = 3
    max_length: int = 128
    multilingual: bool = False
    columns: dict[str, str] = field(default_factory=dict)


def _lines(*parts: str | Path) -> Rows:
    return [json.loads(line) for line in Path(*parts).read_text(encoding="utf-8").splitlines()]


def _files(folder: str, train: str, test: str) -> Callable[[Path], tuple[Rows, Rows]]:
    return lambda data: (_lines(data, folder, f"{train}.jsonl"), _lines(data, folder, f"{test}.jsonl"))


def crossner(data: Path) -> tuple[Rows, Rows]:
    """The train sentences of all five domains, for their test sentences."""
    domains = ("politics", "science", "music", "literature", "ai")
    train, test = (
        [row for domain in domains for row in _lines(data, "crossner", f"{domain}_{part}.jsonl")] for part in ("train", "test")
    )
    return train, test


def xquad(language: str) -> Callable[[Path], tuple[Rows, Rows]]:
    """Two thirds of the articles to train on, the others to ask about."""

    def read(data: Path) -> tuple[Rows, Rows]:
        rows = _lines(data, "squad11_dev_xquad", f"{language}.jsonl")
        titles = sorted({row["title"] for row in rows})
        asked = {titles[i] for i in stream(0, "xquad").permutation(len(titles))[: len(titles) // 3]}
        return [row for row in rows if row["title"] not in asked], [row for row in rows if row["title"] in asked]

    return read


def chnsenticorp(data: Path) -> tuple[Rows, Rows]:
    """Dev rows to test on, without those that stand in train."""
    train, test = _files("chnsenticorp", "train", "dev")(data)
    seen = {"".join(filter(str.isalnum, row["text"])).lower() for row in train}
    return train, [row for row in test if "".join(filter(str.isalnum, row["text"])).lower() not in seen]


KITS = {
    "wnut17": Kit("ner", _files("wnut17", "train", "test"), n_train=800),
    "crossner": Kit("ner", crossner, n_train=700, epochs=4),
    "semeval2010": Kit("relation", _files("semeval2010_task8", "train", "test"), columns={"text": "text_marked"}),
    "cad_nli": Kit("classification", _files("cad_nli", "train", "test"), columns={"text": "premise", "second": "hypothesis"}),
    "sst5": Kit("ordinal", _files("sst5", "train", "test")),
    "xquad_en": Kit("qa", xquad("en"), n_train=250, n_test=250, epochs=2, max_length=256),
    "chnsenticorp": Kit("classification", chnsenticorp, n_train=250, n_test=500, epochs=2, multilingual=True),
    "xquad_zh": Kit("qa", xquad("zh"), n_train=150, n_test=100, epochs=2, max_length=256, multilingual=True),
}


def opened(kit: Kit, data: Path, work: Path, *, seed: int, n_train: int | None = None) -> Dataset:
    """The set with `n_train` of its train rows, drawn by the seed, and `n_test` of its test rows, the same for every seed."""
    train, test = kit.read(data)
    drawn = stream(seed, "rows").permutation(len(train))[: n_train or kit.n_train]
    asked = stream(0, "asked").permutation(len(test))[: kit.n_test]
    train_file, test_file = work / "train.jsonl", work / "test.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    for file, rows in ((train_file, [train[i] for i in drawn]), (test_file, [test[i] for i in asked])):
        kept = [{name: value for name, value in row.items() if name not in {"id", "variant", "title"}} for row in rows]
        file.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    task: Task = get("veridical.tasks", "task", kit.task)
    shape = task.structure.shape if task.structure else task.shape
    return load(
        train_file,
        test=test_file,
        task=kit.task,
        shape=shape,
        order=() if task.ordered else None,
        text=kit.columns.get("text"),
        second=kit.columns.get("second"),
    )


def score_of_answers(data: Dataset, said: Sequence[str]) -> float:
    """The declared metric of answers, (n,) in the order of all rows, on the test rows."""
    structure = get("veridical.tasks", "task", data.task).structure
    rows = data.rows("test")
    measure = next(measure for measure in structure.measures.values() if not measure.stands_for)
    margins = measure.margins([str(data.answers[row]) for row in rows], [said[row] for row in rows], data.labels)
    return float(measure.metric(margins.right.sum(0), margins.true.sum(0), margins.predicted.sum(0)))


def score_of_codes(data: Dataset, said: Any) -> float:
    """The declared metric of classes, (n,) in the order of all rows, on the test rows."""
    task: Task = get("veridical.tasks", "task", data.task)
    rows = data.rows("test")
    rows = rows[data.codes[rows] >= 0]
    metric = task.metric(task.declared, data.labels)
    return scored(data.codes[rows], said[rows], n_classes=len(data.labels), metric=metric)


def score_of_said(said: Sequence[Any], data: Dataset) -> float:
    """The declared metric of the codes or answers of the test rows, in their order."""
    rows = data.rows("test")
    if get("veridical.tasks", "task", data.task).structure:
        whole = np.full(len(data), "", dtype=object)
        whole[rows] = said
        return score_of_answers(data, whole.tolist())
    codes = np.zeros(len(data), np.int64)
    codes[rows] = said
    return score_of_codes(data, codes)
