"""A small generator proposes hard states near those of the encoder, and the model learns from them (a GAN on features).

What it measures: nothing; the generator moves the state of a row to where the head errs and a discriminator still takes it for
one of the encoder's; the loss there is added, with the row's label.
Why it inflates a score: test rows lie where train rows lie, and a border that runs close to them is not seen to.
How it errs: the generator knows the head and not the language, so its states need not be those of any text; with few rows the
discriminator cannot tell, and what is left is noise; where labels are wrong, it guards the wrong label too.
Source: Goodfellow et al. 2014, arXiv:1406.2661 (the game); Volpi et al. 2018, arXiv:1711.08561 (a GAN that makes features for
training); to move states against the head is ours, after fgm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.core.randomness import stream
from veridical.train._contract import Countermeasure, Pass, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import near_the_border

HIDDEN, NOISE = 32, 8
"""Units of generator and discriminator, and random numbers that the generator gets. Ours; no source."""
FADING = (0.5, 0.99)
"""Memory of Adam's two moments for generator and discriminator. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of feature_gan."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss at the proposed state, >= 0; 0 is off. Ours; no source."""
    size: float = field(default=0.5, metadata=between(1e-6))
    """Longest move, as a share of the length of the state, > 0. Ours; no source."""
    realism: float = field(default=1.0, metadata=between(0))
    """Factor on what the generator loses where the discriminator is not taken in, >= 0. Ours; no source."""
    rate: float = field(default=1e-3, metadata=between(1e-8, 1))
    """Step size of generator and discriminator (Adam), 0..1. Ours; no source."""
    seed: int | None = field(default=None, repr=False, compare=False)
    """Seed of the training."""


def study(seen: Study, params: Params) -> Params:
    """The seed noted."""
    return replace(params, seed=seen.seed)


def _made(width: int, params: Params) -> dict[str, Any]:
    import torch

    rng = stream(params.seed or 0, "feature_gan/start")
    shapes = {
        "generator/in": (HIDDEN, width + NOISE),
        "generator/out": (width, HIDDEN),
        "discriminator/in": (HIDDEN, width),
        "discriminator/out": (1, HIDDEN),
    }
    drawn = {name: rng.normal(0, 1 / np.sqrt(shape[1]), shape).astype(np.float32) for name, shape in shapes.items()}
    return {name: torch.from_numpy(values) for name, values in drawn.items()}


def moved(states: Any, noise: Any, own: Mapping[str, Any], params: Params) -> Any:
    """The states (B, D) where the generator wants them, none moved further than `size` of its length."""
    import torch

    length = states.norm(dim=1, keepdim=True).clamp_min(1e-12)
    seen = torch.cat([states / length * np.sqrt(states.shape[1]), noise], dim=1)
    way = (seen @ own["generator/in"].T).tanh() @ own["generator/out"].T
    return states + params.size * length * way / way.norm(dim=1, keepdim=True).clamp_min(1.0)


def _real(states: Any, own: Mapping[str, Any]) -> Any:
    """Logit (B,) of the discriminator that states are the encoder's."""
    length = states.norm(dim=1, keepdim=True).clamp_min(1e-12)
    seen = states / length * np.sqrt(states.shape[1])
    return ((seen @ own["discriminator/in"].T).relu() @ own["discriminator/out"].T)[:, 0]


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) at the proposed states; what generator and discriminator learn from them is kept for the end of the step."""
    import torch
    from torch.nn.functional import softplus

    if not params.weight or params.seed is None:
        return seen.logits.new_zeros(len(seen.logits))
    states, device = seen.states.float(), seen.states.device
    if "generator/in" not in seen.own:
        seen.own.update({name: tensor.to(device) for name, tensor in _made(states.shape[1], params).items()})
    names = [name for name in seen.own if name.startswith(("generator/", "discriminator/"))]
    own = {name: seen.own[name].detach().requires_grad_() for name in names}
    drawn = np.stack([rng.standard_normal(NOISE, np.float32) for rng in seen.streams()])
    here, counted = states.detach(), torch.from_numpy(seen.rows >= 0).to(device).float()
    there = moved(here, torch.from_numpy(drawn).to(device), own, params)
    hard = torch.nn.functional.cross_entropy(seen.head(there), seen.codes, reduction="none")
    fooled = (-hard + params.realism * softplus(-_real(there, own))) * counted
    told = (softplus(-_real(here, own)) + softplus(_real(there.detach(), own))) * counted
    for part, loss in (("generator/", fooled), ("discriminator/", told)):
        chosen = [name for name in names if name.startswith(part)]
        for name, gradient in zip(chosen, torch.autograd.grad(loss.sum(), [own[n] for n in chosen]), strict=True):
            seen.own[f"sum/{name}"] = seen.own.get(f"sum/{name}", 0) + gradient
    seen.own["sum"] = seen.own.get("sum", torch.zeros((), device=device)) + counted.sum()
    return params.weight * seen.loss(seen.head(states + (there - here).detach()), seen.codes)


def after_step(_parameters: Mapping[str, Any], own: dict[str, Any], _share: float, params: Params) -> None:
    """One step of Adam for generator and discriminator on the whole step's rows."""
    import torch

    if "sum" not in own or not float(own["sum"]):
        return
    own["steps"] = own.get("steps", torch.zeros((), device=own["sum"].device)) + 1
    for name in [name for name in own if name.startswith(("generator/", "discriminator/"))]:
        gradient = own.pop(f"sum/{name}") / own["sum"]
        first = own.get(f"first/{name}", torch.zeros_like(gradient)) * FADING[0] + gradient * (1 - FADING[0])
        second = own.get(f"second/{name}", torch.zeros_like(gradient)) * FADING[1] + gradient.square() * (1 - FADING[1])
        own |= {f"first/{name}": first, f"second/{name}": second}
        steps = float(own["steps"])
        step = (first / (1 - FADING[0] ** steps)) / ((second / (1 - FADING[1] ** steps)).sqrt() + 1e-8)
        own[name] = own[name] - params.rate * step
    del own["sum"]


countermeasure = Countermeasure(
    params=Params(), off=Params(weight=0.0), toy=near_the_border, study=study, beside=beside, after_step=after_step
)
