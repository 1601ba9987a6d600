"""A small generator proposes hard states near those of the encoder, and the model learns from them (a GAN on features).

What it measures: nothing; the generator moves the state of a row to where the head errs and a discriminator still takes it for
one of the encoder's; the loss there is added, with the row's label.
Why it inflates a score: test rows lie where train rows lie, and a border that runs close to them is not seen to.
How it errs: the generator knows the head and not the language, so its states need not be those of any text; with few rows the
discriminator cannot tell, and what is left is noise. On toys with right labels it gained nothing or did harm; it helped where
labels are wrong, by keeping the model less sure.
Source: Goodfellow et al. 2014, arXiv:1406.2661 (the game); Volpi et al. 2018, arXiv:1711.08561 (a GAN that makes features for
training); to move states against the head is ours, after fgm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.core.randomness import stream
from veridical.train._contract import Countermeasure, Pass, Study, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import loss_on_test, wrong_labels

HIDDEN, NOISE = 32, 8
"""Units of generator and discriminator, and random numbers that the generator gets. Ours; no source."""
PLAYERS = ("generator/", "discriminator/")
"""What their tensors are called."""
FOLLOWED = 0.9
"""Share of centre and distance of the states that is kept in a step, 0..1. Ours; no source."""
FADING = (0.5, 0.99)
"""Memory of Adam's two moments for generator and discriminator. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of feature_gan."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss at the proposed state, >= 0; 0 is off. Ours; no source."""
    size: float = field(default=1.0, metadata=between(1e-6))
    """Longest move, as a share of the mean distance of states from their centre, > 0. Ours; no source."""
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
    """The states (B, D) where the generator wants them, none moved further than `size` of their mean distance from the centre."""
    import torch

    seen = torch.cat([_scaled(states, own), noise], dim=1)
    way = (seen @ own["generator/in"].T).tanh() @ own["generator/out"].T
    return states + params.size * own["distance"] * way / way.norm(dim=1, keepdim=True).clamp_min(1.0)


def _scaled(states: Any, own: Mapping[str, Any]) -> Any:
    """The states seen from their centre, with numbers of about 1."""
    return (states - own["centre"]) / own["distance"].clamp_min(1e-12) * np.sqrt(states.shape[1])


def _real(states: Any, own: Mapping[str, Any]) -> Any:
    """Logit (B,) of the discriminator that states are the encoder's."""
    return ((_scaled(states, own) @ own["discriminator/in"].T).relu() @ own["discriminator/out"].T)[:, 0]


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) at the proposed states, none in the first step; what the step teaches is kept for its end."""
    import torch
    from torch.nn.functional import cross_entropy, softplus

    nothing = seen.logits.new_zeros(len(seen.logits))
    if not params.weight or params.seed is None:
        return nothing
    here, counted = seen.states.detach().float(), torch.from_numpy(seen.rows >= 0).to(seen.states.device).float()
    _add(seen.own, "rows", counted.sum())
    _add(seen.own, "states", (here * counted[:, None]).sum(0))
    if "centre" not in seen.own:
        return nothing
    _add(seen.own, "distances", ((here - seen.own["centre"]).norm(dim=1) * counted).sum())
    if "distance" not in seen.own:
        return nothing
    names = [name for name in seen.own if name.startswith(PLAYERS)]
    own = {**seen.own, **{name: seen.own[name].detach().requires_grad_() for name in names}}
    drawn = np.stack([rng.standard_normal(NOISE, np.float32) for rng in seen.streams()])
    there = moved(here, torch.from_numpy(drawn).to(here.device), own, params)
    hard = cross_entropy(seen.head(there), seen.codes, reduction="none")
    fooled = (-hard + params.realism * softplus(-_real(there, own))) * counted
    told = (softplus(-_real(here, own)) + softplus(_real(there.detach(), own))) * counted
    for part, loss in zip(PLAYERS, (fooled, told), strict=True):
        chosen = [name for name in names if name.startswith(part)]
        for name, gradient in zip(chosen, torch.autograd.grad(loss.sum(), [own[n] for n in chosen]), strict=True):
            _add(seen.own, name, gradient)
    return params.weight * seen.loss(seen.head(seen.states.float() + (there - here).detach()), seen.codes)


def _add(own: dict[str, Any], name: str, value: Any) -> None:
    """Sums over the pieces of a step."""
    own[f"sum/{name}"] = own[f"sum/{name}"] + value if f"sum/{name}" in own else value


def after_step(_parameters: Mapping[str, Any], own: dict[str, Any], _share: float, params: Params) -> None:
    """Centre and distance of the states followed, and one step of Adam for both players, on the rows of the whole step."""
    import torch

    if "sum/rows" not in own:
        return
    sums = {name.removeprefix("sum/"): own.pop(name) for name in list(own) if name.startswith("sum/")}
    rows = sums.pop("rows").clamp_min(1)
    for name, total in (("centre", sums.pop("states")), ("distance", sums.pop("distances", None))):
        if total is not None:
            own[name] = own[name] * FOLLOWED + total / rows * (1 - FOLLOWED) if name in own else total / rows
    if not any(name.startswith(PLAYERS) for name in own):
        own |= {name: tensor.to(rows.device) for name, tensor in _made(len(own["centre"]), params).items()}
    if not sums:
        return
    own["steps"] = own.get("steps", torch.zeros((), device=rows.device)) + 1
    steps = float(own["steps"])
    for name, total in sums.items():
        gradient = total / rows
        first = own.get(f"first/{name}", torch.zeros_like(gradient)) * FADING[0] + gradient * (1 - FADING[0])
        second = own.get(f"second/{name}", torch.zeros_like(gradient)) * FADING[1] + gradient.square() * (1 - FADING[1])
        own |= {f"first/{name}": first, f"second/{name}": second}
        step = (first / (1 - FADING[0] ** steps)) / ((second / (1 - FADING[1] ** steps)).sqrt() + 1e-8)
        own[name] = own[name] - params.rate * step


def toy() -> Toy:
    """Four labels in ten are wrong, and twenty epochs make a plain model sure of them."""
    return Toy(wrong_labels(0.4, n_fillers=3), loss_on_test, settings={"epochs": 20})


countermeasure = Countermeasure(
    params=Params(), off=Params(weight=0.0), toy=toy, study=study, beside=beside, after_step=after_step
)
