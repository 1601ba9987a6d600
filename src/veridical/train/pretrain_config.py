"""Settings of pre-training: one flat frozen record, saved with the model."""

from dataclasses import dataclass
from typing import Literal

from veridical.core.allowed import refuse_settings
from veridical.core.errors import InputError
from veridical.train.config import SHARED_RANGES


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """What is trained, and how."""

    objective: str = "mlm"
    """What is asked: mlm, clm, mlm+clm, nsp, mlm+nsp or denoise. See: veridical list objectives."""
    objective_knobs: tuple[str, ...] = ()
    """Settings of the objective as NAME=VALUE, separated by commas, for example share=0.2. See: docs/catalogue/objectives.md."""
    model: str | None = None
    """Folder, alias or hub id of weights to go on from; their tokenizer is kept. Without it, a new model is trained."""
    architecture: Literal["auto", "bert", "llama", "gpt2"] = "auto"
    """Of a new model: bert (an encoder), llama or gpt2 (decoders, for clm); auto: bert, and llama for clm."""
    layers: int = 4
    """Layers of a new model, 1..200. Ours: a model this small trains in minutes on one core."""
    width: int = 256
    """Width of a new model, a multiple of heads, 8..16384. Ours."""
    heads: int = 4
    """Attention heads of a new model, >= 1. 64 numbers a head, as in BERT."""
    tokenizer: str = "auto"
    """Trained here: wordpiece, bpe (byte-level) or unigram; or a folder that holds one. auto: wordpiece, and bpe for clm."""
    vocabulary: int = 0
    """Entries of a tokenizer trained here, >= 64; 0 takes what the text fills, up to 8192."""
    lowercase: bool = True
    """Whether a wordpiece tokenizer trained here folds case and accents."""
    max_length: int = 256
    """Tokens of a row, 16..the model's own limit; longer documents are cut into several. What fine-tuning reads by default."""
    epochs: int = 10
    """Passes over the text, >= 1. Ours; no source."""
    steps: int = 0
    """Steps of the optimizer, >= 1, however many passes they make; 0 takes those of `epochs`."""
    token_budget: int = 4096
    """Tokens (padding included) in a step, >= 32. Ours; no source."""
    learning_rate: float = 0.0
    """Peak step size of AdamW, > 0; 0 takes 1e-3 for a new model and 5e-5 for weights that are gone on from. Ours; no source."""
    weight_decay: float = 0.01
    """Decoupled weight decay, >= 0; not applied to biases and norms. Devlin et al. 2019, A.2."""
    warmup_share: float = 0.06
    """Share of the steps over which the step size rises from 0, 0..1; it falls to 0 over the rest. Ours; no source."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled down to it, > 0. transformers' default."""
    dropout: float = 0.1
    """Dropout, 0..0.99. Devlin et al. 2019, A.2."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number type of matrix products; weights stay float32. auto: bfloat16 on accelerators, and on CPUs that compute it for
    models 64 or more wide."""
    attention: Literal["auto", "eager", "sdpa"] = "auto"
    """Attention kernel. auto: eager on a CPU, sdpa on accelerators."""
    threads: int = 0
    """CPU threads, >= 1; 0 means the free cores, or OMP_NUM_THREADS where it is set."""
    checkpoint_seconds: float = 30.0
    """Seconds between saved states, >= 0 (0: after every step)."""

    def __post_init__(self) -> None:
        refuse_settings(self, ranges=_RANGES)
        if self.width % self.heads:
            raise InputError(
                f"--width is {self.width}, no multiple of --heads {self.heads}. Give one, for example {64 * self.heads}."
            )
        if self.token_budget < self.max_length:
            raise InputError(
                f"--token-budget is {self.token_budget}, less than one row of --max-length {self.max_length}. Give more, or "
                "shorter rows."
            )

    @property
    def rate(self) -> float:
        """The peak step size."""
        return self.learning_rate or (5e-5 if self.model else 1e-3)


_RANGES: dict[str, tuple[float, float]] = {
    **SHARED_RANGES,
    "layers": (1, 200),
    "width": (8, 16_384),
    "heads": (1, 1024),
    "vocabulary": (0, 1_000_000),
    "max_length": (16, 100_000),
    "epochs": (1, 100_000),
    "steps": (0, 100_000_000),
    "token_budget": (32, 100_000_000),
    "learning_rate": (0.0, 1.0),
}
