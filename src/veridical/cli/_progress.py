"""How far the work is, on the error stream: bars on a terminal, plain lines elsewhere, nothing with --quiet."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from veridical.core.interruption import raise_again
from veridical.core.progress import Progress, silent

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def shown(*, quiet: bool, lang: str = "en") -> Iterator[Progress]:
    """A progress callback for the time of the block; stages are named in the language."""
    if quiet:
        yield _interruptible(silent)
    elif sys.stderr.isatty():
        with _bars() as progress:
            yield _interruptible(_spoken(progress, lang))
    else:
        yield _interruptible(_spoken(_Lines(), lang))


def _interruptible(progress: Progress) -> Progress:
    """The same, and work that goes on after an interruption that went astray ends here."""

    def heard(stage: str, done: int, total: int) -> None:
        raise_again()
        progress(stage, done, total)

    return heard


def _spoken(progress: Progress, lang: str) -> Progress:
    if lang == "en":
        return progress
    from veridical.report.wording import words

    said = words(lang)
    return lambda stage, done, total: progress(said.name("progress", stage), done, total)


class _Lines:
    """One line when a stage starts, and one every few seconds while it goes on or comes back."""

    def __init__(self) -> None:
        self.said: dict[str, float] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.said.get(stage, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        far = f" {100 * done // total} %" if total and 0 < done < total else ""
        print(f"{stage}{far}", file=sys.stderr, flush=True)  # noqa: T201
        self.said[stage] = now


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.remove_task(task)
                tasks.clear()
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield progress
