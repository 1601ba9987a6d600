"""`veridical tune`: ways to tune one encoder on one data set, side by side. The test rows are not looked at."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical import __version__
from veridical.core import tuning_record
from veridical.core.atomic_write import write_json
from veridical.core.bootstrap import (
    FloatArray,
    IntArray,
    cluster_bootstrap_means,
    cluster_totals,
    percentile_interval,
    resampled_counts,
)
from veridical.core.errors import InputError, UnknownName
from veridical.core.estimate import Estimate
from veridical.core.progress import Progress, silent
from veridical.core.proportion import opened_difference, opened_share
from veridical.core.randomness import stream
from veridical.core.surroundings import PeakMemory, threads, use_threads
from veridical.core.tuning_record import TunedMethod, TuningRecord
from veridical.pipeline.config import RunConfig
from veridical.pipeline.groups_needed import refuse_no_group_column
from veridical.pipeline.identity import identity_of
from veridical.pipeline.loading import load_as_configured, use_engine
from veridical.pipeline.run_folder import RunFolder, claim
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.tasks._contract import Metric
    from veridical.train.answered import Answered
    from veridical.train.config import TrainConfig
    from veridical.train.trained import Trained

SCORED_SHARE = 0.2
"""Share of the train rows that are set apart to be scored when the data has no valid split, 0..1; whole clusters. Ours."""
FEWEST_SCORED = 30
"""Rows under which a comparison is refused. Ours; no source."""
READERS = 1000
"""Train rows at most on which readers of features are fitted, to see what tuning forgot. Ours; no source."""
REPLICATES = 2000
"""Resamples of the clusters. As in the ledger."""
LEVEL = 0.95
"""Confidence level of the intervals, 0..1."""
METHODS = ("full", "last_layers", "bitfit", "lora", "adapters", "head")
"""Every kind once; `head` solves for one label a row. Ours."""


def usual(config: RunConfig) -> list[str]:
    """What is compared when no methods are named: of METHODS those that the task has."""
    return [name for name in METHODS if name != "head" or structure_of(config.task) is None]


def tune(
    source: Path,
    *,
    config: RunConfig,
    methods: Sequence[str] = METHODS,
    out: Path | None = None,
    fresh: bool = False,
    progress: Progress = silent,
) -> tuple[Path, TuningRecord]:
    """Train the encoder of `config` in each way on the same rows, and score all of them on the same other rows.

    methods: names, each with knobs where wanted, as lora:rank=16:rate=5. Goes on where it was stopped, at the method it stood at.
    """
    ways = [_way(method, config.training) for method in methods]
    _check(config, methods)
    refuse_no_group_column(source, config)
    whole = identity_of("tune", source, config)
    whole["config"]["methods"] = list(methods)
    with claim(out, whole, threads=threads(), fresh=fresh) as folder:
        use_threads(folder.machine["threads"])
        use_engine(config)
        if not folder.finished:
            part = _parted(load_as_configured(source, config, progress), config, progress)
            tried = [_tried(folder.path / "methods" / _file_name(m), m, w, part, config, progress) for m, w in ways]
            tuning_record.save(_record(tried, part, config, folder), folder.path)
            folder.mark("finished", {})
            shutil.rmtree(folder.path / "methods", ignore_errors=True)
        return folder.path, tuning_record.read(folder.path)


def _way(method: str, training: "TrainConfig") -> tuple[str, "TrainConfig"]:
    """(what was asked for, the training settings it stands for)"""
    name, *knobs = (part.strip() for part in method.split(":"))
    return method, replace(training, tuning=name, tuning_knobs=tuple(knobs))


def _check(config: RunConfig, methods: Sequence[str]) -> None:
    """Refuse what cannot be compared before any long work."""
    from veridical.core.plugins import get
    from veridical.models.callable_name import is_callable_name
    from veridical.models.calls import is_address
    from veridical.models.weights import require_neural, resolve

    task = get("veridical.tasks", "task", config.task)
    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"--methods is {', '.join(methods) or 'empty'}; name each method once, for example full,lora,bitfit.")
    if config.model == "linear" or is_callable_name(config.model) or is_address(config.model):
        raise InputError(f"--model {config.model} has no encoder to tune. Give minilm, a folder or a hub id.")
    if config.metric not in task.metrics:
        raise UnknownName("metric", config.metric, task.metrics)
    if task.structure is not None:
        from veridical.train.answer_training import fitting_answers

        for _, way in [_way(method, config.training) for method in methods]:
            fitting_answers(config.countermeasures, task=config.task, model=config.model, config=way)
    require_neural(f"--model {config.model}")
    resolve(config.model)
    for method in methods:
        name = method.partition(":")[0].strip()
        get("veridical.train.tuning", "tuning", name).require(name)


def _file_name(method: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in method)


@dataclass(frozen=True, eq=False)
class _Part:
    """The rows that are used: train as it is, and those to be scored as `test`. clusters: (N,). n_left_out: see TuningRecord."""

    data: "Dataset"
    clusters: IntArray
    n_left_out: int
    scored_on: str

    @property
    def scored(self) -> IntArray:
        return self.data.rows("test")


def _parted(data: "Dataset", config: RunConfig, progress: Progress) -> _Part:
    """Test rows are put away; valid rows, or whole clusters of train rows, become those that are scored."""
    from veridical.audit._evidence import Evidence
    from veridical.train.training import cut_validation

    data = data.take(np.flatnonzero(data.splits != "test").astype(np.int64))
    clusters = Evidence(data, seed=config.seed, progress=progress).clusters
    train, scored, scored_on = data.rows("train"), data.rows("valid"), "valid"
    if not len(scored):
        train, scored = cut_validation(data, clusters=clusters, share=SCORED_SHARE, seed=config.seed)
        scored_on = "train"
    labelled = np.array([answer is not None for answer in data.answers]) if structure_of(data.task) else data.codes >= 0
    fit = scored[labelled[scored] & ~np.isin(clusters[scored], clusters[train])]
    if len(fit) < FEWEST_SCORED:
        raise InputError(
            f"{len(fit)} rows are left to score the methods on; {FEWEST_SCORED} are needed. Give more rows, or --valid FILE."
        )
    splits = data.splits.copy()
    splits[fit] = "test"
    kept = np.sort(np.concatenate([train, fit]))
    whole = data.with_column("split", splits.tolist())
    return _Part(whole.take(kept), clusters[kept], len(scored) - len(fit), scored_on)


def _tried(
    place: Path, method: str, training: "TrainConfig", part: _Part, config: RunConfig, progress: Progress
) -> dict[str, Any]:
    """What one method came to: read back where it is done. One that was interrupted starts anew, so that its time is whole."""
    from veridical.train.loop import LossNotFinite

    done = place / "done.json"
    if done.is_file():
        found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return found
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    import veridical.train.encoder_training  # noqa: F401 - what it loads is no need of the method that comes first

    memory = PeakMemory()
    try:
        measured = _trained(part, training, config, folder=place / "checkpoint", progress=progress)
    except (InputError, LossNotFinite) as error:
        shutil.rmtree(place / "checkpoint", ignore_errors=True)
        found = {"name": method, "why": str(error)}
    else:
        found = {"name": method, "memory_mb": memory.more_mb(), **measured(part, config)}
        shutil.rmtree(place / "checkpoint", ignore_errors=True)
    write_json(done, found)
    return found


def _trained(
    part: _Part, training: "TrainConfig", config: RunConfig, *, folder: Path, progress: Progress
) -> Callable[[_Part, RunConfig], dict[str, Any]]:
    """Train once; what was returned measures it."""
    given: dict[str, Any] = {
        "model": config.model, "countermeasures": config.countermeasures, "config": training, "seed": config.seed,
        "folder": folder, "clusters": part.clusters, "progress": progress,
    }  # fmt: skip
    if structure_of(config.task) is not None:
        from veridical.train.answer_training import train_answers

        return partial(_measured_answers, train_answers(part.data, metric=config.metric, **given))
    from veridical.train.training import train

    return partial(_measured, train(part.data, **given))


def _measured_answers(answered: "Answered", part: _Part, config: RunConfig) -> dict[str, Any]:
    """No drift: only features of whole texts are compared, and such a model reads words, or parts of a text."""
    assert answered.learned is not None
    return {
        "said": [str(answered.said[row]) for row in part.scored],
        "seconds": round(answered.seconds, 3),
        "learned": asdict(answered.learned),
        "warnings": list(answered.warnings),
    }


def _measured(trained: "Trained", part: _Part, config: RunConfig) -> dict[str, Any]:
    assert trained.learned is not None
    return {
        "predicted": trained.probabilities[part.scored].argmax(axis=1).tolist(),
        **_forgotten(trained, part, config),
        "seconds": round(trained.seconds, 3),
        "learned": asdict(trained.learned),
        "warnings": list(trained.warnings),
    }


def _forgotten(trained: "Trained", part: _Part, config: RunConfig) -> dict[str, Any]:
    """How far features of the scored rows moved, and what linear readers of them lost."""
    from veridical.models.weights import resolve
    from veridical.probe._forgotten import forgotten
    from veridical.probe._representation import EncoderInside

    inside, learned = EncoderInside(trained.model, resolve(config.model)), part.data.rows("train")
    fit = np.sort(stream(config.seed, "readers").permutation(learned)[:READERS])
    found = forgotten(inside, part.data, fit=fit, asked=part.scored, clusters=part.clusters, seed=config.seed)
    lost = found.lost.estimate(level=LEVEL, scale=100, method="linear readers, DeLong") if found.n_tasks else None
    return {"drift": found.drift.tolist(), "forgotten": lost and lost.to_json()}


def _record(tried: Sequence[dict[str, Any]], part: _Part, config: RunConfig, folder: RunFolder) -> TuningRecord:
    scored, data = part.scored, part.data
    methods = estimated(tried, _counted(data, scored, config.metric), part.clusters[scored], seed=config.seed)
    said = dict.fromkeys(warning for one in tried for warning in one.get("warnings", ()))
    return TuningRecord(
        veridical=__version__,
        metric=config.metric,
        model=config.model,
        seed=config.seed,
        n_train=len(data.rows("train")),
        n_scored=len(scored),
        n_clusters=len(np.unique(part.clusters[scored])),
        n_left_out=part.n_left_out,
        scored_on=part.scored_on,
        level=LEVEL,
        methods=methods,
        config=asdict(config),
        fingerprints={"data": data.fingerprint, **folder.identity["data"]},
        warnings=(*data.warnings, *said),
    )


Counted = tuple["Metric", Callable[[dict[str, Any]], FloatArray]]
"""The metric, and what gives the statistics (N, 3W) of what a method said on the scored rows."""


def _counted(data: "Dataset", scored: IntArray, metric: str) -> Counted:
    from veridical.core.plugins import get

    task = get("veridical.tasks", "task", data.task)
    if task.structure is None:
        counted: Metric = task.metric(metric, data.labels)
        return counted, partial(confusion, data.codes[scored], n_classes=len(data.labels), metric=counted)
    measure, gold = task.structure.measures[metric], [str(data.answers[row]) for row in scored]
    names = tuple(dict.fromkeys((*data.labels, *(task.structure.shape.names(gold) if data.labels else ()))))

    def statistics(one: dict[str, Any]) -> FloatArray:
        found: FloatArray = measure.margins(gold, one["said"], names).stacked()
        return found

    return measure.metric, statistics


def confusion(codes: IntArray, one: dict[str, Any], *, n_classes: int, metric: "Metric") -> FloatArray:
    """Earned, true and predicted of each row, (N, 3C)."""
    from veridical.tasks._class_metrics import margins

    return margins(codes, np.asarray(one["predicted"], np.int64), n_classes=n_classes, metric=metric).stacked()


def estimated(tried: Sequence[dict[str, Any]], counted: Counted, clusters: IntArray, *, seed: int) -> tuple[TunedMethod, ...]:
    """Scores, paired differences to the first method that was trained, and drift; all methods share the resamples.

    Differences are simultaneous: each at a level that, over all of them, leaves LEVEL (Bonferroni).
    """
    names = np.unique(clusters)
    counts = resampled_counts(len(names), REPLICATES, stream(seed, "tune"))
    first: tuple[float, FloatArray] | None = None
    n_others = max(1, sum("learned" in one for one in tried) - 1)
    made = []
    for one in tried:
        if "learned" not in one:
            made.append(TunedMethod(one["name"], None, None, 0, 0, 0.0, None, None, None, one["why"]))
            continue
        value, replicates = _scores(counted, one, clusters, counts)
        about = (len(clusters), len(names))
        interval = percentile_interval(replicates, value, LEVEL)
        score = Estimate(value, *opened_share(interval, value, n=len(names)), LEVEL, *about, "cluster bootstrap")
        difference = None
        if first is not None:
            gain, draws = 100 * (value - first[0]), 100 * (replicates - first[1])
            level = 1 - (1 - LEVEL) / n_others
            interval = percentile_interval(draws, gain, level)
            interval = opened_difference(interval, gain, n=len(names), level=level, unit=100.0)
            difference = Estimate(gain, *interval, LEVEL, *about, f"paired cluster bootstrap, Bonferroni over {n_others}")
        first = first or (value, replicates)
        learned, drift = one["learned"], one.get("drift")
        made.append(
            TunedMethod(
                one["name"],
                score,
                difference,
                learned["n_trained"],
                learned["n_all"],
                one["seconds"],
                one["memory_mb"],
                None if drift is None else _mean(np.asarray(drift, np.float64), clusters, seed=seed),
                Estimate.from_json(one["forgotten"]) if one.get("forgotten") else None,
            )
        )
    return tuple(made)


def _scores(counted: Counted, one: dict[str, Any], clusters: IntArray, counts: FloatArray) -> tuple[float, FloatArray]:
    """(the metric, its replicates (R,)). counts: (R, K)."""
    metric, statistics = counted
    totals = cluster_totals(statistics(one), clusters)
    return _value(metric, totals.sum(axis=0)), np.array([_value(metric, row) for row in counts @ totals])


def _value(metric: "Metric", totals: FloatArray) -> float:
    return metric(*np.split(totals, 3))


def _mean(values: FloatArray, clusters: IntArray, *, seed: int) -> Estimate:
    replicates = cluster_bootstrap_means(values[:, None], clusters, REPLICATES, stream(seed, "drift"))[:, 0]
    value = float(values.mean())
    n_clusters = len(np.unique(clusters))
    return Estimate(value, *percentile_interval(replicates, value, LEVEL), LEVEL, len(values), n_clusters, "cluster bootstrap")
