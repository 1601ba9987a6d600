"""Look at text for pre-training: the checks that need no labels, and those of the folder audit/corpus."""

from veridical.audit._evidence import Evidence
from veridical.audit._runner import FOLDER, run_check
from veridical.core.finding import AuditRecord
from veridical.core.plugins import get, names
from veridical.core.progress import Progress, silent

CORPUS_FOLDER = "veridical.audit.corpus"
OF_ROWS = ("train_test_overlap", "exact_duplicates", "near_duplicates", "damaged_text")
"""Checks of a data set that ask for nothing but texts and splits."""


def all_checks() -> list[str]:
    return [*OF_ROWS, *names(CORPUS_FOLDER)]


def audit_corpus(evidence: Evidence, *, seed: int, progress: Progress = silent) -> AuditRecord:
    """The outcome of every check; held-out documents are those of split test. Nothing is changed."""
    chosen = [(FOLDER, name) for name in OF_ROWS] + [(CORPUS_FOLDER, name) for name in names(CORPUS_FOLDER)]
    records = []
    for done, (folder, name) in enumerate(chosen):
        progress("checks", done, len(chosen))
        records.append(run_check(name, get(folder, "check", name), evidence=evidence, seed=seed))
    progress("checks", len(chosen), len(chosen))
    return AuditRecord(tuple(records), seed)
