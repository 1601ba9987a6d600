"""How well the language head of an encoder's base weights predicts each token of plain sentences, before and after tuning.

A masked head is asked for every token from all the others, a causal head for every token from those before it. Needs torch.
Source: Salazar et al. 2020, arXiv:1910.14659 (every token masked in turn); Bengio et al. 2003, JMLR 3 (the next token).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from veridical.core.finding import Skipped
from veridical.models.model import FloatArray

Head = Literal["masked", "causal"]
HEADLESS = ("pooler", "position_ids", "token_type_ids")
"""Parts of a checkpoint whose absence is no missing head."""
AT_ONCE = 64
"""Sentences, each with one token masked, in a batch; or sentences read to the right. Ours; no source."""
NO_HEAD = Skipped("The base weights hold no masked or causal language head; how well words are predicted was not asked.")
NOT_ITS_OWN = Skipped(
    "The tuned encoder holds other tensors than its base (adapters, added tokens), which the language head does not fit; "
    "how well words are predicted was not asked."
)


@dataclass(frozen=True, eq=False)
class LanguageHead:
    """The base weights under their own language head, in float32. kind: what the head is asked."""

    kind: Head
    model: Any
    tokenizer: Any

    def losses(self, texts: Sequence[str], *, max_length: int) -> FloatArray:
        """Mean negative log likelihood of the tokens of each text (n,), nats; NaN where no token can be asked. Special tokens
        (begin, end, padding, unknown) are never asked for."""
        asked = _next_token_losses if self.kind == "causal" else _masked_losses
        return asked(self.model, self.tokenizer, texts, max_length=max_length)

    def takes(self, encoder: Any) -> bool:
        """Put tuned weights in the place of those of the base; False, with nothing changed, where they are not of its shape."""
        tuned = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
        own = self.model.base_model.state_dict()
        unlike = [name for name, tensor in tuned.items() if name not in own or own[name].shape != tensor.shape]
        if unlike or _lacking(set(own) - set(tuned)):
            return False
        self.model.base_model.load_state_dict(tuned, strict=False)
        self.model.tie_weights()
        return True


def language_head(folder: Path) -> LanguageHead | Skipped:
    """The head of the architecture in the folder's config.json, from its own file; skipped where the file lacks it (it would
    be drawn at random), or where what is called causal sees the tokens that it is to foretell."""
    from veridical.models._encoder_network import open_tokenizer

    kind = _kind(folder)
    model = _opened(folder, kind)
    tokenizer = open_tokenizer(folder) if model is not None else None
    if tokenizer is None or (kind == "masked" and tokenizer.mask_token_id is None):
        return NO_HEAD
    return NO_HEAD if kind == "causal" and _sees_what_follows(model) else LanguageHead(kind, model, tokenizer)


def language_losses(
    folder: Path, texts: Sequence[str], *, encoder: Any, max_length: int
) -> tuple[Head, FloatArray, FloatArray] | Skipped:
    """(kind of head, losses (n,) of the base weights, and with the tuned `encoder` in their place), nats a token of each text."""
    head = language_head(folder)
    if isinstance(head, Skipped):
        return head
    before = head.losses(texts, max_length=max_length)
    return (head.kind, before, head.losses(texts, max_length=max_length)) if head.takes(encoder) else NOT_ITS_OWN


def _kind(folder: Path) -> Head:
    """What the architecture that was saved foretells; masked where config.json names none that reads to the right."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    saved = set(getattr(config, "architectures", None) or ())
    causal, masked = (set(t.values()) for t in (MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES))
    return "causal" if saved & (causal - masked) else "masked"


def _opened(folder: Path, kind: Head) -> Any | None:
    """The encoder with its head, in float32; None where the checkpoint lacks the head, which would then be drawn at random."""
    import torch
    import transformers

    from veridical.models._encoder_network import quiet_transformers

    named: Any = transformers
    opener = named.AutoModelForCausalLM if kind == "causal" else named.AutoModelForMaskedLM
    with quiet_transformers():
        try:
            model, report = opener.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
        except ValueError:  # an architecture for which there is no such head
            return None
    return None if _lacking(report["missing_keys"]) else model.eval()


