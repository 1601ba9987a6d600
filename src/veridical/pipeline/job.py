"""What every stage of a run knows, and what a kind of task does in its own way at the stages."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from veridical.core.finding import AuditRecord
from veridical.core.interruption import raise_again
from veridical.core.probe_record import ProbeRecord
from veridical.core.progress import Progress
from veridical.core.surroundings import peak_rss_mb
from veridical.pipeline.config import RunConfig
from veridical.pipeline.run_folder import RunFolder
from veridical.pipeline.searching import read_search, with_chosen

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.models.frozen_features import Float32
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained

T = TypeVar("T")
M = TypeVar("M", bound="Trained | Answered")
CHECKPOINT = "checkpoint"
"""Where training keeps its state while it lasts."""


@dataclass(frozen=True)
class Job:
    """One run in one folder. config: as given."""

    folder: RunFolder
    source: Path
    config: RunConfig
    progress: Progress

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def chosen(self) -> RunConfig:
        """The configuration that trains: as given, or with the settings that the search chose."""
        return with_chosen(self.config, read_search(self.path)) if self.config.search else self.config

    @property
    def named_model(self) -> str:
        return "predictions" if self.config.predictions else self.config.model

    def stage(self, name: str, compute: Callable[[], T], stored: Callable[[], T]) -> T:
        """Compute a stage and mark it done, or read it back where an earlier process marked it."""
        raise_again()
        if self.folder.done(name):
            return stored()
        began = time.monotonic()
        result = compute()
        self.folder.mark(name, {"seconds": round(time.monotonic() - began, 3), "peak_rss_mb": peak_rss_mb()})
        return result


@dataclass(frozen=True)
class Kind(Generic[M]):
    """The stages that hang on what an answer is; M: a model with its answers to all rows. Everything else is alike.

    rows: the data set as configured, whose own refusals come first. refuse_unfit: what these rows rule out, before the audit.
    fitted: the model, trained by all processes there are. kept: (.., M, ..) -> M as it is judged, written into the folder.
    stored: what `kept` wrote. encoder: what gives features of the rows by the encoder before it was trained, None where there is
    none. account: the ledger; its tables are written into the folder.
    """

    rows: Callable[[Job], "Dataset"]
    refuse_unfit: Callable[[Job, "Dataset"], None]
    fitted: Callable[[Job, "Evidence"], M]
    kept: Callable[[Job, M, "Evidence"], M]
    stored: Callable[[Job], M]
    encoder: Callable[[Job, "Dataset"], "Callable[[], Float32 | None] | None"]
    account: Callable[[Job, M, "Evidence", AuditRecord, ProbeRecord | None], "Ledger"]
