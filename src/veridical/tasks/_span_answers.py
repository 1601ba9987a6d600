"""Answers that are parts of a text, as they are stored: a JSON list of [text, start]; empty where the text holds none."""

import json


def answers_in(label: str, text: str) -> list[tuple[str, int]]:
    """The answers of a row with the place of each in its text: the one given where it is right, else the first."""
    return [
        (answer, start if start >= 0 and text[start : start + len(answer)] == answer else text.find(answer))
        for answer, start in json.loads(label)
    ]


def said_as(answer: str) -> str:
    """An answer of a model as it is stored; empty: the text holds none."""
    return json.dumps([[answer, -1]] if answer else [], ensure_ascii=False)


def text_of(stored: str) -> str:
    """The first answer that is stored, empty where there is none."""
    found = json.loads(stored)
    return str(found[0][0]) if found else ""
