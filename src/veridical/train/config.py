"""Settings of a training run: one flat frozen record, saved with the run."""

from dataclasses import dataclass
from typing import Literal

from veridical.core.allowed import refuse_settings
from veridical.train._tuning import Chosen, chosen


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How an encoder is fine-tuned. `model="linear"` uses linear_c and validation_share alone."""

    epochs: int = 3
    """Passes over the training rows, >= 1. Ours: a fourth moved 998 review sentences by less than their sampling error."""
    learning_rate: float = 1e-4
    """Peak step size of AdamW, > 0. Ours, for MiniLM: 1e-4 and 2e-4 scored alike on validation rows of two sets, 4e-4 lower on
    one; base-size encoders want 2e-5 to 5e-5 (Devlin et al. 2019, arXiv:1810.04805, section A.3)."""
    head_rate: float = 5.0
    """Factor on learning_rate for the new classification head, > 0. Ours; the head starts from nothing, the encoder does not."""
    weight_decay: float = 0.01
    """Decoupled weight decay, >= 0; not applied to biases and layer norms. Devlin et al. 2019, A.2."""
    warmup_share: float = 0.1
    """Share of all steps over which the step size rises from 0, 0..1; it falls to 0 over the rest. Devlin et al. 2019, A.2."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled down to it, > 0. transformers' default."""
    token_budget: int = 0
    """Tokens (padding included) in a step, >= 1; 0 picks 384 to 1024 so that short training sets still get steps. Ours: a core
    with bf16 does 4,430 tokens/s at 384 and 5,110 at 1,024."""
    accumulation: int = 1
    """Pieces a step is computed in, >= 1; the result does not depend on it, the memory does."""
    max_length: int = 256
    """Tokens a text (or a pair) is cut to, 8..the encoder's own limit. What the published MiniLM was tuned at."""
    dropout: float = 0.0
    """Dropout in the encoder, 0..0.99. 0: random masks cost 14.5 % of a CPU step and bought no score on our validation rows."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of matrix products; weights stay float32. auto: bfloat16 on accelerators, and on CPUs that compute it for
    encoders 64 or more wide."""
    attention: Literal["auto", "eager", "sdpa"] = "auto"
    """Attention kernel. auto: eager on a CPU (sdpa's backward is slow there), sdpa on accelerators."""
    freeze_embeddings: bool = True
    """Keep the embedding tables as they are: half of MiniLM's parameters, which the optimizer would read and write every step."""
    frozen_layers: int = 0
    """Lowest encoder layers kept as they are, 0..number of layers."""
    tuning: str = "full"
    """What of the encoder learns: full, last_layers, bitfit, head, lora, dora, adalora, ia3, adapters, prefix or prompt. See:
    veridical list tuning."""
    tuning_knobs: tuple[str, ...] = ()
    """Settings of that method as NAME=VALUE, separated by commas, for example rank=16. See: docs/catalogue/tuning.md."""
    validation_share: float = 0.1
    """Share of the train rows set apart for early stopping when the data has no valid split, 0..0.5; whole clusters. 0: none."""
    patience: int = 2
    """Epochs without a better validation score after which training stops, >= 1. Ours; no source."""
    select_by: str = "accuracy"
    """Metric of the validation rows that picks the epoch to keep, ties by log loss; `veridical run` takes that of --metric."""
    linear_c: float = 10.0
    """Of --model linear: inverse strength of its L2 penalty, > 0. Ours: between 10 and 30 AG News and Banking77 differ by under
    0.6 points."""
    threads: int = 0
    """CPU threads, >= 1; 0 means the free cores, or OMP_NUM_THREADS where it is set."""
    checkpoint_seconds: float = 30.0
    """Seconds between saved states within an epoch, >= 0 (0: after every step); one is always saved at the end of an epoch."""

    def __post_init__(self) -> None:
        refuse_settings(self, ranges=_RANGES)
        if self.tuning != "full" or self.tuning_knobs:  # the default is not looked up, so that importing this reads no folder
            self.method()

    def method(self) -> Chosen:
        """The tuning method with its knobs; what is unknown is refused."""
        return chosen(self.tuning, self.tuning_knobs)


SHARED_RANGES: dict[str, tuple[float, float]] = {
    "weight_decay": (0.0, 1.0),
    "warmup_share": (0.0, 1.0),
    "max_grad_norm": (1e-6, 1e6),
    "dropout": (0.0, 0.99),
    "threads": (0, 4096),
    "checkpoint_seconds": (0.0, 1e9),
}
"""Of settings that pre-training has too."""
_RANGES: dict[str, tuple[float, float]] = {
    **SHARED_RANGES,
    "epochs": (1, 1000),
    "learning_rate": (1e-8, 1.0),
    "head_rate": (1e-3, 1e4),
    "token_budget": (0, 1_000_000),
    "accumulation": (1, 10_000),
    "max_length": (8, 100_000),
    "frozen_layers": (0, 1000),
    "validation_share": (0.0, 0.5),
    "patience": (1, 1000),
    "linear_c": (1e-6, 1e6),
}
DEFAULTS = TrainConfig()
