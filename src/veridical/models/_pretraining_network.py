"""A transformer with the heads that pre-training asks, attention kept within segments. Needs torch.

transformers' encoders build no mask from restarting position ids, so every mask is given whole: (B, 1, T, T), 0 where a token may
attend and a very low number elsewhere, which both attention kernels add to their scores as it is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from veridical.core.errors import InputError
from veridical.models._encoder_network import quiet_transformers, refuse_no_numbers

Sees = Literal["both", "left"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What pre-training must know of a model type. decoder: reads to the left only. head: where the token head stands. offset:
    the position id of the first token is the padding id plus this, or 0 where None."""

    decoder: bool
    head: str
    offset: int | None = None
    pairs: bool = False


ARCHITECTURES = {
    "bert": Architecture(decoder=False, head="cls.predictions", pairs=True),
    "roberta": Architecture(decoder=False, head="lm_head", offset=1),
    "xlm-roberta": Architecture(decoder=False, head="lm_head", offset=1),
    "gpt2": Architecture(decoder=True, head="lm_head"),
    "llama": Architecture(decoder=True, head="lm_head"),
    "qwen2": Architecture(decoder=True, head="lm_head"),
}
NOT_A_HEAD = ("pooler", "position_ids", "token_type_ids", "seq_relationship", "rotary_emb")
DROPOUTS = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout"),
    *("resid_pdrop", "embd_pdrop", "attn_pdrop"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a model from scratch."""

    kind: str
    layers: int
    width: int
    heads: int
    positions: int
    vocabulary: int
    pad: int
    begin: int
    end: int
    dropout: float


class PretrainingNetwork(nn.Module):
    """model: a transformers model, with a token head or (for a decoder objective) without. decoder: reads one vector, writes the
    text; thrown away afterwards."""

    def __init__(self, model: Any, *, kind: str, decoder: "VectorDecoder | None" = None) -> None:
        super().__init__()
        self.model = model
        self.kind = kind
        self.decoder = decoder

    @property
    def trunk(self) -> Any:
        return self.model.base_model

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def states(self, ids: Tensor, segment: Tensor, positions: Tensor, types: Tensor, *, sees: Sees) -> Tensor:
        """Last hidden states, (B, T, D)."""
        own = ARCHITECTURES[self.kind]
        places = positions if own.offset is None else positions + self.trunk.config.pad_token_id + own.offset
        segments = {"token_type_ids": types} if own.pairs else {}
        beside = {"use_cache": False} if own.decoder else {}
        mask = mask_of(segment, sees=sees)
        hidden: Tensor = self.trunk(
            input_ids=ids, attention_mask=mask, position_ids=places, **segments, **beside
        ).last_hidden_state
        return hidden

    def token_logits(self, states: Tensor) -> Tensor:
        """(M, D) -> (M, V)."""
        module: Any = self.model
        for name in ARCHITECTURES[self.kind].head.split("."):
            module = getattr(module, name)
        logits: Tensor = module(states)
        return logits

    def pair_logits(self, states: Tensor) -> Tensor:
        """(B, T, D) -> (B, 2)."""
        logits: Tensor = self.model.cls.seq_relationship(self.trunk.pooler(states))
        return logits

    def written_logits(self, states: Tensor, segment: Tensor, written: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """Logits (M, V) of what follows in `written` (B, U), from the mean state of each row alone."""
        assert self.decoder is not None
        real = (segment > 0).to(torch.float32).unsqueeze(-1)
        vector = (states.float() * real).sum(1, keepdim=True) / real.sum(1, keepdim=True).clamp(min=1.0)  # (B, 1, D)
        logits: Tensor = self.decoder(written, vector, row, column)
        return logits

    def set_attention(self, kind: str) -> None:
        self.model.set_attn_implementation(kind)
        if self.decoder is not None:
            self.decoder.layers.set_attn_implementation(kind)


class VectorDecoder(nn.Module):
    """Layers of a BERT that attend to the left and to one vector; words are those of the encoder's table."""

    def __init__(self, trunk: Any, *, layers: int, positions: int, dropout: float) -> None:
        from transformers import BertConfig, BertModel

        super().__init__()
        own = trunk.config
        config = BertConfig(
            vocab_size=own.vocab_size, hidden_size=own.hidden_size, num_hidden_layers=layers,
            num_attention_heads=own.num_attention_heads, intermediate_size=own.intermediate_size,
            max_position_embeddings=positions, is_decoder=True, add_cross_attention=True, use_cache=False,
            hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        )  # fmt: skip
        stack: Any = BertModel(config, add_pooling_layer=False)
        self.layers: Any = stack
        stack.set_input_embeddings(trunk.get_input_embeddings())
        self.bias = nn.Parameter(torch.zeros(own.vocab_size))

    def forward(self, written: Tensor, vector: Tensor, row: Tensor, column: Tensor) -> Tensor:
        left = mask_of(torch.ones_like(written), sees="left")  # padding stands on the right, where nobody looks
        hidden = self.layers(input_ids=written, attention_mask=left, encoder_hidden_states=vector).last_hidden_state
        table: Tensor = self.layers.get_input_embeddings().weight
        logits: Tensor = hidden[row, column] @ table.T + self.bias
        return logits


def mask_of(segment: Tensor, *, sees: Sees) -> Tensor:
    """(B, T) segments, 0 padding -> (B, 1, T, T) to add to attention scores: a token sees its own segment, or what of it lies to
    the left. Padding sees padding, so that no row of scores is empty."""
    allowed = segment.unsqueeze(2) == segment.unsqueeze(1)  # (B, T, T)
    if sees == "left":
        n = segment.shape[1]
        allowed = allowed & torch.ones(n, n, dtype=torch.bool, device=segment.device).tril()
    mask = torch.zeros(allowed.shape, dtype=torch.float32, device=segment.device)
    return mask.masked_fill(~allowed, torch.finfo(torch.float32).min).unsqueeze(1)


def from_scratch(shape: Shape, *, pair_head: bool, token_head: bool) -> PretrainingNetwork:
    """A new model, its weights drawn from torch's random stream."""
    import transformers as hf

    names: Any = hf
    config = _config(shape)
    if ARCHITECTURES[shape.kind].decoder:
        model = names.AutoModelForCausalLM.from_config(config)
    elif pair_head:
        model = names.BertForPreTraining(config)
    elif token_head:
        model = names.BertForMaskedLM(config)
    else:
        model = names.BertModel(config, add_pooling_layer=False)
    return PretrainingNetwork(model.float(), kind=shape.kind)


def _config(shape: Shape) -> Any:
    import transformers

    hf: Any = transformers
    common = {"vocab_size": shape.vocabulary, "pad_token_id": shape.pad, "bos_token_id": shape.begin, "eos_token_id": shape.end}
    if shape.kind == "bert":
        return hf.BertConfig(
            **common, hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            intermediate_size=4 * shape.width, max_position_embeddings=shape.positions, hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
        )  # fmt: skip
    if shape.kind == "gpt2":
        return hf.GPT2Config(
            **common, n_embd=shape.width, n_layer=shape.layers, n_head=shape.heads, n_positions=shape.positions,
            resid_pdrop=shape.dropout, embd_pdrop=shape.dropout, attn_pdrop=shape.dropout,
        )  # fmt: skip
    # Three matrices of a gated layer hold about as many numbers as BERT's two at this width.
    return hf.LlamaConfig(
        **common, hidden_size=shape.width, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
        intermediate_size=8 * shape.width // 3, max_position_embeddings=shape.positions, attention_dropout=shape.dropout,
        tie_word_embeddings=True,
    )  # fmt: skip


def from_weights(
    folder: Path, *, trunk: str, pair_head: bool, token_head: bool, dropout: float
) -> tuple[PretrainingNetwork, list[str]]:
    """The model in a folder, in float32, and the parts of its heads that it lacks (these are drawn anew). Only safetensors are
    opened. Raises InputError where its architecture cannot be trained so."""
    import transformers as hf

    config = hf.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    kind = str(config.model_type)
    refuse_architecture(kind, trunk=trunk, pair_head=pair_head, where=str(folder))
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    names: Any = hf
    if trunk == "decoder":
        opener = names.AutoModelForCausalLM
    elif pair_head:
        opener = names.BertForPreTraining
    else:
        opener = names.AutoModelForMaskedLM if token_head else names.AutoModel
    with quiet_transformers():
        model, report = opener.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32,
            ignore_mismatched_sizes=True, output_loading_info=True,  # what does not fit is refused below, in a sentence
        )  # fmt: skip
    wrong = [name for name, *_ in report.get("mismatched_keys", ())]
    trunk_lacks = [
        name for name in report["missing_keys"] if name.startswith(f"{model.base_model_prefix}.") and not _headlike(name)
    ]
    if wrong or trunk_lacks:
        raise InputError(
            f"The weights in {folder} are not those of its config.json ({(wrong or trunk_lacks)[0]} does not fit). Fetch the "
            "model again."
        )
    refuse_no_numbers(folder, model)
    lacking = [name for name in report["missing_keys"] if not any(part in name for part in NOT_A_HEAD)]
    if not token_head and not pair_head and getattr(model, "pooler", None) is not None:
        model.pooler = None
    return PretrainingNetwork(model, kind=kind), lacking


def _headlike(name: str) -> bool:
    return any(part in name for part in NOT_A_HEAD)


def refuse_architecture(kind: str, *, trunk: str, pair_head: bool, where: str) -> None:
    """Raise InputError where a model of this type cannot be trained with the objective."""
    fitting = [
        name for name, own in ARCHITECTURES.items() if own.decoder == (trunk == "decoder") and (own.pairs or not pair_head)
    ]
    if kind not in fitting:
        needs = "a decoder" if trunk == "decoder" else "an encoder with a head for pairs" if pair_head else "an encoder"
        raise InputError(
            f"{where} is of architecture {kind}; this objective needs {needs}: {', '.join(fitting)}. Choose another model, or "
            "another --objective."
        )


def positions_of(network: PretrainingNetwork) -> int:
    """Tokens that a segment may have."""
    own, config = ARCHITECTURES[network.kind], network.trunk.config
    used = 0 if own.offset is None else config.pad_token_id + own.offset
    return int(config.max_position_embeddings) - used


def tensors(arrays: tuple[np.ndarray[Any, Any], ...], device: torch.device) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays)
