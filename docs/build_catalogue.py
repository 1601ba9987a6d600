"""Write docs/catalogue/*.md from the docstrings of the plug-ins and their parameters: python docs/build_catalogue.py"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from veridical.core.field_docs import field_docs
from veridical.core.plugins import get, module, names

CATALOGUE = Path(__file__).parent / "catalogue"
MEASURED = Path(__file__).parents[1] / "benchmarks" / "results" / "countermeasures_catalogue.json"
"""Written by benchmarks/countermeasures/catalogue.py."""
COSTS = Path(__file__).parents[1] / "benchmarks" / "results" / "speed_countermeasures.json"
"""Written by benchmarks/speed/countermeasures.py."""
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
        lines += [*measured(name), *costs(name), ""] if title == "countermeasures" else []
    return "\n".join(lines).rstrip() + "\n"


def _settings(params: Any) -> list[str]:
    """A line for each field that is not filled in by the plug-in itself."""
    filled_in = {field.name for field in dataclasses.fields(params) if not field.repr}
    documented = [(field, text) for field, text in field_docs(type(params)).items() if field not in filled_in]
    return [f"- `{field}` (default `{getattr(params, field)!r}`): {text}" for field, text in documented]


def measured(name: str) -> list[str]:
    """What the benchmark found of a countermeasure: one line for each case, whether it helped or not."""
    if not MEASURED.is_file():
        return []
    found = [line for line in json.loads(MEASURED.read_text(encoding="utf-8"))["summary"] if line["countermeasure"] == name]
    said = []
    for line in found:
        arm = "" if line["arm"] == name else f" (`{line['arm']}`)"
        against = "" if line["against"] == "plain" else f" against `{line['against']}`"
        n_seeds = line["points"]["seeds"]
        said.append(
            f"measured{arm}: {_points(line['points'])} points of {line['metric']}{against} on {line['what']} "
            f"({n_seeds} {'seed' if n_seeds == 1 else 'seeds'}; plain {line['plain']})"
            + (f"; the trouble costs {_points(line['lost'])}" if line.get("lost") else "")
            + (f"; {line['clean']}: {_points(line['clean_points'])} points" if line["clean_points"] else "")
            + "."
        )
    return ["", *(f"- {sentence}" for sentence in said)] if said else []


def costs(name: str) -> list[str]:
    """What the benchmark found a step and a whole training to cost, as multiples of plain training; one line for each arm."""
    if not COSTS.is_file():
        return []
    cases = json.loads(COSTS.read_text(encoding="utf-8"))["cases"]
    found: dict[str, dict[str, float]] = {}
    for arms in cases.values():
        for arm, cost in arms.items():
            if arm.partition(":")[0] == name:
                found.setdefault(arm, cost)
    return [
        f"- costs{'' if arm == name else f' (`{arm}`)'}: a step {cost['step']:.2f}, all of a training of one epoch "
        f"{cost['whole']:.2f} times the plain one (MiniLM, one processor core)."
        for arm, cost in found.items()
    ]


def _points(interval: dict[str, float]) -> str:
    """+1.2 [0.3, 2.1]; without bounds where there is one seed."""
    bounds = f" [{interval['low']:.1f}, {interval['high']:.1f}]" if "low" in interval else ""
    return f"{interval['value']:+.1f}{bounds}"


if __name__ == "__main__":
    CATALOGUE.mkdir(exist_ok=True)
    for title in PAGES:
        (CATALOGUE / f"{title}.md").write_text(page(title), encoding="utf-8")
