"""The state of a training run in one safetensors file, replaced in one move: kill -9 leaves the old one or the new one.

Random streams need no place in it: batches, changes to batches and dropout masks are drawn from streams named by seed, epoch and
step, so the position alone says which numbers come next.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.train.dynamics import EpochDynamics

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(eq=False, slots=True)
class State:
    """Where the loop is. epoch, step: the next step to take. best: trainable tensors of the best epoch so far, by name.
    best_score: (metric, -loss) on the validation rows. dynamics: one entry for each epoch begun. kept: tensors that a
    countermeasure keeps from step to step, by its name."""

    epoch: int = 0
    step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_score: tuple[float, float] | None = None
    best_epoch: int = -1
    finished: bool = False
    dynamics: list[EpochDynamics] = field(default_factory=list)
    kept: dict[str, dict[str, Tensor]] = field(default_factory=dict)


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that learn, by name, in a fixed order. Those of a frozen part are in the weights it started from."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """path: the file. identity: hash of data, configuration, seed and weights; a file of another identity is refused."""

    path: Path
    identity: str

    def write(self, state: State, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        tensors: dict[str, Tensor] = {f"best/{name}": tensor for name, tensor in state.best.items()}
        for number, epoch in enumerate(state.dynamics):
            tensors[f"dynamics/{number}/loss"] = torch.from_numpy(epoch.loss)
            tensors[f"dynamics/{number}/margin"] = torch.from_numpy(epoch.margin)
        if not state.finished:
            for countermeasure, own in state.kept.items():
                tensors |= {f"kept/{countermeasure}/{name}": tensor for name, tensor in own.items()}
            for name, parameter in trainable(network).items():
                tensors[f"model/{name}"] = parameter.detach()
                for moment in MOMENTS:
                    if parameter in optimizer.state:
                        tensors[f"optimizer/{moment}/{name}"] = optimizer.state[parameter][moment]
        about = {
            "format": 1,
            "identity": self.identity,
            "epoch": state.epoch,
            "step": state.step,
            "best_score": state.best_score,
            "best_epoch": state.best_epoch,
            "finished": state.finished,
        }
        ready = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        write_with(self.path, lambda path: save_file(ready, str(path), metadata={"state": json.dumps(about)}))

    def read(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> State:
        """The saved state, its tensors put into network and optimizer; a fresh state when there is no file."""
        if not self.path.is_file():
            return State()
        about, tensors = self._opened()
        if about["identity"] != self.identity:
            raise InputError(
                f"{self.path} belongs to a training run with other data, settings or weights. "
                "Give another folder, or use --fresh."
            )
        parameters = trainable(network)
        device = next(iter(parameters.values())).device
        with torch.no_grad():
            for name, parameter in parameters.items():
                if f"model/{name}" in tensors:
                    parameter.copy_(tensors[f"model/{name}"])
                if f"optimizer/step/{name}" in tensors:
                    optimizer.state[parameter] = {m: tensors[f"optimizer/{m}/{name}"].to(device) for m in MOMENTS}
        n_epochs = sum(name.startswith("dynamics/") for name in tensors) // 2
        score, kept = about["best_score"], dict[str, dict[str, Tensor]]()
        for path, tensor in tensors.items():
            if path.startswith("kept/"):
                _, countermeasure, name = path.split("/", 2)
                kept.setdefault(countermeasure, {})[name] = tensor.to(device)
        return State(
            epoch=about["epoch"],
            step=about["step"],
            best={name.removeprefix("best/"): t.to(device) for name, t in tensors.items() if name.startswith("best/")},
            best_score=None if score is None else (score[0], score[1]),
            best_epoch=about["best_epoch"],
            finished=about["finished"],
            dynamics=[
                EpochDynamics(*(np.array(tensors[f"dynamics/{n}/{part}"].numpy()) for part in ("loss", "margin")))
                for n in range(n_epochs)
            ],
            kept=kept,
        )

    def _opened(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        try:
            with safe_open(str(self.path), framework="pt") as file:
                names = file.keys()  # a method of the file, which is no dict
                return json.loads(file.metadata()["state"]), {name: file.get_tensor(name) for name in names}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path} cannot be read as a saved training state ({error}). Start over with --fresh."
            ) from error
