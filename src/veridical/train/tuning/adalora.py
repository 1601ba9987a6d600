"""As lora, with the ranks shared out among the matrices while training: what matters little is set to zero (AdaLoRA).

What learns: for each matrix P times diag(E) times Q; all matrices start with `start_rank`, and entries of E whose triples matter
least are set to zero step by step, until `rank` a matrix are left on the whole. P and Q are kept near orthogonal by a penalty.
What is saved: the encoder, each product added to its matrix; it costs nothing when predicting.
How it errs: as lora; importance is judged from few steps where train is small; where the epoch that is kept came before the end,
more ranks are left in it than `rank` says.
Source: Zhang et al. 2023, arXiv:2303.10512; PEFT's module, its allocation of ranks written again so that it resumes exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from veridical.core.errors import InputError, UnknownName
from veridical.train._tuning import Given, Tuning, check
from veridical.train.tuning._through_peft import merge, put_in
from veridical.train.tuning.lora import WHERE, targets

SLACK = 1e-9
"""Room for rounding where shares of steps are compared, and where a number of ranks is cut to a whole one."""


@dataclass(frozen=True)
class Params:
    """Settings of adalora."""

    start_rank: int = 12
    """Rank of each matrix at the start, >= rank. Zhang et al. 2023: one and a half times the rank at the end."""
    rank: int = 8
    """Mean rank at the end, >= 1. As lora."""
    alpha: float = 16.0
    """The product is scaled by alpha / start_rank, > 0. As lora."""
    first_share: float = 0.1
    """Share of all steps before the first rank is taken away, 0..1. Zhang et al. 2023, appendix: about a tenth."""
    last_share: float = 0.3
    """Share of all steps after the last one is, 0..1; first_share + last_share < 1. Zhang et al. 2023, appendix."""
    smoothing: float = 0.85
    """Share of the old importance and of its old uncertainty kept in a step, 0..1. Zhang et al. 2023."""
    orthogonal: float = 0.5
    """Factor on the distance of P and Q from orthogonal, >= 0. PEFT's default; Zhang et al. 2023 use 0.1 to 0.5."""
    where: Literal["all", "attention"] = "all"
    """Matrices that get one: all of a layer, or attention. Zhang et al. 2023: all."""
    rate: float = 100.0
    """Factor on learning_rate, > 0. Ours: in 75 steps on review sentences 10 and 30 left the encoder almost as it was, 100 did
    not; Zhang et al. 2023 take 5e-4 to 2e-3 over thousands of steps."""

    def __post_init__(self) -> None:
        check("rank", self.rank, 1, 4096)
        check("start_rank", self.start_rank, self.rank, 4096)
        check("alpha", self.alpha, 1e-6, 1e6)
        check("smoothing", self.smoothing, 0.01, 0.999)
        check("orthogonal", self.orthogonal, 0.0, 1e3)
        check("rate", self.rate, 1e-4, 1e5)
        if not (self.first_share >= 0 and self.last_share >= 0 and self.first_share + self.last_share < 1):
            raise InputError(
                f"The tuning knobs first_share {self.first_share} and last_share {self.last_share} must be >= 0 and sum to less "
                "than 1. Leave them out for 0.1 and 0.3."
            )
        if self.where not in WHERE:
            raise UnknownName("value for the tuning knob where", self.where, WHERE)


def prepare(network: Any, params: Params, given: Given) -> None:
    """Put the triples in."""
    from peft import AdaLoraConfig
    from peft.tuners.adalora import AdaLoraModel

    config = AdaLoraConfig(
        init_r=params.start_rank, target_r=params.rank, lora_alpha=params.alpha,  # type: ignore[arg-type]  # it divides alpha
        target_modules=targets(network, params.where, given),
        # PEFT's own allocation stays unused; it wants a number of steps, which is not known yet.
        total_step=10, tinit=1, tfinal=1,
    )  # fmt: skip
    put_in(network, AdaLoraModel, config)


def penalty(parameters: Mapping[str, Any], _start: Mapping[str, Any], params: Params) -> Any:
    """How far P and Q are from orthogonal, on average."""
    import torch

    distances = []
    for name, p in parameters.items():
        if "lora_A" in name or "lora_B" in name:
            products = p @ p.T if "lora_A" in name else p.T @ p
            distances.append(torch.linalg.norm(products - torch.eye(len(products), device=p.device)))
    return params.orthogonal * torch.stack(distances).mean()


def after_step(parameters: Mapping[str, Any], own: dict[str, Any], done: float, params: Params) -> None:
    """Judge the triples by their gradients, and set those beyond the budget of this step to zero."""
    import torch

    last = done >= 1 - params.last_share - SLACK
    kept = {name.removeprefix("kept/"): mask for name, mask in own.items() if name.startswith("kept/")}
    if not kept:
        if not last:
            _judge(parameters, own, params.smoothing)
        budget = _budget(parameters, done, params)
        if budget is None:
            return
        kept = _within(budget, parameters, own)
        if last:
            own |= {f"kept/{name}": mask for name, mask in kept.items()}
    with torch.no_grad():
        for name, mask in kept.items():
            parameters[name].masked_fill_(~mask.bool(), 0.0)


def _judge(parameters: Mapping[str, Any], own: dict[str, Any], smoothing: float) -> None:
    """Importance of each entry: |value x gradient|, smoothed, and how much it varies."""
    for name, p in parameters.items():
        if "lora_" in name and p.grad is not None:
            zeros = p.detach().new_zeros(p.shape)
            seen = (p.detach() * p.grad).abs()
            mean = smoothing * own.get(f"importance/{name}", zeros) + (1 - smoothing) * seen
            varies = smoothing * own.get(f"uncertainty/{name}", zeros) + (1 - smoothing) * (seen - mean).abs()
            own[f"importance/{name}"], own[f"uncertainty/{name}"] = mean, varies


def _budget(parameters: Mapping[str, Any], done: float, params: Params) -> int | None:
    """Ranks left in all matrices together after this step; None while all of them stay."""
    n_matrices = sum("lora_E" in name for name in parameters)
    first, whole, target = params.first_share, params.start_rank * n_matrices, params.rank * n_matrices
    if done <= first + SLACK or not n_matrices:
        return None
    left = max(0.0, 1 - (done - first) / (1 - params.last_share - first))
    budget = int((whole - target) * left**3 + target + SLACK)
    return budget if budget < whole else None


def _within(budget: int, parameters: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Which entries of each E stay, (r, 1) of 0 or 1, by its name: the `budget` triples that matter most."""
    import torch

    def score(name: str) -> Any:
        return own[f"importance/{name}"] * own[f"uncertainty/{name}"]

    triples = {}
    for name in parameters:
        if "lora_E" in name and f"importance/{name}" in own:
            a, b = score(name.replace("lora_E", "lora_A")), score(name.replace("lora_E", "lora_B"))
            triples[name] = score(name).view(-1) + (a.mean(1) + b.mean(0))
    if not triples:
        return {}
    flat = torch.cat(list(triples.values()))
    border = torch.kthvalue(flat, len(flat) - budget)[0]
    return {name: (values > border).view(-1, 1).to(torch.uint8) for name, values in triples.items()}


tuning = Tuning(Params(), prepare, through_peft=True, merge=merge, penalty=penalty, after_step=after_step)
