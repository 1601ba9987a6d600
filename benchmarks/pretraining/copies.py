"""Copied documents in pre-training text: do they arrive in the model, and does the damage shrink after the repair?

One in fifty documents of Grimm's tales, Tiny Shakespeare and WikiText-2 paragraphs stands there 50 more times, each copy with
some words left out. A causal model is trained by `veridical pretrain` on three arms with the same tokenizer, number of steps and
seeds: `pristine` (nothing planted), `faulty`, and `repaired` (faulty, with `--set-aside exact_duplicates,near_duplicates`).
Measured in nats a token: loss on held-out text, and how much better the copied documents are known than held-out ones
(memorisation).

Intervals: t over seeds, of paired differences between arms. Cells that the output file holds already, made with the same
settings, are kept: a benchmark that was stopped goes on.

    python -m benchmarks.pretraining.copies --seeds 5 --out benchmarks/results/pretraining.json
    python -m benchmarks.pretraining.copies --seeds 2 --steps 20 --out /tmp/pretraining.json
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from benchmarks.machine import machine
from benchmarks.pretraining.text_sets import stories
from veridical.models._encoder_network import open_tokenizer
from veridical.models._pretraining_network import from_weights
from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer
from veridical.pipeline.corpus_config import CorpusConfig
from veridical.pipeline.pretraining import pretrain
from veridical.train._objectives import lesson
from veridical.train.held_out import answer_frequencies, scores
from veridical.train.packing import Special, tokenised
from veridical.train.pretrain_config import PretrainConfig

Cell = Callable[[Path, int, int], dict[str, dict[str, float]]]
ARMS = ("pristine", "faulty", "repaired")
COPIES, COPIED_SHARE, LEFT_OUT = 50, 0.02, 0.03
"""Copies of a copied document, share of documents copied, share of a copy's words left out."""
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


MEASURES = ("held_out_loss", "memorisation")


def kept_cells(out: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Cells of an earlier sitting, by seed. Refused where the settings were others."""
    if not out.is_file():
        return {}
    record = json.loads(out.read_text(encoding="utf-8"))
    if record["about"] != about:
        raise SystemExit(f"{out} was made with other settings; move it away or name another file.")
    return dict(zip(map(str, record["seeds"]), record["cells"], strict=True))


def sat(doc: str, *, steps: int, about: dict[str, Any], measures: Sequence[str], cell: Cell) -> None:
    """The sitting of a benchmark: reads the command line, makes the cells that FILE lacks, writes FILE after each.

    about: settings beside the steps; cell: (work folder, seed, steps) -> measures of the arms.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="for seeds that no earlier sitting looked at")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ran = machine("torch", "transformers", "tokenizers", "numpy")
    print(json.dumps(ran), flush=True)
    about = {**about, "steps": arguments.steps, "shape": SHAPE}
    cells = kept_cells(arguments.out, about)
    for seed in map(str, range(arguments.first_seed, arguments.first_seed + arguments.seeds)):
        if seed in cells:
            continue
        began = time.process_time()
        with tempfile.TemporaryDirectory(prefix="veridical-pretraining-") as folder:
            cells[seed] = cell(Path(folder), int(seed), arguments.steps)
        cells[seed]["cpu_seconds"] = {"all": round(time.process_time() - began)}
        made = list(cells.values())
        record = {"format": 1, "about": about, "machine": ran, "summary": summed_up(made, measures),
                  "seeds": [int(seed) for seed in cells], "cells": made}  # fmt: skip
        arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summed_up(list(cells.values()), measures), indent=1))


def main() -> None:
    about = {"copies": COPIES, "copied_share": COPIED_SHARE, "left_out": LEFT_OUT, "entries": ENTRIES}
    sat(__doc__ or "", steps=300, about=about, measures=MEASURES, cell=copies_cell)


if __name__ == "__main__":
    main()
