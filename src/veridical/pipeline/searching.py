"""`--search N`: N trainings with other settings, scored on validation rows; the best settings train the model of the run.

Test rows are put away before the first trial. The study is Optuna's, in search/study.db of the run folder: a trial that was
interrupted goes on from its saved state, and what is suggested next depends on the seed and the trials before alone.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError, MissingExtra
from veridical.core.progress import Progress
from veridical.core.search_record import SearchRecord, Trial
from veridical.core.surroundings import place_among_processes
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import is_address
from veridical.pipeline.config import RunConfig
from veridical.train.search_space import Range, changed, space_of
from veridical.train.watching import EpochSeen, StepSeen

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.bootstrap import FloatArray, IntArray
    from veridical.dataset.rows import Dataset
    from veridical.tasks._contract import Structure

FOLDER = "search"
STUDY, RECORD = "study.db", "search.json"
AT_RANDOM = 10
"""Trials before the sampler (Bergstra et al. 2011) learns from those before. Optuna's default."""
UNPRUNED, UNPRUNED_EPOCHS = 5, 1
"""Complete trials, and epochs of a trial, before one is ended early. Five is Optuna's default; one epoch is ours: warm-up."""
FEWEST_ROWS = 30
"""Validation rows below which a search is refused. Ours; no source."""
PER_TRIAL = 1000
"""Parts in which the progress of one trial is said."""


def check_search(config: RunConfig) -> None:
    """Refuse before any work what cannot be searched."""
    if not config.search:
        if config.search_over:
            raise InputError("--search-over says what --search N changes; give --search too, for example --search 20.")
        return
    if config.search < 2:
        raise InputError(f"--search is {config.search}; it must be 2 or more, so that there is something to choose.")
    if config.predictions or is_callable_name(config.model) or is_address(config.model):
        what = "--predictions" if config.predictions else f"--model {config.model}"
        raise InputError(f"--search tries settings of training, and {what} is not trained here. Leave --search out.")
    if config.split == "folds":
        raise InputError(
            "--split folds tests every row, which leaves none to search on. Use --split clusters, or leave --search out."
        )
    if config.training.tuning == "head":
        raise InputError(
            "--tuning head solves for its head and takes no steps, so there is nothing to search. Leave --search out."
        )
    if place_among_processes()[1] > 1:
        raise InputError("--search works in one process. Search without torchrun, then train in many with the settings it found.")
    space_of(config.search_over, linear=config.model == "linear")
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        raise MissingExtra("--search", "search")


def with_chosen(config: RunConfig, found: SearchRecord | None) -> RunConfig:
    """The configuration that trains: with the settings that the search chose, and nothing left to search."""
    if found is None:
        return config
    return replace(config, search=0, search_over=(), training=changed(config.training, found.best.settings))


def read_search(folder: Path) -> SearchRecord | None:
    """What a finished search left in the run folder."""
    path = folder / FOLDER / RECORD
    return SearchRecord.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


@dataclass(frozen=True, eq=False)
class _Ground:
    """What all trials share. data: without test rows. valid: those to be scored. clusters: (N,)."""

    data: "Dataset"
    valid: "IntArray"
    clusters: "IntArray"
    valid_from: str
    structure: "Structure | None"
    config: RunConfig

    def said(self, trial: dict[str, float | int], *, place: Path, watcher: "_Pruning", progress: Progress) -> list[Any]:
        """Answers to the validation rows of a model with these settings."""
        config, training = self.config, changed(self.config.training, trial)
        if self.structure is None:
            from veridical.train.training import train

            trained = train(
                self.data, model=config.model, countermeasures=config.countermeasures, config=training, seed=config.seed,
                folder=place, clusters=self.clusters, watcher=watcher, answering=self.valid, progress=progress,
            )  # fmt: skip
            return [int(code) for code in trained.probabilities[self.valid].argmax(axis=1)]
        from veridical.train.answer_training import train_answers

        answered = train_answers(
            self.data, model=config.model, countermeasures=config.countermeasures, config=training, metric=config.metric,
            seed=config.seed, folder=place, clusters=self.clusters, watcher=watcher, progress=progress,
        )  # fmt: skip
        return [str(answered.said[row]) for row in self.valid]

    def table(self, said: list[Any]) -> "FloatArray":
        """Statistics (n, 3W) of answers to the validation rows."""
        import numpy as np

        from veridical.ledger.score_table import statistics

        if self.structure is None:
            n = len(self.data.labels)
            true, found = np.eye(n)[self.data.codes[self.valid]], np.asarray(said, np.int64)
            return statistics(true, ((found, 1.0),), metric=self.metric()).stacked()
        gold = [str(self.data.answers[row]) for row in self.valid]
        return self.structure.measures[self.config.metric].margins(gold, said, self.data.labels).stacked()

    def metric(self) -> Any:
        from veridical.ledger.accounting import counting

        if self.structure is None:
            return counting(self.config.task, self.config.metric, self.data.labels).metric
        return self.structure.measures[self.config.metric].metric

    def score(self, said: list[Any]) -> float:
        from veridical.tasks._totals import value

        return value(self.metric(), self.table(said).mean(axis=0))


