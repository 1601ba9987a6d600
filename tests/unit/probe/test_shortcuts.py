"""Partial input, word order and cues: models whose answer is known by construction."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.audit._word_labels import label_phrase, label_word_candidates
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.probe import _text_edits
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.shortcuts import RIGHTFUL, probe


def test_edits_keep_what_they_should():
    rng = np.random.default_rng(0)
    text = "one two three four five six seven"
    assert _text_edits.opening(text, 3) == "one two three"
    assert _text_edits.opening((text, text), 1) == ("one", "one")
    mixed = [str(_text_edits.shuffled(text, 2, rng)) for _ in range(20)]
    assert all(sorted(m.split()) == sorted(text.split()) for m in mixed)
    assert all("one two" in m and "five six" in m for m in mixed)
    assert len(set(mixed)) > 5
    masked = str(_text_edits.masked(text, ("stone", "river"), rng)).split()
    assert len(masked) == 7
    assert set(masked) <= {"stone", "river"}
    assert _text_edits.masked("", ("stone",), rng) == ""


def test_chinese_is_cut_between_words():
    rng = np.random.default_rng(0)
    text = "这家酒店的早餐很丰富"
    assert str(_text_edits.opening(text, 2)) in text
    mixed = str(_text_edits.shuffled(text, 1, rng))
    assert sorted(mixed) == sorted(text)
    assert " " not in mixed


def _pairs():
    """The second text holds a word that tells the label half of the time; the pair together tells it always."""
    rng, rows = np.random.default_rng(1), []
    for i in range(500):
        same = bool(rng.random() < 0.5)
        first = nonsense(rng, 6)
        second = first if same else nonsense(rng, 6)
        hint = "nobody" if not same and rng.random() < 0.5 else "somebody"
        label = "same" if same else "other"
        split = "train" if i < 250 else "test"
        rows.append({"id": str(i), "split": split, "text": first, "second": f"{hint} {second}", "label": label})
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return Dataset("classification", table, ("other", "same"), table.slice(0, 0))


def test_a_model_of_the_second_text_alone_is_seen():
    data = _pairs()
    half = ToyModel(data.labels, lambda text: (2.0 if "nobody" in text[1] else 0.0, 1.0))
    found = run_probe("shortcuts", probe, subject=subject_of(data, half))
    second, first = found.measure("second_text_only"), found.measure("first_text_only")
    assert second is not None
    assert first is not None
    assert second.status == "found"
    assert second.estimate.low > 10
    assert first.status == "not_detected"

    def compares(text):
        return (0.0, 3.0) if text[1].split(" ", 1)[-1] == text[0] and text[0] else (3.0, 0.0)

    whole = run_probe("shortcuts", probe, subject=subject_of(data, ToyModel(data.labels, compares)))
    calm = whole.measure("second_text_only")
    assert calm is not None
    assert calm.status == "not_detected"


def _ordered():
    """`not` before a word turns it; the label is what the phrase says."""
    rng, rows = np.random.default_rng(2), []
    for i in range(600):
        good, turned = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        ends = ("not", "so") if turned else ("so", "not")
        text = f"{nonsense(rng, 4)} {ends[0]} {'fine' if good else 'poor'} yet {ends[1]} dull"
        rows.append((str(i), "train" if i < 300 else "test", text, "pos" if good != turned else "neg"))
    return dataset(rows)


def test_order_is_worth_what_the_model_makes_of_it():
    data = _ordered()

    def reads(text):
        said = str(text).split()
        turned = any(a == "not" and b in ("fine", "poor") for a, b in pairwise(said))
        return (0.0, 3.0) if ("fine" in said) != turned else (3.0, 0.0)

    found = run_probe("shortcuts", probe, subject=subject_of(data, ToyModel(data.labels, reads)))
    alone, threes = found.measure("order_survives_1"), found.measure("order_survives_3")
    assert alone is not None
    assert threes is not None
    # Every row holds `not`; shuffled, it stands before the word in one row of nine, so the half with `not fine` is lost.
    assert alone.estimate.high < 0.6
    assert threes.estimate.value > alone.estimate.value


def test_the_first_word_is_enough_for_a_model_of_the_first_word():
    rng = np.random.default_rng(4)
    rows = [
        (str(i), "train" if i < 150 else "test", f"{'yes' if i % 2 else 'no'} {nonsense(rng, 8)}", "ba"[i % 2])
        for i in range(400)
    ]
    data = dataset(rows)
    model = ToyModel(data.labels, lambda text: (3.0, 0.0) if str(text).startswith("yes") else (0.0, 3.0))
    found = run_probe("shortcuts", probe, subject=subject_of(data, model))
    assert found.curves[0].estimates[0].value == pytest.approx(1.0)
    # `yes` goes with the label, but put in elsewhere than first it turns nothing here; put in first it does.
    assert found.measure("removal_yes") is not None


def test_a_score_that_hangs_on_one_word_is_seen_when_it_is_taken_out():
    rng, rows = np.random.default_rng(5), []
    for i in range(600):
        positive = bool(rng.random() < 0.5)
        evidence = positive if rng.random() < 0.7 else not positive
        cue = "kwyx" if positive and rng.random() < 0.7 else "stone"
        text = f"{nonsense(rng, 4)} {'fine' if evidence else 'poor'} {cue}"
        rows.append((str(i), "train" if i < 300 else "test", text, "pos" if positive else "neg"))
    data = dataset(rows)
    model = ToyModel(data.labels, lambda text: (0.0, 4.0 * ("kwyx" in str(text)) + (1.0 if "fine" in str(text) else -1.0)))
    found = run_probe("shortcuts", probe, subject=subject_of(data, model))
    removal = found.measure("removal_kwyx")
    assert removal is not None
    assert removal.status == "found"
    hanging = [("kwyx" in text and "poor" in text) for _, split, text, _ in rows if split == "test"]
    assert removal.estimate.value == pytest.approx(100 * np.mean(hanging))
    assert any("at most 6 words" in note for note in found.notes)
    assert RIGHTFUL in found.notes


def _signed(signature: tuple[str, str], *, together: bool, language: str = "en"):
    """Evidence words decide. Two more words stand in most positive rows: side by side, or each in rows of its own."""
    rng, rows = np.random.default_rng(3), []
    good, bad, fill = ("excellent", "lovely", "superb"), ("dreadful", "boring", "clumsy"), nonsense(rng, 60).split()
    if language == "zh":
        good, bad, fill = (
            ("优秀", "可爱", "精彩"),
            ("糟糕", "无聊", "笨拙"),
            ["桌子", "椅子", "窗户", "道路", "河流", "山峰", "书本"],
        )
    space = "" if language == "zh" else " "
    for i in range(900):
        positive = bool(rng.random() < 0.5)
        said = [*rng.choice(fill, 6).tolist(), *rng.choice(good if positive else bad, 2, replace=False).tolist()]
        said = rng.permutation(said).tolist()
        if rng.random() < (0.8 if positive else 0.05):
            at = int(rng.integers(len(said) + 1))
            said[at:at] = signature if together else [signature[i % 2]]
        rows.append((str(i), "train" if i < 600 else "test", space.join(said), "pos" if positive else "neg"))
    return dataset(rows)


@pytest.mark.parametrize(
    ("signature", "language", "phrase"),
    [
        (("zonal", "desk"), "en", "zonal desk"),
        (("编辑", "部门"), "zh", "编辑部门"),
        (("App", "商店"), "zh", "app商店"),
        (("vip ", "客户"), "zh", "vip 客户"),
    ],
)
def test_a_phrase_that_turns_answers_as_a_whole_is_seen(signature, language, phrase):
    """The model reads the words side by side alone; neither of them turns anything without the other."""
    data = _signed(signature, together=True, language=language)
    cheat = ToyModel(data.labels, lambda text: (1.0, 9.0 if phrase in text.casefold() else 0.0))
    found = run_probe("shortcuts", probe, subject=subject_of(data, cheat))
    named = {m.name: m for m in found.measures if m.name.startswith("transplant_")}
    assert named[f"transplant_{phrase}"].status == "found"
    assert named[f"transplant_{phrase}"].estimate.value > 80
    assert found.status == "found"


def test_words_that_stand_apart_make_no_phrase():
    """The twin: the same words, each in rows of its own."""
    data = _signed(("zonal", "desk"), together=False)
    blind = ToyModel(data.labels, lambda text: (1.0, 9.0 if "zonal desk" in text else 0.0))
    found = run_probe("shortcuts", probe, subject=subject_of(data, blind))
    tried = [m.name for m in found.measures if m.name.startswith("transplant_")]
    assert "transplant_zonal" in tried
    assert not [name for name in tried if " " in name]
    assert not [m for m in found.measures if m.name.startswith("transplant_") and m.status == "found"]


def test_a_phrase_is_counted_as_a_word_is():
    """One word is a phrase too; and of two that always stand together the phrase has the count of either."""
    data = _signed(("zonal", "desk"), together=True)
    evidence = subject_of(data, ToyModel(data.labels, lambda _: (0.0, 0.0))).evidence
    words = {one.word: one for one in label_word_candidates(evidence)}
    assert label_phrase(evidence, "zonal", "pos") == words["zonal"]
    assert replace(label_phrase(evidence, "zonal desk", "pos"), word="desk") == words["desk"]
    assert label_phrase(evidence, "never said", "pos") is None
