"""The opponents: the loop that most scripts hold, and Hugging Face's Trainer, on the standard model class of each task.

Both: float32, all weights trained, plain cross-entropy, dropout as the weights come, AdamW with linear warm-up and decay,
clipping at 1. Nothing of veridical takes part but the rows and the scores.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from veridical.core.plugins import get
from veridical.dataset.rows import Dataset
from veridical.tasks._contract import Task

RATE, DECAY, WARMUP, LONGEST_ANSWER, N_BEST = 1e-4, 0.01, 0.1, 30, 20
PAD_TO = 128
Feature = dict[str, Any]
Fields = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A model and what it reads. features: of the train rows (windows for qa). asked: of the test rows. decode: outputs of the
    asked, in order -> codes or answers of the test rows."""

    model: Any
    tokenizer: Any
    features: list[Feature]
    asked: list[Feature]
    decode: Callable[[list[Any]], list[Any]]
    kind: str

    @property
    def n_tokens(self) -> int:
        """Real tokens of one pass over the train rows."""
        return sum(len(feature["input_ids"]) for feature in self.features)

    def padded(self, features: Sequence[Feature], *, pad_to: int) -> Fields:
        """One batch, padded to `pad_to` or to its longest row where that is longer."""
        width = max(pad_to, *(len(feature["input_ids"]) for feature in features))
        fill = {"input_ids": self.tokenizer.pad_token_id, "token_type_ids": 0, "attention_mask": 0, "labels": -100}
        batch = {}
        for name, first in features[0].items():
            values = [feature[name] for feature in features]
            if isinstance(first, list):
                values = [value + [fill[name]] * (width - len(value)) for value in values]
            batch[name] = torch.tensor(values)
        return batch


def prepared(data: Dataset, *, weights: str, max_length: int, seed: int, attention: str = "sdpa") -> Prepared:
    """The opponent of a task for these rows. weights: folder. max_length: tokens a row is cut to; windows for qa."""
    from transformers import AutoTokenizer, set_seed

    set_seed(seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(weights)
    task: Task = get("veridical.tasks", "task", data.task)
    build = {"words": _tags, "span": _spans}[task.structure.head] if task.structure else _classes
    return build(data, task, tokenizer, weights=weights, max_length=max_length, attention=attention)


def _model(name: str, weights: str, attention: str, **settings: Any) -> Any:
    import transformers

    transformers.logging.set_verbosity_error()
    return getattr(transformers, name).from_pretrained(weights, attn_implementation=attention, **settings)


def _classes(data: Dataset, task: Task, tokenizer: Any, *, weights: str, max_length: int, attention: str) -> Prepared:
    model = _model("AutoModelForSequenceClassification", weights, attention, num_labels=len(data.labels))
    if task.markers:
        tokenizer.add_special_tokens({"additional_special_tokens": list(task.markers)})
        model.resize_token_embeddings(len(tokenizer))

    def features(split: str) -> list[Feature]:
        rows = data.rows(split)
        coded = [
            tokenizer(*((text,) if isinstance(text, str) else text), truncation=True, max_length=max_length)
            for text in data.inputs(rows)
        ]
        return [{**one, "labels": int(max(code, 0))} for one, code in zip(coded, data.codes[rows], strict=True)]

    return Prepared(
        model, tokenizer, features("train"), features("test"), lambda out: [int(o.logits[0].argmax()) for o in out], "classes"
    )


def _tags(data: Dataset, task: Task, tokenizer: Any, *, weights: str, max_length: int, attention: str) -> Prepared:
    assert task.structure
    classes = task.structure.classes(data.labels)
    place = {name: code for code, name in enumerate(classes)}
    model = _model("AutoModelForTokenClassification", weights, attention, num_labels=len(classes))
    firsts: list[tuple[int, list[tuple[int, int]]]] = []

    def features(split: str) -> list[Feature]:
        found = []
        for row in data.rows(split):
            words, tags = data.texts[row].split(" "), str(data.answers[row]).split(" ")
            coded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length)
            heads = {}
            for at, word in enumerate(coded.word_ids()):
                if word is not None:
                    heads.setdefault(word, at)
            labels = [-100] * len(coded["input_ids"])
            for word, at in heads.items():
                labels[at] = place.get(tags[word], 0)
            if split == "test":
                firsts.append((len(words), list(heads.items())))
            found.append({**coded, "labels": labels})
        return found

    def decode(outputs: list[Any]) -> list[Any]:
        said = []
        for output, (n_words, heads) in zip(outputs, firsts, strict=True):
            tags = ["O"] * n_words
            for word, at in heads:
                tags[word] = classes[int(output.logits[0, at].argmax())]
            said.append(" ".join(tags))
        return said

    return Prepared(model, tokenizer, features("train"), features("test"), decode, "tags")


