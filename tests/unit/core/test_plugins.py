"""Plug-ins of packages that are installed beside veridical."""

import sys
from pathlib import Path

import pytest

from veridical.core import plugins
from veridical.core.errors import InputError


def _installed(folder: Path, package: str, file: str) -> None:
    """What installing a package leaves: its folder, and metadata that offer it."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").touch()
    (folder / package / f"{file}.py").write_text('"""Shouts."""\n\ncheck = "loud"\n', encoding="utf-8")
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[veridical.plugins]\naudit = {package}\n", encoding="utf-8")


def test_an_installed_package_joins_its_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plugins.names("veridical.audit")
    assert "shouting_loudly" not in before
    _installed(tmp_path, "checks_from_outside", "shouting_loudly")
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.names("veridical.audit") == sorted([*before, "shouting_loudly"])
    assert plugins.get("veridical.audit", "check", "shouting_loudly") == "loud"
    assert plugins.summary("veridical.audit", "shouting_loudly") == "Shouts."
    assert "shouting_loudly" not in plugins.names("veridical.repair")
    sys.modules.pop("checks_from_outside.shouting_loudly")


def test_a_name_that_is_taken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(tmp_path, "more_from_outside", "label_words")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="Two plug-ins are called 'label_words'"):
        plugins.names("veridical.audit")
