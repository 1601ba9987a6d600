"""No sentence of a record is forgotten in Chinese: the source is walked for them."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import veridical
from veridical.report.sentences import translated

SOURCE = Path(veridical.__file__).parent
FILES = [
    *(
        "dataset/loading.py",
        "dataset/roles.py",
        "dataset/row_ids.py",
        "dataset/setting_aside.py",
        "ledger/wording.py",
        "ledger/candidates.py",
    ),
    *(
        "ledger/coalitions.py",
        "ledger/reweighting.py",
        "ledger/structured_contract.py",
        "pipeline/training.py",
        "pipeline/looking.py",
        "pipeline/cross_validation.py",
    ),
    *("pipeline/review_file.py", "pipeline/repairing.py", "pipeline/comparing.py", "train/encoder_training.py"),
    *(f"audit/{p.name}" for p in sorted((SOURCE / "audit").glob("*.py")) if not p.name.startswith("_made_up")),
    *(f"audit/corpus/{p.name}" for p in sorted((SOURCE / "audit" / "corpus").glob("*.py"))),
    *("dataset/corpus.py", "pipeline/pretraining.py", "train/pretraining.py"),
    *(f"verify/{name}.py" for name in ("arms", "countermeasure_arms", "countermeasure_verdict", "countermeasure_replay")),
    *(
        f"verify/{name}.py"
        for name in ("judging", "locked_fold", "verdict", "replay", "certificate", "kept_record", "outcome_replay")
    ),
    *(
        "pipeline/verifying.py",
        "pipeline/certified_settings.py",
        "pipeline/structured_running.py",
        "ledger/structured.py",
        "pipeline/routing.py",
    ),
    *("pipeline/explaining_answers.py", "pipeline/explaining.py", "explain/models.py", "explain/attribution.py"),
    *("pipeline/answer_arms.py", "pipeline/reviewing.py", "pipeline/answer_reviewing.py", "ledger/answer_review.py"),
]
CHINESE = re.compile("[\u4e00-\u9fff]")


def sentences(path: Path) -> list[str]:
    """String expressions that end like a sentence and are neither docstrings nor raised; what is filled in stands as 7."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(node.value)
        if isinstance(node, ast.Raise):
            inside.update(ast.walk(node))
        if isinstance(node, ast.JoinedStr):
            inside.update(child for child in ast.walk(node) if child is not node)
    found = []
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found += ["".join(parts) for parts in (_filled(node, optional="7"), _filled(node, optional=""))]
    return [text.strip() for text in found if re.search(r"[a-z]{3,} .*\.$", text.strip())]


def _filled(node: ast.JoinedStr, *, optional: str) -> list[str]:
    """The parts of an f-string; a place right behind a letter (`texts{glued}`) may be left empty when the sentence is said."""
    parts: list[str] = []
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        else:
            parts.append(optional if parts and parts[-1][-1:].isalpha() else "7")
    return parts


# Halves of sentences that are put together where they are said, and what only a programmer's test prints.
PUT_TOGETHER = {"of it could be luck.", "7 7, and 7 more differ."}
# What ends a comparison: errors stay English.
ERRORS = {
    "7 (7 test rows) and 7 (7) were scored on different test sets: 7. 7.",
    "Compare runs of one task.",
    "Choose one for all with --metric NAME.",
}


@pytest.mark.parametrize("name", FILES)
def test_every_sentence_of_a_record_has_a_chinese_one(name: str) -> None:
    if name == "audit/_contract_tests.py":
        return
    missing = [s for s in sentences(SOURCE / name) if s not in PUT_TOGETHER | ERRORS and not CHINESE.search(translated(s, "zh"))]
    assert not missing


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "All come out of the stored answers. +0.2 points against plain training on the locked fold: not told apart from 0; "
            "smallest visible effect 2.7 points.",
            "全部可由保存的回答得出。在锁定数据上相对普通训练 +0.2 分：与 0 无法区分；最小可检出效应 2.7 分。",
        ),
        (
            "5457 of 7025 test rows (77.7 %) have an equal or near-equal text in train; each was given the score this model gets "
            "on unleaked rows of the same difficulty.",
            "7025 行测试数据中有 5457 行（77.7%）在训练集中有相同或近似的文本；每一行按本模型在同等难度的未泄漏行上的得分计。",
        ),
        (
            "The cue 'urgent', in 12 of 200 test rows, was put into a share 0.50 of all rows whatever their label; it alone "
            "flips 9 predictions.",
            "词语 'urgent' 出现在 200 行测试数据中的 12 行，已不论标签放入 0.50 比例的行中；仅它一项就改变 9 个预测。",
        ),
        ("2 rows were set aside: label missing: 2.", "搁置了 2 行：缺少标签：2。"),
        (
            "Effective rows: neg 3, pos 4. KL(test from train) 0.01 bits.",
            "有效行数：neg 3, pos 4。KL(测试集 ‖ 训练集) = 0.01 比特。",
        ),
        ("Only 1 test row: a difference under 140.0 points cannot be seen (80 % power).",
         "测试集只有 1 行：小于 140.0 分的差别无法看出（检验功效 80%）。"),
        ("All 50 rows are one family of near-equal texts, so no test set without them can be drawn.",
         "全部 50 行同属一组近似文本，无法划出与之无关的测试集。"),
        ("exact; 25 x neg, 25 x pos", "完全相同；25 x neg, 25 x pos"),
        ("near 0.93", "近似度 0.93"),
        ("a sentence of somebody's own plug-in.", "a sentence of somebody's own plug-in."),
    ],
)  # fmt: skip
def test_figures_and_names_are_kept(english: str, chinese: str) -> None:
    assert translated(english, "zh") == chinese
    assert translated(english, "en") == english


@pytest.mark.parametrize("file", sorted(path.name for path in (SOURCE / "report" / "words").glob("*.zh.yaml")))
def test_the_same_places_stand_in_both_languages(file: str) -> None:
    text = (SOURCE / "report" / "words" / file).read_text(encoding="utf-8")
    for english, chinese in yaml.safe_load(text):
        assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", chinese)), english
