"""Commands in README.md and README.zh-CN.md run as they stand, and both files show the same ones."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from veridical.cli import main

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- runs -->\n```bash\n(.*?)```", re.DOTALL)


def _commands(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def test_both_languages_show_the_same_commands() -> None:
    assert _commands("README.md") == _commands("README.zh-CN.md")
    assert len(_commands("README.md")) >= 5


def test_readme_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for command in _commands("README.md"):
        program, *arguments = shlex.split(command)
        assert program == "veridical", command
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code in (0, None), f"{command}\n{capfd.readouterr().err}"


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        if "://" not in target:
            assert (ROOT / target).exists(), f"{name} links to {target}"
