"""The machine around a run: telemetry switched off, how many cores are free, how much memory was used."""

import ctypes
import gc
import os
import resource
import sys
import time
from contextlib import suppress
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
BUSY_SAMPLE_SECONDS = 0.2


def opt_out_of_telemetry() -> None:
    """Switch off what libraries would send home. They read these settings when they are imported, so this comes first."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)


def cores() -> int:
    """Cores this process may use: its affinity, and a container's quota where there is one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return allowed if limit == "max" else min(allowed, max(1, round(int(limit) / int(period))))
    except (OSError, ValueError):
        return allowed


def free_cores() -> int:
    """Cores that nothing else keeps busy, at least one: two threads on one contended core are slower than one thread."""
    return max(1, cores() - round(_busy_cores())) if cores() > 1 else 1


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


def place_among_processes() -> tuple[int, int]:
    """(number of this process from 0, how many there are) where torchrun or `accelerate launch` started several; else (0, 1)."""
    said = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if not all(number.isdigit() for number in said) or int(said[1]) < 2:
        return 0, 1
    return int(said[0]), int(said[1])


def use_threads(n: int) -> None:
    """Number of threads for libraries that are not loaded yet; a setting of the user's own stays."""
    for name in THREAD_SETTINGS:
        os.environ.setdefault(name, str(n))


def threads() -> int:
    """The number of threads the libraries of this process use: what OMP_NUM_THREADS says, else the free cores."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(said) if said.isdigit() and int(said) > 0 else free_cores()


def peak_rss_mb() -> int:
    """The most memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))


class PeakMemory:
    """The most memory held from now on, beyond what is held now. Linux says so for a process; elsewhere nothing is known."""

    def __init__(self) -> None:
        gc.collect()
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # what was freed but not given back would hide the next need
        self.before: int | None = None
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts anew
            self.before = _kilobytes("VmRSS")

    def more_mb(self) -> int | None:
        """MiB."""
        peak = None if self.before is None else _kilobytes("VmHWM")
        return None if peak is None or self.before is None else max(0, peak - self.before) // 2**10


def _kilobytes(name: str) -> int | None:
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return None


def cpu_abilities() -> dict[str, bool]:
    """Whether the processor has what makes bfloat16 training fast."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text(encoding="utf-8", errors="replace").split()) if info.is_file() else set()
    return {"AMX (bfloat16)": {"amx_tile", "amx_bf16"} <= flags, "AVX512-BF16": "avx512_bf16" in flags}
