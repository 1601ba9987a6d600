"""Texts that tests of pre-training share; `tiny_encoder` is not on the path in pytest's import mode."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

import random

import pytest

from tiny_encoder import tiny_bert  # noqa: F401 - a fixture

WORDS = (
    *("the", "a", "king", "queen", "fox", "tree", "river", "old", "small", "went", "saw", "found", "came"),
    *("to", "by", "with", "and", "gold", "house", "door", "night"),
)


def story(rng: random.Random, n_sentences: int) -> str:
    return " ".join(" ".join(rng.choice(WORDS) for _ in range(rng.randint(4, 9))) + "." for _ in range(n_sentences))


@pytest.fixture(scope="session")
def stories() -> list[str]:
    rng = random.Random(3)
    return [story(rng, rng.randint(2, 6)) for _ in range(60)]


@pytest.fixture(scope="session")
def corpus(stories: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 documents with blank lines between them."""
    path = tmp_path_factory.mktemp("corpus") / "stories.txt"
    path.write_text("\n\n".join(stories) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tokenizer(stories: list[str]):
    from veridical.models.tokenizer_training import TokenizerPlan, train_tokenizer

    return train_tokenizer(stories, TokenizerPlan("wordpiece", 0, lowercase=True, ends=True, max_length=32))


@pytest.fixture(scope="session")
def headless(tokenizer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of an encoder that come without a head, as those of sentence encoders do."""
    import torch
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("headless")
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=32, **sizes)).save_pretrained(folder)
    return str(folder)
