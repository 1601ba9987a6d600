"""Fragility where an answer is more than one label: edits that were seen to cost points become the contract under which
countermeasures are asked for them, where the user gave no contract."""

from pathlib import Path

from veridical.core import probe_record
from veridical.core.atomic_write import write_with

DRAWS = 2
"""Edited copies of every locked row: a third would narrow intervals by a few percent and costs a sweep. Ours; no source."""


def costly_edits(folder: Path) -> tuple[str, ...]:
    """The kinds of edit that the probe of robustness found to cost points at the strength at which a contract edits."""
    from veridical.probe.answers._robustness import lost_score_under
    from veridical.probe.perturbations import NAMES, STRENGTH

    probes = probe_record.read(folder)
    outcome = probes.probe("robustness") if probes else None
    if outcome is None:
        return ()
    found = {measure.name for measure in outcome.measures if measure.status == "found"}
    return tuple(kind for kind in NAMES if lost_score_under(kind, STRENGTH) in found)


def write_contract(kinds: tuple[str, ...], path: Path) -> None:
    """The contract that every row arrives with one of these kinds of edit, as a user would write it."""
    text = (
        f"# Written by veridical run: the probe of robustness saw these edits cost points.\n"
        f"name: {' + '.join(kinds)}\nperturbations: {{names: [{', '.join(kinds)}], rate: 1.0, draws: {DRAWS}}}\n"
    )
    write_with(path, lambda target: target.write_text(text, encoding="utf-8"))
