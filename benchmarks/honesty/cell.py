"""One world through the product: without review, with 150 rows reviewed, with every label known; and the habits beside it."""

import csv
import tempfile
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.component_truth import BOTH, PAIR, component_truth
from benchmarks.honesty.habits import Score, habits
from benchmarks.honesty.scores import counted, honest_score
from benchmarks.honesty.worlds import World, world
from veridical.audit._evidence import Evidence
from veridical.core.estimate import Estimate
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.ledger.accounting import account_tables, counted_rows, game_of, tables_of
from veridical.ledger.borrowing import frame_of_train
from veridical.ledger.coalitions import Coalitions
from veridical.ledger.contract import Contract, read_contract
from veridical.ledger.game import interactions
from veridical.ledger.inference import POWER_FACTOR
from veridical.ledger.reading import frame_of
from veridical.ledger.review import Frame, Review, ReviewParams, allocation, draw
from veridical.ledger.tables import Tables
from veridical.models.frozen_features import frozen_features
from veridical.models.linear import LinearModel, train_linear
from veridical.models.weights import resolve
from veridical.train.trained import Trained
from veridical.train.training import train

REVIEWED_ROWS = 150
TRAIN_ROWS = 100
RESAMPLED = 200
OF_A_DRAW = 10_000
"""Between the seeds of two samples of rows: beyond those of the worlds."""


