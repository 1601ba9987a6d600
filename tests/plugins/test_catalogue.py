"""The committed catalogue says what the plug-ins say."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
spec = importlib.util.spec_from_file_location("build_catalogue", DOCS / "build_catalogue.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)


@pytest.mark.parametrize("title", build.PAGES)
def test_page_is_up_to_date(title):
    committed = (DOCS / "catalogue" / f"{title}.md").read_text(encoding="utf-8")
    assert committed == build.page(title), "Run: python docs/build_catalogue.py"
