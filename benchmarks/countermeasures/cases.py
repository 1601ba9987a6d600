"""Real text with a trouble planted or present, and how much of the trouble a trained encoder is in."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from veridical.core.randomness import stream
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.train.trained import Trained

N_TEST = 1000
CUES = ("indeed", "anyway")
FLIPPED, AGREE, RARE, STRENGTH = 0.3, 0.95, 1 / 21, 0.3
"""Share of train labels that are wrong; of rows in which the cue goes with the label; of the rare class; of words with a slip."""
FEW = 300

Row = tuple[str, str]
"""Text and label."""


@dataclass(frozen=True, eq=False)
class World:
    """What one training gets, and how it is judged: its `score`, what it costs elsewhere as `clean`, and as `without` the score
    had there been no trouble, where one training tells them. knobs: what stands for {earlier}, {old} in an arm. model: where it
    starts."""

    data: Dataset
    judge: Callable[[Trained, Dataset], dict[str, float]]
    model: str = "minilm"
    knobs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One trouble. make: (data folder, work folder, seed, planted) -> World. arms: countermeasures as on the command line, each
    against `plain` or what stands for it in `against`. twin: whether the same without the trouble is trained too."""

    what: str
    metric: str
    make: Callable[[Path, Path, int, bool], World]
    arms: tuple[str, ...]
    epochs: int
    twin: bool
    clean: str
    against: dict[str, str] = field(default_factory=dict)


def _lines(data: Path, *parts: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.joinpath(*parts).read_text(encoding="utf-8").splitlines()]


def sentiment(data: Path, seed: int) -> list[Row]:
    """Sentences about films, restaurants and phones, in an order of the seed; distinct texts."""
    rows = {
        row["text"]: ("neg", "pos")[int(row["label"])]
        for name in ("amazon_cells", "imdb", "yelp")
        for row in _lines(data, "uci_sentences", f"{name}.jsonl")
    }
    return _shuffled(list(rows.items()), seed)


def news(data: Path, seed: int) -> list[Row]:
    """Descriptions of news with their topic, in an order of the seed; distinct texts."""
    rows = {row["text"]: row["label"] for row in _lines(data, "ag_news", "train10k.jsonl")}
    return _shuffled(list(rows.items()), seed)


def _shuffled(rows: list[Row], seed: int) -> list[Row]:
    return [rows[i] for i in stream(seed, "rows").permutation(len(rows))]


def dataset(train: Sequence[Row], test: Sequence[Row], *, groups: Sequence[str] | None = None) -> Dataset:
    """groups: of the train rows, then of the test rows."""
    rows = [*train, *test]
    columns = {
        "id": [f"r{i}" for i in range(len(rows))],
        "split": ["train"] * len(train) + ["test"] * len(test),
        "text": [text for text, _ in rows],
        "label": [label for _, label in rows],
        "group": list(groups) if groups else [None] * len(rows),
    }
    table = pa.table({f.name: pa.array(columns.get(f.name, [None] * len(rows)), f.type) for f in SCHEMA}, schema=SCHEMA)
    return Dataset("classification", table, tuple(sorted({label for _, label in rows})), table.slice(0, 0))


def right(trained: Trained, data: Dataset) -> Any:
    """(n,) whether each test row is answered rightly."""
    rows = data.rows("test")
    return trained.probabilities[rows].argmax(1) == data.codes[rows]


def accuracy(trained: Trained, data: Dataset) -> dict[str, float]:
    return {"score": float(right(trained, data).mean())}


def balanced_accuracy(trained: Trained, data: Dataset) -> dict[str, float]:
    codes = data.codes[data.rows("test")]
    return {"score": float(np.mean([right(trained, data)[codes == code].mean() for code in np.unique(codes)]))}


def worst_group(trained: Trained, data: Dataset) -> dict[str, float]:
    """Accuracy of the worst of cue x label; beside it that of all rows, on which the cue says nothing."""
    rows = data.rows("test")
    groups = np.array(data.table.column("group").to_pylist(), dtype=object)[rows]
    hit, codes = right(trained, data), data.codes[rows]
    cells = [hit[(groups == group) & (codes == code)].mean() for group in CUES for code in (0, 1)]
    return {"score": float(min(cells)), "mean": float(hit.mean())}


def noise(data: Path, _work: Path, seed: int, planted: bool) -> World:
    rows = news(data, seed)
    labels = sorted({label for _, label in rows})
    rng, train = stream(seed, "flips"), rows[:600]
    if planted:
        wrong = [rng.random() < FLIPPED for _ in train]
        others = [int(rng.integers(1, len(labels))) for _ in train]
        train = [
            (text, labels[(labels.index(label) + step) % len(labels)] if flip else label)
            for (text, label), flip, step in zip(train, wrong, others, strict=True)
        ]
    return World(dataset(train, rows[600 : 600 + N_TEST]), accuracy)


