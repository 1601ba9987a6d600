"""Run repairs one after the other: each sees the data as the ones before left it, and the findings of the one audit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord
from veridical.core.plugins import get
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import apply_edits
from veridical.repair._restricted import Restricted

FOLDER, NOUN = "veridical.repair", "repair"


def edits_of(
    name: str, *, evidence: Evidence, audit: AuditRecord, seed: int, params: Mapping[str, Any] | None = None
) -> tuple[Edit, ...]:
    """What one repair asks for. `params` maps repair names to their Params; the rest use their defaults."""
    plug_in: Repair = get(FOLDER, NOUN, name)
    chosen = (params or {}).get(name, plug_in.params)
    return plug_in.apply(evidence, audit, chosen, stream(seed, f"repair/{name}"))


def repair(
    data: Dataset,
    *,
    audit: AuditRecord,
    repairs: Sequence[str],
    seed: int = 0,
    evidence: Evidence | None = None,
    params: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> tuple[Dataset, tuple[Edit, ...]]:
    """The repaired data and the log of every change. `data` itself stays as it is.

    evidence: facts about `data` already computed by the audit; made anew without it.
    """
    if len(set(repairs)) < len(repairs):
        raise InputError(f"Repairs {', '.join(repairs)}: one is named twice. Name each once; they run in the order given.")
    seen = evidence or Evidence(data, seed=seed, progress=progress)
    log: list[Edit] = []
    for done, name in enumerate(repairs):
        progress("repairs", done, len(repairs))
        edits = edits_of(name, evidence=seen, audit=audit, seed=seed, params=params)
        if edits:
            seen = after(seen, edits)
            log += edits
    progress("repairs", len(repairs), len(repairs))
    return seen.data, tuple(log)


def after(evidence: Evidence, edits: Sequence[Edit]) -> Evidence:
    """Evidence about the edited data. Predictions stay those made out of fold before the edits."""
    gone = {edit.row for edit in edits if edit.action == "set_aside"}
    rows = np.array([i for i, row in enumerate(evidence.data.ids) if row not in gone], dtype=np.int64)
    return Restricted(evidence, apply_edits(evidence.data, edits), rows, keep_folds=True)
