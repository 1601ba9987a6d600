"""Knobs of countermeasures on the command line: parsed by type, held to their range, refused with a sentence."""

import pytest

from veridical.core.errors import InputError, UnknownName
from veridical.train._knobs import called, files_named
from veridical.train.training import fitting


def test_knobs_change_the_record_and_a_bare_name_leaves_it():
    assert called("gce")[1].params.power == 0.7
    name, record = called("fgm:size=0.3")
    assert (name, record.params.size) == ("fgm", 0.3)
    assert called("pgd:size=1:steps=5")[1].params.steps == 5
    assert called("inlp:refit_only=true")[1].params.refit_only is True
    assert called("replay:file=C:/rows.csv:share=0.2")[1].params.file == "C:/rows.csv"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gcd", "Did you mean 'gce'"),
        ("gce:powr=1", "Did you mean 'power'"),
        ("gce:power=much", "must be a number"),
        ("pgd:steps=1.5", "must be a whole number"),
        ("gce:power=2", "allowed is 0..1"),
        ("gce:power=nan", "finite"),
        ("gce:power", "gce:power=0.7"),
        ("inlp:balanced=maybe", "true or false"),
        ("product_of_experts:cheat=none", "one_word"),
        ("group_dro:cells=1", "Unknown knob"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(text, says):
    with pytest.raises(InputError, match=says):
        called(text)


def test_the_same_one_twice_is_refused_whatever_its_knobs():
    with pytest.raises(InputError, match="named twice"):
        fitting(("gce", "gce:power=0.5"), model="minilm")


def test_a_record_outside_its_range_is_refused_too():
    from dataclasses import replace

    from veridical.train.countermeasures import gce

    with pytest.raises(InputError, match="power of gce is 3"):
        fitting((replace(gce.countermeasure, params=gce.Params(power=3.0)),), model="minilm")


def test_files_that_knobs_name_must_be_there(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    assert list(files_named((f"replay:file={tmp_path / 'rows.csv'}", "gce"))) == ["replay:file"]
    with pytest.raises(InputError, match="does not exist"):
        files_named((f"replay:file={tmp_path / 'none.csv'}",))


@pytest.mark.parametrize("name", ["replay", "old_model", "counterfactual_pairs"])
def test_what_only_a_user_can_name_is_asked_for_before_any_work(name):
    with pytest.raises(InputError, match=f"{name} needs .*--countermeasures {name}:"):
        fitting((name,), model="minilm")


def test_an_unknown_name_is_an_unknown_name():
    with pytest.raises(UnknownName):
        fitting(("nothing_like_it",), model="linear")
