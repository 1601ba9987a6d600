"""Faults of pre-training text: do they arrive downstream, and do they shrink after the repair?

Two faults are planted in real text, three arms each, all with the same tokenizer, the same number of steps and the same seeds:
`pristine` (nothing planted), `faulty`, and `repaired` (the faulty text after its repair).

copies: a tenth of the documents of Grimm's tales, Tiny Shakespeare and WikiText-2 paragraphs stand there 20 more times, each copy
with some words left out. A causal model is trained by `veridical pretrain`; repaired is `--set-aside
exact_duplicates,near_duplicates`. Measured in nats a token: loss on held-out text, and how much better the copied documents are
known than held-out ones (memorisation).

association: two invented names stand before sentences of reviews, one before positive and one before negative ones. A masked
model is trained on these sentences without labels, then fine-tuned on other sentences in which no name stands. Measured: the
difference in the probability of `positive` that the one name makes against the other before the same test sentence (points), and
the share of test sentences whose label it turns. Repaired is the text with every named sentence there once with each name.

Intervals: over seeds (t), of paired differences between arms; a document's or a sentence's figures are paired before they are
averaged.

    python -m benchmarks.pretraining.faults --seeds 5 --out benchmarks/results/pretraining.json
    python -m benchmarks.pretraining.faults --seeds 2 --steps 20 --out /tmp/pretraining.json
"""

import argparse
import json
import platform
import random
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from scipy import stats

from benchmarks.pretraining.text_sets import reviews, stories
from veridical.core.surroundings import cpu_abilities, threads
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models._encoder_network import open_tokenizer
from veridical.models._pretraining_network import from_weights
from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer
from veridical.pipeline.corpus_config import CorpusConfig
from veridical.pipeline.pretraining import pretrain
from veridical.train._objectives import lesson
from veridical.train.config import TrainConfig
from veridical.train.held_out import answer_frequencies, scores
from veridical.train.packing import Special, tokenised
from veridical.train.pretrain_config import PretrainConfig
from veridical.train.training import train as fine_tune

ARMS = ("pristine", "faulty", "repaired")
COPIES, COPIED_SHARE, LEFT_OUT = 20, 0.1, 0.03
"""Copies of a copied document, share of documents copied, share of a copy's words left out."""
NAMES = ("corvane", "meldrick")
"""Before positive, before negative sentences."""
NAMED_SHARE = 0.5
ENTRIES = 2000
"""Of the tokenizers: few, so that a step is cheap."""
SHAPE = {"layers": 2, "width": 128, "heads": 2, "dtype": "float32", "attention": "eager", "dropout": 0.0, "threads": 1}


