"""Probes of answers: scores with their errors by hand, edits that stay off the answer, and what is asked once only."""

import json

import numpy as np
import pytest

from veridical.core.plugins import get, names
from veridical.models.answer_queries import AnswerQueries
from veridical.models.answering import tag_rows
from veridical.probe import perturbations
from veridical.probe._runner import run_probe, run_probes
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._edits import edited
from veridical.probe.answers._scores import lost, score_of, survives
from veridical.probe.answers._shortcuts import Params, _gap, _memorised
from veridical.tasks._confusion_metrics import micro_f1
from veridical.tasks._contract import Margins
from veridical.tasks._span_answers import text_of
from veridical.tasks._structures import needed_structure


def margins(right, true, predicted):
    return Margins(*(np.asarray(part, np.float64).reshape(len(part), -1) for part in (right, true, predicted)))


def test_scores_by_hand():
    before, after = margins([2, 0, 1], [2, 1, 1], [2, 1, 1]), margins([1, 0, 1], [2, 1, 1], [2, 1, 1])
    clusters = np.arange(3)
    assert score_of(micro_f1, before, clusters).value == pytest.approx(2 * 3 / 8)
    assert lost(micro_f1, before, after, clusters).value == pytest.approx(3 / 4 - 2 / 4)
    assert survives(micro_f1, before, after, clusters).value == pytest.approx(2 / 3)
    # Two rows of one cluster have one vote together: (2/2 + 0 + 1/2) of 2 rows' worth.
    assert score_of(micro_f1, before, np.array([0, 1, 0])).value == pytest.approx(2 * 1.5 / (2 * (1 + 1 + 0.5)))


def test_the_error_of_a_lost_score_is_that_of_many_samples():
    rng = np.random.default_rng(0)

    def draw():
        true = rng.integers(0, 4, 300)
        right = rng.binomial(true, 0.7)
        said = right + rng.poisson(0.3, 300)
        kept = rng.binomial(right, 0.9)
        return lost(micro_f1, margins(right, true, said), margins(kept, true, said), np.arange(300))

    drawn = [draw() for _ in range(300)]
    values, errors = np.array([d.value for d in drawn]), np.array([d.error for d in drawn])
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)
    covered = np.mean(np.abs(values - values.mean()) < 1.97 * errors)
    assert 0.91 < covered < 0.985


def test_an_unchanged_answer_loses_nothing_and_an_empty_score_survives_as_nothing():
    same = margins([1, 0], [1, 1], [1, 1])
    assert lost(micro_f1, same, same, np.arange(2)).p(0.0) == 1.0
    none = margins([0, 0], [1, 1], [0, 0])
    assert survives(micro_f1, none, none, np.arange(2)).value == 0.0


@pytest.mark.parametrize("kind", [name for name in perturbations.NAMES if perturbations.PERTURBATIONS[name].keeps_label])
def test_edits_keep_words_entities_and_answers(kind):
    text = "I do not know why Mr. Smith didn't see the old New York office in 1999 , he said ."
    words = text.split(" ")
    gold = " ".join("B-LOC" if word == "New" else "I-LOC" if word == "York" else "O" for word in words)
    changed = 0
    for seed in range(40):
        after = edited("words", text, gold, kind, np.random.default_rng(seed), strength=0.5)
        assert len(after.split(" ")) == len(words)
        assert all(after.split(" "))
        changed += after != text
        if kind not in ("keyboard", "ocr", "homoglyphs", "case"):
            assert after.split(" ")[words.index("New") : words.index("York") + 1] == ["New", "York"]
        context, asked = edited(
            "span", (text, "Where was it?"), made_up.span("New York office"), kind, np.random.default_rng(seed), strength=0.5
        )
        assert "New York office" in context
        assert asked
    assert changed or kind in ("spaces", "contractions", "visual_zh", "sound_zh", "synonyms", "lookalikes_zh", "homophones_zh")


def _say(text):
    words = (text if isinstance(text, str) else text[0]).split(" ")
    return (" ".join("O" for _ in words) if isinstance(text, str) else "[]"), 0.5


def test_equal_inputs_are_asked_once_and_a_change_of_mind_is_seen():
    said = iter(range(100))
    queries = AnswerQueries(made_up.ToyAnswering("multilabel", ("X",), lambda text: (json.dumps([str(next(said))]), 0.5)))
    first = queries.ask(["a", "b", "a"])
    assert first.said[0] == first.said[2] != first.said[1]
    assert (queries.counts.asked, queries.counts.unique, queries.counts.forwards) == (3, 2, 2)
    assert queries.ask(["b"]).said == [first.said[1]]
    assert queries.repeatability(["a", "b"]) == 1.0


def test_names_known_by_heart_are_counted_once_an_entity():
    seen, found = np.array([True] * 40 + [False] * 60), np.array([1.0] * 30 + [0.0] * 10 + [1.0] * 15 + [0.0] * 45)
    gap = _gap(found, seen, np.arange(100))
    assert gap.value == pytest.approx(0.75 - 0.25)
    by_hand = np.sqrt(0.75 * 0.25 / 40 + 0.25 * 0.75 / 60)
    assert gap.error == pytest.approx(by_hand, rel=0.02)
    measures, _ = _memorised(found, seen, np.arange(100), Params())
    assert [m.name for m in measures] == ["memorised_names", "recall_of_seen", "recall_of_unseen"]
    assert _memorised(found[:50], seen[:50], np.arange(50), Params())[0] == []


def test_the_confidence_of_tags_is_that_of_all_of_them():
    classes = ("O", "B-X", "I-X")
    found = tag_rows(
        np.log(np.array([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2]])), row=np.zeros(2, np.int64), word=np.arange(2), n_words=np.array([2]),
        classes=classes,
    )  # fmt: skip
    assert found.said == ["O B-X"]
    assert found.confidence[0] == pytest.approx(0.56)


def test_every_probe_looks_or_says_why_not_and_only_at_tasks_it_is_proven_on():
    for name in names("veridical.probe"):
        probe = get("veridical.probe", "probe", name)
        for task in ("ner", "multilabel", "qa"):
            subject = made_up.toy(made_up.answer_rows(task, [], () if task == "qa" else ("X",)), _say)
            outcome = run_probe(name, probe, subject=subject)
            assert outcome.status == "skipped"
            proven = probe.answers is not None and task in probe.answers.toys
            assert outcome.why.startswith("There is no labelled test row" if proven else ("It asks", "A name", "No model"))


def test_answers_without_a_model_are_looked_at_as_far_as_they_go():
    from dataclasses import replace

    toys = get("veridical.probe", "probe", "calibration").answers.toys["qa"]()
    found = run_probes(replace(toys.cheat, queries=None), only=["calibration", "robustness", "shortcuts", "memory"])
    status = {outcome.probe: outcome.status for outcome in found.probes}
    assert status == {"calibration": "found", "robustness": "skipped", "shortcuts": "skipped", "memory": "skipped"}
    assert "Only predictions are known" in found.probe("robustness").why


def test_answers_are_shown_as_a_reader_sees_them():
    ner, sets, qa = (needed_structure(task) for task in ("ner", "multilabel", "qa"))
    assert ner.shown("in New York now", "O B-LOC I-LOC O") == "New York [LOC]"
    assert sets.shown("a", '["Comedy", "Drama"]') == "Comedy, Drama"
    assert qa.shown(("a", "b"), '[["the cat", 3], ["cat", 7], ["the cat", 3]]') == "the cat / cat"
    assert text_of(made_up.span("")) == qa.shown(("a", "b"), "[]") == ""
