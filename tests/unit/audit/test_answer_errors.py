"""Suspect tags, labels of sets and places of answers: planted ones are found and named, and answers as they should be are left
alone."""

import json
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest

from veridical.audit._confident_learning import label_thresholds
from veridical.audit._evidence import Evidence
from veridical.audit._runner import run_check
from veridical.audit.answer_errors import check
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord, CheckRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import get
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.pipeline.routing import diagnosed
from veridical.repair._restricted import Restricted
from veridical.repair._runner import repair

TYPES = {"LOC": ("in", "near"), "PER": ("said", "met"), "ORG": ("for", "at")}
NAMES = {kind: [f"{kind.capitalize()}{n}" for n in range(15)] for kind in TYPES}
FILLER = [f"w{n}" for n in range(60)]


def dataset(task: str, rows: list[tuple[str, str]], names: tuple[str, ...], questions: list[str] | None = None) -> Dataset:
    listed = [
        {"id": f"r{n}", "split": "test" if n % 5 == 4 else "train", "text": text, "label": label}
        | ({"second": questions[n]} if questions else {})
        for n, (text, label) in enumerate(rows)
    ]
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset(task, pa.Table.from_pylist(listed, schema=SCHEMA), names, none)


def sentence(rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Two names of one or two words, each behind a word of its type."""
    words, tags = [], []
    for kind in rng.choice(list(TYPES), 2):
        words += [*rng.choice(FILLER, int(rng.integers(2, 5))), rng.choice(TYPES[kind]), rng.choice(NAMES[kind])]
        tags += ["O"] * (len(words) - len(tags) - 1) + [f"B-{kind}"]
        if rng.random() < 0.3:
            words.append(rng.choice(NAMES[kind]))
            tags.append(f"I-{kind}")
    return [str(word) for word in words], tags


def spoilt(tags: list[str], rng: np.random.Generator) -> list[str]:
    """The first entity lost, or called otherwise."""
    kinds, found = list(TYPES), list(tags)
    lost = rng.random() < 0.5
    at = next(n for n, tag in enumerate(tags) if tag != "O")
    kind = kinds[(kinds.index(tags[at][2:]) + 1) % 3]
    while at < len(tags) and (found[at] == tags[at] and tags[at] != "O"):
        found[at] = "O" if lost else tags[at][:2] + kind
        at += 1
        if at < len(tags) and not tags[at].startswith("I-"):
            break
    return found


def tagged(seed: int, *, wrong: float, n: int = 500) -> tuple[Dataset, set[str]]:
    rng = np.random.default_rng(seed)
    rows, bad = [], set()
    for number in range(n):
        words, tags = sentence(rng)
        given = spoilt(tags, rng) if rng.random() < wrong else tags
        bad |= {f"r{number}"} if given != tags else set()
        rows.append((" ".join(words), " ".join(given)))
    return dataset("ner", rows, tuple(sorted(TYPES))), bad


def looked(data: Dataset) -> CheckRecord:
    return run_check("answer_errors", check, evidence=Evidence(data, seed=0), seed=0)


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_tags_are_found_and_named(seed: int) -> None:
    data, bad = tagged(seed, wrong=0.08)
    record = looked(data)
    _hold(record, bad)
    worst = record.findings[0]
    text = data.texts[data.ids.index(worst.row)].split(" ")
    number = int(worst.reason.split(",")[0].split(" ")[1])
    assert text[number - 1] in worst.reason
    assert "models that never saw the row say" in worst.reason
    assert any(finding.reason.startswith("words ") for finding in record.findings)  # of one entity
    assert "other places" in worst.evidence
    assert {finding.split for finding in record.findings} == {"train", "test"}
    assert {finding.repair for finding in record.findings} == {"set_aside_label_errors"}


def _hold(record: CheckRecord, bad: set[str], *, precision: float = 0.9, recall: float = 0.8) -> None:
    found = {finding.row for finding in record.findings}
    assert found, record.why
    assert len(found & bad) / len(found) >= precision, (len(found), len(bad))
    assert len(found & bad) / len(bad) >= recall, (len(found), len(bad))


@pytest.mark.parametrize("seed", [1, 2])
def test_tags_as_they_should_be_are_left_alone(seed: int) -> None:
    record = looked(tagged(seed, wrong=0.0)[0])
    assert record.status == "clean", [finding.reason for finding in record.findings]
    assert record.n_rows == 500


def test_thresholds_are_cleanlabs() -> None:
    count = import_module("cleanlab.count")
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 2, 3], 300)
    codes = np.array([rng.choice(3, p=row) for row in probabilities])
    theirs = count.get_confident_thresholds(codes, probabilities)
    np.testing.assert_allclose(label_thresholds(probabilities, codes), theirs, atol=1e-9)


def sets(seed: int, *, wrong: float) -> tuple[Dataset, set[str]]:
    """`good`, `bad` and `odd` each give a label; of some rows one label is turned round."""
    rng, rows, bad = np.random.default_rng(seed), [], set()
    for number in range(500):
        held = [word for word in ("good", "bad", "odd") if rng.random() < 0.4]
        words = [*held, *(str(word) for word in rng.choice(FILLER, 5))]
        rng.shuffle(words)
        given = set(held)
        if rng.random() < wrong:
            given ^= {("good", "bad", "odd")[int(rng.integers(3))]}
            bad.add(f"r{number}")
        rows.append((" ".join(words), json.dumps(sorted(word.upper() for word in given))))
    return dataset("multilabel", rows, ("BAD", "GOOD", "ODD")), bad


@pytest.mark.parametrize("seed", [4, 5])
def test_planted_labels_of_sets_are_found_and_their_twin_is_left_alone(seed: int) -> None:
    data, bad = sets(seed, wrong=0.08)
    record = looked(data)
    _hold(record, bad)
    assert {"is given", "is not given"} == {finding.reason.split(" ", 1)[1].split(",")[0] for finding in record.findings}
    twin = looked(sets(seed, wrong=0.0)[0])
    assert twin.status == "clean", [finding.reason for finding in twin.findings]


PEOPLE = [f"Bo{n}" for n in range(40)]


def questions(seed: int, *, wrong: float, language: str = "en") -> tuple[Dataset, set[str]]:
    """Three people of a text live each in another place; some answers are moved to another word of the text."""
    rng, rows, asked, bad = np.random.default_rng(seed), [], [], set()
    for number in range(400):
        who = [str(name) for name in rng.choice(PEOPLE, 3, replace=False)]
        where = [f"{one}{number % 97}" for one in ("Rakan", "Tomel", "Wesip")]
        filler = [" ".join(rng.choice(FILLER, 4)) for _ in who]
        said = [f"{name} lives in {place} and {more}." for name, place, more in zip(who, where, filler, strict=True)]
        text, k = " ".join(said), int(rng.integers(3))
        answer, start = where[k], text.index(where[k])
        if rng.random() < wrong:
            words = text.split(" ")
            moved = int(rng.choice([n for n, word in enumerate(words) if word not in where]))
            answer, start = words[moved].rstrip("."), len(" ".join(words[:moved])) + (moved > 0)
            bad.add(f"r{number}")
        rows.append((text, json.dumps([[answer, start]])))
        asked.append(f"Where does {who[k]} live?")
    return dataset("qa", rows, (), asked), bad


@pytest.mark.parametrize("seed", [6, 7])
def test_answers_at_another_place_are_found_and_their_twin_is_left_alone(seed: int) -> None:
    data, bad = questions(seed, wrong=0.1)
    record = looked(data)
    _hold(record, bad, recall=0.7)
    worst = record.findings[0]
    assert json.loads(str(data.answers[data.ids.index(worst.row)]))[0][0] in worst.reason
    assert "of the question" in worst.evidence
    assert "moved to a random place it would find" in record.summary
    twin = looked(questions(seed, wrong=0.0)[0])
    assert twin.status == "clean", [finding.reason for finding in twin.findings]
    assert twin.n_rows == 400


def test_questions_without_an_answer_are_not_judged() -> None:
    data, _ = questions(6, wrong=0.0)
    answers = ["[]" if n % 4 == 0 else str(answer) for n, answer in enumerate(data.answers)]
    assert looked(data.with_column("label", answers)).n_rows == 300


def test_what_cannot_be_judged_is_skipped_with_the_reason() -> None:
    from veridical.audit._made_up import dataset as one_label
    from veridical.audit._made_up import rows

    assert "label_errors looks at these" in looked(one_label(rows(40, seed=1))).why
    few = dataset("qa", [("a b", json.dumps([["a", 0]]))] * 20, (), ["which?"] * 20)
    assert "there are 16" in looked(few).why
    data, _ = questions(8, wrong=0.0)
    rng, anywhere = np.random.default_rng(9), []
    for text in data.texts:
        words = text.split(" ")
        at = int(rng.integers(len(words)))
        anywhere.append(json.dumps([[words[at].rstrip("."), len(" ".join(words[:at])) + (at > 0)]]))
    assert "they cannot judge answers" in looked(data.with_column("label", anywhere)).why
    chance = [" ".join(rng.choice(["O", "B-LOC", "B-PER"], 8)) for _ in range(200)]
    random = dataset("ner", [(" ".join(rng.choice(FILLER, 8)), tags) for tags in chance], ("LOC", "PER"))
    assert "not clearly more than half" in looked(random).why
    few = dataset("ner", [("a b", "B-LOC O")] * 5, ("LOC",))
    assert "add rows" in looked(few).why


def test_models_that_learned_from_some_rows_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data, bad = tagged(1, wrong=0.08)
    monkeypatch.setitem(import_module("veridical.models.answer_folds").MOST, "words", 15_000)
    record = looked(data)
    _hold(record, bad, recall=0.6)
    assert "rows each, drawn at random" in record.summary
    monkeypatch.setattr(import_module("veridical.models.answer_places"), "MOST_ROWS", 150)
    asked, moved = questions(6, wrong=0.1)
    record = looked(asked)
    _hold(record, moved, precision=0.8, recall=0.6)
    assert "Models learned from 150 rows each" in record.summary


def test_what_was_found_diagnoses_noise_and_is_set_aside_in_train_alone() -> None:
    data, bad = tagged(1, wrong=0.08)
    evidence = Evidence(data, seed=0)
    audit = AuditRecord((run_check("answer_errors", check, evidence=evidence, seed=0),), 0)
    score = Estimate(0.5, 0.4, 0.6, 0.95, 500, 500, "")
    assert diagnosed(Ledger("entity_f1", "clusters", score, score, None, (), {}), audit) == ("noise",)
    assert "answer_errors" in get("veridical.repair", "repair", "set_aside_label_errors").answers
    better, edits = repair(data, audit=audit, repairs=("set_aside_label_errors",), evidence=evidence)
    gone = {edit.row for edit in edits}
    assert len(gone & bad) / len(gone) >= 0.9
    assert gone == {finding.row for finding in audit.findings("answer_errors") if finding.split == "train"}
    assert len(better) == 500 - len(gone)
    assert {edit.check for edit in edits} == {"answer_errors"}


def test_evidence_about_some_rows_keeps_what_was_said_of_them() -> None:
    data, _ = tagged(1, wrong=0.08, n=100)
    whole, rows = Evidence(data, seed=0), np.array([3, 50, 51, 98])
    some = Restricted(whole, data.take(rows), rows, keep_folds=True).answer_folds
    every = whole.answer_folds
    assert some is not None
    assert every is not None
    assert some.said == [every.said[row] for row in rows]
    at = 0
    for row in rows:
        mine = every.probabilities[every.start[row] : every.start[row + 1]]
        np.testing.assert_array_equal(some.probabilities[at : at + len(mine)], mine)
        at += len(mine)
    assert at == some.start[-1]
