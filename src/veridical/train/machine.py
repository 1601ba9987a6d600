"""What this machine trains fastest with: threads, number type, attention kernel. Chosen once, stored, and reused on resume."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

BFLOAT16_WIDTH = 64
"""Width of an encoder from which bfloat16 is used on a CPU that computes it. Ours: a step is then 1.5 to 3 times faster there,
and eager attention no slower than sdpa at 16 to 512 tokens (docs/log.md, 2026-11-29)."""


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


def tuned(config: Wanted, *, on_cpu: bool, width: int) -> tuple[str, str]:
    """(dtype, attention) as the configuration says, or as the kind of machine and the width of the encoder decide: no clock is
    asked, so that the same command gives the same model however busy the machine is."""
    dtype: str = config.dtype
    attention: str = config.attention
    if dtype == "auto":
        worth = not on_cpu or (width >= BFLOAT16_WIDTH and computes_bfloat16())
        dtype = "bfloat16" if worth else "float32"
    if attention == "auto":
        attention = "eager" if on_cpu else "sdpa"
    return dtype, attention
