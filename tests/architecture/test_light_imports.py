"""Importing veridical and listing plug-ins costs nothing."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "sklearn", "daft", "pyarrow", "altair", "fastapi", "ray", "numpy", "scipy", "jieba")
REPORT = f"import sys; loaded = sorted(set(sys.modules) & set({HEAVY!r})); sys.exit(', '.join(loaded) or None)"


@pytest.mark.parametrize(
    "what",
    [
        "import veridical",
        "import veridical.cli",
        "from veridical.cli._app import app; app()",
        "import veridical.pipeline.running",
        "import contextlib\nfrom veridical.cli import main\nwith contextlib.suppress(SystemExit): main(['list'])",
        "import contextlib\nfrom veridical.cli import main\nwith contextlib.suppress(SystemExit): main(['run', '--help'])",
        "import contextlib\nfrom veridical.cli import main\nwith contextlib.suppress(SystemExit): main(['pretrain', '--help'])",
        "import contextlib\nfrom veridical.cli import main\nwith contextlib.suppress(SystemExit): main(['list', 'checks'])",
    ],
)
def test_loads_nothing_heavy(what: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"{what}\n{REPORT}"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_telemetry_is_off_before_anything_is_imported() -> None:
    code = "import os, veridical; assert os.environ['DO_NOT_TRACK'] == '1' and os.environ['DAFT_ANALYTICS_ENABLED'] == '0'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
