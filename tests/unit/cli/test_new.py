"""A fresh plug-in fails its contract; a filled one keeps it."""

import pytest

from veridical.audit._contract_tests import check_contract, failures
from veridical.cli.new import write_template
from veridical.core.errors import InputError
from veridical.core.plugins import PROJECT_FOLDER

ANSWERS = ("rows whose text shouts in capitals", "shouting came from one source", "acronyms are capitals too", "Ours; no source.")
BODY = """
    for i, text in enumerate(evidence.data.texts):
        if text.isupper():
            findings.append(Finding(evidence.data.ids[i], str(evidence.data.splits[i]), params.threshold, "shouts"))
"""
PLANTED = """
    from veridical.audit._made_up import dataset, rows

    plain = rows(20, seed=1)
    (i, s, t, y), *others = plain
    return Planted(dataset([(i, s, t.upper(), y), *others]), frozenset({i}), dataset(plain))
"""


def filled(text):
    for answer in ANSWERS:
        text = text.replace(": TODO\n", f": {answer}\n", 1)
    text = text.replace("TODO: unit, range, origin.", "Severity, 0..1. Ours; no source.")
    text = text.replace("list[Finding] = []\n", f"list[Finding] = []{BODY}")
    return text.replace('\n    raise NotImplementedError("plant the defect that the check finds")\n', PLANTED)


def test_a_fresh_template_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_template("check", "fresh_shouting", tmp_path / PROJECT_FOLDER)
    said = failures("fresh_shouting")
    assert len(said) == 6
    with pytest.raises(AssertionError, match="planted"):
        check_contract("fresh_shouting")


def test_a_filled_template_passes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_template("check", "filled_shouting", tmp_path / PROJECT_FOLDER)
    path.write_text(filled(path.read_text()))
    assert failures("filled_shouting") == []


def test_a_file_is_never_replaced(tmp_path):
    write_template("check", "mine", tmp_path)
    with pytest.raises(InputError, match="exists already"):
        write_template("check", "mine", tmp_path)


@pytest.mark.parametrize("name", ["Mine", "_mine", "a-b", "class", "../x"])
def test_a_name_must_be_one(tmp_path, name):
    with pytest.raises(InputError, match="cannot name"):
        write_template("check", name, tmp_path)
