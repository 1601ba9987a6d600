"""Put the figures of benchmarks/results/honesty_linear.json into both READMEs: python docs/update_honesty.py."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "honesty_linear.json"
START, END = "<!-- honesty: docs/update_honesty.py -->", "<!-- end of honesty -->"
ROWS = (
    ("as reported", "the score as reported", "报告的分数"),
    ("exact duplicates dropped", "after dropping exact duplicates", "去掉完全重复的行之后"),
    ("near-duplicates dropped", "after dropping near-duplicates", "去掉近似重复的行之后"),
    ("cleanlab's flags dropped", "after dropping the labels that cleanlab flags", "去掉 cleanlab 标出的行之后"),
    ("cleanlab's flags relabelled", "after relabelling them", "把这些行改标之后"),
    ("no_review", "**veridical, no review**", "**veridical，未复核**"),
    ("reviewed", "**veridical, 150 rows reviewed**", "**veridical，复核 150 行**"),
    ("reviewed_and_train", "veridical, 100 train rows reviewed as well", "veridical，另复核 100 条训练行"),
    ("oracle", "oracle: knows every planted row and label", "神谕：知道每个植入的行和标签"),
)
HEADS = {
    "en": "| | mean error | coverage of its 95 % interval | width |\n|---|---|---|---|",
    "zh": "| | 平均误差 | 95 % 区间的覆盖率 | 宽度 |\n|---|---|---|---|",
}
SAID = {
    "en": (
        "Points, against the accuracy of the same model on a large pristine sample: {cells} runs, {worlds} worlds of planted "
        "faults on real English and Chinese text. With 150 rows reviewed the mean error is {ratio:.2f} times the oracle's "
        "[{low:.2f}, {high:.2f}]. Where nothing was planted, {alarms:.1f} % of {nulls} runs raised an alarm."
    ),
    "zh": (
        "单位为百分点，与同一模型在大量无缺陷样本上的准确率相比：{cells} 次运行，在真实中英文文本上植入 {worlds} 种缺陷。"
        "复核 150 行后的平均误差是神谕的 {ratio:.2f} 倍 [{low:.2f}, {high:.2f}]。"
        "没有植入缺陷时，{nulls} 次运行中有 {alarms:.1f} % 发出警报。"
    ),
}
FILES = {"en": "README.md", "zh": "README.zh-CN.md"}


def block(results: dict[str, Any], lang: str) -> str:
    """The table and the sentence below it."""
    lines = [HEADS[lang]]
    for key, english, chinese in ROWS:
        found = results["honest"][key]
        name = english if lang == "en" else chinese
        lines.append(f"| {name} | {found['error']:.2f} | {100 * found['coverage']:.0f} % | {found['width']:.1f} |")
    alarms, read = results["false_alarms"]["no_review"], results["honest"]["reviewed"]
    said = SAID[lang].format(
        cells=results["honest"]["oracle"]["cells"],
        worlds=len(results["by_world"]),
        alarms=100 * alarms["share"],
        nulls=alarms["runs"],
        ratio=read["error_to_oracle"],
        low=read["error_to_oracle_low"],
        high=read["error_to_oracle_high"],
    )
    return "\n".join([*lines, "", said])


def filled(text: str, results: dict[str, Any], lang: str) -> str:
    """The page with everything between the marks replaced."""
    head, rest = text.split(START, 1)
    _, tail = rest.split(END, 1)
    return f"{head}{START}\n\n{block(results, lang)}\n\n{END}{tail}"


def main() -> None:
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    for lang, name in FILES.items():
        page = ROOT / name
        page.write_text(filled(page.read_text(encoding="utf-8"), results, lang), encoding="utf-8")


if __name__ == "__main__":
    main()
