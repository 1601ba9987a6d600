"""The machine around a run: telemetry switched off, how many cores are free, how much memory was used."""

import os
import resource
import sys
from pathlib import Path

TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "DAFT_ANALYTICS_ENABLED": "0",
    "DAFT_PROGRESS_BAR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "SCARF_NO_ANALYTICS": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def opt_out_of_telemetry() -> None:
    """Switch off what libraries would send home. They read these settings when they are imported, so this comes first."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)


def cores() -> int:
    """Cores this process may use: its affinity, and a container's quota where there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    if quota.is_file():
        limit, period = quota.read_text(encoding="ascii").split()[:2]
        if limit != "max":
            allowed = min(allowed, max(1, round(int(limit) / int(period))))
    return allowed


def free_cores() -> int:
    """Cores that nothing else keeps busy, at least one: two threads on one contended core are slower than one thread."""
    return max(1, cores() - round(os.getloadavg()[0]))


def use_threads(n: int) -> None:
    """Number of threads for libraries that are not loaded yet; a setting of the user's own stays."""
    for name in THREAD_SETTINGS:
        os.environ.setdefault(name, str(n))


def threads() -> int:
    """The number of threads the libraries of this process use: what OMP_NUM_THREADS says, else the free cores."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdigit() and int(said) > 0 else free_cores()


def peak_rss_mb() -> int:
    """The most memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))


def cpu_abilities() -> dict[str, bool]:
    """Whether the processor has what makes bfloat16 training fast."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text(encoding="utf-8", errors="replace").split()) if info.is_file() else set()
    return {"AMX (bfloat16)": {"amx_tile", "amx_bf16"} <= flags, "AVX512-BF16": "avx512_bf16" in flags}