def shortcut(data: Path, _work: Path, seed: int, planted: bool) -> World:
    """One of two words stands before every text; where planted, it goes with the label in train."""
    rows, rng = sentiment(data, seed)[: 800 + N_TEST], stream(seed, "cues")
    agree = [AGREE if planted and i < 800 else 0.5 for i in range(len(rows))]
    says = [(label == "pos") == bool(rng.random() < share) for (_, label), share in zip(rows, agree, strict=True)]
    groups = [CUES[int(cue)] for cue in says]
    worded = [(f"{cue} {text}", label) for cue, (text, label) in zip(groups, rows, strict=True)]
    return World(dataset(worded[:800], worded[800:], groups=groups), worst_group)


def imbalance(data: Path, _work: Path, seed: int, planted: bool) -> World:
    rows = sentiment(data, seed)
    test, left = rows[:N_TEST], rows[N_TEST:]
    n_rare = round(800 * RARE) if planted else 400
    rare = [row for row in left if row[1] == "pos"][:n_rare]
    common = [row for row in left if row[1] == "neg"][: 800 - n_rare]
    return World(dataset([*rare, *common], test), balanced_accuracy)


def typos(data: Path, _work: Path, seed: int, _planted: bool) -> World:
    """Test rows as they are, and with slips of the probe, which are not those that attack_examples makes."""
    return _edited_test(data, seed, kind="keyboard", name="typos")


def synonyms(data: Path, _work: Path, seed: int, _planted: bool) -> World:
    """Test rows as they are, and with words of the same meaning, drawn by the probe from the installed thesaurus."""
    return _edited_test(data, seed, kind="synonyms", name="synonyms")


def _edited_test(data: Path, seed: int, *, kind: str, name: str) -> World:
    from veridical.probe.perturbations import edited

    rows = sentiment(data, seed)[: 800 + N_TEST]
    test, rng = rows[800:], stream(seed, name)
    changed = [(str(edited(text, kind, rng, strength=STRENGTH)), label) for text, label in test]

    def judge(trained: Trained, seen: Dataset) -> dict[str, float]:
        hit = right(trained, seen)
        clean = float(hit[: len(test)].mean())
        return {"score": float(hit[len(test) :].mean()), "clean": clean, "without": clean}

    return World(dataset(rows[:800], [*test, *changed]), judge)


def few(data: Path, _work: Path, seed: int, _planted: bool) -> World:
    rows = sentiment(data, seed)
    return World(dataset(rows[:FEW], rows[FEW : FEW + N_TEST]), accuracy)


def _first_task(data: Path, work: Path, seed: int) -> tuple[Path, list[Row], list[Row]]:
    """(folder with encoder/, model/ and earlier.csv, train rows, test rows) of the sentiment task learned first."""
    from veridical.train.training import train

    rows, folder = sentiment(data, seed)[:1300], work / f"first_{seed}"
    learned, asked = rows[:800], rows[800:]
    if not (folder / "done").is_file():
        model: Any = train(dataset(learned, asked), model="minilm", config=config(epochs=3), seed=seed).model
        model.save(folder / "model")
        model.network.encoder.save_pretrained(folder / "encoder")
        model.tokenizer.save_pretrained(folder / "encoder")
        for name, labels in (("earlier", {"neg": "neg", "pos": "pos"}), ("earlier_01", {"neg": "0", "pos": "1"})):
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label"])
                writer.writerows([text, labels[label]] for text, label in learned)
        (folder / "done").touch()
    return folder, learned, asked


def _second_task(data: Path, seed: int, names: dict[str, str]) -> tuple[list[Row], list[Row]]:
    rows = [(text, names[label]) for text, label in news(data, seed) if label in names]
    return rows[:600], rows[600:1100]


def forgetting(data: Path, work: Path, seed: int, _planted: bool) -> World:
    """Topics are learned from where sentiment was learned; the head of then is asked about sentiment again."""
    folder, _, asked = _first_task(data, work, seed)
    learned, test = _second_task(data, seed, {"Sports": "Sports", "Business": "Business"})

    def judge(trained: Trained, seen: Dataset) -> dict[str, float]:
        from veridical.models._encoder_network import predict_logits
        from veridical.models.stored import open_model

        model: Any = trained.model
        old: Any = open_model(folder / "model")
        tokens = model.tokens([text for text, _ in asked])
        states = predict_logits(model.network, tokens, np.arange(len(asked)), dtype=model.dtype, features=True)
        head = old.network.head
        said = (states @ head.weight.detach().numpy().T + head.bias.detach().numpy()).argmax(1)
        truth = np.array([old.labels.index(label) for _, label in asked])
        before = float((old.predict([text for text, _ in asked]).argmax(1) == truth).mean())
        return {"score": float((said == truth).mean()), "clean": float(right(trained, seen).mean()), "without": before}

    knobs = {"earlier": str(folder / "earlier.csv"), "old": str(folder / "model")}
    return World(dataset(learned, test), judge, model=str(folder / "encoder"), knobs=knobs)


