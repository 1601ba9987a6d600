"""What this machine trains fastest with: threads, number type, attention kernel. Chosen once, stored, and reused on resume."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

BFLOAT16_GAIN = 1.2
"""Times faster than float32 that bfloat16 must be to be chosen: below it, noise would decide. Ours."""
SDPA_GAIN = 1.2
"""The same for sdpa against eager attention."""


class Wanted(Protocol):
    """Settings that name a number type and an attention kernel, or say auto."""

    @property
    def dtype(self) -> str: ...

    @property
    def attention(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Choices:
    """threads: CPU threads. token_budget: tokens in a step."""

    threads: int
    dtype: str
    attention: str
    token_budget: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Choices":
        return cls(**{field.name: record[field.name] for field in fields(cls)})


def computes_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 products (AMX or AVX512-BF16)."""
    import torch

    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if any(known.get(name) for name in ("amx_bf16", "amx_tile", "avx512_bf16")):
        return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def tuned(config: Wanted, *, on_cpu: bool, seconds: Callable[[str, str], float]) -> tuple[str, str]:
    """(dtype, attention) as the configuration says, or as `seconds(dtype, attention)` of two training steps decides."""
    dtype: str = config.dtype
    attention: str = config.attention
    timed = {}
    first = "eager" if attention == "auto" else attention
    if dtype == "auto" and not on_cpu:
        dtype = "bfloat16"
    elif dtype == "auto":
        dtype = "float32"
        if computes_bfloat16():
            timed = {kind: seconds(kind, first) for kind in ("float32", "bfloat16")}
            dtype = "bfloat16" if timed["float32"] > BFLOAT16_GAIN * timed["bfloat16"] else "float32"
    if attention == "auto":
        eager = timed.get(dtype) or seconds(dtype, "eager")
        attention = "sdpa" if eager > SDPA_GAIN * seconds(dtype, "sdpa") else "eager"
    return dtype, attention
