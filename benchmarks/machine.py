"""Where and with what a benchmark ran."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from veridical.core.surroundings import cpu_abilities


def machine(*packages: str) -> dict[str, Any]:
    """Commit, processor, threads and versions. packages: whose versions count."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return {
        "commit": commit.stdout.strip(),
        "cpu": names[0] if names else platform.processor(),
        "cores": len(names) or os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "abilities": cpu_abilities(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }
