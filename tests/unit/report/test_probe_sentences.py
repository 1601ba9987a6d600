"""No sentence, name of a measure or of a curve that a probe writes is forgotten in Chinese: the source is walked for them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.report.test_sentences import _filled as filled

import veridical
from veridical.probe import _no_evidence, _suites, attack, perturbations
from veridical.probe._identity import axes, template_groups
from veridical.report.sentences import named, translated
from veridical.report.wording import words

FOLDER = Path(veridical.__file__).parent / "probe"
THESAURUS = FOLDER.parent / "dataset" / "thesaurus.py"
CHINESE = re.compile("[\u4e00-\u9fff]")
NAMED = ("Measure", "Curve", "measure", "paired_measure", "_share", "_of_groups", "_tested", "_ratio_measure")
"""Functions whose first argument is the name of a measure or curve."""
SILENT = ("_contract_tests.py", "_toys.py")
PROPER = {"DeLong"}
OF_TASK = (
    "It asks how probable each label of a row is; answers of task {task} are more than one label and have no such shares.",
    "A name that is swapped in a text changes its right answer where it is asked for; task {task} is not looked at.",
    "No model of task {task} trains in seconds, so none can be trained again and again here.",
)
STANDS_FOR = {
    **{said: (said.format(task="ner"),) for said in OF_TASK},
    "7: 7 entities in 100 words": ("random words: 7 entities in 100 words",),
    "claimed_7": ("claimed_random_words",),
    "answered_7": ("answered_random_words",),
    "no_question": ("survives: no_question",),
    "other_question": ("survives: other_question",),
    "shuffled_question": ("survives: shuffled_question",),
    "Share of the score that survives shuffled 7.": ("Share of the score that survives shuffled single words.",),
    "Score from the 7 minus that of the best answer that is the same for all rows.": (
        "Score from the length only minus that of the best answer that is the same for all rows.",
    ),
    "recall_beside_others (7)": ("recall_beside_others (male)",),
    "recall (7)": ("recall (male)",),
    "survives: 7": ("survives: no_question",),
    # What a place within words that are put together elsewhere can hold.
    "7 of 7": ("accuracy of 7", "macro_f1 of 7", "selection_rate: 7 of 7", "true_positive_rate: 7 of 7"),
    **{name: (f"{name}: 7 of 7",) for name in ("selection_rate", "true_positive_rate", "false_positive_rate")},
    **{name: (f"{name}: 7",) for name in ("inputs", "labels_given_inputs")},
    "7: 7": ("inputs: 7", "labels_given_inputs: 7"),
    "7_auc": ("loss_auc", "reference_auc", "random_split_auc"),
    "7_found_at_low_alarm": (
        "loss_found_at_low_alarm",
        "reference_found_at_low_alarm",
        "random_split_found_at_low_alarm",
    ),
    "7, trained on a random half of train": (
        "the linear model, trained on a random half of train",
        "a head on the frozen features of the encoder, trained on a random half of train",
    ),
    "7_only": ("length_only", "first_text_only", "second_text_only"),
    "read_7_7": ("read_before_length", "read_after_length"),
    **{name: (f"churn: {name}",) for name in ("seeds", "order", "resampled")},
    "churn: 7": ("churn: seeds", "churn: order", "churn: resampled"),
    "spread: 7": ("spread: seeds", "spread: order", "spread: resampled"),
    "spread_to_sampling: 7": ("spread_to_sampling: seeds", "spread_to_sampling: order", "spread_to_sampling: resampled"),
    "How well a linear reader sees 7 7 tuning: 1 always, 0.5 not at all.": (
        "How well a linear reader sees length before tuning: 1 always, 0.5 not at all.",
    ),
    "Largest mean change of a probability: 7 goes 7 where 7 is named.": (
        "Largest mean change of a probability: 'pos' goes up where male is named.",
        "Largest mean change of a probability: 'pos' goes down where male is named.",
    ),
    "Accuracy from the 7 (7 %) minus that of the largest class.": (
        "Accuracy from the length only (7 %) minus that of the largest class.",
    ),
    "Share of the lead over the largest class that survives shuffled 7 (7 % right).": (
        "Share of the lead over the largest class that survives shuffled runs of 2 words (7 % right).",
    ),
    "Share of inputs without evidence answered with the label named most (7); its share in train is": (
        "Share of inputs without evidence answered with the label named most (7); its share in train is 0.5.",
    ),
    "runs of 7 words": ("Share of the lead over the largest class that survives shuffled runs of 2 words (7 % right).",),
    "expected: 7 not to go 7": ("expected: positive not to go down", "expected: positive not to go up"),
    "A {kind} model has no representation to look into. Train one of an encoder: veridical run --model minilm.": (
        "A linear model has no representation to look into.",
    ),
}
NEVER_SHOWN = {
    # Said in errors, which stay English, run as commands, or only a part of what is said.
    "sudo apt-get install apertium apertium-en-es",
    "sudo apt-get install mythes-en-us   (or: wordnet-base)",
    *("add positive phrases", "add negative phrases", '"used to" should reduce', "The test 7 of 7"),
    "share",  # a measure of which only the estimate is used
    *("where is it", "which word is it", "who is it", "surely good target start", "target start"),  # of toys
}


def said(path: Path) -> list[str]:
    """Strings of three words or more outside of docstrings, errors and toys, and what stands where a name is given."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inside.add(node.value)
        if isinstance(node, ast.Raise) or (isinstance(node, ast.FunctionDef) and node.name.endswith("toys")):
            inside.update(ast.walk(node))
        if isinstance(node, ast.JoinedStr):
            inside.update(child for child in ast.walk(node) if child is not node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compile":
            inside.update(node.args)
        for note in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            inside.update(ast.walk(note) if note else ())
    found = []
    for node in ast.walk(tree):
        if node not in inside:
            found += [text for text in _texts(node) if len(re.findall(r"[A-Za-z']{2,}", text)) > 2 and " " in text]
    for node in _names(tree):
        if node not in inside:
            found += _texts(node)
    return [text for text in dict.fromkeys(found) if text not in NEVER_SHOWN]


def _texts(node: ast.AST) -> list[str]:
    """What the expression says, its places filled with 7; a sentence put before it is looked at by itself."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = [node.value]
    elif isinstance(node, ast.JoinedStr):
        found = ["".join(filled(node, optional="7"))]
    else:
        return []
    return [re.sub(r"^7 (?=[A-Z])", "", text.strip()).replace("77", "7") for text in found]


def _names(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from node.args[: {"Curve": 2}.get(called, 1)] if called in NAMED else ()
            yield from (word.value for word in node.keywords if word.arg in ("about", "method", "axis") and called in NAMED)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "name":
            yield node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript) and _explained(node.value):
            yield node.targets[0].slice
        elif isinstance(node, ast.Dict):
            yield from (key for key, value in zip(node.keys, node.values, strict=True) if key and _explained(value))


def _explained(node: ast.AST) -> bool:
    """Whether a sentence stands beside a name in a table, alone or in a tuple."""
    beside = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.count(" ") > 3 for one in beside)


def untranslated(texts: list[str]) -> list[str]:
    found = []
    for text in texts:
        for one in STANDS_FOR.get(text, (text,)):
            chinese = translated(one, "zh")
            chinese = named(one, "zh") if chinese == one else chinese
            if one not in PROPER and re.search("[a-z]", one) and not CHINESE.search(chinese):
                found.append(one)
    return found


@pytest.mark.parametrize("path", [*sorted(FOLDER.rglob("*.py")), THESAURUS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_sentence_and_name_of_a_probe_has_a_chinese_one(path: Path) -> None:
    if path.name in SILENT or path.parent.name in ("perturbations", "attack"):
        return  # they write nothing into records but what `missing` says
    missing = untranslated(said(path))
    assert not missing, (
        f"{path.name} writes what has no Chinese. Add to src/veridical/report/words/probes.zh.yaml, as [English, Chinese] with a "
        "place for what is filled in ({n} a number, {word} of the data, {kind} a name of veridical's, {a} anything; 7 below): "
        + "\n".join(missing)
    )


def _kinds() -> set[str]:
    """Names that stand in sentences and names of measures, from the tables that hold them."""
    found = {*perturbations.NAMES, "back_translation", *attack.RECIPES, *template_groups()}
    found |= {group for groups in template_groups().values() for group in groups}
    found |= {name for axis in axes() for name in (axis.name, *axis.groups)}
    for suite in map(_suites.content_of, _suites.own_suites()):
        found |= {suite["language"], *(test[key] for test in suite["tests"] for key in ("name", "capability"))}
    unseen = (_no_evidence.questions(cjk=True).name, "random_words", "other_language", "other_domain")
    return found | {*unseen, "length", "number", "name", "language", "source", "topic_1", "word_1", "word_order"}


def test_every_name_that_stands_in_a_sentence_has_a_chinese_one() -> None:
    proper = {"deepwordbug", "pwws", "hotflip"}
    missing = sorted(kind for kind in _kinds() - proper if not CHINESE.search(named(kind, "zh")))
    assert not missing, 'Add to words/probes.zh.yaml: ["kind: NAME, spaced", Chinese] for ' + ", ".join(missing)


def test_a_sentence_without_chinese_is_missed(tmp_path: Path) -> None:
    probe = tmp_path / "own.py"
    probe.write_text(
        '"""A docstring that nobody translates."""\n'
        "def run(n, about):\n"
        "    name = f'leaning_{n}_forward'\n"
        "    table = {'tilt_of_all': 'How far all the tables lean.'}\n"
        "    raise ValueError('An error that stays in English.')\n"
        "    return Measure('tilt', None, 'share', f'{about} Tables lean over {n} legs.'), Measure('drop', None, '', '')\n",
        encoding="utf-8",
    )
    assert set(untranslated(said(probe))) == {
        "Tables lean over 7 legs.",
        "tilt",
        "leaning_7_forward",
        "tilt_of_all",
        "How far all the tables lean.",
    }


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("loss (keyboard, 20 %)", "准确率损失（键盘误触，20%）"),
        ("transplant_length", "放入“length”的损失"),  # a word of the data that is a word of veridical's too
        ("flips (name_origin, templates)", "答案改变率（姓名来源，模板）"),
        ("accuracy of length", "准确率：length"),
        ("Too few texts have a place for: ocr, lookalikes_zh, own.", "可施加以下改动的文本太少：扫描误识、形近汉字、own。"),
        ("Not asked, for want of a label or of cases: hoped for, not met.", "因缺少标签或样例而未询问：期望落空。"),
        ("labelled number, both models say name", "标为 number，两个模型都认为是 name"),
        ("turned (somebody's own)", "答案被翻转（somebody's own）"),
        (
            "From its text alone the side of a row is told in (chance 50 %): train to test 57.0 % [50.1, 63.9] (n = 90); "
            "other sources to a, b 60.0 % [55.0, 65.0] (n = 90). Lost most: train to test, by 1.1 points [-5.0, 7.2] (n = 90).",
            "仅凭文本判断一行属于哪一侧的正确程度（随机为 50%）：train to test 57.0 % [50.1, 63.9] (n = 90); "
            "other sources to a, b 60.0 % [55.0, 65.0] (n = 90)。损失最多：训练集→测试集，1.1 分 [-5.0, 7.2]（n = 90）。",
        ),
        (
            "Of 4 words tried, 'lost, again' costs most where it is put in: 3.0 points [1.0, 5.0] (n = 90), towards 'pos'. Of "
            "the lead over the largest class there survives shuffled words: 88.0 % [80.0, 96.0] (n = 1,090).",
            "试了 4 个词，放入后代价最大的是 'lost, again'：3.0 分 [1.0, 5.0]（n = 90），偏向 'pos'。"
            "打乱词序后，相对最大类别的优势所剩：88.0% [80.0, 96.0]（n = 1,090）。",
        ),
        ("tilt_of_tables", "tilt of tables"),
    ],
)
def test_words_of_the_data_stay_as_they_are(english: str, chinese: str) -> None:
    assert words("zh").named(english) == chinese
    assert words("en").named(english) == english.replace("_", " ")
