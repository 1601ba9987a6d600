"""The ten minutes of CONTRIBUTING.md, as a newcomer walks through them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
START = [sys.executable, "-c", "from veridical.cli import main; main()"]
CONTRACT = [sys.executable, "-c", "from veridical.audit._contract_tests import check_contract; check_contract('shouting')"]


def _done(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def test_a_check_is_added_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- veridical_plugins/audit/shouting.py -->\n```python\n(.*?)```", page, re.DOTALL)
    first = _done([*START, "new", "check", "shouting"], tmp_path)
    assert first.returncode == 0, first.stderr
    file = tmp_path / "veridical_plugins" / "audit" / "shouting.py"
    assert file.is_file()
    assert "shouting" in _done([*START, "list", "checks"], tmp_path).stdout
    unanswered = _done(CONTRACT, tmp_path)
    assert unanswered.returncode != 0
    assert "What it measures" in unanswered.stderr
    again = _done([*START, "new", "check", "shouting"], tmp_path)
    assert again.returncode == 2
    file.write_text(code, encoding="utf-8")
    answered = _done(CONTRACT, tmp_path)
    assert answered.returncode == 0, answered.stderr
    rows = [f"{k},{'WRITTEN IN CAPITALS' if k == 3 else 'written as usual'} {k},{k % 2}" for k in range(20)]
    (tmp_path / "reviews.csv").write_text("\n".join(["id,text,label", *rows]) + "\n", encoding="utf-8")
    looked = _done([*START, "audit", "reviews.csv", "--only", "shouting"], tmp_path)
    assert looked.returncode == 0, looked.stderr
    assert "1 found in 20 rows" in looked.stdout
