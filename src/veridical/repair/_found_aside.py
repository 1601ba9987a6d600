"""Set aside what named checks found, one edit a row: for text without labels, where a row is kept or not and nothing else."""

from collections.abc import Sequence

from veridical.core.finding import AuditRecord
from veridical.dataset.rows import Dataset
from veridical.repair._contract import Edit
from veridical.repair._edits import set_aside

NAME = "set_aside_found"


def set_aside_found(data: Dataset, audit: AuditRecord, checks: Sequence[str]) -> tuple[Edit, ...]:
    """Edits in the order of the checks; a row that several found is set aside once. Of duplicates the checks find all but one."""
    place = {row: position for position, row in enumerate(data.ids)}
    edits: dict[str, Edit] = {}
    for check in checks:
        for finding in audit.findings(check):
            if finding.row in place and finding.row not in edits:
                edits[finding.row] = set_aside(data, place[finding.row], reason=finding.reason, check=check, repair=NAME)
    return tuple(edits.values())
