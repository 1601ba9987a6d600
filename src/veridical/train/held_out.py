"""How well a pre-trained model answers its own questions on documents: perplexity and accuracy, clustered by document."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from veridical.core.bootstrap import FloatArray, cluster_bootstrap_means, percentile_interval
from veridical.core.estimate import Estimate
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models._pretraining_network import PretrainingNetwork
from veridical.train._objectives import Lesson, Part
from veridical.train.packing import Pieces, Row, Special, rows_of, shown
from veridical.train.pretraining import loss_of

REPLICATES = 2000
"""Resamples of the clusters. As in the ledger."""
LEVEL = 0.95
"""Confidence level of the intervals, 0..1."""
AT_ONCE = 4096
"""Tokens in a batch when nothing is learned. Ours; no source."""
METHOD = "cluster bootstrap over documents"


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """Of each document, (N,): summed loss in nats, the same of the floor, answers that were right, those that the floor has
    right, and how many were wanted."""

    loss: FloatArray
    floor_loss: FloatArray
    right: FloatArray
    floor_right: FloatArray
    wanted: FloatArray


def answer_frequencies(pieces: Pieces, special: Special) -> FloatArray:
    """Log share of each entry among the tokens of the text and its ends, one added to each, (V,)."""
    counts = np.bincount(pieces.ids, minlength=special.size).astype(np.float64) + 1
    counts[special.close] += len(pieces.document)
    return np.asarray(np.log(counts / counts.sum()))


def scores(
    network: PretrainingNetwork,
    lesson: Lesson,
    pieces: Pieces,
    special: Special,
    *,
    n_documents: int,
    frequencies: FloatArray,
    max_length: int,
    dtype: str,
) -> dict[str, Scores]:
    """What every part of the lesson scores on each document. What is hidden is drawn from a fixed stream, whatever the seed of
    the training, so that models with one tokenizer are asked the same."""
    found = {}
    network.eval()
    for number, turn in enumerate(lesson.turns):
        rows = rows_of(pieces, lesson.layout(number), max_length=max_length, rng=None)
        for part in turn:
            sums = np.zeros((5, n_documents))
            for draw in range(part.objective.draws):
                for at, batch in enumerate(_batches(rows, max_length)):
                    rng = stream(draw, f"held-out/{part.name}/{at}")
                    _add(sums, network, part, batch, pieces, special, frequencies, rng, dtype=dtype)
            found[part.name] = Scores(*sums)
    return found


def _batches(rows: list[Row], max_length: int) -> list[list[Row]]:
    size = max(1, AT_ONCE // max_length)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _add(
    sums: FloatArray, network: PretrainingNetwork, part: Part, batch: list[Row], pieces: Pieces, special: Special,
    frequencies: FloatArray, rng: np.random.Generator, *, dtype: str,
) -> None:  # fmt: skip
    given, asked = part.objective.ask(shown(batch, pieces, special), part.params, special, rng)
    if not len(asked):
        return
    with torch.inference_mode(), torch.autocast(network.device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        (losses,) = loss_of(network, given, [(part, asked)])
    loss = losses.double().cpu().numpy()
    if part.objective.head == "pair":
        floor, floor_right = np.full(len(asked), np.log(2.0)), (asked.code == 0).astype(np.float64)
        right = (loss < np.log(2.0)).astype(np.float64)  # of two answers the likelier one is right
    else:
        floor, floor_right, right = -frequencies[asked.code], np.zeros(len(asked)), np.zeros(len(asked))
    for total, values in zip(sums, (loss, floor, right, floor_right, np.ones(len(asked))), strict=True):
        np.add.at(total, asked.owner, values)


def perplexity(loss: FloatArray, wanted: FloatArray, clusters: IntArray, *, name: str) -> Estimate:
    """The exponential of the mean loss of an answer. clusters: (N,) of the documents."""
    return _ratio(loss, wanted, clusters, name=name, of=np.exp)


def share(hits: FloatArray, wanted: FloatArray, clusters: IntArray, *, name: str) -> Estimate:
    """The share of answers that are right."""
    return _ratio(hits, wanted, clusters, name=name, of=lambda mean: mean)


def bits(loss: FloatArray, characters: FloatArray, clusters: IntArray, *, name: str) -> Estimate:
    """Bits a character, loss in nats."""
    return _ratio(loss / np.log(2.0), characters, clusters, name=name, of=lambda mean: mean)


def _means(total: FloatArray, wanted: FloatArray, clusters: IntArray, name: str) -> tuple[float, FloatArray, IntArray]:
    """(total / wanted, its replicates, clusters of the documents that had answers)"""
    held = wanted > 0
    total, wanted, clusters = total[held], wanted[held], clusters[held]
    draws = cluster_bootstrap_means((total / wanted)[:, None], clusters, REPLICATES, stream(0, name), weights=wanted)[:, 0]
    return float(total.sum() / wanted.sum()), draws, clusters


def _ratio(total: FloatArray, wanted: FloatArray, clusters: IntArray, *, name: str, of: Any) -> Estimate:
    mean, draws, held = _means(total, wanted, clusters, name)
    value = float(of(mean))
    return Estimate(value, *percentile_interval(of(draws), value, LEVEL), LEVEL, len(held), len(np.unique(held)), METHOD)


def perplexity_ratio(
    held_out: tuple[FloatArray, FloatArray, IntArray], train: tuple[FloatArray, FloatArray, IntArray], *, name: str
) -> Estimate:
    """Held-out perplexity / train perplexity; each (loss, wanted, clusters). Different documents: the two vary independently."""
    one, draws, clusters = _means(*held_out, f"{name}/held-out")
    other, others, _ = _means(*train, f"{name}/train")
    value = float(np.exp(one - other))
    interval = percentile_interval(np.exp(draws - others), value, LEVEL)
    return Estimate(value, *interval, LEVEL, len(clusters), len(np.unique(clusters)), METHOD)
