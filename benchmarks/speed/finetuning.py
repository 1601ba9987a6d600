"""Fine-tuning speed and score: veridical's loop beside two plain float32 loops, same encoder, epochs and rows, one process.

Opponents (batch 16, dropout 0.1, all weights trained, sdpa attention, AdamW, clipping, linear warm-up and decay, best epoch
kept): `pad_128` pads every text to 128 tokens, as many published scripts do; `dynamic` to the longest text of the batch.

Speed: real tokens (padding not counted) trained per second, on sentences of CoNLL-like length; the opponents on as many steps
as fit `--seconds` each, interleaved with ours, best of `--repeats` rounds for all. Starting costs of ours (timing the kernels,
opening weights) are reported apart. Score: accuracy on test rows that no arm selected on, over `--seeds` seeds, paired.

    .venv/bin/python -m benchmarks.speed.finetuning --data ../shared/data
    .venv/bin/python -m benchmarks.speed.finetuning --data ../shared/data --smoke --out /tmp/finetuning.json

Without --data, lengths are drawn from a Poisson mixture of about the same mean, and scores are left out.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from benchmarks.machine import machine

from veridical.core.progress import silent
from veridical.core.surroundings import threads
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models._encoder_network import EncoderClassifier, open_encoder, open_tokenizer, predict_logits
from veridical.models.tokens import Tokens, tokenise
from veridical.models.weights import Weights, resolve
from veridical.train.config import TrainConfig
from veridical.train.optimizer import rate_share
from veridical.train.training import train

BATCH, PAD_TO, OPPONENT_RATE = 16, 128, 1e-4
OUT = Path(__file__).parents[1] / "results" / "finetuning.json"


@dataclass(frozen=True)
class Score:
    accuracy: float
    seconds: float


def as_dataset(rows: list[tuple[str, str, str]]) -> Dataset:
    """rows: (split, text, label)."""
    columns: dict[str, list[Any]] = {name: [None] * len(rows) for name in SCHEMA.names}
    columns["id"] = [str(i) for i in range(len(rows))]
    columns["split"], columns["text"], columns["label"] = (list(column) for column in zip(*rows, strict=True))
    table = pa.table({name: pa.array(columns[name], pa.string()) for name in SCHEMA.names}, schema=SCHEMA)
    return Dataset("classification", table, tuple(sorted(set(columns["label"]))), table.slice(0, 0))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def speed_data(folder: Path | None, n_rows: int) -> tuple[Dataset, str]:
    """Sentences of wnut17's lengths, labelled by whether they hold an entity; or made-up words in lengths of the same mean."""
    if folder and (folder / "wnut17" / "train.jsonl").is_file():
        rows = read_lines(folder / "wnut17" / "train.jsonl")[:n_rows]
        labelled = [("train", " ".join(r["tokens"]), "entity" if set(r["ner_tags"]) != {"O"} else "none") for r in rows]
        return as_dataset(labelled), "wnut17 train"
    rng = np.random.default_rng(0)
    words = ["report", "town", "people", "like", "old", "film", "new", "music", "more", "long", "talk", "there"]
    lengths = np.maximum(rng.poisson(rng.choice([8, 15, 25], n_rows)), 1)
    return as_dataset([("train", " ".join(rng.choice(words, n)), str(i % 2)) for i, n in enumerate(lengths)]), "synthetic lengths"


