"""python -m benchmarks.protocol.counting: the same tags, counted in five ways. What do O, special tokens and padding buy?

For each set: a rule that says O everywhere, the usual tag of each word, a linear tagger, and with --encoder a fine-tuned encoder,
all on the official test split. Entity F1 is what the task declares; the other columns are ways of counting that published tables
use. The answers of a row are the same in every column.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.tasks._contract import Measure, Structure
from veridical.train.answer_training import train_answers
from veridical.train.config import TrainConfig

WAYS = ("entity_f1", "strict_entity_f1", "token_f1", "token_accuracy", "padded_accuracy")
SETS: dict[str, tuple[str, str, str | None]] = {
    "wnut17": ("wnut17/train.jsonl", "wnut17/test.jsonl", "wnut17/dev.jsonl"),
    "crossner music": ("crossner/music_train.jsonl", "crossner/music_test.jsonl", "crossner/music_dev.jsonl"),
    "crossner ai": ("crossner/ai_train.jsonl", "crossner/ai_test.jsonl", "crossner/ai_dev.jsonl"),
    "weibo_ner": ("weibo_ner/train.jsonl", "weibo_ner/test.jsonl", "weibo_ner/dev.jsonl"),
}
"""Set -> train, test and validation file below --data."""
OUT = Path(__file__).parents[1] / "results" / "counting.json"


def main() -> None:
    options = _options()
    structure: Structure = get("veridical.tasks", "task", "ner").structure
    about = {
        "seed": options.seed,
        "encoder": options.encoder or None,
        "machine": machine("veridical", "numpy", "scikit-learn"),
    }
    print(json.dumps(about))
    found: dict[str, Any] = {}
    for name in options.sets.split(","):
        data = _loaded(options.data, SETS[name], structure)
        found[name] = {"test_rows": len(data.rows("test")), "test_words": _n_words(data)}
        for who, said in _answers(data, structure, options).items():
            found[name][who] = {way: _score(structure.measures[way], data, said) for way in WAYS}
            print(f"{name:<16}{who:<24}" + "".join(f"{way} {found[name][who][way]:6.2f}   " for way in WAYS), flush=True)
    options.out.write_text(json.dumps({"about": about, "sets": found}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--encoder", default="", help="also fine-tune this encoder on English sets, for example minilm")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    return parser.parse_args()


def _loaded(folder: Path, files: tuple[str, str, str | None], structure: Structure) -> Dataset:
    train, test, valid = files
    return load(folder / train, test=folder / test, valid=folder / valid if valid else None, task="ner", shape=structure.shape)


def _n_words(data: Dataset) -> int:
    return sum(data.texts[row].count(" ") + 1 for row in data.rows("test"))


def _answers(data: Dataset, structure: Structure, options: argparse.Namespace) -> dict[str, Sequence[str]]:
    """Who -> tags of the test rows."""
    test = data.rows("test")
    found: dict[str, Sequence[str]] = {"O everywhere": [" ".join("O" for _ in data.texts[row].split(" ")) for row in test]}
    found["usual tag of the word"] = structure.floors(data)["word_tag"]
    models = ["linear", *([options.encoder] if options.encoder and all(data.texts[row].isascii() for row in test[:50]) else [])]
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            config = TrainConfig(epochs=options.epochs)
            done = train_answers(data, model=model, config=config, seed=options.seed, folder=Path(folder))
        found[model] = [str(done.said[row]) for row in test]
    return found


def _score(measure: Measure, data: Dataset, said: Sequence[str]) -> float:
    """Points, 0..100."""
    counted = measure.margins([str(data.answers[row]) for row in data.rows("test")], said, data.labels)
    return 100 * measure.metric(counted.right.sum(axis=0), counted.true.sum(axis=0), counted.predicted.sum(axis=0))


if __name__ == "__main__":
    main()
