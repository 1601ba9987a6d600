"""Each diagnosed component proposes the countermeasures known to answer it; they are tried on the locked fold, on top of the
repairs that won."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import get, names
from veridical.core.progress import Progress
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.config import RunConfig
from veridical.tasks._structures import structure_of
from veridical.train._knobs import PACKAGE, knobs

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset, IntArray, Text
    from veridical.ledger.contract import Contract
    from veridical.models.model import FloatArray
    from veridical.train._contract import Countermeasure
    from veridical.verify.countermeasure_arms import Answers, Routing, Taught
    from veridical.verify.countermeasure_verdict import Proposal
    from veridical.verify.judging import Judging

FOUND_BY = {"noise": ("label_errors", "answer_errors"), "imbalance": ("class_imbalance",)}
"""Component of what is learned from -> the checks whose findings diagnose it."""
TRANSFER = ("shortcut", "groups", "fragility")
"""Components of a contract, diagnosed where the ledger measured that they cost points."""
TRIED = {"quick": 2, "standard": 4, "thorough": 100}
"""Budget -> countermeasures tried for each component, at most; the cheapest first."""
NEEDS_TRAINING = (
    "Trying a countermeasure on an encoder takes five full trainings, which --budget quick does not do. Use --budget standard."
)


def routed(
    opened: "Dataset",
    *,
    proposed: "Sequence[Proposal]",
    whole: "Dataset",
    clusters: "IntArray",
    opened_clusters: "IntArray",
    locked: "IntArray",
    weights: dict[str, float] | None,
    judging: "Judging",
    votes: str,
    contract: "Contract | None",
    kept: TrainedAnswers | None,
    config: RunConfig,
    progress: Progress,
) -> "Routing":
    """The verdicts on every countermeasure proposed. opened: the rows that are not locked, with the winning repairs applied.
    contract: under which components of transfer are asked for. kept: where answers are kept while it lasts, None where training
    again costs little."""
    from veridical.verify.countermeasure_arms import Routing, tried_countermeasures

    if not proposed:
        return Routing()
    return tried_countermeasures(
        whole,
        clusters=clusters,
        locked=locked,
        proposals=proposed,
        teach=_teacher(opened, weights=weights, clusters=opened_clusters, kept=kept, config=config),
        judging=judging,
        votes=votes,
        contract=contract,
        transfer=TRANSFER,
        seed=config.seed,
        progress=progress,
    )


def diagnosed(ledger: Ledger, audit: AuditRecord) -> tuple[str, ...]:
    """Components that cost points, or whose cause stands among the train rows."""
    found = []
    for component, checks in FOUND_BY.items():
        if any(check.status == "found" for name in checks if (check := audit.check(name)) is not None):
            found.append(component)
    for part in ledger.components:
        player = part.name.split(":")[0]
        costs = part.kind == "transfer" and part.points is not None and part.status != "not_detected" and part.points.value > 0
        if costs and player in TRANSFER and player not in found:
            found.append(player)
    return tuple(found)


def proposals(components: Sequence[str], opened: "Dataset", *, kind: str, config: RunConfig) -> "list[Proposal]":
    """A proposal for each diagnosed component and countermeasure that answers it, within the budget, cheapest first; where none
    fits, one that says why."""
    from veridical.verify.countermeasure_verdict import Proposal

    known: dict[str, Countermeasure] = {name: get(PACKAGE, "countermeasure", name) for name in names(PACKAGE)}
    found: list[Proposal] = []
    taken = {name.partition(":")[0] for name in config.countermeasures}
    for component in components:
        answering = [name for name in known if component in known[name].answers and name not in taken]
        answering = [name for name in answering if not _by_words(known[name]) or _words(config)]
        answering.sort(key=lambda name: (price(known[name]), name))
        unfit = {name: _unfit(name, known[name], opened, kind=kind, config=config) for name in answering}
        tried = [name for name in answering if not unfit[name]][: TRIED[config.budget]]
        found += [Proposal(name, component, "") for name in tried]
        if answering and not tried:
            found.append(Proposal(answering[0], component, unfit[answering[0]] + _nor(answering[1:])))
        taken |= set(tried)
    return found


def _nor(others: Sequence[str]) -> str:
    """That what else answers a component fits no better."""
    return f" What else answers it does not fit either: {', '.join(others)}." if others else ""


def _by_words(countermeasure: "Countermeasure") -> bool:
    """Whether it must be told which words."""
    return any(field.name == "listed" for field in fields(countermeasure.params))


def _words(config: RunConfig) -> list[str]:
    """The words that the contract declares."""
    from veridical.ledger.contract import read_contract

    if not config.contract:
        return []
    return [shortcut.word for shortcut in read_contract(Path(config.contract), stored=True).shortcuts]


def told(name: str, config: RunConfig) -> "str | Countermeasure":
    """The countermeasure to train with; one that must be told which words is told those of the contract."""
    record: Countermeasure = get(PACKAGE, "countermeasure", name)
    return replace(record, params=replace(record.params, listed=tuple(_words(config)))) if _by_words(record) else name


def price(countermeasure: "Countermeasure") -> int:
    """About how many times plain training it costs: 3 with passes of its own, 2 with a training before, else 1."""
    if countermeasure.attack or countermeasure.beside:
        return 3
    return 2 if countermeasure.study else 1


def _unfit(name: str, countermeasure: "Countermeasure", opened: "Dataset", *, kind: str, config: RunConfig) -> str:
    """Why a countermeasure cannot be tried, empty where it can."""
    from veridical.train._contract import refuse_without_groups
    from veridical.train.answer_training import fitting_answers
    from veridical.train.training import fitting

    given = [*config.countermeasures, told(name, config)]
    try:
        if structure_of(config.task) is None:
            fitting(given, model=config.model, config=config.training)
        else:
            fitting_answers(given, task=config.task, model=config.model, config=config.training)
        refuse_without_groups(((name, countermeasure),), opened)
    except InputError as refused:
        return str(refused)
    return NEEDS_TRAINING if kind == "encoder" and config.budget == "quick" else ""


def _teacher(
    opened: "Dataset",
    *,
    weights: dict[str, float] | None,
    clusters: "IntArray",
    kept: TrainedAnswers | None,
    config: RunConfig,
) -> "Taught":
    """Trainings on the rows that are not locked."""
    if structure_of(config.task) is not None:
        return _teacher_of_answers(opened, clusters=clusters, kept=kept, config=config)
    from veridical.train.training import NO_ROWS, train

    rows = [opened.ids, opened.splits.tolist(), opened.inputs(), opened.codes, weights]

    def teach(name: str, seed: int) -> "Answers":
        def answers(inputs: "Sequence[Text]", state: Path | None = None) -> "FloatArray":
            model = train(
                opened,
                model=config.model,
                countermeasures=trained_with(config, name),
                config=config.training,
                seed=seed,
                folder=state,
                clusters=clusters,
                weights=weights,
                answering=NO_ROWS,
            ).model
            assert model is not None
            return model.predict(inputs)

        if kept is None:
            return answers
        return lambda inputs: kept.of(["countermeasure", name, seed, *rows, list(inputs)], lambda state: answers(inputs, state))

    return teach


def _teacher_of_answers(opened: "Dataset", *, clusters: "IntArray", kept: TrainedAnswers | None, config: RunConfig) -> "Taught":
    """The same where an answer is more than one label; rows have no weights."""
    from veridical.train.answer_training import train_answers

    rows = [opened.ids, opened.splits.tolist(), opened.inputs(), opened.answers]

    def teach(name: str, seed: int) -> "Answers":
        def said(inputs: "Sequence[Text]", state: Path | None = None) -> list[str]:
            model = train_answers(
                opened,
                model=config.model,
                countermeasures=trained_with(config, name),
                config=config.training,
                metric=config.metric,
                seed=seed,
                folder=state,
                clusters=clusters,
            ).model
            assert model is not None
            return model.answer(inputs).said

        if kept is None:
            return lambda inputs: np.array(said(inputs), dtype=object)
        return lambda inputs: kept.said(["countermeasure", name, seed, *rows, list(inputs)], lambda state: said(inputs, state))

    return teach


def trained_with(config: RunConfig, added: str | None) -> "Sequence[str | Countermeasure]":
    """The countermeasures of the configuration, and the one that is added to them."""
    return [*config.countermeasures, *([told(added, config)] if added else [])]


def knobs_of(name: str, config: RunConfig) -> dict[str, Any]:
    """The settings a countermeasure is tried with, as JSON takes them."""
    told_record = told(name, config)
    params = (get(PACKAGE, "countermeasure", name) if isinstance(told_record, str) else told_record).params
    found = {field.name: getattr(params, field.name) for field in knobs(params)}
    return found | ({"listed": list(params.listed)} if hasattr(params, "listed") else {})
