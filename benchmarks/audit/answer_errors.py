"""Planted errors in tags, label sets and places of answers: our ranking and what the check names, against cleanlab's on the same
probabilities. python -m benchmarks.audit.answer_errors --data ../shared/data --out benchmarks/results/answer_errors.json"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import machine
from sklearn.metrics import average_precision_score

from veridical.audit._evidence import Evidence
from veridical.audit._place_errors import first_place
from veridical.audit._runner import run_check
from veridical.audit._set_errors import by_the_others, scaled
from veridical.audit._tag_errors import judged_words
from veridical.audit.answer_errors import check
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.models.answer_places import place_folds, word_places
from veridical.tasks._label_sets import held
from veridical.tasks._tags import encode, spans

SHARE = 0.1
"""Of the entities, the rows' sets or the answers, that are changed."""
Rows = list[dict[str, Any]]
Planted = tuple[Rows, set[str]]


def lines(data: Path, *parts: str) -> Rows:
    return [json.loads(line) for line in data.joinpath(*parts).read_text(encoding="utf-8").splitlines()]


def tagged(data: Path, folder: str, *files: str) -> Rows:
    found = [row for file in files for row in lines(data, folder, f"{file}.jsonl")]
    return [{"id": f"r{n}", "tokens": row["tokens"], "tags": row["ner_tags"]} for n, row in enumerate(found)]


POLITICS = ("politics_train", "politics_dev", "politics_test")


def types_of(data: Path) -> Rows:
    """Sentences, and the types of the entities in each."""
    return [
        {
            "id": row["id"],
            "text": " ".join(row["tokens"]),
            "labels": sorted({kind for *_, kind in spans(row["tags"], scheme="iob2")}),
        }
        for row in tagged(data, "crossner", *POLITICS)
    ]


def films(data: Path) -> Rows:
    """Titles with the tags that viewers gave, and genres."""
    found = [row for row in lines(data, "movielens_small", "movies.jsonl") if row["tags"]]
    return [
        {"id": f"r{row['id']}", "text": " ".join([row["title"], *row["tags"]]), "labels": sorted(row["genres"])} for row in found
    ]


def questions(data: Path, language: str) -> Rows:
    found = lines(data, "squad11_dev_xquad", f"{language}.jsonl")
    kept = ("context", "question", "answers")
    return [{"id": f"r{n}", **{key: row[key] for key in kept}} for n, row in enumerate(found)]


def wrong_tags(rows: Rows, rng: np.random.Generator) -> Planted:
    """Of the entities changed a third each gets another type, is lost, and ends a word too late or early."""
    kinds = sorted({kind for row in rows for *_, kind in spans(row["tags"], scheme="iob2")})
    found, bad = [], set()
    for row in rows:
        tags, kept = row["tags"], []
        for start, end, kind in spans(tags, scheme="iob2"):
            how = int(rng.integers(3)) if rng.random() < SHARE else -1
            if how == 0:
                kept.append((start, end, [other for other in kinds if other != kind][int(rng.integers(len(kinds) - 1))]))
            elif how == 2 and end < len(tags) and tags[end] == "O":
                kept.append((start, end + 1, kind))
            elif how == 2 and end - start > 1:
                kept.append((start, end - 1, kind))
            elif how == -1:
                kept.append((start, end, kind))
        given = encode(kept, len(tags), scheme="iob2")
        if given != encode(spans(tags, scheme="iob2"), len(tags), scheme="iob2"):
            bad.add(row["id"])
        found.append({**row, "tags": given})
    return found, bad


def wrong_sets(rows: Rows, rng: np.random.Generator) -> Planted:
    """Of the sets changed half lose a label, half get one more."""
    names = sorted({name for row in rows for name in row["labels"]})
    found, bad = [], set()
    for row in rows:
        given = set(row["labels"])
        if rng.random() < SHARE:
            pool = sorted(given) if given and rng.random() < 0.5 else [name for name in names if name not in given]
            given ^= {pool[int(rng.integers(len(pool)))]}
            bad.add(row["id"])
        found.append({**row, "labels": sorted(given)})
    return found, bad


def moved(rows: Rows, rng: np.random.Generator) -> Planted:
    """Answers moved to a random place of as many words."""
    found, bad = [], set()
    for row in rows:
        answer, text = row["answers"][0], row["context"]
        begin, end = answer["answer_start"], answer["answer_start"] + len(answer["text"])
        if rng.random() < SHARE:
            words = word_places(text)
            n = max(1, sum(b < end and e > begin for b, e in words))
            free = [k for k in range(len(words) - n + 1) if words[k][0] >= end or words[k + n - 1][1] <= begin]
            if free:
                k = free[int(rng.integers(len(free)))]
                place = words[k][0], words[k + n - 1][1]
                answer = {"text": text[place[0] : place[1]], "answer_start": place[0]}
                bad.add(row["id"])
        found.append({**row, "answers": [answer]})
    return found, bad


def swapped(rows: Rows, rng: np.random.Generator) -> Planted:
    """Answers replaced by that to another question about the same text."""
    of_text: dict[str, Rows] = {}
    for row in rows:
        of_text.setdefault(row["context"], []).append(row["answers"][0])
    found, bad = [], set()
    for row in rows:
        answer = row["answers"][0]
        others = [other for other in of_text[row["context"]] if other["text"] != answer["text"]]
        if rng.random() < SHARE and others:
            answer = others[int(rng.integers(len(others)))]
            bad.add(row["id"])
        found.append({**row, "answers": [answer]})
    return found, bad


def opened(rows: Rows, task: str) -> Dataset:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return load(file, task=task, shape=get("veridical.tasks", "task", task).structure.shape, split="folds", id="id")


