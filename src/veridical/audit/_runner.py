"""Run the checks of the folder, one after another; here, not in the checks, it is decided what found, clean and skipped are."""

from collections.abc import Sequence
from dataclasses import asdict
from time import perf_counter

from veridical.audit._contract import Check
from veridical.audit._evidence import Evidence
from veridical.core.errors import UnknownName
from veridical.core.finding import AuditRecord, CheckRecord, Looked, Skipped, Status
from veridical.core.plugins import get, names
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset

FOLDER = "veridical.audit"
EMPTY = "The data set has no rows with a known label; load some with: veridical audit DATA"


def run_checks(evidence: Evidence, *, only: Sequence[str] | None = None, seed: int, progress: Progress = silent) -> AuditRecord:
    """All checks, or `only` those named, each with a random stream of its own. A crash inside a check is a bug and is raised."""
    known = names(FOLDER)
    for name in only or ():
        if name not in known:
            raise UnknownName("check", name, known, "See: veridical list")
    chosen = known if only is None else [name for name in known if name in only]
    records = []
    for done, name in enumerate(chosen):
        progress("checks", done, len(chosen))
        records.append(run_check(name, get(FOLDER, "check", name), evidence=evidence, seed=seed))
    progress("checks", len(chosen), len(chosen))
    return AuditRecord(tuple(records), seed)


def run_check(name: str, check: Check, *, evidence: Evidence, seed: int) -> CheckRecord:
    """The outcome of one check. Data without a labelled row is never clean: every check skips it."""
    start, data = perf_counter(), evidence.data
    structured = get("veridical.tasks", "task", data.task).structure is not None
    if structured and check.one_label:
        looked: Looked | Skipped = Skipped(f"Rows of task {data.task} do not have one label each, which this check looks at.")
    elif not structured and not (data.codes >= 0).any():
        looked = Skipped(EMPTY)
    else:
        looked = check.run(evidence, check.params, stream(seed, name))
    seconds, params = perf_counter() - start, asdict(check.params)
    if isinstance(looked, Skipped):
        return CheckRecord(name, "skipped", 0, 0, "", looked.why, {}, params, seconds)
    status: Status = "found" if looked.findings else "clean"
    n_found = len(looked.findings)
    return CheckRecord(
        name, status, looked.n_rows, n_found, looked.summary, "", dict(looked.measures), params, seconds, looked.findings
    )  # fmt: skip


def audit(data: Dataset, *, checks: Sequence[str] | None = None, seed: int = 0) -> AuditRecord:
    """Look at `data` with all checks, or with those named; nothing is changed."""
    return run_checks(Evidence(data, seed=seed), only=checks, seed=seed)
