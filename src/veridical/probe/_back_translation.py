"""Texts translated to another language and back, by `apertium` where it is installed; all texts in one call each way."""

import shutil
import subprocess
from collections.abc import Sequence

from veridical.core.errors import SurroundingsError
from veridical.dataset.rows import Text

PAIR = ("en-es", "es-en")
"""There and back: English over Spanish, apertium's oldest pair for English."""
INSTALL = "sudo apt-get install apertium apertium-en-es"
TIMEOUT_SECONDS = 600
"""Longest wait for one direction. Ours; no source."""


def missing() -> str | None:
    """What is not installed, and how to get it; None where nothing is missing."""
    if shutil.which("apertium") is None:
        return f"Back-translation needs apertium, which is not installed. Run: {INSTALL}"
    listed = _run(["apertium", "-l"], "").split()
    absent = [mode for mode in PAIR if mode not in listed]
    return f"apertium lacks the pair {absent[0]}. Run: {INSTALL}" if absent else None


def back_translated(inputs: Sequence[Text]) -> list[Text]:
    """Each text (of a pair both) after its way there and back; an empty text stays empty."""
    parts = [part for text in inputs for part in ([text] if isinstance(text, str) else text)]
    lines = [" ".join(part.split()) for part in parts]
    for mode in PAIR:
        # -u: words it does not know come back as they are, without a mark.
        made = _run(["apertium", "-u", mode], "\n".join(lines) + "\n").splitlines()
        if len(made) != len(lines):
            raise SurroundingsError(f"apertium gave {len(made)} lines for {len(lines)}; back-translation was given up.")
        lines = [line if new.strip() == "" else new for line, new in zip(lines, made, strict=True)]
    back = iter(lines)
    return [next(back) if isinstance(text, str) else (next(back), next(back)) for text in inputs]


def _run(command: list[str], text: str) -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise SurroundingsError(f"{' '.join(command)} failed: {error}") from error
    return done.stdout
