"""Answers of a model that are costly to ask for again, kept in a file while they come in: one JSON line an input.

A line holds a hash of the input, never its text. A process killed while writing leaves at most one cut-off line, which is
skipped.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from veridical.dataset.rows import Text


class KeptAnswers:
    """`path` may be absent. Answers of another number of classes than `n_classes` are not ours and are skipped."""

    def __init__(self, path: Path, *, n_classes: int) -> None:
        self.path = path
        self._found: dict[str, list[float]] = {}
        whole = path.read_bytes() if path.is_file() else b""
        for line in whole.split(b"\n"):
            answer = _answer(line, n_classes)
            if answer is not None:
                self._found[answer[0]] = answer[1]
        self._cut_off = bool(whole) and not whole.endswith(b"\n")

    def get(self, text: Text) -> list[float] | None:
        return self._found.get(_hash(text))

    def add(self, inputs: Sequence[Text], answers: Sequence[list[float]]) -> None:
        """Append the answers; they are in the file when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="ascii") as lines:
            if self._cut_off:
                lines.write("\n")
                self._cut_off = False
            for text, answer in zip(inputs, answers, strict=True):
                self._found[_hash(text)] = answer
                lines.write(json.dumps({"input": _hash(text), "answer": answer}) + "\n")


def _hash(text: Text) -> str:
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()


def _answer(line: bytes, n_classes: int) -> tuple[str, list[float]] | None:
    try:
        record = json.loads(line)
        name, answer = record["input"], record["answer"]
    except (ValueError, TypeError, KeyError):
        return None
    right = isinstance(name, str) and isinstance(answer, list) and len(answer) == n_classes
    return (name, answer) if right and all(isinstance(value, float) for value in answer) else None