def search(
    evidence: "Evidence", *, config: RunConfig, structure: "Structure | None", run: Path, progress: Progress
) -> SearchRecord:
    """Try settings, and write search.json into the run folder. Goes on where it was stopped."""
    ground = _ground(evidence, config, structure)
    space, folder = space_of(config.search_over, linear=config.model == "linear"), run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with _study(folder) as study:
        if not study.get_trials(deepcopy=False):
            given = {name: getattr(config.training, name) for name in space}
            if all(space[name].holds(value) for name, value in given.items()):
                study.enqueue_trial(given)
        while (number := len(_told(study)) + 1) <= config.search:
            _tried(study, ground, number=number, space=space, folder=folder, progress=progress)
        found = _record(_told(study), ground, space=space, folder=folder)
    write_json(folder / RECORD, found.to_json())
    for left in folder.glob("trial-*"):  # of a kill after its trial was told
        shutil.rmtree(left, ignore_errors=True)
    return found


def refuse_too_few(data: "Dataset", config: RunConfig) -> None:
    """Before the audit: validation rows that --search cannot choose by, as many as there are or will be."""
    if config.search:
        there = len(data.rows("valid"))
        _refuse_few(there or round(config.training.validation_share * len(data.rows("train"))), config)


def _refuse_few(n: int, config: RunConfig) -> None:
    if n < FEWEST_ROWS:
        raise InputError(
            f"--search has {n} validation rows to choose by; {FEWEST_ROWS} are needed. Give --valid FILE, more rows, or "
            f"a larger --validation-share than {config.training.validation_share:g}."
        )


def _ground(evidence: "Evidence", config: RunConfig, structure: "Structure | None") -> _Ground:
    """The test rows put away, and the validation rows that training will have, marked as such."""
    import numpy as np

    from veridical.train.training import validation_part

    kept = np.flatnonzero(evidence.data.splits != "test").astype(np.int64)
    data, clusters = evidence.data.take(kept), evidence.clusters[kept]
    valid_from = "valid" if len(data.rows("valid")) else "train"
    _, valid = validation_part(data, clusters=clusters, share=config.training.validation_share, seed=config.seed)
    if valid_from == "train" and len(valid):
        splits = data.splits.copy()
        splits[valid] = "valid"
        data = data.with_column("split", splits.tolist())
    labelled = (
        data.codes[valid] >= 0 if structure is None else np.array([data.answers[row] is not None for row in valid], np.bool_)
    )
    valid = valid[labelled]
    _refuse_few(len(valid), config)
    return _Ground(data, valid, clusters, valid_from, structure, config)


@contextmanager
def _study(folder: Path) -> Iterator[Any]:
    import optuna
    from sqlalchemy import URL

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    address = URL.create("sqlite", database=str((folder / STUDY).resolve()))
    storage = optuna.storages.RDBStorage(address.render_as_string(hide_password=False))
    try:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED, n_warmup_steps=UNPRUNED_EPOCHS)
        yield optuna.create_study(study_name=FOLDER, storage=storage, direction="maximize", pruner=pruner, load_if_exists=True)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _told(study: Any) -> list[Any]:
    """Trials that are over, in their order. One that a kill left before its settings were whole counts for nothing."""
    from optuna.trial import TrialState as State

    over = study.get_trials(deepcopy=False, states=(State.COMPLETE, State.PRUNED, State.FAIL))
    return [trial for trial in over if trial.state != State.FAIL or "why" in trial.user_attrs]


def _begun(study: Any, *, number: int, space: dict[str, Range], seed: int) -> Any:
    """The trial that was interrupted, or a new one. Its settings hang on the seed, its number and the trials before."""
    import optuna
    from optuna.trial import TrialState as State

    from veridical.core.randomness import stream

    study.sampler = optuna.samplers.TPESampler(
        seed=int(stream(seed, f"search/{number}").integers(2**32)), n_startup_trials=AT_RANDOM
    )
    for left in study.get_trials(deepcopy=False, states=(State.RUNNING,)):
        if left.params.keys() == space.keys():
            return optuna.trial.Trial(study, left._trial_id)
        study.tell(left.number, state=State.FAIL)
    return study.ask({name: _distribution(bounds) for name, bounds in space.items()})


