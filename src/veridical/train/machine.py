"""What this machine trains fastest with: threads, number type, attention kernel. Chosen once, stored, and reused on resume."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from veridical.train.config import TrainConfig

BFLOAT16_GAIN = 1.2
"""Times faster than float32 that bfloat16 must be to be chosen: below it, noise would decide. Ours."""
SDPA_GAIN = 1.2
"""The same for sdpa against eager attention."""
BUSY_SAMPLE_SECONDS = 0.2


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


def free_cores() -> int:
    """Cores that this process may use and that nobody else is using now, at least 1. OMP_NUM_THREADS overrides it."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cgroup_quota()
    allowed = allowed if quota is None else min(allowed, max(1, round(quota)))
    return max(1, allowed - round(_busy_cores())) if allowed > 1 else 1


def _cgroup_quota() -> float | None:
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _busy_cores() -> float:
    """Cores at work over a fifth of a second in which this process sleeps; 0 where the system does not say."""

    def used() -> int:
        ticks = [int(n) for n in Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:]]
        return sum(ticks) - ticks[3] - ticks[4]  # all but idle and waiting for a disk

    try:
        before, start = used(), time.monotonic()
        time.sleep(BUSY_SAMPLE_SECONDS)
        return (used() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)
    except (OSError, ValueError, IndexError):
        return 0.0


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


def tuned(config: TrainConfig, *, on_cpu: bool, seconds: Callable[[str, str], float]) -> tuple[str, str]:
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