def score_data(folder: Path, n_rows: int) -> Dataset:
    """UCI review sentences of three domains, shuffled: half to train on, a sixth to select on, a third to score on."""
    files = [folder / "uci_sentences" / f"{name}.jsonl" for name in ("amazon_cells", "imdb", "yelp")]
    rows = [row for file in files for row in read_lines(file)]
    order = np.random.default_rng(0).permutation(len(rows))[:n_rows]
    splits = np.repeat(["train", "valid", "test"], [n_rows // 2, n_rows // 6, n_rows - n_rows // 2 - n_rows // 6])
    return as_dataset([(str(s), rows[i]["text"], str(rows[i]["label"])) for i, s in zip(order, splits, strict=True)])


class Plain:
    """The loop most scripts hold: shuffled batches of 16, padded, float32."""

    def __init__(self, data: Dataset, weights: Weights, *, pad_to: int | None, seed: int, epochs: int) -> None:
        torch.manual_seed(seed)
        self.data, self.pad_to, self.epochs = data, pad_to, epochs
        encoder = open_encoder(weights.folder, dropout=0.1, attention="sdpa")
        self.network = EncoderClassifier(encoder, n_classes=len(data.labels), seed=seed)
        self.tokens: Tokens = tokenise(open_tokenizer(weights.folder), data.inputs(), max_length=PAD_TO)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=OPPONENT_RATE, weight_decay=0.01)
        self.rng = np.random.default_rng(seed)
        self.train_rows = data.rows("train")
        self.n_steps = -(-len(self.train_rows) // BATCH) * epochs
        self.step = 0

    def batches(self) -> list[Any]:
        order = self.rng.permutation(self.train_rows)
        return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]

    def learn(self, rows: Any) -> int:
        """One step; the number of real tokens in it."""
        ids, mask, types = self.tokens.padded(rows)
        if self.pad_to:
            wider = ((0, 0), (0, self.pad_to - ids.shape[1]))
            ids, mask, types = np.pad(ids, wider), np.pad(mask, wider), None if types is None else np.pad(types, wider)
        for group in self.optimizer.param_groups:
            group["lr"] = OPPONENT_RATE * rate_share(min(self.step, self.n_steps - 1), n_steps=self.n_steps, warmup_share=0.1)
        kinds = None if types is None else torch.from_numpy(types)
        logits = self.network(torch.from_numpy(ids), torch.from_numpy(mask), kinds)
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(self.data.codes[rows]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return int(mask.sum())

    def tokens_per_second(self, seconds: float) -> float:
        self.network.train()
        batches = self.batches()
        self.learn(batches[0])
        done, start = 0, time.perf_counter()
        for number, rows in enumerate(batches[1:], start=1):
            done += self.learn(rows)
            if number >= 3 and time.perf_counter() - start > seconds:
                break
        return done / (time.perf_counter() - start)

    def score(self) -> Score:
        start, best, kept = time.perf_counter(), -1.0, 0.0
        for _ in range(self.epochs):
            self.network.train()
            for rows in self.batches():
                self.learn(rows)
            valid = self.accuracy("valid")
            if valid > best:
                best, kept = valid, self.accuracy("test")
        return Score(kept, time.perf_counter() - start)

    def accuracy(self, split: str) -> float:
        rows = self.data.rows(split)
        logits = predict_logits(self.network, self.tokens, rows, dtype="float32")
        return float((logits.argmax(1) == self.data.codes[rows]).mean())


def our_speed(data: Dataset, config: TrainConfig) -> dict[str, float]:
    """Real tokens a second between the first and the last step of one epoch, and the seconds before the first step."""
    tokens = tokenise(open_tokenizer(resolve("minilm").folder), data.inputs(), max_length=config.max_length)
    marks: list[tuple[int, int, float]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "train":
            marks.append((done, total, time.perf_counter()))

    start = time.perf_counter()
    train(data, model="minilm", config=replace(config, epochs=1, validation_share=0.0), progress=progress)
    (first, total, began), (last, _, ended) = marks[0], marks[-1]
    share = (last - first) / total
    return {"tokens_per_second": int(tokens.lengths.sum()) * share / (ended - began), "start_seconds": began - start}


def our_score(data: Dataset, config: TrainConfig, seed: int) -> Score:
    start = time.perf_counter()
    trained = train(data, model="minilm", config=config, seed=seed, progress=silent)
    rows = data.rows("test")
    right = trained.probabilities[rows].argmax(1) == data.codes[rows]
    return Score(float(right.mean()), time.perf_counter() - start)


def best_of(rounds: int, measure: dict[str, Callable[[], float]]) -> dict[str, dict[str, Any]]:
    """Every measurement once per round, in turn, so that all see the same weather."""
    seen: dict[str, list[float]] = {name: [] for name in measure}
    for _ in range(rounds):
        for name, function in measure.items():
            seen[name].append(function())
            print(f"{name:16s} {seen[name][-1]:8.0f} tokens/s", flush=True)
    return {name: {"tokens_per_second": max(values), "all": values} for name, values in seen.items()}


def measure_speed(arguments: argparse.Namespace, config: TrainConfig, weights: Weights) -> dict[str, Any]:
    data, source = speed_data(arguments.data, arguments.rows)
    lengths = tokenise(open_tokenizer(weights.folder), data.inputs(), max_length=PAD_TO).lengths
    opponents = {
        name: Plain(data, weights, pad_to=pad, seed=0, epochs=1) for name, pad in (("pad_128", PAD_TO), ("dynamic", None))
    }
    starts: list[float] = []

    def ours(changed: TrainConfig) -> float:
        found = our_speed(data, changed)
        starts.append(found["start_seconds"])
        return found["tokens_per_second"]

    arms: dict[str, Callable[[], float]] = {
        "pad_128": lambda: opponents["pad_128"].tokens_per_second(arguments.seconds),
        "dynamic": lambda: opponents["dynamic"].tokens_per_second(arguments.seconds),
        "veridical": lambda: ours(config),
        "half_frozen": lambda: ours(replace(config, frozen_layers=3)),
        "veridical_fp32": lambda: ours(replace(config, dtype="float32")),
    }
    found = best_of(arguments.repeats, arms)
    ratios = {
        f"{arm}/{opponent}": found[arm]["tokens_per_second"] / found[opponent]["tokens_per_second"]
        for arm in ("veridical", "half_frozen", "veridical_fp32")
        for opponent in ("pad_128", "dynamic")
    }
    about = {
        "source": source,
        "rows": len(data),
        "mean_tokens": float(lengths.mean()),
        "share_of_128": float(lengths.mean() / PAD_TO),
    }
    return {"data": about, "arms": found, "ratios": ratios, "veridical_start_seconds": float(np.median(starts))}


def measure_score(arguments: argparse.Namespace, config: TrainConfig, weights: Weights) -> dict[str, Any] | None:
    if not arguments.data or not (arguments.data / "uci_sentences").is_dir():
        return None
    data = score_data(arguments.data, arguments.score_rows)
    scores: dict[str, list[dict[str, float]]] = {}
    for seed in range(arguments.seeds):
        arms: dict[str, Callable[[], Score]] = {
            "pad_128": lambda seed=seed: Plain(data, weights, pad_to=PAD_TO, seed=seed, epochs=config.epochs).score(),
            "dynamic": lambda seed=seed: Plain(data, weights, pad_to=None, seed=seed, epochs=config.epochs).score(),
            "veridical": lambda seed=seed: our_score(data, config, seed),
            "half_frozen": lambda seed=seed: our_score(data, replace(config, frozen_layers=3), seed),
        }
        for name, function in arms.items():
            scores.setdefault(name, []).append(asdict(function()))
            print(f"seed {seed} {name:12s} {scores[name][-1]}", flush=True)
    means = {name: float(np.mean([s["accuracy"] for s in runs])) for name, runs in scores.items()}
    paired = {}
    for arm in ("veridical", "half_frozen"):
        points = [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(scores[arm], scores["dynamic"], strict=True)]
        paired[f"{arm} - dynamic"] = {"mean_points": float(np.mean(points)), "each": points}
    return {
        "data": "uci_sentences",
        "rows": len(data),
        "n_test": len(data.rows("test")),
        "runs": scores,
        "mean": means,
        "points": paired,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with wnut17/ and uci_sentences/")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--rows", type=int, default=3394, help="rows of the speed part")
    parser.add_argument("--score-rows", type=int, default=2998, help="rows of the score part")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds of each opponent a round")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes; figures mean nothing")
    arguments = parser.parse_args()
    config = TrainConfig(threads=threads())
    if arguments.smoke:
        if arguments.out == OUT:
            parser.error("--smoke needs --out: its figures mean nothing")
        arguments.rows, arguments.score_rows, arguments.seconds, arguments.repeats, arguments.seeds = 100, 120, 1.0, 1, 1
        config = replace(config, epochs=1)
    torch.set_num_threads(config.threads)
    weights = resolve("minilm")
    result = {
        "format": 1,
        "smoke": arguments.smoke,
        "machine": {**machine("torch", "transformers", "tokenizers", "accelerate", "numpy"), "threads": torch.get_num_threads()},
        "config": asdict(config),
        "opponents": {"batch": BATCH, "pad_to": PAD_TO, "learning_rate": OPPONENT_RATE, "dtype": "float32"},
        "seeds": list(range(arguments.seeds)),
        "speed": measure_speed(arguments, config, weights),
        "score": measure_score(arguments, config, weights),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({"ratios": result["speed"]["ratios"], "score": result["score"] and result["score"]["mean"]}, indent=1))


if __name__ == "__main__":
    main()
