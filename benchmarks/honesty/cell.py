"""One world through the product: without review, with 150 rows reviewed, with every label known; and the habits beside it."""

import csv
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.component_truth import component_truth
from benchmarks.honesty.habits import Score, habits
from benchmarks.honesty.worlds import World, world
from veridical.audit._evidence import Evidence
from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Ledger
from veridical.ledger.accounting import account_tables, tables_of
from veridical.ledger.borrowing import frame_of_train
from veridical.ledger.contract import Contract, read_contract
from veridical.ledger.inference import POWER_FACTOR
from veridical.ledger.review import Frame, Review, ReviewParams, allocation, draw, frame
from veridical.ledger.tables import Tables
from veridical.train.trained import Trained
from veridical.train.training import train

REVIEWED_ROWS = 150
TRAIN_ROWS = 100


def run_cell(name: str, base: str, seed: int, *, model: str, max_truth: int, ledger_only: bool = False) -> dict[str, Any]:
    """The raw result of one cell, ready for JSON. ledger_only: no review and no habits (for false alarms on nothing planted)."""
    made = world(name, base, seed)
    data = dataset(made.train, made.test)
    evidence = Evidence(data, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        trained = train(data, model=model, seed=seed, folder=Path(folder), clusters=evidence.clusters)
    with tempfile.TemporaryDirectory() as folder:
        contract = _contract(made, Path(folder))
        tables = tables_of(trained, evidence=evidence, contract=contract, seed=seed)
        oracle = Evidence(data, seed=seed)
        oracle.__dict__["clusters"] = np.unique([made.twins[row] for row in data.ids], return_inverse=True)[1].astype(np.int64)
        known = tables if ledger_only else tables_of(trained, evidence=oracle, contract=contract, seed=seed)
    account = partial(
        account_tables,
        task="classification",
        labels=data.labels,
        contract=contract,
        metric=None,
        floors={},
        candidates=[],
        seed=seed,
    )
    plain = account(tables, review=None)
    result: dict[str, Any] = {"world": name, "base": base, "seed": seed, "model": model, "no_review": _told(plain)}
    result["noise_shape"] = tables.noise.shape
    if ledger_only:
        return result
    answers = _answers(made, tables)
    train_answers = _train_answers(made, tables, seed=seed)
    truth = _accuracy(trained, made.truth[:max_truth])
    under = _accuracy(trained, made.truth_contract[:max_truth]) if made.contract else None
    result |= {
        "reviewed": _told(account(tables, review=Review(answers))),
        "reviewed_and_train": _told(account(tables, review=Review({**answers, **train_answers}))),
        "oracle": _told(account(known, review=Review({str(row): made.right[str(row)] for row in known.ids}))),
        "habits": {habit: asdict(score) for habit, score in habits(evidence, tables.predicted).items()},
        "truth": truth,
        "truth_contract": under,
        "component_truth": component_truth(made, data=data, trained=trained, truth=truth, truth_contract=under, model=model),
        "leaked_found": int(tables.people.leaked.sum()),
        "leaked_planted": int(known.people.leaked.sum()),
    }
    return result


def _contract(made: World, folder: Path) -> Contract | None:
    if made.contract is None:
        return None
    if made.target:
        with (folder / "target.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(made.target[0]))
            out.writeheader()
            out.writerows(made.target)
    path = folder / "contract.yaml"
    path.write_text(yaml.safe_dump(made.contract), encoding="utf-8")
    return read_contract(path)


def _answers(made: World, tables: Tables) -> dict[str, str]:
    """A person who is always right fills in the sheet that `veridical review --rows 150` would write."""
    people = tables.people
    strata = frame(
        tables.noise,
        ids=[str(row) for row in tables.ids],
        codes=tables.codes,
        predicted=tables.predicted,
        leaked=people.leaked,
        params=ReviewParams(),
    )
    weights = people.vote if people.leaked.all() else people.projection(~people.leaked) @ people.target
    return _drawn(made, strata, weights, [str(row) for row in tables.ids], rows=REVIEWED_ROWS, seed=made.seed)


def _train_answers(made: World, tables: Tables, *, seed: int) -> dict[str, str]:
    strata = frame_of_train(tables.train)
    n = len(strata.stratum)
    return _drawn(made, strata, np.full(n, 1 / n), [str(row) for row in tables.train.ids], rows=TRAIN_ROWS, seed=seed)


def _drawn(made: World, strata: Frame, weights: np.ndarray, ids: list[str], *, rows: int, seed: int) -> dict[str, str]:
    none = np.zeros(0, np.int64)
    given = allocation(strata, weights, rows=rows, done=none, params=ReviewParams())
    return {ids[at]: made.right[ids[at]] for at in draw(strata, given, done=none, seed=seed)}


def _accuracy(trained: Trained, rows: list[dict[str, str | None]]) -> float:
    assert trained.model is not None
    predicted = trained.model.predict([str(row["text"]) for row in rows]).argmax(axis=1)
    codes = [trained.labels.index(str(row["label"])) for row in rows]
    return float((predicted == np.array(codes)).mean())


def _told(ledger: Ledger) -> dict[str, Any]:
    """What is judged of a ledger. standard_error: smallest visible effect over 2.80, which is how the ledger makes that; where no
    row differs, of its rule of three."""
    return {
        "honest": _interval(ledger.honest),
        "contract": _interval(ledger.contract.honest) if ledger.contract else None,
        "components": {
            c.name: {
                "points": c.points.value,
                "low": c.points.low,
                "high": c.points.high,
                "status": c.status,
                "standard_error": (c.mde or 0.0) / POWER_FACTOR,
            }
            for c in ledger.components
            if c.points is not None
        },
    }


def _interval(estimate: Estimate) -> dict[str, float]:
    return asdict(Score(estimate.value, estimate.low, estimate.high))