def forgetting_one_head(data: Path, work: Path, seed: int, _planted: bool) -> World:
    """As forgetting, but one head answers both: label 0 or 1 of a sentence, or of a piece of news."""
    from veridical.models.stored import open_model

    folder, _, asked = _first_task(data, work, seed)
    learned, test = _second_task(data, seed, {"Sports": "0", "Business": "1"})
    first = [(text, {"neg": "0", "pos": "1"}[label]) for text, label in asked]

    def judge(trained: Trained, seen: Dataset) -> dict[str, float]:
        hit, old = right(trained, seen), open_model(folder / "model")
        truth = np.array([old.labels.index(label) for _, label in asked])
        before = float((old.predict([text for text, _ in asked]).argmax(1) == truth).mean())
        return {"score": float(hit[len(test) :].mean()), "clean": float(hit[: len(test)].mean()), "without": before}

    knobs = {"earlier": str(folder / "earlier_01.csv")}
    return World(dataset(learned, [*test, *first]), judge, model=str(folder / "encoder"), knobs=knobs)


def config(*, epochs: int) -> Any:
    """Settings of every training: no part is set apart, so that arms differ in the countermeasure alone."""
    from veridical.train.config import TrainConfig

    return TrainConfig(
        epochs=epochs, max_length=40, validation_share=0.0, dtype="bfloat16", attention="eager", threads=1, token_budget=512
    )


CASES = {
    "noise": Case(
        "600 AG News rows, 30 % of train labels flipped evenly",
        "accuracy",
        noise,
        (
            *("gce", "forward_correction:rate=0.3", "label_smoothing", "aum_removal", "small_loss", "self_distillation"),
            *("selfmix", "r_drop:weight=4"),
        ),
        epochs=6,
        twin=True,
        clean="accuracy with all labels right",
    ),
    "shortcut": Case(
        "800 UCI sentences, a word before the text goes with the label in 95 %",
        "worst-group accuracy",
        shortcut,
        (
            *("group_dro", "jtt", "dfr", "product_of_experts", "lisa", "counterfactual_pairs:swaps=indeed/anyway"),
            "ignore_words:words=indeed+anyway",
            *("concept_erasure", "concept_erasure:refit_only=true", "inlp", "inlp:refit_only=true"),
        ),
        epochs=3,
        twin=True,
        clean="worst-group accuracy where the word says nothing",
    ),
    "imbalance": Case(
        "800 UCI sentences, one class 1:20",
        "balanced accuracy",
        imbalance,
        ("class_weights", "class_balanced", "focal", "logit_adjustment"),
        epochs=3,
        twin=True,
        clean="balanced accuracy with classes 1:1",
    ),
    "typos": Case(
        "800 UCI sentences, test rows with slips in 30 % of the words",
        "accuracy",
        typos,
        ("fgm", "pgd", "freelb", "vat", "r3f", "attack_examples", "feature_gan", "spelling"),
        epochs=3,
        twin=False,
        clean="accuracy on the same test rows without slips",
    ),
    "synonyms": Case(
        "800 UCI sentences, test rows with other words of the same meaning in 30 % of the words",
        "accuracy",
        synonyms,
        ("common_synonyms",),
        epochs=3,
        twin=False,
        clean="accuracy on the same test rows as they are",
    ),
    "few": Case(
        "300 UCI sentences",
        "accuracy",
        few,
        (
            *(
                "r_drop",
                "r_drop:share=1",
                "mixout",
                "ema",
                "swa",
                "layer_rates",
                "reinit_top",
                "label_smoothing",
                "l2_sp",
                "wise_ft",
            ),
            *("feature_gan", "distil:weight=0", "distil"),
        ),
        epochs=4,
        twin=False,
        clean="",
        against={"distil": "distil:weight=0"},
    ),
    "forgetting": Case(
        "600 AG News rows (Sports, Business) from where 800 UCI sentences were learned; the head of then asked about those again",
        "accuracy on the first task",
        forgetting,
        ("l2_sp", "ewc", "ewc:old={old}:file={earlier}", "old_model:folder={old}", "mixout", "wise_ft", "layer_rates"),
        epochs=3,
        twin=False,
        clean="accuracy on the second task",
    ),
    "forgetting_one_head": Case(
        "as forgetting, but one head answers both tasks",
        "accuracy on the first task",
        forgetting_one_head,
        ("replay:file={earlier}",),
        epochs=3,
        twin=False,
        clean="accuracy on the second task",
    ),
}
