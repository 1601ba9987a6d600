"""Word embeddings of virtual tokens are learned and put before each text (prompt tuning).

What learns: `tokens` embeddings of width D, which start as those of words drawn from the vocabulary.
What is saved: the encoder as it came with the embeddings beside it; they cannot be merged, and cost time when predicting.
How it errs: the fewest numbers of all methods here, made for models of billions; on small encoders it stays far behind.
Source: Lester et al. 2021, arXiv:2104.08691; PEFT's module. The virtual tokens are left out of the mean over states.
"""

from dataclasses import dataclass
from typing import Any

from veridical.train._tuning import Given, Tuning, check, refuse_frozen_layers, refuse_positions


@dataclass(frozen=True)
class Params:
    """Settings of prompt."""

    tokens: int = 20
    """Virtual tokens, >= 1. Lester et al. 2021: more than 20 gain little."""
    rate: float = 100.0
    """Factor on learning_rate, > 0. Lester et al. 2021: 0.3 with Adafactor; ours for AdamW, no source."""

    def __post_init__(self) -> None:
        check("tokens", self.tokens, 1, 10_000)
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, params: Params, given: Given) -> None:
    """Put virtual tokens before the real ones, and take their states out afterwards."""
    import torch
    from peft import PromptTuningConfig
    from peft.tuners.prompt_tuning import PromptEmbedding

    refuse_frozen_layers("prompt", given)
    refuse_positions(network, params.tokens, given)
    encoder = network.encoder
    table = encoder.get_input_embeddings().weight
    config = PromptTuningConfig(
        num_virtual_tokens=params.tokens, token_dim=encoder.config.hidden_size, num_transformer_submodules=1,
        num_attention_heads=1, num_layers=1,
    )  # fmt: skip
    encoder.prompt = PromptEmbedding(config, encoder.get_input_embeddings())  # type: ignore[no-untyped-call]
    with torch.no_grad():
        encoder.prompt.embedding.weight.copy_(table[torch.randint(len(table), (params.tokens,))])
    encoder.register_forward_pre_hook(_with_prompt, with_kwargs=True)
    encoder.register_forward_hook(_without_prompt)


def _with_prompt(encoder: Any, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """ids (B, T) -> embeddings (B, P + T, D), with mask and token types to match."""
    import torch

    changed = dict(named)
    words = encoder.get_input_embeddings()(changed.pop("input_ids"))  # (B, T, D)
    learned = encoder.prompt.embedding.weight  # (P, D)
    changed["inputs_embeds"] = torch.cat([learned.to(words.dtype).expand(len(words), -1, -1), words], dim=1)
    mask, types = named["attention_mask"], named.get("token_type_ids")
    changed["attention_mask"] = torch.cat([mask.new_ones((len(mask), len(learned))), mask], dim=1)
    if types is not None:
        changed["token_type_ids"] = torch.cat([types.new_zeros((len(types), len(learned))), types], dim=1)
    return given, changed


def _without_prompt(encoder: Any, _inputs: Any, output: Any) -> Any:
    output.last_hidden_state = output.last_hidden_state[:, encoder.prompt.embedding.num_embeddings :]
    return output


tuning = Tuning(Params(), prepare, through_peft=True, beside=True)
