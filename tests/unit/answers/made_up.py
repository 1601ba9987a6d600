"""Made-up rows of three tasks whose answers are more than one label; the rule behind them is known."""

import json
from pathlib import Path

import numpy as np

FILLER = [f"w{i}" for i in range(20)]


def ner_rows(n: int, *, seed: int, prefix: str = "") -> list[dict[str, object]]:
    """`the` comes before a place of one or two words; `film` is always a work."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(n):
        tokens, tags = [], []
        for _ in range(int(rng.integers(3, 6))):
            tokens.append(str(rng.choice(FILLER)))
            tags.append("O")
            kind = int(rng.integers(4))
            if kind == 0:
                tokens += ["the", "good", "bad"][: 2 + int(rng.integers(2))]
                tags += ["O", "B-LOC", "I-LOC"][: len(tokens) - len(tags)]
            elif kind == 1:
                tokens.append("film")
                tags.append("B-WORK")
        rows.append({"id": f"{prefix}{seed}-{number}", "tokens": tokens, "ner_tags": tags})
    return rows


def set_rows(n: int, *, seed: int) -> list[dict[str, object]]:
    """`good`, `bad` and `odd` each give a label of their own; some rows have none."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(n):
        held = [word for word in ("good", "bad", "odd") if rng.random() < 0.4]
        words = [*held, *(str(w) for w in rng.choice(FILLER, 5))]
        rng.shuffle(words)
        rows.append({"id": f"{seed}-{number}", "text": " ".join(words), "labels": [word.upper() for word in held]})
    return rows


def qa_rows(n: int, *, seed: int, silent: bool = False) -> list[dict[str, object]]:
    """The answer is the word behind `good`, or behind `bad`, as the question says; with `silent` some texts lack that word."""
    rng, rows = np.random.default_rng(seed), []
    for number in range(n):
        words = [str(w) for w in rng.choice(FILLER, 8, replace=False)]
        asked = str(rng.choice(["good", "bad"]))
        lacks = silent and rng.random() < 0.3
        for cue, place in (("good", 1), ("bad", 5)):
            if not (lacks and cue == asked):
                words.insert(place, cue)
        at = None if lacks else words.index(asked) + 1
        answers = [] if at is None else [{"text": words[at], "answer_start": len(" ".join(words[:at])) + 1}]
        rows.append({"id": f"{seed}-{number}", "context": " ".join(words), "question": f"the {asked}", "answers": answers})
    return rows


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
