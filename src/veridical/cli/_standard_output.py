"""Results alone on standard output: what models and libraries write there, whatever the language they are written in, goes to
standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
    sys.stdout = os.fdopen(os.dup(kept), "w", encoding=before.encoding, errors=before.errors, buffering=1)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout = before
        os.dup2(kept, 1)
        os.close(kept)
