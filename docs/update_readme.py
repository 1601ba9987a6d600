"""Put the demo's figures into README.md and README.zh-CN.md: python docs/update_readme.py (after make demo)."""

import io
import sys
from pathlib import Path

from rich.console import Console

from veridical.core.run_record import RunRecord, read
from veridical.report import figures
from veridical.report.terminal import summary

ROOT = Path(__file__).parents[1]
START, END = "<!-- the demo's figures: docs/update_readme.py -->", "<!-- end -->"
WORDS = {
    "en": {
        "file": "README.md",
        "head": "| | % or points | 95 % interval |",
        "reported": "reported accuracy",
        "leakage": "leakage: {rows:,} of {n:,} test rows also stand in train, equal or nearly so",
        "sample": "sample: which rows were drawn, families of near-duplicates",
        "noise": "label noise: a range until labels are reviewed",
        "honest": "**honest accuracy**",
        "floor": "floor: {name}",
        "names": {
            "majority": "always the larger class",
            "one_word": "one word decides",
            "partial_input": "only the first words",
            "bag_of_words": "words without their order",
        },
        "repairs": "Repairs tried on {n:,} locked rows: {said}.",
        "outcome": {"accepted": "accepted", "harmless": "harmless", "rejected": "rejected", "skipped": "nothing to test"},
        "repair": lambda name: name.replace("_", " "),
        "took": "{seconds:.0f} seconds ({stages}), {memory} MiB at most.",
    },
    "zh": {
        "file": "README.zh-CN.md",
        "head": "| | % 或百分点 | 95 % 区间 |",
        "reported": "报告的准确率",
        "leakage": "泄漏：{n:,} 条测试行中有 {rows:,} 条也在训练集里，相同或几乎相同",
        "sample": "样本：抽到了哪些行，近似重复的家族",
        "noise": "标签噪声：复核之前只知道范围",
        "honest": "**真实准确率**",
        "floor": "下限：{name}",
        "names": {
            "majority": "总猜多数类",
            "one_word": "只看一个词",
            "partial_input": "只看开头几个词",
            "bag_of_words": "不看词序",
        },
        "repairs": "在 {n:,} 条锁定行上尝试的修复：{said}。",
        "outcome": {"accepted": "接受", "harmless": "无害", "rejected": "拒绝", "skipped": "无可检验"},
        "repair": lambda name: f"`{name}`",
        "took": "用时 {seconds:.0f} 秒（{stages}），内存至多 {memory} MiB。",
    },
}


def picture(record: RunRecord, lang: str) -> str:
    """The waterfall as the terminal shows it."""
    screen = io.StringIO()
    summary(record, lang=lang, console=Console(file=screen, width=100, highlight=False, color_system=None))
    lines = screen.getvalue().strip("\n").splitlines()
    bars = [number for number, line in enumerate(lines) if "█" in line or "▒" in line]
    return "\n".join(line.rstrip() for line in [lines[0], "", *lines[bars[0] : bars[-1] + 1]])


def table(record: RunRecord, lang: str) -> str:
    """Points as in the picture: above zero, the number before was too high by that much."""
    say, ledger = WORDS[lang], record.ledger
    rows = [say["head"], "|---|---|---|"]

    def line(name: str, figure: str, band: str) -> None:
        rows.append(f"| {name} | {figure} | {band} |")

    line(say["reported"], figures.score(ledger.reported.value), figures.interval(ledger.reported))
    for component in ledger.components:
        if component.name in ("leakage", "sample", "noise") and component.points:
            name = say[component.name].format(rows=component.rows, n=record.n_test)
            line(name, figures.points(component.points.value), figures.band(component.points))
    line(say["honest"], f"**{figures.score(ledger.honest.value)}**", figures.interval(ledger.honest))
    for name, floor in ledger.floors.items():
        line(say["floor"].format(name=say["names"][name]), figures.score(floor.value), figures.interval(floor))
    return "\n".join(rows)


def below(record: RunRecord, lang: str) -> str:
    say, parts = WORDS[lang], []
    if record.repair and record.repair.arms:
        by_outcome: dict[str, list[str]] = {}
        for arm in record.repair.arms:
            gain = f" ({figures.points(arm.gain_over_untouched.value)})" if arm.gain_over_untouched else ""
            by_outcome.setdefault(arm.outcome, []).append(f"{say['repair'](arm.repair)}{gain}")
        comma, semicolon, colon = (", ", "; ", ": ") if lang == "en" else ("、", "；", "：")
        said = [f"{say['outcome'][outcome]}{colon}{comma.join(names)}" for outcome, names in by_outcome.items()]
        parts.append(say["repairs"].format(n=record.repair.n_locked, said=semicolon.join(said)))
    stages = ", ".join(f"{name} {seconds:.0f}" for name, seconds in record.seconds.items())
    parts.append(say["took"].format(seconds=sum(record.seconds.values()), stages=stages, memory=record.peak_rss_mb))
    return "\n".join(parts)


def filled(text: str, record: RunRecord, lang: str) -> str:
    """The page with everything between the marks replaced."""
    head, rest = text.split(START, 1)
    _, tail = rest.split(END, 1)
    body = f"```text\n{picture(record, lang)}\n```\n\n{table(record, lang)}\n\n{below(record, lang)}"
    return f"{head}{START}\n\n{body}\n\n{END}{tail}"


def main() -> None:
    record = read(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs" / "demo")
    for lang, words in WORDS.items():
        page = ROOT / str(words["file"])
        page.write_text(filled(page.read_text(encoding="utf-8"), record, lang), encoding="utf-8")


if __name__ == "__main__":
    main()
