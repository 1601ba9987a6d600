"""The public texts that the benchmark of pre-training reads, as documents."""

import json
import os
from pathlib import Path

NEEDED = ("grimm_tales", "tinyshakespeare", "wikitext2_valid_test")


def place() -> Path:
    """The folder with the sets. Raises SystemExit where it is not there."""
    found = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    missing = [name for name in NEEDED if not (found / name).is_dir()]
    if missing:
        raise SystemExit(f"{found} lacks {', '.join(missing)}; set VERIDICAL_DATA to a folder with one sub-folder a set.")
    return found


def rows(name: str, split: str) -> list[dict]:
    return [json.loads(line) for line in (place() / name / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def documents(name: str, split: str, *, join: int) -> list[str]:
    """Rows that follow one another, joined to documents."""
    texts = [row["text"] for row in rows(name, split)]
    return ["\n".join(texts[start : start + join]) for start in range(0, len(texts), join)]


def stories() -> tuple[list[str], list[str]]:
    """(documents to train on, documents to hold out): Grimm's tales, parts of Tiny Shakespeare and of WikiText-2's
    paragraphs. Held out are their own held-out splits, and of Shakespeare blocks from the last eighth."""
    plays = documents("tinyshakespeare", "all", join=5)
    cut = len(plays) * 7 // 8
    wiki = [text for text in documents("wikitext2_valid_test", "valid", join=1) if len(text.split()) > 30]
    wiki_held = [text for text in documents("wikitext2_valid_test", "test", join=1) if len(text.split()) > 30]
    train = [*documents("grimm_tales", "train", join=5), *plays[:200], *wiki[:100]]
    held = [
        *documents("grimm_tales", "valid", join=5),
        *documents("grimm_tales", "test", join=5),
        *plays[cut:][:60],
        *wiki_held[:40],
    ]
    return train, held
