"""Write docs/catalogue/*.md from the docstrings of the plug-ins and their parameters: python docs/build_catalogue.py"""

import dataclasses
from pathlib import Path

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
        filled_in = {field.name for field in dataclasses.fields(params) if not field.repr}
        lines += [f"## {name}", "", first, "", *rest[1:], ""]
        for field, text in field_docs(type(params)).items():
            if field not in filled_in:
                lines.append(f"- `{field}` (default `{getattr(params, field)!r}`): {text}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    CATALOGUE.mkdir(exist_ok=True)
    for title in PAGES:
        (CATALOGUE / f"{title}.md").write_text(page(title), encoding="utf-8")
