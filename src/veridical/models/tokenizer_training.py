"""Train a tokenizer on texts: WordPiece, byte-level BPE or Unigram, saved as a Hugging Face folder holds it. Needs tokenizers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from veridical.core.errors import InputError, UnknownName

KINDS = ("wordpiece", "bpe", "unigram")
LARGEST_AUTOMATIC = 8192
"""Entries when none are asked for: as many as the text fills, up to these. Ours; no source."""
SMALLEST = 64
"""Entries under which there is no room for letters and special tokens. Ours."""
FEWEST_OCCURRENCES = 2
"""Times a piece must occur to become an entry (WordPiece, BPE). tokenizers' own default for WordPiece in its BERT recipe."""
SPECIAL = {
    "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "bpe": ("<pad>", "<unk>", "<s>", "</s>", "<mask>"),
    "unigram": ("<pad>", "<unk>", "<s>", "</s>", "<mask>"),
}
"""Padding, unknown, begin, end, mask."""


@dataclass(frozen=True, slots=True)
class TokenizerPlan:
    """kind: of KINDS. vocabulary: entries, special tokens among them; 0 takes what the text fills. lowercase: wordpiece only.
    ends: whether texts end with a special token, as encoders read them, and pairs carry segments. max_length: what
    the model reads."""

    kind: str
    vocabulary: int
    lowercase: bool
    ends: bool
    max_length: int


def train_tokenizer(texts: Sequence[str], plan: TokenizerPlan) -> Any:
    """A fast tokenizer of exactly the size asked for. Raises InputError where the text cannot fill it."""
    if plan.kind not in KINDS:
        raise UnknownName("tokenizer", plan.kind, KINDS, "Give it as --tokenizer NAME, or a folder that holds one.")
    if plan.vocabulary and plan.vocabulary < SMALLEST:
        raise InputError(f"--vocabulary is {plan.vocabulary}; give at least {SMALLEST}, or 0 for what the text fills.")
    special = SPECIAL[plan.kind]
    wanted = plan.vocabulary or LARGEST_AUTOMATIC
    made, trainer = _untrained(plan, wanted)
    made.train_from_iterator(texts, trainer=trainer, length=len(texts))
    size = made.get_vocab_size()
    if plan.vocabulary and size < plan.vocabulary:
        raise InputError(
            f"--vocabulary is {plan.vocabulary:,}, but this text fills only {size:,} entries of a {plan.kind} tokenizer. "
            f"Give --vocabulary {size} or less, leave it out, or give more text."
        )
    _frame(made, special, ends=plan.ends)
    from transformers import PreTrainedTokenizerFast

    pad, unknown, begin, end, mask = special
    names: dict[str, Any] = {"pad_token": pad, "unk_token": unknown, "mask_token": mask}
    names |= {"cls_token": begin, "sep_token": end} if plan.ends else {"bos_token": begin, "eos_token": end}
    kinds = ["input_ids", "token_type_ids", "attention_mask"] if plan.ends else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=plan.max_length, model_input_names=kinds, padding_side="right", **names
    )


def _untrained(plan: TokenizerPlan, wanted: int) -> tuple[Any, Any]:
    """(tokenizer, trainer)"""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = list(SPECIAL[plan.kind])
    made: Any
    trainer: Any
    if plan.kind == "wordpiece":
        made = Tokenizer(models.WordPiece(unk_token=special[1], max_input_chars_per_word=100))
        made.normalizer = normalizers.BertNormalizer(lowercase=plan.lowercase)
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        # Of the letters half the room at most: a text in Chinese holds thousands, and what is left out is unknown.
        trainer = trainers.WordPieceTrainer(
            vocab_size=wanted, special_tokens=special, min_frequency=FEWEST_OCCURRENCES, limit_alphabet=max(wanted // 2, 32),
            show_progress=False,
        )  # fmt: skip
    elif plan.kind == "bpe":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        if wanted < len(special) + 256:
            raise InputError(f"--vocabulary is {wanted}; byte-level bpe needs {len(special) + 256} or more, one entry a byte.")
        trainer = trainers.BpeTrainer(
            vocab_size=wanted, special_tokens=special, min_frequency=FEWEST_OCCURRENCES,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        )  # fmt: skip
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=wanted, special_tokens=special, unk_token=special[1], show_progress=False)
    return made, trainer


def _frame(made: Any, special: Sequence[str], *, ends: bool) -> None:
    """Begin and end tokens around a text, as the model will read it."""
    from tokenizers import processors

    begin, end = special[2], special[3]
    ids = [(name, made.token_to_id(name)) for name in (begin, end)]
    single, pair = (f"{begin} $A {end}", f"{begin} $A {end} $B:1 {end}:1") if ends else (f"{begin} $A", f"{begin} $A $B")
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