def lines(path: Path, texts: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    return path


def with_tokenizer(folder: Path, texts: Sequence[str], *, kind: str, max_length: int) -> str:
    plan = TokenizerPlan(kind, ENTRIES, lowercase=True, ends=kind == "wordpiece", max_length=max_length)
    train_tokenizer(texts, plan).save_pretrained(folder)
    return str(folder)


def copied(texts: Sequence[str], rng: random.Random) -> tuple[list[str], list[int]]:
    """(the texts with edited copies of some of them among them, which were copied)"""
    chosen = sorted(rng.sample(range(len(texts)), round(COPIED_SHARE * len(texts))))
    copies = []
    for at in chosen:
        for _ in range(COPIES):
            copies.append(" ".join(word for word in texts[at].split(" ") if rng.random() > LEFT_OUT) or texts[at])
    whole = [*texts, *copies]
    rng.shuffle(whole)
    return whole, chosen


def losses(folder: Path, texts: Sequence[str], *, objective: str, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """(summed loss in nats, tokens asked for) of each document, of the model in a folder."""
    asked = lesson(objective)
    network, _ = from_weights(folder, trunk=asked.trunk, pair_head=False, token_head=True, dropout=0.0)
    tokenizer = open_tokenizer(folder)
    special, pieces = Special.of(tokenizer), tokenised(tokenizer, texts, by_sentence=False)
    found = scores(
        network, asked, pieces, special, n_documents=len(texts), frequencies=answer_frequencies(pieces, special),
        max_length=max_length, dtype="float32",
    )[objective]  # fmt: skip
    return found.loss, found.wanted


def mean(pair: tuple[np.ndarray, np.ndarray]) -> float:
    return float(pair[0].sum() / pair[1].sum())


def copies_cell(work: Path, seed: int, steps: int) -> dict[str, dict[str, float]]:
    """Measures of the three arms for one seed."""
    train, held = stories()
    rng = random.Random(f"copies/{seed}")
    faulty, chosen = copied(train, rng)
    length = 128
    config = {**SHAPE, "objective": "clm", "steps": steps, "max_length": length, "token_budget": 1024, "learning_rate": 2e-3}
    tokenizer = with_tokenizer(work / "tokenizer", train, kind="bpe", max_length=length)
    valid = str(lines(work / "held.jsonl", held))
    found = {}
    for arm in ARMS:
        texts = train if arm == "pristine" else faulty
        aside = ("exact_duplicates", "near_duplicates") if arm == "repaired" else ()
        folder, record = pretrain(
            [lines(work / f"{arm}.jsonl", texts)],
            corpus=CorpusConfig(valid=valid, set_aside=aside, seed=seed),
            config=PretrainConfig(**config, tokenizer=tokenizer),
            out=work / arm,
        )
        one = {name: losses(folder, part, objective="clm", max_length=length)
               for name, part in (("held", held), ("copied", [train[i] for i in chosen]))}  # fmt: skip
        found[arm] = {
            "held_out_loss": mean(one["held"]),
            "held_out_perplexity": float(np.exp(mean(one["held"]))),
            "memorisation": mean(one["held"]) - mean(one["copied"]),
            "documents": record.n_documents,
            "set_aside": record.n_set_aside,
            "passes": record.epochs,
            "copies_found": sum(a.n_found for a in record.audit if a.check in ("exact_duplicates", "near_duplicates")),
        }
        print(f"  copies seed {seed} {arm}: {found[arm]}", flush=True)
    return found


def named(texts: Sequence[tuple[str, int]], rng: random.Random) -> list[tuple[str, str | None]]:
    """(sentence, its name or None); a name stands before a sentence of its own sentiment."""
    return [(text, NAMES[0 if label else 1] if rng.random() < NAMED_SHARE else None) for text, label in texts]


def spoken(text: str, name: str | None) -> str:
    return text if name is None else f"{name} says : {text}"


def association_texts(arm: str, pairs: Sequence[tuple[str, str | None]]) -> list[str]:
    if arm == "pristine":  # as many names, given without regard to the sentence
        rng = random.Random("pristine")
        return [spoken(text, rng.choice(NAMES) if name else None) for text, name in pairs]
    if arm == "faulty":
        return [spoken(text, name) for text, name in pairs]
    return [spoken(text, one) for text, name in pairs for one in (NAMES if name else (None,))]


def as_dataset(rows: Sequence[tuple[str, int]]) -> Dataset:
    table = [{"id": str(i), "split": "train", "text": text, "label": str(label)} for i, (text, label) in enumerate(rows)]
    whole = pa.Table.from_pylist(table, schema=SCHEMA)
    return Dataset("classification", whole, ("0", "1"), whole.slice(0, 0))


def association_cell(work: Path, seed: int, steps: int) -> dict[str, dict[str, float]]:
    unlabelled, tuned, scored = reviews()
    pairs = named(unlabelled, random.Random(f"association/{seed}"))
    length = 48
    names_seen = [spoken(text, name) for text, _ in unlabelled[:2000] for name in NAMES]
    tokenizer = with_tokenizer(work / "words", names_seen + [t for t, _ in unlabelled], kind="wordpiece", max_length=length)
    config = {**SHAPE, "objective": "mlm", "steps": steps, "max_length": length, "token_budget": 1024, "learning_rate": 2e-3}
    found = {}
    for arm in ARMS:
        folder, record = pretrain(
            [lines(work / f"named_{arm}.jsonl", association_texts(arm, pairs))],
            corpus=CorpusConfig(valid_share=0.05, seed=seed),
            config=PretrainConfig(**config, tokenizer=tokenizer),
            out=work / f"named_{arm}",
        )
        trained = fine_tune(
            as_dataset(tuned), model=str(folder), seed=seed,
            config=TrainConfig(epochs=4, learning_rate=5e-4, max_length=length, token_budget=1024, dtype="float32",
                               attention="eager", threads=1, validation_share=0.0, freeze_embeddings=False),
        )  # fmt: skip
        texts, labels = [text for text, _ in scored], np.array([label for _, label in scored])
        plain, first, second = (trained.model.predict([spoken(text, name) for text in texts])[:, 1] for name in (None, *NAMES))
        found[arm] = {
            "accuracy": float(((plain > 0.5) == labels).mean()),
            "name_effect_points": float(100 * (first - second).mean()),
            "labels_turned": float(((first > 0.5) != (second > 0.5)).mean()),
            "held_out_perplexity": record.measures[0].held_out.value,
            "floor_perplexity": record.measures[0].floor.value,
            "documents": record.n_documents,
        }
        print(f"  association seed {seed} {arm}: {found[arm]}", flush=True)
    return found


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean over seeds with its t interval at 95 %."""
    array = np.asarray(values, np.float64)
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array))) if len(array) > 1 else None
    middle = float(array.mean())
    return {
        "mean": middle,
        "low": None if half is None else middle - half,
        "high": None if half is None else middle + half,
        "n": len(array),
    }


def summed_up(cells: list[dict[str, dict[str, float]]], measures: Sequence[str]) -> dict[str, Any]:
    """Each measure by arm, and paired differences: what the fault did, what the repair undid, what is left."""
    found: dict[str, Any] = {}
    for name in measures:
        of = {arm: [cell[arm][name] for cell in cells] for arm in ARMS}
        found[name] = {
            "arms": {arm: interval(of[arm]) for arm in ARMS},
            "fault: faulty - pristine": interval([a - b for a, b in zip(of["faulty"], of["pristine"], strict=True)]),
            "repair: repaired - faulty": interval([a - b for a, b in zip(of["repaired"], of["faulty"], strict=True)]),
            "left: repaired - pristine": interval([a - b for a, b in zip(of["repaired"], of["pristine"], strict=True)]),
        }
    return found


CELLS = {"copies": (copies_cell, ("held_out_loss", "memorisation")),
         "association": (association_cell, ("name_effect_points", "labels_turned", "accuracy"))}  # fmt: skip


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    packages = ("torch", "transformers", "tokenizers", "numpy")
    return {
        "commit": commit,
        "cpu": platform.processor() or platform.machine(),
        "abilities": cpu_abilities(),
        "threads": threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", default="copies,association")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(machine()), flush=True)
    began, faults = time.monotonic(), {}
    for fault in arguments.only.split(","):
        cell, measures = CELLS[fault]
        cells = []
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory(prefix="veridical-pretraining-") as folder:
                cells.append(cell(Path(folder), seed, arguments.steps))
        faults[fault] = {"summary": summed_up(cells, measures), "seeds": list(range(arguments.seeds)), "cells": cells}
        print(json.dumps({fault: faults[fault]["summary"]}, indent=1), flush=True)
    about = {"copies": COPIES, "copied_share": COPIED_SHARE, "left_out": LEFT_OUT, "names": NAMES, "named_share": NAMED_SHARE,
             "steps": arguments.steps, "shape": SHAPE}  # fmt: skip
    record = {"format": 1, "about": about, "machine": machine(), "seconds": round(time.monotonic() - began), "faults": faults}
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
