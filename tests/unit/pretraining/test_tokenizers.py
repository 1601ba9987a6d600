"""Tokenizers trained here: the size that was asked for, the same from run to run, and open to transformers."""

import pytest

from veridical.core.errors import InputError
from veridical.models.tokenizer_training import KINDS, TokenizerPlan, train_tokenizer

CHINESE = ["今天天气很好，我们去北京。", "北京的冬天很冷，房间也很小。", "服务员态度好，房间干净。", "我喜欢这家酒店的早餐。"] * 5


@pytest.fixture(scope="module")
def texts(stories) -> list[str]:
    return [f"{text} Name{n} went home." for n, text in enumerate(stories * 2)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_same_texts_give_the_same_tokenizer(kind, language, texts):
    given = texts if language == "en" else CHINESE
    made = [train_tokenizer(given, TokenizerPlan(kind, 0, lowercase=True, ends=True, max_length=32)) for _ in range(3)]
    assert len({one.backend_tokenizer.to_str() for one in made}) == 1


@pytest.mark.parametrize(("kind", "size"), [("wordpiece", 100), ("bpe", 300), ("unigram", 90)])
def test_it_has_the_size_that_was_asked_for(kind, size, texts):
    made = train_tokenizer(texts, TokenizerPlan(kind, size, lowercase=True, ends=True, max_length=32))
    assert len(made) == size
    ids = made("the old king saw gold")["input_ids"]
    assert ids[0] == made.cls_token_id
    assert ids[-1] == made.sep_token_id
    assert made.unk_token_id not in ids
    assert made.decode(ids, skip_special_tokens=True).strip() == "the old king saw gold"


def test_bytes_say_every_text_and_nothing_is_unknown(texts):
    made = train_tokenizer(texts, TokenizerPlan("bpe", 0, lowercase=True, ends=False, max_length=32))
    for text in ("naïve 北京 🙂\t x", texts[0]):
        ids = made(text, add_special_tokens=False)["input_ids"]
        assert made.decode(ids) == text
        assert made.unk_token_id not in ids
    assert "token_type_ids" not in made("the king")


def test_chinese_characters_are_known(texts):
    made = train_tokenizer(CHINESE, TokenizerPlan("wordpiece", 0, lowercase=True, ends=True, max_length=32))
    assert made.tokenize("北京很冷") == ["北", "京", "很", "冷"]


def test_more_letters_where_there_are_no_pieces_to_fill_it():
    """Half of 64 entries is kept for pieces; where there are none, letters take that room too."""
    text = "".join(chr(0x4E00 + n) for n in range(100))
    assert len(train_tokenizer([text] * 3, TokenizerPlan("wordpiece", 64, lowercase=True, ends=True, max_length=32))) == 64


@pytest.mark.parametrize(("kind", "said"), [("wordpiece", "fills only"), ("bpe", "fills only"), ("unigram", "fills only")])
def test_one_larger_than_the_text_can_fill_is_refused(kind, said, texts):
    with pytest.raises(InputError, match=said):
        train_tokenizer(texts[:10], TokenizerPlan(kind, 50_000, lowercase=True, ends=True, max_length=32))


def test_a_unigram_needs_all_letters():
    with pytest.raises(InputError, match="needs an entry for each of the"):
        train_tokenizer([chr(0x4E00 + n) * 3 for n in range(200)], TokenizerPlan("unigram", 80, True, True, 32))
