"""The network asked about rows of the data set, or about texts that a countermeasure brought."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models._encoder_network import EncoderClassifier, batch_tensors
from veridical.models.tokens import Tokens
from veridical.train._contract import Named, Read, Start
from veridical.train.checkpoint import trainable


@dataclass(frozen=True, eq=False, slots=True)
class Reader:
    """tokens: of every row of the data set. texts: of what each countermeasure brought, by its name."""

    network: EncoderClassifier
    tokens: Tokens
    texts: Mapping[str, Tokens]
    bfloat16: bool

    def of_rows(self, rows: IntArray) -> tuple[Tensor, Tensor, Tensor | None]:
        return batch_tensors(self.tokens, rows, self._device)

    def of_texts(self, name: str, at: IntArray) -> tuple[Tensor, Tensor, Tensor | None]:
        return batch_tensors(self.texts[name], at, self._device)

    def read(self, *inputs: Tensor | None, model: nn.Module | None = None, tensors: Mapping[str, Any] | None = None) -> Read:
        """model: the network in its wrapper. tensors: what to compute with in place of the network's own, by name."""
        states: list[Tensor] = []
        hook = self.network.head.register_forward_pre_hook(lambda _module, args: states.append(args[0]))
        try:
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self.bfloat16):
                if tensors is None:
                    logits = (model or self.network)(*inputs)
                else:
                    logits = functional_call(self.network, dict(tensors), inputs)
        finally:
            hook.remove()
        return Read(states[0], logits)

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def begun(countermeasures: Named, reader: Reader, *, train: IntArray, seed: int) -> Named:
    """The same countermeasures, with what each reads off the network before the first step in its params."""
    if not any(c.begin for _, c in countermeasures):
        return countermeasures
    network = reader.network
    network.eval()
    found = []
    for name, countermeasure in countermeasures:
        if countermeasure.begin:

            def texts(at: IntArray, name: str = name) -> Read:
                return reader.read(*reader.of_texts(name, at))

            start = Start(
                parameters=trainable(network),
                read_rows=lambda rows: reader.read(*reader.of_rows(rows)),
                read_texts=texts,
                train=train,
                rng=stream(seed, f"{name}/begin"),
            )
            countermeasure = replace(countermeasure, params=countermeasure.begin(start, countermeasure.params))
        found.append((name, countermeasure))
    return tuple(found)