def _spans(data: Dataset, _task: Task, tokenizer: Any, *, weights: str, max_length: int, attention: str) -> Prepared:
    from veridical.tasks._span_answers import answers_in, said_as

    model = _model("AutoModelForQuestionAnswering", weights, attention)
    places: list[tuple[int, list[tuple[int, int] | None]]] = []

    def features(split: str) -> list[Feature]:
        found = []
        for row in data.rows(split):
            answer, start = answers_in(str(data.answers[row]), data.texts[row])[0]
            coded = tokenizer(
                (data.seconds or [""])[row], data.texts[row], truncation="only_second", max_length=max_length,
                stride=max_length // 4, return_overflowing_tokens=True, return_offsets_mapping=True,
            )  # fmt: skip
            for window in range(len(coded["input_ids"])):
                spans = [
                    span if part == 1 else None
                    for span, part in zip(coded["offset_mapping"][window], coded.sequence_ids(window), strict=True)
                ]
                ends = _ends(spans, start, start + len(answer))
                if split == "test":
                    places.append((int(row), spans))
                names = [name for name in ("input_ids", "token_type_ids", "attention_mask") if name in coded]
                found.append(
                    {name: coded[name][window] for name in names} | {"start_positions": ends[0], "end_positions": ends[1]}
                )
        return found

    def decode(outputs: list[Any]) -> list[Any]:
        best: dict[int, tuple[float, str]] = {}
        for output, (row, spans) in zip(outputs, places, strict=True):
            score, first, last = _best(output.start_logits[0].numpy(), output.end_logits[0].numpy(), spans)
            if row not in best or score > best[row][0]:
                best[row] = (score, data.texts[row][first:last])
        return [said_as(best[int(row)][1]) for row in data.rows("test")]

    return Prepared(model, tokenizer, features("train"), features("test"), decode, "span")


def _ends(spans: list[tuple[int, int] | None], start: int, end: int) -> tuple[int, int]:
    """Tokens that begin and end an answer; (0, 0) where the window does not hold it whole."""
    first = [at for at, span in enumerate(spans) if span and span[0] <= start < span[1]]
    last = [at for at, span in enumerate(spans) if span and span[0] < end <= span[1]]
    return (first[0], last[-1]) if first and last else (0, 0)


def _best(starts: Any, ends: Any, spans: list[tuple[int, int] | None]) -> tuple[float, int, int]:
    """The best pair among the N_BEST best starts and ends, as the usual script has it."""
    found = (-np.inf, 0, 0)
    for first in np.argsort(-starts)[:N_BEST]:
        for last in np.argsort(-ends)[:N_BEST]:
            begin, end = (spans[at] if at < len(spans) else None for at in (first, last))
            if begin and end and first <= last < first + LONGEST_ANSWER and starts[first] + ends[last] > found[0]:
                found = (float(starts[first] + ends[last]), begin[0], end[1])
    return found


def _share(step: int, n_steps: int) -> float:
    warm = max(1, round(WARMUP * n_steps))
    return (step + 1) / warm if step < warm else max(0.0, (n_steps - step) / max(1, n_steps - warm))


@dataclass
class Loop:
    """The plain loop. batch: rows a step."""

    given: Prepared
    batch: int
    epochs: int
    seed: int
    pad_to: int

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(self.given.model.parameters(), lr=RATE, weight_decay=DECAY)
        self.rng = np.random.default_rng(self.seed)
        self.n_steps, self.step = -(-len(self.given.features) // self.batch) * self.epochs, 0

    def batches(self) -> list[list[Feature]]:
        order = self.rng.permutation(len(self.given.features))
        return [[self.given.features[i] for i in order[at : at + self.batch]] for at in range(0, len(order), self.batch)]

    def learn(self, features: list[Feature]) -> int:
        """One step; the number of real tokens in it."""
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * _share(min(self.step, self.n_steps - 1), self.n_steps)
        fields = self.given.padded(features, pad_to=self.pad_to)
        self.given.model(**fields).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.given.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        return int(fields["attention_mask"].sum())

    def train(self) -> None:
        self.given.model.train()
        for _ in range(self.epochs):
            for features in self.batches():
                self.learn(features)

    def tokens_per_second(self, seconds: float) -> float:
        """Of as many steps as fit, after two to warm up."""
        self.given.model.train()
        batches = self.batches()
        for features in batches[:2]:
            self.learn(features)
        done, start = 0, time.perf_counter()
        for features in batches[2:]:
            done += self.learn(features)
            if time.perf_counter() - start > seconds:
                break
        return done / (time.perf_counter() - start)


def said_by(given: Prepared) -> list[Any]:
    """Codes or answers of the test rows."""
    given.model.eval()
    with torch.inference_mode():
        return given.decode([given.model(**_without_labels(given.padded([one], pad_to=0))) for one in given.asked])


def _without_labels(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name in ("input_ids", "attention_mask", "token_type_ids")}


def by_trainer(given: Prepared, *, batch: int, seed: int, max_steps: int = -1, epochs: int = 1) -> float:
    """Train with Hugging Face's Trainer and its collator that pads to the longest of a batch; tokens a second after two steps to
    warm up. max_steps: -1 for as many as the epochs have."""
    import transformers

    marks: list[float] = []
    seen: list[int] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_given: Any, **_named: Any) -> None:
            marks.append(time.perf_counter())

    kinds = {"classes": transformers.DataCollatorWithPadding, "tags": transformers.DataCollatorForTokenClassification}
    collator = kinds[given.kind](given.tokenizer) if given.kind in kinds else transformers.default_data_collator
    if given.kind == "span":
        collator = transformers.DataCollatorWithPadding(given.tokenizer)

    def collate(features: list[Feature]) -> Any:
        seen.append(sum(len(feature["input_ids"]) for feature in features))
        return collator(features)

    n_steps = max_steps if max_steps > 0 else -(-len(given.features) // batch) * epochs
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, use_cpu=True, per_device_train_batch_size=batch, learning_rate=RATE, weight_decay=DECAY,
            warmup_steps=round(WARMUP * n_steps), max_steps=max_steps, num_train_epochs=epochs, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, seed=seed,
        )  # fmt: skip
        trainer = transformers.Trainer(
            model=given.model, args=arguments, train_dataset=given.features, data_collator=collate, callbacks=[Clock()]
        )
        trainer.train()
    return sum(seen[2 : len(marks)]) / (marks[-1] - marks[1])
