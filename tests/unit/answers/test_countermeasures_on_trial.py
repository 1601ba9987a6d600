"""A rare label that an encoder misses: what answers imbalance is proposed, tried on the locked rows and kept. Without a rare one
nothing is diagnosed, and where plain training learns all labels what is tried all the same is not kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tiny_encoder import TINY
from veridical.audit._runner import audit
from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Ledger
from veridical.core.progress import silent
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.config import RunConfig
from veridical.pipeline.routing import diagnosed, proposals, routed
from veridical.verify.judging import judging_of, labels_of

N = 800
HALF = np.arange(N // 2, N)
SCORE = Estimate(0.5, 0.4, 0.6, 0.95, N, N, "")
LEDGER = Ledger("macro_f1", "clusters", SCORE, SCORE, None, (), {})


def world(rare: float) -> Dataset:
    """Two labels that every row has, one that `good` gives, and one of `odd`, in a share `rare` of the rows."""
    rng, rows = np.random.default_rng(0), []
    for number in range(N):
        words, labels = [f"w{k}" for k in rng.integers(0, 20, 8)], ["FILM", "TEXT"]
        for word, share in (("good", 0.5), ("odd", rare)):
            if rng.random() < share:
                words[rng.integers(8)] = word
                labels.append(word.upper())
        answer = json.dumps(sorted(labels), separators=(",", ":"))
        rows.append({"id": f"r{number}", "split": "train", "text": " ".join(words), "label": answer})
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset("multilabel", pa.Table.from_pylist(rows, schema=SCHEMA), ("FILM", "GOOD", "ODD", "TEXT"), none)


def config(tiny_bert: str, *, epochs: int) -> RunConfig:
    training = replace(TINY, epochs=epochs)
    return RunConfig(task="multilabel", model=tiny_bert, metric="macro_f1", budget="standard", training=training)


def tried(data: Dataset, settings: RunConfig, folder: Path) -> tuple[str, str]:
    """(outcome, why) of focal, trained on one half of the rows and asked about the other."""
    opened = data.take(np.arange(N // 2))
    proposed = [one for one in proposals(("imbalance",), opened, kind="encoder", config=settings) if not one.unfit]
    assert [one.countermeasure for one in proposed] == ["focal"]
    clusters = np.arange(N)
    found = routed(
        opened, proposed=proposed, whole=data, clusters=clusters, opened_clusters=clusters[: N // 2], locked=HALF, weights=None,
        judging=judging_of("multilabel", metric="macro_f1", labels=data.labels, right=labels_of(data), clusters=clusters),
        votes="clusters", contract=None, kept=TrainedAnswers(folder), config=settings, progress=silent,
    )  # fmt: skip
    return found.arms[0].arm.outcome, found.arms[0].arm.why


def test_what_answers_a_rare_label_is_tried_and_kept(tiny_bert: str, tmp_path: Path) -> None:
    data = world(0.05)
    assert diagnosed(LEDGER, audit(data, checks=["class_imbalance"])) == ("imbalance",)
    outcome, why = tried(data, config(tiny_bert, epochs=3), tmp_path)
    assert outcome == "accepted", why
    kept = list(tmp_path.glob("*.npy"))  # what is killed here does not train these again
    assert len(kept) in (7, 10)  # where two seeds of plain training say the same, they are one model


def test_usual_labels_diagnose_nothing() -> None:
    assert diagnosed(LEDGER, audit(world(0.5), checks=["class_imbalance"])) == ()


def test_wrong_labels_of_train_rows_diagnose_noise_and_propose_what_answers_it(tiny_bert: str) -> None:
    data = world(0.3)
    answers = [json.loads(str(answer)) for answer in data.answers]
    for number in range(0, N, 11):
        answers[number] = sorted(set(answers[number]) ^ {"GOOD"})
    noisy = data.with_column("label", [json.dumps(answer) for answer in answers])
    assert diagnosed(LEDGER, audit(noisy, checks=["answer_errors"])) == ("noise",)
    found = proposals(("noise",), noisy, kind="encoder", config=config(tiny_bert, epochs=1))
    assert {one.countermeasure for one in found if not one.unfit} == {"forward_correction", "gce", "label_smoothing"}


@pytest.mark.slow
def test_where_plain_training_learns_all_labels_nothing_is_kept(tiny_bert: str, tmp_path: Path) -> None:
    outcome, why = tried(world(0.5), config(tiny_bert, epochs=8), tmp_path)
    assert outcome == "harmless", why


def test_of_places_in_a_text_only_what_leaves_the_loss_is_tried(tiny_bert: str) -> None:
    settings = RunConfig(task="qa", model=tiny_bert, metric="f1", budget="thorough", training=TINY)
    opened = world(0.5)
    found = proposals(("imbalance", "fragility"), opened, kind="encoder", config=settings)
    fit = {one.countermeasure for one in found if not one.unfit}
    assert fit == {"fgm", "freelb", "pgd", "r3f", "r_drop", "vat"}
    assert all("one label each" in one.unfit or "answers with places" in one.unfit for one in found if one.unfit)


def test_where_nothing_fits_all_that_answers_it_is_named(tiny_bert: str) -> None:
    """Of tags and answers, losses that weigh whole rows have no place."""
    settings = RunConfig(task="qa", model=tiny_bert, metric="f1", budget="thorough", training=TINY)
    (one,) = [one for one in proposals(("imbalance",), world(0.5), kind="encoder", config=settings) if one.unfit]
    assert "What else answers it does not fit either: " in one.unfit
    assert "logit_adjustment" in one.unfit