def _distribution(bounds: Range) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    if bounds.scale == "whole":
        return IntDistribution(int(bounds.low), int(bounds.high))
    return FloatDistribution(bounds.low, bounds.high, log=bounds.scale == "log")


@dataclass(slots=True)
class _Pruning:
    """A watcher that tells the study how a trial goes, and ends it where it falls behind."""

    trial: Any

    def begins(self, step: int, epoch: int) -> None: ...

    def after_step(self, seen: StepSeen) -> None: ...

    def after_epoch(self, seen: EpochSeen) -> bool:
        if seen.score is None:
            return True
        if seen.epoch - 1 not in self.reported():  # told before a kill, and now again
            self.trial.report(seen.score, seen.epoch - 1)
        return not self.trial.should_prune()

    def reported(self) -> dict[int, float]:
        """Score after each epoch, from 0."""
        frozen = self.trial.study.get_trials(deepcopy=False)[self.trial.number]
        return dict(frozen.intermediate_values)


def _tried(study: Any, ground: _Ground, *, number: int, space: dict[str, Range], folder: Path, progress: Progress) -> None:
    """One trial, from its saved state where there is one, told to the study at its end."""
    from optuna.trial import TrialState as State

    from veridical.train.loop import LossNotFinite

    n = ground.config.search

    def said_so_far(stage: str, done: int, total: int) -> None:
        if stage == "train" and total:
            progress("search", (number - 1) * PER_TRIAL + PER_TRIAL * done // total, n * PER_TRIAL)

    trial = _begun(study, number=number, space=space, seed=ground.config.seed)
    settings, watcher, place = dict(trial.params), _Pruning(trial), folder / f"trial-{number}"
    try:
        said = ground.said(settings, place=place, watcher=watcher, progress=said_so_far)
    except (InputError, LossNotFinite) as error:
        trial.set_user_attr("why", str(error).replace(str(folder), FOLDER))
        study.tell(trial, state=State.FAIL)
    else:
        write_json(_answers(folder, number), said)
        early = len(watcher.reported()) < settings.get("epochs", ground.config.training.epochs)
        trial.set_user_attr("score", ground.score(said))
        # What was pruned is told without a score: Optuna takes that of its last epoch.
        pruned = early and trial.should_prune()
        study.tell(trial, state=State.PRUNED) if pruned else study.tell(trial, ground.score(said))
    shutil.rmtree(place, ignore_errors=True)


def _answers(folder: Path, number: int) -> Path:
    return folder / f"answers-{number}.json"


def _record(told: list[Any], ground: _Ground, *, space: dict[str, Range], folder: Path) -> SearchRecord:
    import numpy as np

    from veridical.ledger.reuse import best_of

    trials = tuple(_trial(number, trial) for number, trial in enumerate(told, 1))
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        why = next((trial.why for trial in trials if trial.why), "")
        raise InputError(f"None of the {len(trials)} trials of the search could be trained. The first: {why}")
    best = max(complete, key=lambda trial: (trial.score or 0.0, -trial.number))
    answers = {trial.number: json.loads(_answers(folder, trial.number).read_text(encoding="utf-8")) for trial in complete}
    others = [answers[trial.number] for trial in complete if answers[trial.number] != answers[best.number]]
    distinct = [said for at, said in enumerate(others) if said not in others[:at]]
    cluster = ground.clusters[ground.valid]
    chosen = best_of(
        [ground.table(said) for said in (answers[best.number], *distinct)],
        same=len(complete) - 1 - len(others), cluster=cluster, metric=ground.metric(), seed=ground.config.seed,
    )  # fmt: skip
    return SearchRecord(
        metric=ground.config.metric,
        n_valid=len(ground.valid),
        n_clusters=len(np.unique(cluster)),
        valid_from=ground.valid_from,
        space={name: asdict(bounds) for name, bounds in space.items()},
        trials=trials,
        chosen=best.number,
        n_distinct=chosen.k,
        optimism=chosen.optimism,
        bound=chosen.bound,
        looks=sum(len(trial.epochs) or trial.score is not None for trial in trials),
    )


def _trial(number: int, told: Any) -> Trial:
    state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[told.state.name]
    epochs = tuple(score for _, score in sorted(told.intermediate_values.items()))
    score = told.value if state == "complete" else told.user_attrs.get("score")
    return Trial(number, state, score, dict(told.params), epochs, told.user_attrs.get("why", ""))
