"""Train a tokenizer on texts: WordPiece, byte-level BPE or Unigram, saved as a Hugging Face folder holds it. Needs tokenizers."""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veridical.core.errors import InputError, UnknownName

KINDS = ("wordpiece", "bpe", "unigram")
LARGEST_AUTOMATIC = 8192
"""Entries when none are asked for: as many as the text fills, up to these. Ours; no source."""
SMALLEST = 64
"""Entries under which there is no room for letters and special tokens. Ours."""
FEWEST_OCCURRENCES = 2
"""Times a piece must occur to become an entry (WordPiece, BPE). tokenizers' own default for WordPiece in its BERT recipe."""
ROUNDS = 4
"""Times the scores of a Unigram tokenizer are estimated. Ours; no source."""
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
    made = _wordpiece(texts, plan, wanted) if plan.kind == "wordpiece" else _trained(texts, plan, wanted)
    size = made.get_vocab_size()
    if plan.vocabulary and size < plan.vocabulary:
        raise InputError(
            f"--vocabulary is {plan.vocabulary:,}, but this text fills only {size:,} entries of a {plan.kind} tokenizer. "
            f"Give --vocabulary {size} or less, leave it out, or give more text."
        )
    _frame(made, special, ends=plan.ends)
    from transformers import PreTrainedTokenizerFast

    wrapper: Any = PreTrainedTokenizerFast
    pad, unknown, begin, end, mask = special
    names: dict[str, Any] = {"pad_token": pad, "unk_token": unknown, "mask_token": mask}
    names |= {"cls_token": begin, "sep_token": end} if plan.ends else {"bos_token": begin, "eos_token": end}
    kinds = ["input_ids", "token_type_ids", "attention_mask"] if plan.ends else ["input_ids", "attention_mask"]
    return wrapper(
        tokenizer_object=made, model_max_length=plan.max_length, model_input_names=kinds, padding_side="right", **names
    )


def _wordpiece(texts: Sequence[str], plan: TokenizerPlan, wanted: int) -> Any:
    """Letters are named to the trainer in a fixed order, first in a word and within it. It would number those within words as it
    meets them, in an order that changes from run to run, and break ties between merges by these numbers."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = list(SPECIAL["wordpiece"])
    normaliser, splitter = normalizers.BertNormalizer(lowercase=plan.lowercase), pre_tokenizers.BertPreTokenizer()
    plain = [normaliser.normalize_str(text) for text in texts]
    counts = Counter(character for text in plain for character in text if not character.isspace())
    common = sorted(counts, key=lambda character: (-counts[character], character))

    def vocabulary(n_letters: int) -> dict[str, int]:
        letters = sorted(common[:n_letters])
        rare = {ord(character): " " for character in common[n_letters:]}
        inside = [letter for letter in letters if not _stands_alone(letter)][: max(wanted // 4, 16)]
        trainer = trainers.WordPieceTrainer(
            vocab_size=wanted,
            special_tokens=[*special, *letters, *(f"##{letter}" for letter in inside)],
            min_frequency=FEWEST_OCCURRENCES,
            show_progress=False,
        )
        pupil: Any = Tokenizer(models.WordPiece(unk_token=special[1]))
        pupil.normalizer, pupil.pre_tokenizer = normaliser, splitter
        pupil.train_from_iterator((text.translate(rare) for text in plain), trainer=trainer)
        found: dict[str, int] = pupil.get_vocab()
        return found

    # Half the room for letters at first: a text in Chinese holds thousands, and what is left out is unknown. Where no pieces fill
    # the other half, more letters do.
    n_letters = max(wanted // 2, 32)
    entries = vocabulary(n_letters)
    if len(entries) < wanted and len(common) > n_letters:
        entries = vocabulary(n_letters + wanted - len(entries))
    made: Any = Tokenizer(models.WordPiece(entries, unk_token=special[1], max_input_chars_per_word=100))
    made.normalizer, made.pre_tokenizer, made.decoder = normaliser, splitter, decoders.WordPiece()
    made.add_special_tokens(special)
    return made


def _stands_alone(character: str) -> bool:
    """Whether BERT's splitter makes a word of this character, so that it never stands within one: Chinese, punctuation."""
    code = ord(character)
    if 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF:
        return True
    return unicodedata.category(character).startswith("P") or (code < 128 and not character.isalnum())


def _trained(texts: Sequence[str], plan: TokenizerPlan, wanted: int) -> Any:
    """Byte-level BPE or Unigram."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    special = list(SPECIAL[plan.kind])
    made: Any
    trainer: Any
    if plan.kind == "bpe":
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
    try:
        made.train_from_iterator(texts, trainer=trainer, length=len(texts))
    except Exception as error:  # the library knows no other type
        if "not large enough" not in str(error):
            raise
        n_letters = len({character for text in texts for character in text})
        raise InputError(
            f"--vocabulary is {wanted}; a unigram tokenizer needs an entry for each of the {n_letters} different characters of "
            f"this text. Give more than {n_letters + len(special)}, or --tokenizer bpe."
        ) from error
    return made if plan.kind == "bpe" else _scored_anew(made, texts, special)


def _scored_anew(made: Any, texts: Sequence[str], special: Sequence[str]) -> Any:
    """The Unigram model with its pieces in a fixed order and scores estimated again, by a few rounds of segmenting and counting:
    the trainer adds up its own in an order that changes from run to run, and the fourth figure with it."""
    from tokenizers import Tokenizer, models

    model = json.loads(made.to_str())["model"]
    pieces = [*special, *sorted(piece for piece, _ in model["vocab"] if piece not in special)]
    scores = np.zeros(len(pieces)) - np.log(len(pieces))
    for _ in range(ROUNDS):
        again: Any = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=1))
        again.normalizer, again.pre_tokenizer, again.decoder = made.normalizer, made.pre_tokenizer, made.decoder
        counts = np.ones(len(pieces))
        for start in range(0, len(texts), 1000):
            for coded in again.encode_batch(list(texts[start : start + 1000]), add_special_tokens=False):
                counts += np.bincount(coded.ids, minlength=len(pieces))
        scores = np.round(np.log(counts / counts.sum()), 6)
    again = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=1))
    again.normalizer, again.pre_tokenizer, again.decoder = made.normalizer, made.pre_tokenizer, made.decoder
    again.add_special_tokens(list(special))
    return again


def _frame(made: Any, special: Sequence[str], *, ends: bool) -> None:
    """Begin and end tokens around a text, as the model will read it."""
    from tokenizers import processors

    begin, end = special[2], special[3]
    ids = [(name, made.token_to_id(name)) for name in (begin, end)]
    single, pair = (f"{begin} $A {end}", f"{begin} $A {end} $B:1 {end}:1") if ends else (f"{begin} $A", f"{begin} $A $B")
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
