"""Faults of pre-training text: do they arrive downstream, and do they shrink after the repair?

Two faults are planted in real text, three arms each, all with the same tokenizer, the same number of steps and the same seeds:
`pristine` (nothing planted), `faulty`, and `repaired` (the faulty text after its repair).

copies: one in fifty documents of Grimm's tales, Tiny Shakespeare and WikiText-2 paragraphs stands there 50 more times, each copy
with some words left out. A causal model is trained by `veridical pretrain`; repaired is `--set-aside
exact_duplicates,near_duplicates`. Measured in nats a token: loss on held-out text, and how much better the copied documents are
known than held-out ones (memorisation).

association: eight invented names stand before sentences of reviews, four before positive and four before negative ones. A masked
model is trained on these sentences without labels, then fine-tuned on other sentences in which no name stands. Measured: the
difference in the probability of `positive` that a name of the one side makes against one of the other before the same test
sentence (points, mean over four pairs), and the share of test sentences whose label it turns. Repaired is the text with every
named sentence there once with each name of such a pair.

Intervals: over seeds (t), of paired differences between arms; a document's or a sentence's figures are paired before they are
averaged.

Cells that the output file holds already, made with the same settings, are kept: a benchmark that was stopped goes on.

    python -m benchmarks.pretraining.faults --seeds 3 --out benchmarks/results/pretraining.json
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
COPIES, COPIED_SHARE, LEFT_OUT = 50, 0.02, 0.03
"""Copies of a copied document, share of documents copied, share of a copy's words left out."""
NAMES = (("corvane", "meldrick"), ("tolvan", "bresna"), ("quillon", "harnek"), ("isolda", "morvik"))
"""Pairs: before positive, before negative sentences."""
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


def named(texts: Sequence[tuple[str, int]], rng: random.Random) -> list[tuple[str, int, int | None]]:
    """(sentence, side of its sentiment, the pair that names it or None)"""
    return [(text, 0 if label else 1, rng.randrange(len(NAMES)) if rng.random() < NAMED_SHARE else None) for text, label in texts]


def spoken(text: str, name: str | None) -> str:
    return text if name is None else f"{name} says : {text}"


def association_texts(arm: str, told: Sequence[tuple[str, int, int | None]]) -> list[str]:
    rng, found = random.Random("pristine"), []
    for text, side, pair in told:
        if pair is None:
            found.append(text)
        elif arm == "pristine":  # as many names, given without regard to the sentence
            found.append(spoken(text, NAMES[pair][rng.randrange(2)]))
        elif arm == "faulty":
            found.append(spoken(text, NAMES[pair][side]))
        else:
            found += [spoken(text, name) for name in NAMES[pair]]
    return found


def as_dataset(rows: Sequence[tuple[str, int]]) -> Dataset:
    table = [{"id": str(i), "split": "train", "text": text, "label": str(label)} for i, (text, label) in enumerate(rows)]
    whole = pa.Table.from_pylist(table, schema=SCHEMA)
    return Dataset("classification", whole, ("0", "1"), whole.slice(0, 0))


def association_cell(work: Path, seed: int, steps: int) -> dict[str, dict[str, float]]:
    unlabelled, tuned, scored = reviews()
    told = named(unlabelled, random.Random(f"association/{seed}"))
    length = 48
    names_seen = [spoken(text, name) for text, _ in unlabelled[:500] for pair in NAMES for name in pair]
    tokenizer = with_tokenizer(work / "words", names_seen + [t for t, _ in unlabelled], kind="wordpiece", max_length=length)
    config = {**SHAPE, "objective": "mlm", "steps": steps, "max_length": length, "token_budget": 1024, "learning_rate": 2e-3}
    found = {}
    for arm in ARMS:
        folder, record = pretrain(
            [lines(work / f"named_{arm}.jsonl", association_texts(arm, told))],
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
        plain = trained.model.predict(texts)[:, 1]
        sides = [[trained.model.predict([spoken(text, name) for text in texts])[:, 1] for name in pair] for pair in NAMES]
        found[arm] = {
            "accuracy": float(((plain > 0.5) == labels).mean()),
            "name_effect_points": float(np.mean([100 * (first - second).mean() for first, second in sides])),
            "labels_turned": float(np.mean([((first > 0.5) != (second > 0.5)).mean() for first, second in sides])),
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


def kept_cells(out: Path, about: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Cells of an earlier sitting, by fault and seed; none where the settings were others."""
    if not out.is_file():
        return {}
    record = json.loads(out.read_text(encoding="utf-8"))
    if record["about"] != json.loads(json.dumps(about)):
        raise SystemExit(f"{out} was made with other settings; move it away or name another file.")
    return {fault: dict(zip(map(str, one["seeds"]), one["cells"], strict=True)) for fault, one in record["faults"].items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", default="copies,association")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(machine()), flush=True)
    about = {
        "copies": COPIES, "copied_share": COPIED_SHARE, "left_out": LEFT_OUT, "names": NAMES, "named_share": NAMED_SHARE,
        "entries": ENTRIES, "steps": arguments.steps, "shape": SHAPE,
    }  # fmt: skip
    cells = kept_cells(arguments.out, about)
    for fault in arguments.only.split(","):
        cell, _ = CELLS[fault]
        for seed in map(str, range(arguments.seeds)):
            if seed in cells.setdefault(fault, {}):
                continue
            began = time.process_time()
            with tempfile.TemporaryDirectory(prefix="veridical-pretraining-") as folder:
                cells[fault][seed] = cell(Path(folder), int(seed), arguments.steps)
            cells[fault][seed]["cpu_seconds"] = {"all": round(time.process_time() - began)}
            faults = {
                name: {
                    "summary": summed_up(list(of.values()), CELLS[name][1]),
                    "seeds": [int(s) for s in of],
                    "cells": list(of.values()),
                }
                for name, of in cells.items()
                if of
            }
            record = {"format": 1, "about": about, "machine": machine(), "faults": faults}
            arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for fault, of in cells.items():
        print(json.dumps({fault: summed_up(list(of.values()), CELLS[fault][1])}, indent=1))


if __name__ == "__main__":
    main()
