"""A random BERT of two layers with its own word list, written as a Hugging Face folder; and toy data that it can learn."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from veridical.dataset.rows import SCHEMA, Dataset
from veridical.train.config import TrainConfig
from veridical.train.trained import Trained

WORDS = ["good", "bad", "odd", "plain", "the", "film", *[f"w{i}" for i in range(20)]]
TINY = TrainConfig(
    epochs=3,
    learning_rate=3e-3,
    token_budget=96,
    max_length=32,
    dtype="float32",
    attention="eager",
    threads=1,
    freeze_embeddings=False,
    checkpoint_seconds=0.0,
)


def write_tiny_bert(folder: Path) -> Path:
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    words = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer()
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("tiny_bert")))


def same(one: Trained, other: Trained) -> bool:
    """Bit-identical tensors, predictions and dynamics."""
    import torch

    a, b = one.model.network.state_dict(), other.model.network.state_dict()
    return (
        a.keys() == b.keys()
        and all(torch.equal(a[name], b[name]) for name in a)
        and np.array_equal(one.probabilities, other.probabilities)
        and one.dynamics.equals(other.dynamics)
    )


def make_data(rows: list[dict[str, str]]) -> Dataset:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    labels = tuple(sorted({row["label"] for row in rows}))
    return Dataset("classification", table, labels, table.slice(0, 0))


def make_toy(*, pair: bool = False, n: int = 200) -> Dataset:
    """`good` or `bad` decides; lengths differ; the last fifth is the test set."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        good = bool(rng.random() < 0.5)
        filler = [f"w{k}" for k in rng.integers(0, 20, rng.integers(1, 12))]
        text = " ".join([*filler, "good" if good else "bad", "film"])
        row = {"id": f"r{i}", "split": "train" if i < n * 4 // 5 else "test", "text": text, "label": "pos" if good else "neg"}
        row["group"] = "a" if i % 3 else "b"
        rows.append({**row, "text": " ".join(filler), "second": text} if pair else row)
    return make_data(rows)


@pytest.fixture(scope="session")
def toy() -> Dataset:
    return make_toy()
