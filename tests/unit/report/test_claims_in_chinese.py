"""Claims of `veridical verify --lang zh`: every name, every reason and every refusal has its Chinese."""

import ast
import re
from pathlib import Path

import pytest
from tests.unit.report.test_sentences import CHINESE, SOURCE, _filled, sentences

from veridical.report.sentences import BREAK, translated, translated_error
from veridical.report.short import claim_line
from veridical.report.wording import words

PIPELINE = [SOURCE / "pipeline" / f"{name}.py" for name in ("verifying", "certified_settings")]
MAKING = [*PIPELINE, *sorted((SOURCE / "verify").glob("*.py"))]
READING = [SOURCE / "pipeline" / "verifying.py", *(SOURCE / "verify" / f"{name}.py" for name in (
    "certificate", "ballot_table", "exam_table", "answer_yardstick"))]  # fmt: skip
ENGLISH = re.compile(r"[a-z]{2,}(?: [a-z]{2,})+")
"""Two words or more."""


def first(function: ast.FunctionDef) -> str:
    return "".join([argument.arg for argument in function.args.args][:1])


def names_in(path: Path) -> set[str]:
    """The first argument of every Claim, and `name=` of what makes one; what is filled in stands as `set_aside_label_errors`."""
    tree = ast.parse(path.read_text(encoding="utf-8").replace("{RUN}", "run.json"))
    own = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    named = (f.name for f in own if f.returns and "Claim" in ast.dump(f.returns) and first(f) == "name")
    makers = {"Claim", "_unchanged", *named}
    found: set[str] = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        held = {target.id: node.value for node in ast.walk(function) if isinstance(node, ast.Assign)
                for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
        for call in ast.walk(function):
            made_by = getattr(getattr(call, "func", None), "id", "")
            if not isinstance(call, ast.Call) or made_by not in makers:
                continue
            given = call.args[0] if call.args else next(k.value for k in call.keywords if k.arg == "name")
            given = held.get(given.id, given) if isinstance(given, ast.Name) else given
            if isinstance(given, ast.JoinedStr):
                found.add("".join(_filled(given, optional="set_aside_label_errors")).replace("7", "set_aside_label_errors"))
            elif isinstance(given, ast.Constant):
                found.add(str(given.value))
            else:  # handed on by the caller
                assert isinstance(given, ast.Name), ast.dump(given)
                assert given.id in {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    return found


NAMES = {name for path in MAKING for name in names_in(path)} - {"data: set_aside_label_errors"}
SAID_BY_CALLERS = ("7 7, and 7 more differ.",)
"""Begins with what a caller says; each of those stands among the claims that fail."""
FOLDS = ("rows", "train", "locked")


def test_the_source_makes_claims() -> None:
    assert {"own hash", "outcomes", "the rest", "settings in run.json", "figures of set_aside_label_errors"} <= NAMES
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", sorted([*NAMES, *(f"data: {fold}" for fold in FOLDS)]))
def test_every_name_of_a_claim_has_its_chinese(name: str) -> None:
    said = translated(name, "zh")
    assert CHINESE.search(said)
    assert not ENGLISH.search(said.replace("_", "")), said  # an identifier may stand in it


def test_the_parts_of_the_data_are_those_that_are_certified() -> None:
    source = (SOURCE / "pipeline" / "certifying.py").read_text(encoding="utf-8")
    (made,) = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == "fingerprints"]
    keys = {k.value for d in ast.walk(made) if isinstance(d, ast.Dict) for k in d.keys if isinstance(k, ast.Constant)}
    assert keys == set(FOLDS)


def refusals(path: Path) -> set[str]:
    """Sentences of what is raised."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            given = node.exc.args[0]
            text = "".join(_filled(given, optional="7")) if isinstance(given, ast.JoinedStr) else str(ast.literal_eval(given))
            found.update(BREAK.split(text))
    return found


@pytest.mark.parametrize("path", READING, ids=lambda path: path.stem)
def test_every_refusal_has_its_chinese(path: Path) -> None:
    said = refusals(path)
    assert said
    assert not [one for one in sorted(said) if not CHINESE.search(translated_error(one, "zh"))]


@pytest.mark.parametrize(("name", "why", "chinese"), [
    ("rerun of drop_leaks", "Trained again it gives figures before value 0.5 where the certificate says 0.6.",
     "不成立：重新训练 去除泄漏。重新训练得到 figures before value 0.5，而证书所载为 0.6。"),
    ("Holm's correction", "Computed again, drop_leaks p_untouched is 0.03, which is not what the certificate says.",
     "不成立：Holm 校正。重新计算得到 去除泄漏 的 p_untouched 为 0.03，与证书不符。"),
    ("outcomes", "Of drop_leaks the figures give: no claim. The certificate says: Training after drop_leaks scores +1.0 points "
     "[+0.5, +1.5] against untouched on 400 locked rows, and better than as much meddling aimed at nothing.",
     "不成立：结论。去除泄漏 的数字给出：没有主张。而证书写的是：在 去除泄漏 之后训练，得分相对未改动变化 +1.0 分 [+0.5, +1.5]"
     "（400 行锁定数据），且优于同等程度的无目标改动。"),
    ("settings in run.json", "run.json gives seed 1 where the certificate says 0.",
     "不成立：run.json 中的设置。run.json 给出 seed 1，而证书所载为 0。"),
    ("summary in run.json", "run.json gives n_accepted 1 where its arms give 2, and 3 more differ.",
     "不成立：run.json 中的汇总。run.json 给出 n_accepted 1，而其对照组给出 2；另有 3 处不同。"),
    ("settings",
     "The configuration, the rows and the code give model 'linear' where the certificate says 'minilm', and 1 more differ.",
     "不成立：设置。由配置、数据行和代码得到 model 'linear'，而证书所载为 'minilm'；另有 1 处不同。"),
    ("input file of the run", "stages/identity.json gives SHA-256 'ab' where the certificate says 'cd'.",
     "不成立：运行的输入文件。stages/identity.json 给出 SHA-256 'ab'，而证书所载为 'cd'。"),
    ("counts in run.json", "The files give edits 3 where run.json says 4, and 1 more differ.",
     "不成立：run.json 中的计数。由文件得到 edits 3，而run.json 所载为 4；另有 1 处不同。"),
    ("figures", "arms.parquet gives none. /x/arms.parquet holds no models. Copy it again from the run.",
     "不成立：数字。arms.parquet 给不出数字。/x/arms.parquet 中没有模型。请从运行文件夹重新复制。"),
    ("countermeasure of the repaired model", "The stored answers choose no countermeasure; the certificate says group_dro.",
     "不成立：修复后模型所用的对策。由保存的回答应选 不用任何对策；证书所载为 group_dro。"),
    ("figures of countermeasure group_dro",
     "The stored answers give p_worse 0.1 where the certificate says 0.2, and 3 more differ.",
     "不成立：对策 group_dro 的数字。由保存的回答得到 p_worse 0.1，而证书所载为 0.2；另有 3 处不同。"),
    ("figures of drop_leaks + relabel_label_errors", "arms.parquet lacks the answers of its models.",
     "不成立：去除泄漏 + 改正疑似错标 的数字。arms.parquet 中缺少其模型的回答。"),
])  # fmt: skip
def test_a_claim_that_fails_is_said_in_chinese(name: str, why: str, chinese: str) -> None:
    assert claim_line(name, why, holds=False, words=words("zh")) == chinese
    assert claim_line(name, why, holds=False, words=words("en")) == f"does not hold: {name}. {why}"


@pytest.mark.parametrize("path", MAKING, ids=lambda path: path.stem)
def test_every_reason_has_its_chinese(path: Path) -> None:
    if names_in(path):
        assert not [one for one in sentences(path) if one not in SAID_BY_CALLERS and not CHINESE.search(translated(one, "zh"))]
