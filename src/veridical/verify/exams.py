"""What a trained model is asked about the locked fold: its rows as they are, or as a contract says that they will arrive.

Under a contract every row may be asked in several versions (with and without a cue, edited), each with its share of the row's
vote, and rows are weighted so that groups have the contract's shares. A target is left out: its rows are not in the fold.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.plugins import get
from veridical.core.randomness import stream
from veridical.dataset.cue import holds
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.ledger.contract import Contract, Perturbation, Shortcut
from veridical.ledger.reweighting import Margin, group_margin, independent_margin, raked
from veridical.ledger.tables import cue_texts
from veridical.ledger.transfer import edited_texts, group_codes
from veridical.models.model import FloatArray
from veridical.probe.answers._edits import perturbed
from veridical.tasks._contract import Task
from veridical.verify.scoring import Yardstick

FEWEST_OF_GROUP = 20
"""Locked rows of a group below which its share would hang on a handful of them. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Exam:
    """inputs: what is asked, E of them. row: place among the locked rows of each, (E,). share: of its row's vote, (E,); a row's
    shares sum to its weight, and the weights of all rows to their number. shows: the contract's players that it shows."""

    inputs: list[Text]
    row: IntArray
    share: FloatArray
    shows: tuple[str, ...] = ()

    def ruler(self, base: Yardstick) -> Yardstick:
        """The yardstick of the locked rows, for the answers to this exam."""
        return base.asked(self.row, self.share)


def as_it_is(data: Dataset, locked: IntArray) -> Exam:
    """Each locked row once."""
    n = len(locked)
    return Exam(data.inputs(locked), np.arange(n, dtype=np.int64), np.ones(n))


def under_contract(data: Dataset, locked: IntArray, contract: Contract, *, seed: int) -> Exam | None:
    """The locked rows as the contract says that rows arrive; None where it says nothing that the fold can show."""
    if contract.groups and _thin_group(data, locked, contract):
        contract = Contract(contract.name, contract.votes, contract.shortcuts, contract.sha256, (), contract.perturbation)
    if not (contract.shortcuts or contract.groups or contract.perturbation):
        return None
    cues = np.stack([holds(data.inputs(locked), s.word) for s in contract.shortcuts], axis=1) if contract.shortcuts else None
    versions = _cue_versions(data, locked, contract.shortcuts, cues, seed=seed)
    if contract.perturbation:
        versions = _edited(versions, contract.perturbation, edit=_editing(data, locked, contract.perturbation, seed=seed))
    weight = _row_weights(data, locked, contract, cues)
    n = len(locked)
    inputs = [text for texts, _ in versions for text in texts]
    share = np.concatenate([part * weight for _, part in versions])
    row = np.tile(np.arange(n, dtype=np.int64), len(versions))
    asked = np.flatnonzero(share > 0)
    shows = ("shortcut",) * bool(contract.shortcuts) + ("groups",) * bool(contract.groups)
    shows += ("fragility",) * (contract.perturbation is not None)
    return Exam([inputs[place] for place in asked], row[asked], share[asked], shows)


Version = tuple[list[Text], FloatArray]
"""A text for every locked row, and the share of each row's vote that it has, (L,)."""


def _cue_versions(
    data: Dataset, locked: IntArray, shortcuts: Sequence[Shortcut], cues: np.ndarray | None, *, seed: int
) -> list[Version]:
    """Every combination of the cues that are put in or taken out; one that is only reweighted stays as it stands."""
    n = len(locked)
    movable = [position for position, shortcut in enumerate(shortcuts) if shortcut.op != "reweight"]
    if not movable or cues is None:
        return [(data.inputs(locked), np.ones(n))]
    texts = cue_texts(data, locked, tuple(shortcuts), seed=seed)
    found = []
    for column in range(2 ** len(shortcuts)):
        if any(column >> position & 1 for position in range(len(shortcuts)) if position not in movable):
            continue
        share = np.ones(n)
        for position in movable:
            rate = _rate(shortcuts[position], cues[:, position])
            share = share * (rate if column >> position & 1 else 1 - rate)
        found.append((texts[column], share))
    return found


def _rate(shortcut: Shortcut, held: np.ndarray) -> float:
    """The contract's rate of a cue, by default its rate in the fold."""
    if shortcut.op == "remove":
        return 0.0
    return float(held.mean()) if shortcut.rate is None else shortcut.rate


def _edited(versions: list[Version], perturbation: Perturbation, *, edit: "Editing") -> list[Version]:
    """Each version as it is and in the contract's edits, by its rate."""
    found = [(texts, share * (1 - perturbation.rate)) for texts, share in versions]
    for draw in range(perturbation.draws):
        found += [(edit(texts, draw), share * perturbation.rate / perturbation.draws) for texts, share in versions]
    return found


Editing = Callable[[list[Text], int], list[Text]]
"""(texts of the locked rows, draw) -> their edits."""


def _editing(data: Dataset, locked: IntArray, perturbation: Perturbation, *, seed: int) -> Editing:
    """Where an answer is more than one label, edits that leave the right one where it is."""
    task: Task = get("veridical.tasks", "task", data.task)
    if task.structure is None:
        return lambda texts, draw: edited_texts(texts, perturbation, draw=draw, seed=seed)
    head, gold = task.structure.head, [str(data.answers[row]) for row in locked]

    def edit(texts: list[Text], draw: int) -> list[Text]:
        return [
            perturbed(head, text, answer, perturbation.names, stream(seed, f"perturb/{draw}/{place}"))
            for place, (text, answer) in enumerate(zip(texts, gold, strict=True))
        ]

    return edit


def _row_weights(data: Dataset, locked: IntArray, contract: Contract, cues: np.ndarray | None) -> FloatArray:
    """Weights of mean 1 that give groups the contract's shares, and make reweighted cues independent of the label, (L,)."""
    margins: list[Margin] = []
    even = np.full(len(locked), 1 / len(locked))
    if contract.groups:
        margins.append(group_margin(group_codes(data, locked, contract), [share for _, share in contract.groups]))
    for position, shortcut in enumerate(contract.shortcuts):
        if shortcut.op == "reweight" and cues is not None:
            codes, held = np.maximum(data.codes[locked], 0), cues[:, position].astype(np.int64)
            margins.append(independent_margin(held, codes, even, n_classes=len(data.labels), rate=shortcut.rate))
    return raked(even, margins) * len(locked)


def _thin_group(data: Dataset, locked: IntArray, contract: Contract) -> bool:
    """Whether a group with a share has too few locked rows to be weighted."""
    code = group_codes(data, locked, contract)
    return any(share > 0 and int((code == k).sum()) < FEWEST_OF_GROUP for k, (_, share) in enumerate(contract.groups))
