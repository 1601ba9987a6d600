"""Results alone on standard output: what models and libraries write there, whatever the language they are written in, goes to
standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper


class ReaderGone(Exception):
    """Whoever read the results has closed them. No OSError: typer and rich take a broken pipe for an end of their own, exit code
    1, which here means that --fail-on asks."""


class _Results(TextIOWrapper):
    """Standard output of the results."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError as error:
            raise ReaderGone from error

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError as error:
            raise ReaderGone from error


@contextmanager
def results_alone() -> Iterator[None]:
    """For the time of the block file descriptor 1 leads to standard error, and `sys.stdout` to where 1 led before.

    Nothing is done where standard output is no descriptor of its own (in a test, in a notebook).
    """
    try:
        apart = sys.stdout.fileno() == 1 and sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):
        apart = False
    if not apart:
        yield
        return
    before = sys.stdout
    before.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    results = _Results(os.fdopen(os.dup(kept), "wb"), encoding=before.encoding, errors=before.errors, line_buffering=True)
    sys.stdout = results
    try:
        yield
        results.flush()
    finally:
        sys.stdout = before
        with suppress(ReaderGone, OSError):
            results.close()
        os.dup2(kept, 1)
        os.close(kept)