def tag_scores(evidence: Evidence) -> dict[str, Any]:
    """Suspicion of each row, and what cleanlab names."""
    from cleanlab.token_classification.filter import find_label_issues
    from cleanlab.token_classification.rank import get_label_quality_scores

    data, folds = evidence.data, evidence.answer_folds
    assert folds is not None
    code = {tag: number for number, tag in enumerate(folds.classes)}
    labels = [[code[tag] for tag in str(answer).split(" ")] for answer in data.answers]
    each = np.split(folds.probabilities, folds.start[1:-1])
    words, ours = judged_words(evidence, folds), np.zeros(len(data))
    np.maximum.at(ours, words.row, 1 - words.both()[np.arange(len(words.row)), words.given])
    quality, _ = get_label_quality_scores(labels, each)
    return {"ours": ours, "cleanlab": 1 - quality, "named": np.unique([row for row, _ in find_label_issues(labels, each)])}


def set_scores(evidence: Evidence) -> dict[str, Any]:
    from cleanlab.multilabel_classification import get_label_quality_scores
    from cleanlab.multilabel_classification.filter import find_label_issues

    data, folds = evidence.data, evidence.answer_folds
    assert folds is not None
    given, ours = held([str(answer) for answer in data.answers], folds.classes), np.zeros(len(data))
    for k in range(len(folds.classes)):
        text = scaled(folds.probabilities[:, k], given[:, k])
        beside = by_the_others(given, k, text, fold=folds.fold, of_train=np.ones(len(data), bool), seed=evidence.seed)
        ours = np.maximum(ours, np.abs(given[:, k] - (text + beside) / 2))
    labels = [np.flatnonzero(row).tolist() for row in given]
    quality = get_label_quality_scores(labels, folds.probabilities)
    return {"ours": ours, "cleanlab": 1 - quality, "named": np.flatnonzero(find_label_issues(labels, folds.probabilities))}


def place_scores(evidence: Evidence) -> dict[str, Any]:
    """cleanlab has nothing for places; the opponent is the share of the question that another sentence holds more of."""
    data = evidence.data
    folds = place_folds(
        data, [first_place(data, row) for row in range(len(data))], clusters=evidence.clusters, seed=evidence.seed
    )
    return {"ours": np.nan_to_num(1 - folds.given), "nearest sentence": np.nan_to_num(folds.nearest - folds.share)}


@dataclass(frozen=True)
class Case:
    """rows: folder of the data -> rows. plant: (rows, luck) -> changed rows, and the ids of those that are wrong now."""

    task: str
    rows: Callable[[Path], Rows]
    plant: Callable[[Rows, np.random.Generator], Planted]
    scores: Callable[[Evidence], dict[str, Any]]


CASES = {
    "wnut17, tags": Case("ner", lambda data: tagged(data, "wnut17", "train"), wrong_tags, tag_scores),
    "crossner politics, tags": Case("ner", lambda data: tagged(data, "crossner", *POLITICS), wrong_tags, tag_scores),
    "weibo (Chinese), tags": Case("ner", lambda data: tagged(data, "weibo_ner", "train"), wrong_tags, tag_scores),
    "crossner politics, types of a sentence": Case("multilabel", types_of, wrong_sets, set_scores),
    "movielens, genres by title and tags": Case("multilabel", films, wrong_sets, set_scores),
    "xquad en, moved": Case("qa", lambda data: questions(data, "en"), moved, place_scores),
    "xquad en, swapped": Case("qa", lambda data: questions(data, "en"), swapped, place_scores),
    "xquad zh, moved": Case("qa", lambda data: questions(data, "zh"), moved, place_scores),
    "xquad zh, swapped": Case("qa", lambda data: questions(data, "zh"), swapped, place_scores),
}


def named(rows: "np.ndarray[Any, Any]", wrong: "np.ndarray[Any, Any]") -> dict[str, float]:
    hit = int(wrong[rows].sum())
    return {"rows": len(rows), "precision": round(hit / max(len(rows), 1), 3), "recall": round(hit / int(wrong.sum()), 3)}


def measure(case: Case, data: Path, *, seed: int) -> dict[str, Any]:
    plain = case.rows(data)
    rows, bad = case.plant(plain, np.random.default_rng(seed))
    evidence = Evidence(opened(rows, case.task), seed=seed)
    ids = evidence.data.ids
    wrong = np.array([row in bad for row in ids])
    found = case.scores(evidence)
    theirs = found.pop("named", None)
    record = run_check("answer_errors", check, evidence=evidence, seed=seed)
    place = {row: number for number, row in enumerate(ids)}
    ours = np.array([place[finding.row] for finding in record.findings], np.int64)
    said = {
        "rows": len(ids),
        "wrong": int(wrong.sum()),
        "average precision": {name: round(float(average_precision_score(wrong, score)), 3) for name, score in found.items()},
        "named by veridical": named(ours, wrong) if record.status != "skipped" else record.why,
    }
    if theirs is not None:
        said["named by cleanlab"] = named(theirs, wrong)
    if seed == 0:
        as_is = run_check("answer_errors", check, evidence=Evidence(opened(plain, case.task), seed=seed), seed=seed)
        said["named where nothing was planted"] = as_is.n_found
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    cases: dict[str, Any] = {}
    for name, case in CASES.items():
        cases[name] = [measure(case, given.data, seed=seed) for seed in range(given.seeds)]
        print(name, json.dumps(cases[name]), flush=True)
        result = {"changed": SHARE, "seeds": given.seeds, "machine": machine("cleanlab", "scikit-learn"), "cases": cases}
        given.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
