"""veridical: how much of this score is real?

The stages are functions, imported only when used: load, audit, repair, train, account, report, run, compare.
"""

from importlib import import_module
from typing import Any

from veridical.core.surroundings import opt_out_of_telemetry

opt_out_of_telemetry()  # the one thing an import does: libraries read these settings when they are imported

__version__ = "0.1.0"

_STAGES = {
    "load": "veridical.dataset.loading",
    "audit": "veridical.audit._runner",
    "repair": "veridical.repair._runner",
    "train": "veridical.train.training",
    "account": "veridical.ledger.accounting",
    "report": "veridical.report.html",
    "run": "veridical.pipeline.running",
    "compare": "veridical.pipeline.comparing",
    "RunConfig": "veridical.pipeline.config",
}
__all__ = ["__version__", *_STAGES]


def __getattr__(name: str) -> Any:
    if name not in _STAGES:
        raise AttributeError(f"module 'veridical' has no attribute {name!r}")
    return getattr(import_module(_STAGES[name]), name)
