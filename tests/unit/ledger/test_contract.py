"""A contract is refused in one sentence that says what, got, allowed and what to do."""

import pytest

from veridical.audit._made_up import dataset, rows
from veridical.core.errors import VeridicalError
from veridical.ledger.contract import read_contract, refuse_absent_words

GOOD = "name: prod\nvotes: rows\nshortcuts:\n  - {word: indeed, op: reweight, rate: 0.25}\n  - {word: really}\n"


def written(tmp_path, text):
    path = tmp_path / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_it_says(tmp_path):
    found = read_contract(written(tmp_path, GOOD))
    assert (found.name, found.votes) == ("prod", "rows")
    assert [(s.word, s.op, s.rate) for s in found.shortcuts] == [("indeed", "reweight", 0.25), ("really", "transplant", None)]
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [", "not valid YAML"),
        ("- a\n- b", "must be a mapping"),
        ("votes: rows", "has no name"),
        ("name: p\nvote: rows", "Did you mean 'votes'"),
        ("name: p\nvotes: people", "allowed: clusters, rows"),
        ("name: p\nshortcuts: indeed", "must be a list"),
        ("name: p\nshortcuts: [indeed]", "must be a mapping"),
        ("name: p\nshortcuts: [{op: remove}]", "names no word"),
        ("name: p\nshortcuts: [{word: a, op: transplnt}]", "Did you mean 'transplant'"),
        ("name: p\nshortcuts: [{word: a, rate: 1.5}]", "a share from 0 to 1"),
        ("name: p\nshortcuts: [{word: a, rate: true}]", "a share from 0 to 1"),
        ("name: p\nshortcuts: [{word: a, rate: half}]", "a share from 0 to 1"),
        ("name: p\nshortcuts: [{word: a, weight: 1}]", "Unknown key"),
        ("name: p\nshortcuts: [{word: a}, {word: b}, {word: c}, {word: d}, {word: e}]", "at most 4"),
        ("name: p\nshortcuts: [{word: a}, {word: A, op: remove}]", "names the word 'A' twice"),
        ("", "is empty"),
        ("name: p\ngroups: {a: 0.5, a: 0.5}", "the key 'a' twice"),
        ("name: p\nname: q", "the key 'name' twice"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_refusals(tmp_path, text, said):
    with pytest.raises(VeridicalError, match=said) as refused:
        read_contract(written(tmp_path, text))
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(VeridicalError, match="does not exist"):
        read_contract(tmp_path / "none.yaml")


def test_a_word_of_no_row(tmp_path):
    contract = read_contract(written(tmp_path, "name: p\nshortcuts: [{word: xylophone}]"))
    with pytest.raises(VeridicalError, match=r"xylophone.*no row of 20"):
        refuse_absent_words(contract, dataset(rows(20, seed=0)))


def test_what_is_no_text_file_is_refused(tmp_path):
    with pytest.raises(VeridicalError, match="is a folder"):
        read_contract(tmp_path)
    utf16 = tmp_path / "utf16.yaml"
    utf16.write_text(GOOD, encoding="utf-16")
    with pytest.raises(VeridicalError, match="not a text in UTF-8"):
        read_contract(utf16)
    marked = tmp_path / "marked.yaml"
    marked.write_text(GOOD, encoding="utf-8-sig")
    assert read_contract(marked).name == "prod"