def run_cell(
    name: str,
    base: str,
    seed: int,
    *,
    model: str,
    max_truth: int,
    draws: int = 1,
    more_reads: tuple[int, ...] = (),
    metric: str = "accuracy",
    ledger_only: bool = False,
    scores_only: bool = False,
) -> dict[str, Any]:
    """The raw result of one cell, ready for JSON. draws: samples of reviewed rows, each on its own. more_reads: sizes of larger
    reviews, as many samples of each. metric: of classifications; components have a truth, and habits a place, in accuracy
    alone. ledger_only: no review and no habits (for false alarms on nothing planted). scores_only: components are not held
    against their truth, which for leaks takes more trainings."""
    made = world(name, base, seed)
    data = dataset(made.train, made.test)
    encoded = cache(partial(frozen_features, data.inputs(), weights=resolve(model))) if model != "linear" else None
    evidence = Evidence(data, seed=seed, encoded=encoded)
    looked: list[LinearModel] = []
    if made.looks > 1:
        looked, trained = _chosen(made, data)
    else:
        with tempfile.TemporaryDirectory() as folder:
            trained = train(data, model=model, seed=seed, folder=Path(folder), clusters=evidence.clusters)
    with tempfile.TemporaryDirectory() as folder:
        contract = _contract(made, Path(folder))
        tables = tables_of(trained, evidence=evidence, contract=contract, seed=seed)
        oracle = Evidence(data, seed=seed, encoded=encoded)
        oracle.__dict__["clusters"] = np.unique([made.twins[row] for row in data.ids], return_inverse=True)[1].astype(np.int64)
        known = tables if ledger_only else tables_of(trained, evidence=oracle, contract=contract, seed=seed)
    if looked:
        said = _others(looked, trained, data)
        tables, known = replace(tables, looks=said), replace(known, looks=said)
    told = partial(_told, made=made, labels=data.labels, contract=contract, metric=metric)
    result: dict[str, Any] = {"world": name, "base": base, "seed": seed, "model": model, "no_review": told(tables)}
    result["noise_shape"] = tables.noise.shape
    if ledger_only:
        return result
    weights = counted_rows(
        tables, task=made.task, labels=data.labels, contract=contract, metric=metric if made.task == "classification" else None
    )
    answers, *others = (_answers(made, tables, weights, draw=draw) for draw in range(draws))
    larger = {str(n): [_answers(made, tables, weights, draw=draw, rows=n) for draw in range(draws)] for n in more_reads}
    train_answers = _train_answers(made, tables, seed=seed)
    true, plain = {}, {"as reported": _as_reported(data, tables, metric)}
    if metric == "accuracy":
        if not scores_only:
            true = component_truth(made, data=data, trained=trained, max_truth=max_truth, model=model, looked=looked)
        plain = habits(evidence, tables.predicted)
    result |= {
        "reviewed": told(tables, Review(answers)),
        "reviewed_and_train": told(tables, Review({**answers, **train_answers})),
        "reviewed_again": [_scores(told(tables, Review(other))) for other in others],
        "reviewed_more": {n: [_scores(told(tables, Review(one))) for one in ones] for n, ones in larger.items()},
        "oracle": told(known, Review({str(row): made.right[str(row)] for row in known.ids})),
        "habits": {habit: asdict(score) for habit, score in plain.items()},
        "truth": honest_score(made, trained, made.truth[:max_truth], metric=metric),
        "truth_contract": honest_score(made, trained, made.under(max_truth), metric=metric) if made.contract else None,
        "component_truth": {name: one.points for name, one in true.items()},
        "component_truth_error": {name: one.error for name, one in true.items()},
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


def _as_reported(data: Dataset, tables: Tables, metric: str) -> Score:
    """The metric of the test rows as given, with a plain bootstrap over rows."""
    codes, said = data.codes[data.rows("test")], tables.predicted
    rng, n = np.random.default_rng(0), len(codes)
    drawn = [counted(codes[at], said[at], metric=metric) for at in rng.integers(n, size=(RESAMPLED, n))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Score(counted(codes, said, metric=metric), float(low), float(high))


def _scores(account: dict[str, Any]) -> dict[str, Any]:
    return {what: account[what] for what in ("honest", "contract")}


def _answers(made: World, tables: Tables, weights: np.ndarray, *, draw: int, rows: int = REVIEWED_ROWS) -> dict[str, str]:
    """A person who is always right fills in the sheet that `veridical review --rows 150` would write. weights: what each row
    counts for in the scores, (S, n). draw: which of several."""
    return _drawn(made, frame_of(tables), weights, [str(row) for row in tables.ids], rows=rows, seed=made.seed + OF_A_DRAW * draw)


def _train_answers(made: World, tables: Tables, *, seed: int) -> dict[str, str]:
    strata = frame_of_train(tables.train)
    n = len(strata.stratum)
    return _drawn(made, strata, np.full(n, 1 / n), [str(row) for row in tables.train.ids], rows=TRAIN_ROWS, seed=seed)


def _drawn(made: World, strata: Frame, weights: np.ndarray, ids: list[str], *, rows: int, seed: int) -> dict[str, str]:
    none = np.zeros(0, np.int64)
    given = allocation(strata, weights, rows=rows, done=none, params=ReviewParams())
    return {ids[at]: made.right[ids[at]] for at in draw(strata, given, done=none, seed=seed)}


def _chosen(made: World, data: Dataset) -> tuple[list[LinearModel], Trained]:
    """Linear models, each of a half of train, and the one of them that scores best on the test set as given."""
    rows, test = data.rows("train"), data.rows("test")
    halves = [stream(made.seed, f"look {k}").choice(rows, len(rows) // 2, replace=False) for k in range(made.looks)]
    models = [train_linear(data.inputs(half), data.codes[half], labels=data.labels) for half in halves]
    scores = [float((model.predict(data.inputs(test)).argmax(axis=1) == data.codes[test]).mean()) for model in models]
    best = models[int(np.argmax(scores))]
    said = best.predict(data.inputs())
    return models, Trained(best, "linear", tuple(data.ids), said, data.labels, None, 0.0, external=False)


def _others(looked: list[LinearModel], trained: Trained, data: Dataset) -> IntArray:
    """What the models that were not chosen say of the test rows, (L, n)."""
    texts = data.inputs(data.rows("test"))
    return np.array([model.predict(texts).argmax(axis=1) for model in looked if model is not trained.model], np.int64)


def _told(
    tables: Tables, review: Review | None = None, *, made: World, labels: tuple[str, ...], contract: Contract | None, metric: str
) -> dict[str, Any]:
    """What is judged of a ledger. standard_error: smallest visible effect over 2.80, which is how the ledger makes that; where no
    row differs, of its rule of three. pairs: interactions of known size, also those that the ledger would not show."""
    metric = metric if made.task == "classification" else "accuracy"
    ledger = account_tables(
        tables, task=made.task, labels=labels, contract=contract, review=review, metric=metric, floors={}, candidates=[],
        seed=made.seed,
    )  # fmt: skip
    game = game_of(tables, task=made.task, labels=labels, contract=contract, review=review, metric=metric)
    return {
        "pairs": _pairs(game, seed=made.seed) if made.name in BOTH and game.reviewed is not None else {},
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


def _pairs(game: Coalitions, *, seed: int) -> dict[str, dict[str, Any]]:
    """The interaction whose truth is known, with the band that the ledger gives it; without a review it tells none."""
    found, uncertainty = interactions(game.active, game), game.uncertainty()
    critical = uncertainty.simultaneous_critical(list(found.values()), rng=stream(seed, "interactions"))
    middle, error = 100 * found[PAIR].score, 100 * uncertainty.standard_error(found[PAIR])
    low, high = middle - critical * error, middle + critical * error
    status = "measured" if low > 0 or high < 0 else "not_detected"
    return {" x ".join(PAIR): {"points": middle, "low": low, "high": high, "status": status, "standard_error": error}}


def _interval(estimate: Estimate) -> dict[str, float]:
    return asdict(Score(estimate.value, estimate.low, estimate.high))
