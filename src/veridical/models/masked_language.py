"""How well an encoder with a masked-language head predicts each token of plain sentences from the others. Needs torch."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veridical.models.model import FloatArray

HEADLESS = ("pooler", "position_ids", "token_type_ids")
"""Parts of a checkpoint whose absence is no missing head."""
AT_ONCE = 64
"""Sentences, each with one token masked, in a batch. Ours; no source."""


def masked_losses(folder: Path, texts: Sequence[str], *, encoder: Any | None, max_length: int) -> FloatArray | None:
    """Mean negative log likelihood of the tokens of each text (n,), nats, every known token masked in turn; NaN where none is
    known. encoder: tuned weights put in the place of those in the folder. None where the folder holds no such head, or
    the tuned weights do not fit it."""
    model = _opened(folder)
    if model is None:
        return None
    from veridical.models._encoder_network import open_tokenizer

    tokenizer = open_tokenizer(folder)
    if tokenizer.mask_token_id is None:
        return None
    if encoder is not None:
        tuned = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
        unlike = model.base_model.load_state_dict(tuned, strict=False)
        if _lacking(unlike.missing_keys) or unlike.unexpected_keys:
            return None
        model.tie_weights()
    return _losses(model, tokenizer, texts, max_length=max_length)


def _opened(folder: Path) -> Any | None:
    """The encoder with its head, in float32; None where the checkpoint lacks the head, which would then be drawn at random."""
    import torch
    from transformers import AutoModelForMaskedLM

    from veridical.models._encoder_network import quiet_transformers

    with quiet_transformers():
        try:
            model, report = AutoModelForMaskedLM.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
        except ValueError:  # an architecture for which there is no such head
            return None
    return None if _lacking(report["missing_keys"]) else model.eval()


def _lacking(names: Iterable[str]) -> list[str]:
    return [name for name in names if not any(part in name for part in HEADLESS)]


def _losses(model: Any, tokenizer: Any, texts: Sequence[str], *, max_length: int) -> FloatArray:
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
