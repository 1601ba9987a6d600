"""Edits of texts: what each kind writes, and what all of them keep."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from veridical.core.errors import SurroundingsError, UnknownName
from veridical.dataset import thesaurus as synonyms
from veridical.probe import perturbations
from veridical.probe.perturbations import LABEL_CHANGING, NAMES, PERTURBATIONS, edited, language, perturb

ENGLISH = "I am sure it isn't a good movie: 12 people in Paris do not like it, he said on Monday."
CHINESE = "我觉得这家酒店非常干净，北京的老师说他们的 3 个房间价格也很便宜。"
FREE = [name for name in NAMES if name != "synonyms"]


def rng(seed=0):
    return np.random.default_rng(seed)


def written(name, text):
    """Everything that a kind of edit may write somewhere in the text."""
    kind = PERTURBATIONS[name]
    return {(text[start:end], one) for start, end in kind.places(text) for one in kind.rewrites(text, (start, end))}


@pytest.mark.parametrize("name", FREE)
def test_same_state_same_edit_and_a_stronger_edit_holds_the_weaker(name):
    text = ENGLISH if written(name, ENGLISH) and "en" in (PERTURBATIONS[name].languages or ("en",)) else CHINESE
    weak, strong = edited(text, name, rng(3), strength=0.05), edited(text, name, rng(3), strength=1.0)
    assert weak != text
    assert weak == edited(text, name, rng(3), strength=0.05)
    distance = OSA.distance
    assert distance(text, weak) <= distance(text, strong)
    if len(PERTURBATIONS[name].places(text)) > 1:
        assert len({edited(text, name, rng(seed), strength=0.05) for seed in range(20)}) > 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "   ", ("", " ")])
def test_an_empty_text_stays_as_it_is(name, text):
    assert edited(text, name, rng(), strength=1.0) == text


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("text", [".", "。", "a", "很", "is", "3", "!?"])
def test_no_text_becomes_empty(name, text):
    for seed in range(10):
        assert edited(text, name, rng(seed), strength=1.0).strip()


@pytest.mark.parametrize("name", NAMES)
def test_no_rewrite_equals_what_stands_there(name):
    for text in (ENGLISH, CHINESE):
        assert all(old != new for old, new in written(name, text))
        ends = [0, *[end for _, end in PERTURBATIONS[name].places(text)]]
        assert all(start >= before for (start, _), before in zip(PERTURBATIONS[name].places(text), ends[:-1], strict=True))


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40), name=st.sampled_from(NAMES), seed=st.integers(0, 5), strength=st.sampled_from([0.1, 1.0]))
def test_any_text_at_all_is_edited_or_left(text, name, seed, strength):
    changed = edited(text, name, rng(seed), strength=strength)
    assert bool(changed.strip()) == bool(text.strip())
    assert changed == edited(text, name, rng(seed), strength=strength)


def test_a_typing_slip_is_one_letter_away_and_keeps_the_first():
    for old, new in written("keyboard", "Absolutely wonderful"):
        assert OSA.distance(old, new) == 1
        assert old[0] == new[0]
    assert ("movie", "mpvie") in written("keyboard", "movie")
    assert ("happy", "hapqy") not in written("keyboard", "happy")
    assert not PERTURBATIONS["keyboard"].places("an old cat")


def test_homoglyphs_look_alike_and_are_other_letters():
    for old, new in written("homoglyphs", "Some Example"):
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) == 1
        assert "LATIN CAPITAL" not in unicodedata.name(changed[0][1])


@pytest.mark.parametrize(
    ("name", "text", "edits"),
    [
        ("ocr", "modern", {("modern", "modem"), ("modern", "rnodern"), ("modern", "m0dern"), ("modern", "modcrn")}),
        ("case", "A film", {("A", "a"), ("film", "FILM"), ("film", "Film")}),
        ("punctuation", "Well, 3.5 stars!", {(",", ""), (",", ",,"), (",", "，"), ("!", ""), ("!", "!!"), ("!", "！")}),
        ("punctuation", "no end", {("", ".")}),
        ("contractions", "I am glad; you won't", {("I am", "I'm"), ("won't", "will not")}),
        ("contractions", "It’s what I've", {("I've", "I have")}),
        ("contractions", "I will and i'm", {("I will", "I'll"), ("i'm", "I am")}),
        ("negation", "It is bad, they cannot go", {("is", "is not"), ("cannot", "can")}),
        ("negation", "It isn't bad, I don't go", {("isn't", "is"), ("don't", "do")}),
        ("negation", "我喜欢他", {("喜欢", "不喜欢")}),
        ("negation", "我不喜欢他", {("不喜欢", "喜欢")}),
        ("numbers", "9 of v2 and 1.5", {("9", n) for n in "01246"}),
        ("lookalikes_zh", "他们", {("他", "地"), ("他", "池"), ("们", "门")}),
    ],
)
def test_what_is_written(name, text, edits):
    found = written(name, text)
    if name == "ocr":
        assert edits <= found
    else:
        assert found == edits


def test_homophones_sound_alike_in_a_dictionary_of_readings():
    assert ("在", "再") in written("homophones_zh", "我在家")
    assert ("做", "作") in written("homophones_zh", "做")
    groups = perturbations._tables.table("chinese_characters.yaml")
    for group in (*groups["alike"], *groups["sound"]):
        assert len(set(group)) == len(group) > 1


def test_chinese_synonyms_replace_whole_words():
    assert ("非常", "十分") in written("synonyms", "这里非常干净")
    assert edited("这里非常好，非常值得来", "synonyms", rng(1), strength=1.0).count("非常") == 0


def test_entities_keep_their_kind():
    assert {old for old, _ in written("entities", "Paris and china on Monday")} == {"Paris", "Monday"}
    assert ("Paris", "Berlin") in written("entities", "in Paris")
    assert not {new for old, new in written("entities", "Paris on Monday") if old == "Paris"} & {"Tuesday", "China"}


def test_language_is_told_by_script_and_common_words():
    assert language(ENGLISH) == "en"
    assert language(CHINESE) == "zh"
    assert language("Dieser Film hat mir und allen anderen im Saal gefallen") == ""
    assert language("great movie") == "en"
    assert edited(
        "Ich liebe Filme ueber Berge und kann davon nie genug bekommen", "contractions", rng(), strength=1.0
    ).startswith("Ich")


def test_of_a_pair_both_texts_are_edited():
    first, second = edited((ENGLISH, CHINESE), "punctuation", rng(), strength=1.0)
    assert first != ENGLISH
    assert second != CHINESE


def test_perturb_draws_among_the_kinds_that_find_a_place():
    seen = {perturb("no digits here", ["numbers", "case"], rng(seed)) for seed in range(20)}
    assert "no digits here" not in seen
    assert perturb("no digits here", ["numbers"], rng()) == "no digits here"
    assert perturb(ENGLISH, ["case", "ocr"], rng(5)) == perturb(ENGLISH, ["case", "ocr"], rng(5))
    both = {perturb("12 Films", ["numbers", "case"], rng(seed), strength=1.0) for seed in range(30)}
    assert {"12 FILMS", "13 Films"} <= both


def test_label_changing_kinds_stand_apart():
    assert set(LABEL_CHANGING) == {"negation", "numbers", "entities"}
    assert not set(perturbations.usable([ENGLISH, CHINESE])) & set(LABEL_CHANGING)
    assert "homophones_zh" in perturbations.usable([CHINESE])
    assert "homophones_zh" not in perturbations.usable([ENGLISH])


def test_unknown_names_and_strengths_are_refused():
    with pytest.raises(UnknownName, match="keyboard"):
        perturb("text", ["keybord"], rng())
    with pytest.raises(ValueError, match="strength"):
        edited("text", "case", rng(), strength=0.0)


@pytest.fixture
def thesaurus(monkeypatch, tmp_path):
    """Looks for thesauri under tmp_path, afresh."""
    monkeypatch.setattr(synonyms, "MYTHES", tmp_path / "mythes")
    monkeypatch.setattr(synonyms, "WORDNET", tmp_path / "wordnet")
    synonyms.entries.cache_clear()
    yield tmp_path
    synonyms.entries.cache_clear()


def test_without_a_thesaurus_english_synonyms_say_what_to_install(thesaurus):
    with pytest.raises(SurroundingsError, match="mythes-en-us"):
        perturb(ENGLISH, ["synonyms"], rng())
    assert "mythes-en-us" in perturbations.missing("synonyms", [ENGLISH])
    assert perturbations.missing("synonyms", [CHINESE] * 20 + [ENGLISH]) is None
    assert edited(ENGLISH, "synonyms", rng()) == ENGLISH
    assert perturb(ENGLISH, ["case", "synonyms"], rng()) != ENGLISH
    assert "synonyms" not in perturbations.usable([ENGLISH])
    assert "synonyms" in perturbations.usable([CHINESE])


def test_mythes_entries_without_what_is_no_synonym(thesaurus):
    (thesaurus / "mythes").mkdir()
    (thesaurus / "mythes" / "th_en_US_v2.dat").write_text(
        "UTF-8\ngood|2\n(adj)|fine|bad (antonym)|well behaved\n(noun)|goodness|advantage (generic term)\nmovie|1\n(noun)|film\n"
    )
    assert synonyms.english("Good") == ("fine", "goodness")
    assert edited("A Good movie", "synonyms", rng(), strength=1.0) in ("A Fine film", "A Goodness film")


def test_wordnet_synsets(thesaurus):
    folder = thesaurus / "wordnet"
    folder.mkdir()
    (folder / "data.adj").write_text(
        "  1 licence\n00000100 00 s 03 full 0 good 1 Well(p) 0 000 | gloss\n00000200 00 s 02 good 0 well_made 0 000 | gloss\n"
    )
    (folder / "index.adj").write_text("  1 licence\ngood a 2 0 2 1 00000100 00000200\n")
    assert synonyms.english("good") == ("full", "well")
