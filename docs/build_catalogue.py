"""Write docs/catalogue/*.md from the docstrings of the plug-ins and their parameters: python docs/build_catalogue.py"""

import dataclasses
from pathlib import Path
from typing import Any

from veridical.core.field_docs import field_docs
from veridical.core.plugins import get, module, names

CATALOGUE = Path(__file__).parent / "catalogue"
PAGES = {
    "checks": ("veridical.audit", "check"),
    "corpus-checks": ("veridical.audit.corpus", "check"),
    "repairs": ("veridical.repair", "repair"),
    "countermeasures": ("veridical.train.countermeasures", "countermeasure"),
    "tuning": ("veridical.train.tuning", "tuning"),
    "objectives": ("veridical.train.objectives", "objective"),
    "probes": ("veridical.probe", "probe"),
}


def page(title: str) -> str:
    """One page: every plug-in of the folder with its four answers and its parameters."""
    package, noun = PAGES[title]
    lines = [f"# {title.capitalize()}", "", "Written by `docs/build_catalogue.py` from the source; do not edit.", ""]
    for name in names(package):
        first, *rest = (module(package, name).__doc__ or "").strip().split("\n")
        params = get(package, noun, name).params
        lines += [f"## {name}", "", first, "", *rest[1:], ""]
        lines += [*_settings(params), ""]
        part = get(package, noun, name).answers if noun == "probe" else None
        if part is not None and part.params != params:
            lines += [f"Settings for tasks with more than one label a row ({', '.join(sorted(part.toys))}):", ""]
            lines += [*_settings(part.params), ""]
    return "\n".join(lines).rstrip() + "\n"


def _settings(params: Any) -> list[str]:
    """A line for each field that is not filled in by the plug-in itself."""
    filled_in = {field.name for field in dataclasses.fields(params) if not field.repr}
    documented = [(field, text) for field, text in field_docs(type(params)).items() if field not in filled_in]
    return [f"- `{field}` (default `{getattr(params, field)!r}`): {text}" for field, text in documented]


if __name__ == "__main__":
    CATALOGUE.mkdir(exist_ok=True)
    for title in PAGES:
        (CATALOGUE / f"{title}.md").write_text(page(title), encoding="utf-8")
