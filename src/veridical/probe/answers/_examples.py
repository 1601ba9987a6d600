"""Rows that show it: what the model read before and after, with its answers as a reader sees them."""

from veridical.core.probe_record import Example
from veridical.dataset.rows import Text
from veridical.probe.answers._subject import AnswerSubject


def changed_input(subject: AnswerSubject, row: str, before: Text, after: Text, said: str, said_after: str, note: str) -> Example:
    """An example with its answers as a reader sees them."""
    answers = [subject.structure.shown(text, answer) or "-" for text, answer in ((before, said), (after, said_after))]
    return Example(row, as_read(before), as_read(after), answers[0], answers[1], note.replace("_", " "))


def as_read(text: Text) -> str:
    """The question first, then the text."""
    return text if isinstance(text, str) else " | ".join(reversed(text))
