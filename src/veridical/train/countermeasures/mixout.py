"""In each step a random part of the encoder's weights is put back to where it started (mixout).

What it measures: nothing; dropout, but towards the pre-trained weights in place of zero.
Why it inflates a score: fine-tuning on few rows swings with the seed, and the best of several seeds is reported.
How it errs: with many rows it mostly slows learning down; each step copies all matrices, which costs time on small batches.
Source: Lee et al. 2020, arXiv:1909.11299; on matrices of the encoder, as there on BERT; head, biases and norms are left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veridical.train._contract import Countermeasure
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import learned_by_heart

MATRIX_AXES = 2


@dataclass(frozen=True)
class Params:
    """Settings of mixout."""

    share: float = field(default=0.7, metadata=between(0, 1 - 1e-9))
    """Share of the weights that are put back in a step, 0..1 without 1; 0 is off. Lee et al. 2020 use 0.7 to 0.9."""


def mixed(parameters: Mapping[str, Any], start: Mapping[str, Any], params: Params, rng: np.random.Generator) -> Mapping[str, Any]:
    """Tensors whose mean over the random part is the parameters themselves."""
    import torch

    if not params.share:
        return parameters
    chosen = dict(parameters)
    device = next(iter(parameters.values())).device
    random = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    for name, p in parameters.items():
        if p.ndim >= MATRIX_AXES and not name.startswith("head."):
            kept = torch.rand(p.shape, generator=random, device=device) >= params.share
            chosen[name] = start[name] + (p - start[name]) * kept / (1 - params.share)
    return chosen


countermeasure = Countermeasure(params=Params(), off=Params(share=0.0), toy=learned_by_heart, mixed=mixed)