def _lacking(names: Iterable[str]) -> list[str]:
    return [name for name in names if not any(part in name for part in HEADLESS)]


def _sees_what_follows(model: Any) -> bool:
    """Whether another last token changes what is foretold before it: such a head is shown the tokens that it is asked for."""
    import torch

    ids = torch.arange(4) % model.config.vocab_size
    both = torch.stack([ids, torch.cat([ids[:-1], (ids[-1:] + 1) % model.config.vocab_size])])
    with torch.inference_mode():
        first, other = model(input_ids=both, attention_mask=torch.ones_like(both)).logits[:, :-1].float()
    return not torch.allclose(first, other, atol=1e-4)


def _next_token_losses(model: Any, tokenizer: Any, texts: Sequence[str], *, max_length: int) -> FloatArray:
    """Of a text x_0 .. x_T as the tokenizer frames it: the mean over the places t >= 1 at which x_t is no special token of
    -log softmax(logits_{t-1})[x_t], where logits_{t-1} are those at x_{t-1}, made from x_0 .. x_{t-1} alone. Padding stands on
    the right, where nobody looks, and is never asked for; a first token without one before it is not either."""
    import torch

    special = set(tokenizer.all_special_ids)
    coded = [tokenizer(text, truncation=True, max_length=max_length)["input_ids"] for text in texts]
    found = np.full(len(texts), np.nan)
    for part in _batches(coded):
        width = max(len(coded[at]) for at in part)
        ids = torch.tensor([coded[at] + [tokenizer.pad_token_id] * (width - len(coded[at])) for at in part])
        real = torch.tensor([[1] * len(coded[at]) + [0] * (width - len(coded[at])) for at in part])
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=real).logits.float()
        said = torch.log_softmax(logits[:, :-1], dim=-1).gather(2, ids[:, 1:, None])[:, :, 0]  # (B, T - 1)
        for row, at in enumerate(part):
            asked = [t - 1 for t in range(1, len(coded[at])) if coded[at][t] not in special]
            found[at] = float(-said[row, asked].double().mean()) if asked else np.nan
    return found


def _batches(coded: Sequence[Sequence[int]]) -> list[list[int]]:
    """Places of texts of two tokens or more, by length, AT_ONCE together."""
    order = sorted((at for at, ids in enumerate(coded) if len(ids) > 1), key=lambda at: len(coded[at]))
    return [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]


def _masked_losses(model: Any, tokenizer: Any, texts: Sequence[str], *, max_length: int) -> FloatArray:
    """Of a text x_0 .. x_T: the mean over the places t at which x_t is no special token of -log softmax(logits_t)[x_t], where
    logits_t are those at t with the mask token in its place."""
    import torch

    special = set(tokenizer.all_special_ids)
    found = np.full(len(texts), np.nan)
    for at, text in enumerate(texts):
        ids = torch.tensor(tokenizer(text, truncation=True, max_length=max_length)["input_ids"])
        places = torch.tensor([i for i, token in enumerate(ids.tolist()) if token not in special], dtype=torch.long)
        if not len(places):
            continue
        losses = []
        for start in range(0, len(places), AT_ONCE):
            part = places[start : start + AT_ONCE]
            masked = ids.repeat(len(part), 1)
            masked[torch.arange(len(part)), part] = tokenizer.mask_token_id
            with torch.inference_mode():
                logits = model(input_ids=masked, attention_mask=torch.ones_like(masked)).logits
            said = torch.log_softmax(logits[torch.arange(len(part)), part].float(), dim=-1)
            losses += (-said[torch.arange(len(part)), ids[part]]).tolist()
        found[at] = float(np.mean(losses))
    return found
