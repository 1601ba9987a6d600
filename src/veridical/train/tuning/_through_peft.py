"""What the methods that put PEFT's modules into the encoder's layers share."""

from typing import Any

ADAPTER = "default"
"""PEFT's name for the only set of added tensors."""


def put_in(network: Any, tuner: Any, config: Any) -> None:
    """Let a PEFT tuner wrap the linear maps that its config names; what it adds alone asks for gradients."""
    encoder = network.encoder
    tuner(encoder, config, ADAPTER)
    del encoder.peft_config  # PEFT's note to itself, which transformers would take for an adapter of its own


def merge(network: Any) -> None:
    """Write what was learned into the wrapped matrices, and put these back where they stood."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(network.encoder.named_modules()):
        if isinstance(module, BaseTunerLayer):
            added: Any = module
            added.merge()
            network.encoder.set_submodule(name, added.get_base_layer())
