"""Keys and values of virtual tokens are learned for each layer, to which all real tokens may attend (prefix tuning).

What learns: `tokens` keys and values of width D in each of L layers, 2 x L x D x `tokens` numbers.
What is saved: the encoder as it came with the keys and values beside it; they cannot be merged, and cost time when predicting.
How it errs: virtual tokens take positions of the encoder, so that real ones stand `tokens` places further than in pre-training;
it wants large steps and many epochs; encoders of few rows often stay behind (PEFT's own benchmark shows the most forgetting).
Source: Li and Liang 2021, arXiv:2101.00190; for encoders Liu et al. 2022, arXiv:2110.07602 (P-tuning v2); PEFT's module.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from veridical.core.errors import InputError
from veridical.train._tuning import Given, Tuning, check, refuse_frozen_layers, refuse_positions


@dataclass(frozen=True)
class Params:
    """Settings of prefix."""

    tokens: int = 10
    """Virtual tokens, >= 1. Liu et al. 2022: under 20 for simple classification."""
    spread: float = 0.02
    """Standard deviation of keys and values at the start, > 0. Ours; PEFT's 1 drowns the encoder's own."""
    rate: float = 50.0
    """Factor on learning_rate, > 0. Liu et al. 2022 search 5e-3 to 1e-2 on encoders."""

    def __post_init__(self) -> None:
        check("tokens", self.tokens, 1, 10_000)
        check("spread", self.spread, 1e-6, 10.0)
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, params: Params, given: Given) -> None:
    """Let the encoder attend to virtual tokens."""
    import torch
    from peft import PrefixTuningConfig
    from peft.tuners.prefix_tuning import PrefixEncoder

    refuse_frozen_layers("prefix", given)
    refuse_positions(network, params.tokens, given)
    encoder = network.encoder
    if "past_key_values" not in inspect.signature(encoder.forward).parameters:
        raise InputError(
            f"This encoder ({encoder.config.model_type}) takes no keys and values from outside, which tuning prefix adds. "
            "Use --tuning prompt, or lora."
        )
    about = encoder.config
    config = PrefixTuningConfig(
        num_virtual_tokens=params.tokens, token_dim=about.hidden_size, num_layers=about.num_hidden_layers,
        num_attention_heads=about.num_attention_heads, encoder_hidden_size=about.hidden_size,
    )  # fmt: skip
    encoder.prefix = PrefixEncoder(config)  # type: ignore[no-untyped-call]
    torch.nn.init.normal_(encoder.prefix.embedding.weight, std=params.spread)
    encoder.register_forward_pre_hook(_with_prefix, with_kwargs=True)


def _with_prefix(encoder: Any, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Real tokens (B, T) are read with keys and values of P virtual ones before them."""
    import torch
    from transformers import DynamicCache

    mask, about = named["attention_mask"], encoder.config
    learned, batch = encoder.prefix.embedding.weight, len(mask)  # (P, L * 2 * D)
    heads = about.num_attention_heads
    shape = (len(learned), about.num_hidden_layers, 2, heads, about.hidden_size // heads)
    by_layer = learned.view(shape).permute(1, 2, 3, 0, 4)  # (L, 2, heads, P, D / heads)
    memory = DynamicCache()
    for number, (keys, values) in enumerate(by_layer):
        memory.update(keys.expand(batch, -1, -1, -1), values.expand(batch, -1, -1, -1), number)
    ones = mask.new_ones((batch, len(learned)))
    return given, {**named, "past_key_values": memory, "attention_mask": torch.cat([ones, mask], dim=1)}


tuning = Tuning(Params(), prepare, through_peft=True, beside=True)
