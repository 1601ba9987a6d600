"""Small two-layer networks are learned within each layer, around which the signal also passes unchanged (bottleneck adapters).

What learns: a map down to `width`, a ReLU, and a map back up, which starts at zero: training starts from the encoder as it came,
bit for bit. They stand after attention and feed-forward (Houlsby) or after the feed-forward part alone (Pfeiffer).
What is saved: the encoder as it came with the adapters beside it; they cannot be merged, and cost time when predicting.
How it errs: the layers' own matrices never change; narrow adapters stay behind on tasks far from pre-training.
Source: Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2020, arXiv:2005.00247, whose place of the residual and layer norms
differs: here both read what the layer's map gives, before residual and layer norm, as Houlsby et al. do.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from veridical.core.errors import UnknownName
from veridical.train._tuning import Given, Tuning, check, linears

KINDS = ("houlsby", "pfeiffer")


@dataclass(frozen=True)
class Params:
    """Settings of adapters."""

    width: int = 48
    """Numbers that a state is squeezed into, >= 1. Pfeiffer et al. 2020: width / 16; Houlsby et al. 2019: 8 to 256."""
    kind: Literal["houlsby", "pfeiffer"] = "pfeiffer"
    """pfeiffer: one a layer; houlsby: two. Pfeiffer et al. 2020 found one as good."""
    spread: float = 0.02
    """Standard deviation of the map down at the start, > 0. Houlsby et al. 2019: 0.01; here that of the head."""
    rate: float = 10.0
    """Factor on learning_rate, > 0. Pfeiffer et al. 2020: 1e-4, Houlsby et al. 2019: up to 3e-3."""

    def __post_init__(self) -> None:
        check("width", self.width, 1, 65536)
        check("spread", self.spread, 1e-6, 10.0)
        check("rate", self.rate, 1e-4, 1e5)
        if self.kind not in KINDS:
            raise UnknownName("value for the tuning knob kind", self.kind, KINDS)


@cache
def bottleneck() -> Any:
    """The adapter as a torch module."""
    from torch import Tensor, nn

    class Bottleneck(nn.Module):
        """(..., D) -> (..., width) -> (..., D), added to what came in."""

        def __init__(self, size: int, width: int, *, spread: float) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
            nn.init.normal_(self.down.weight, std=spread)
            for zero in (self.down.bias, self.up.weight, self.up.bias):
                nn.init.zeros_(zero)

        def forward(self, states: Tensor) -> Tensor:
            added: Tensor = self.up(self.down(states).relu())
            return states + added

    return Bottleneck


def _pass(module: Any, _inputs: Any, output: Any) -> Any:
    return module.adapter(output)


def prepare(network: Any, params: Params, given: Given) -> None:
    """Hang an adapter on the last map of attention and feed-forward."""
    size = network.encoder.config.hidden_size
    for layer in linears(network, frozen_layers=given.frozen_layers):
        places: list[Any] = [layer.feedforward_out] if params.kind == "pfeiffer" else [layer.attention_out, layer.feedforward_out]
        for place in places:
            place.adapter = bottleneck()(size, params.width, spread=params.spread)
            place.register_forward_hook(_pass)


tuning = Tuning(Params(), prepare, beside=True)
