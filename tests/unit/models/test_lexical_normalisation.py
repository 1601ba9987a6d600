"""Words that a model reads as others: which, how they are written, and that a model keeps them."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
from rapidfuzz.distance import OSA

from tiny_encoder import TINY, make_data, make_toy
from veridical.core.errors import InputError
from veridical.core.progress import silent
from veridical.explain.attribution import Asked
from veridical.explain.models import TracedLinear
from veridical.models.lexical_normalisation import FILE, LexicalNormaliser, read_through, words_of
from veridical.models.stored import open_model
from veridical.models.tokens import whole_words
from veridical.train.countermeasures import common_synonyms, spelling
from veridical.train.training import train

KNOWN = ("good", "goods", "food", "plain", "naïve", "крот")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("god", "good"),  # a letter lost; goods is two slips away
        ("gooxd", "good"),  # added
        ("goxd", "good"),  # replaced
        ("godo", "good"),  # swapped
        ("goof", "good"),  # good stands before goods
        ("goos", "good"),
        ("xood", "good"),  # good stands before food
        ("plian", "plain"),
        ("pl", "pl"),  # shorter than three letters
        ("zzzzz", "zzzzz"),  # nothing near
        ("goods", "goods"),  # known, though good is near
        ("Plian", "Plain"),
        ("PLIAN", "PLAIN"),
        ("nave", "naïve"),
        ("корт", "крот"),
    ],
)
def test_a_word_that_is_not_known_is_read_as_the_likeliest_one_a_slip_away(written, read):
    assert LexicalNormaliser(known=KNOWN).read(written) == read


def test_numbers_marks_and_special_tokens_stay():
    reading = LexicalNormaliser(known=("good", "plain", "it", "unc", "web", "bad", "ovid", "must"))
    text = "It's <e1>godo</e1>, [UNK] unk plian 12a3 好食物godo w5! covid19 mustn't [a godo one] 'godo'"
    assert reading.read(text) == "It's <e1>good</e1>, [UNK] unc plain 12a3 好食物good w5! covid19 mustn't [a good one] 'good'"


def test_a_pair_is_read_in_both_texts_and_without_a_list_nothing_changes():
    assert LexicalNormaliser(known=KNOWN).read(("godo", "a plian one")) == ("good", "a plain one")
    assert LexicalNormaliser().read("godo") == "godo"


def test_instead_goes_before_slips():
    reading = LexicalNormaliser(instead={"godo": "plain"}, known=KNOWN)
    assert reading.read("Godo god") == "Plain good"
    assert read_through(["splendid fod"], [LexicalNormaliser(instead={"splendid": "good"}), reading]) == ["good food"]


def test_all_that_is_one_slip_away_is_found_though_few_letters_are_tried():
    """Beside every known word within one insertion, deletion, replacement or swap, by the definition."""
    rng = np.random.default_rng(1)
    known = tuple(dict.fromkeys("".join(rng.choice(list("abcd"), size=rng.integers(3, 7))) for _ in range(60)))
    reading = LexicalNormaliser(known=known)
    for _ in range(300):
        word = "".join(rng.choice(list("abcd"), size=rng.integers(3, 7)))
        near = [one for one in known if OSA.distance(one, word) == 1]
        assert reading.read(word) == (word if word in known else near[0] if near else word)


def test_what_it_remembers_is_not_part_of_it():
    reading = LexicalNormaliser(known=KNOWN)
    assert reading.read("godo") == "good"
    copied = copy.deepcopy(reading)
    assert "_word" not in vars(copied)
    assert copied.read("godo") == "good"


def test_every_slip_of_a_long_word_is_mended_and_nothing_two_slips_away():
    rng, word = np.random.default_rng(0), "wonderful"
    reading = LexicalNormaliser(known=(word, "zz"))
    for _ in range(200):
        at, letter = int(rng.integers(len(word))), "abcdefghijklmnopqrstuvwxyz"[rng.integers(26)]
        assert reading.read(word[:at] + word[at + 1 :]) == word
        assert reading.read(word[:at] + "z" + word[at:]) == word
        if letter in word:
            assert reading.read(word[:at] + letter + word[at + 1 :]) == word
    assert reading.read("wndrful") == "wndrful"


def test_known_are_words_seen_twice_and_those_of_the_tokenizer():
    found = spelling.normaliser(["good good godo film", "film film"], ("the", "film"), spelling.Params())
    assert found.known == ("film", "good", "the")
    assert found.read("godo teh fil") == "good the film"
    assert spelling.normaliser(["good"], (), spelling.Params(least=0)) is None
    foreign = spelling.normaliser(["gut gut", "haus haus", "the the"], ("the", "film"), spelling.Params())
    assert foreign.read("hauz teh gutz") == "hauz teh gutz"  # two of three common words are none of the tokenizer's
    alone = spelling.normaliser(["good good", "plain plain"], (), spelling.Params())
    assert alone.read("godo plian") == "godo plain"


def test_rare_words_are_read_as_their_commonest_synonym():
    texts = ["good " * 5 + "fine " * 7 + "nice splendid", "Splendid"]
    params = common_synonyms.Params(
        rare=5, groups=(("splendid", "good"), ("splendid", "fine"), ("splendid", "good"), ("nice", "kind"))
    )
    found = common_synonyms.normaliser(texts, (), params)
    assert dict(found.instead) == {"splendid": "fine"}
    units = common_synonyms.Params(rare=5, groups=(("m", "good"), ("sp", "fine")))
    assert dict(common_synonyms.normaliser(texts, (), units).instead) == {}
    assert found.read("Splendid, good, nice, kind") == "Fine, good, nice, kind"


def test_words_are_counted_case_folded():
    assert list(words_of(["Good, food", ("FILM 3", "w5")])) == ["good", "food", "film"]


class _Tokenizer:
    def __init__(self, *tokens):
        self.vocabulary = {token: i for i, token in enumerate(tokens)}

    def get_vocab(self):
        return self.vocabulary

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens).replace("▁", " ").replace("Ġ", " ").replace("Ã¯", "ï")


def test_whole_words_of_a_vocabulary():
    assert whole_words(_Tokenizer("[CLS]", "##ing", "Film", "a", "the", "12")) == ("film", "the")
    assert whole_words(_Tokenizer("<s>", "▁the", "ing", "▁Film", "▁a")) == ("the", "film")
    assert whole_words(_Tokenizer("Ġthe", "ing", "ĠnaÃ¯ve")) == ("the", "naïve")
    assert whole_words(_Tokenizer(*(f"word{chr(97 + k)}" for k in range(20)), "Ġo"))[:2] == ("worda", "wordb")


@pytest.fixture(scope="module", params=["linear", "encoder"])
def trained(request, tiny_bert):
    """Trained through a reading, with slips in its test rows."""
    toy = make_toy()
    rows = [
        {**row, "text": row["text"].replace("good", "godo").replace("bad", "bda")} if row["split"] == "test" else row
        for row in toy.table.to_pylist()
    ]
    data, model = make_data(rows), "linear" if request.param == "linear" else tiny_bert
    config = replace(TINY, epochs=6)
    return data, *(
        train(data, model=model, config=config, countermeasures=c, seed=0) for c in ([], ["spelling:shortest_alone=3"])
    )


def test_it_is_asked_through_what_it_was_trained_through(trained):
    data, plain, through = trained
    test = data.rows("test")
    scores = [float((one.probabilities[test].argmax(1) == data.codes[test]).mean()) for one in (plain, through)]
    assert scores[0] < 0.8
    assert scores[1] == 1.0
    np.testing.assert_allclose(through.model.predict(data.inputs()), through.probabilities, atol=1e-5)


def test_it_is_saved_with_the_model(trained, tmp_path):
    data, plain, through = trained
    through.model.save(tmp_path / "through")
    plain.model.save(tmp_path / "plain")
    assert not (tmp_path / "plain" / FILE).exists()
    opened = open_model(tmp_path / "through")
    np.testing.assert_array_equal(opened.predict(data.inputs()), through.model.predict(data.inputs()))
    again = tmp_path / "again"
    opened.save(again)
    np.testing.assert_array_equal(open_model(again).predict(data.inputs()), through.model.predict(data.inputs()))


@pytest.mark.parametrize("change", ["gone", "broken", "[]", '[{"instead": {}}]', '{"known": 1}'])
def test_without_its_file_a_model_is_not_opened(trained, tmp_path, change):
    _, _, through = trained
    through.model.save(tmp_path)
    if change == "gone":
        (tmp_path / FILE).unlink()
    else:
        (tmp_path / FILE).write_text(change)
    with pytest.raises(InputError, match=FILE):
        open_model(tmp_path)


def test_the_file_is_plain_json(trained, tmp_path):
    _, _, through = trained
    through.model.save(tmp_path)
    stored = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert [set(one) for one in stored] == [{"instead", "known", "shortest"}]


def test_a_head_and_a_pair_are_trained_through_it_too(tiny_bert):
    head = train(make_toy(), model=tiny_bert, config=replace(TINY, tuning="head"), countermeasures=["spelling"], seed=0)
    assert len(head.model.normalisers) == 1
    assert head.model.predict(["godo"]) == pytest.approx(head.model.predict(["good"]))
    pairs = make_toy(pair=True)
    both = train(pairs, model=tiny_bert, config=replace(TINY, epochs=1), countermeasures=["spelling"], seed=0)
    assert both.model.predict([("w1 bda", "a godo film")]) == pytest.approx(both.model.predict([("w1 bad", "a good film")]))


def test_several_are_read_through_in_their_order_and_so_once_saved(tmp_path):
    data = make_toy()
    synonyms = replace(common_synonyms.countermeasure, params=common_synonyms.Params(groups=(("film", "flick"),)))
    done = train(data, countermeasures=["spelling:shortest_alone=3", synonyms], seed=0)
    first, second = done.model.normalisers
    assert (first.read("godo"), dict(second.instead)) == ("good", {"flick": "film"})
    done.model.save(tmp_path)
    texts = ["a godo flick", "a bda fil"]
    np.testing.assert_array_equal(open_model(tmp_path).predict(texts), done.model.predict(["a good film", "a bad film"]))


def test_texts_rewritten_and_read_are_answered_as_given():
    """ignore_words deals a word anew in what is learned; answers are to the rows as they came, read as the model reads."""
    data = make_toy()
    data = data.with_inputs(np.arange(5), [text.replace("good", "godo").replace("bad", "bda") for text in data.texts[:5]])
    done = train(data, countermeasures=["ignore_words:words=film", "spelling:shortest_alone=3"], seed=0)
    assert len(done.model.normalisers) == 1
    np.testing.assert_allclose(done.model.predict(data.inputs()), done.probabilities, atol=1e-9)


def test_inputs_are_put_in_at_their_rows():
    data, pairs = make_toy(), make_toy(pair=True)
    changed = data.with_inputs(np.array([2, 0]), ["two", "none"])
    assert [changed.texts[0], changed.texts[2]] == ["none", "two"]
    assert changed.texts[1] == data.texts[1]
    changed = pairs.with_inputs(np.array([1]), [("first", "second")])
    assert changed.inputs(np.array([1])) == [("first", "second")]
    assert changed.inputs(np.array([0])) == pairs.inputs(np.array([0]))


def test_rows_behind_a_score_are_traced_through_the_reading():
    data = make_toy()
    train_rows = data.rows("train")
    done = train(data, countermeasures=["spelling:shortest_alone=3"], seed=0)
    traced = [
        TracedLinear(done.model, data, ("spelling:shortest_alone=3",)).trace(
            Asked([text], (np.array([[1.0, -1.0]]),)), clusters=np.arange(len(data)), seed=0, retrainings=0, progress=silent
        )
        for text in ("a godo film", "a good film")
    ]
    assert len(traced[0].points[0]) == len(train_rows)
    np.testing.assert_allclose(traced[0].points[0], traced[1].points[0])
    assert np.abs(traced[0].points[0]).max() > 0
