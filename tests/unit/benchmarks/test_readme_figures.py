"""The READMEs quote the committed results, to the digit."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def update_honesty():
    spec = importlib.util.spec_from_file_location("update_honesty", ROOT / "docs" / "update_honesty.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_table_is_the_committed_one(lang):
    script = update_honesty()
    page = (ROOT / script.FILES[lang]).read_text(encoding="utf-8")
    results = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    assert script.filled(page, results, lang) == page, "run: python docs/update_honesty.py"
    assert f"{results['by_world']['noise_in_both']['no_review']['error']:.1f}" in page


QUOTED = ("macro_f1", "mcc", "groups", "pairs")


@pytest.mark.parametrize("name", QUOTED)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_how_far_a_review_is_off_is_quoted_from_its_file(lang, name):
    page = (ROOT / update_honesty().FILES[lang]).read_text(encoding="utf-8")
    found = json.loads((ROOT / "benchmarks" / "results" / f"honesty_{name}.json").read_text(encoding="utf-8"))["honest"][
        "reviewed"
    ]
    ratio, low, high = (f"{found[key]:.2f}" for key in ("error_to_oracle", "error_to_oracle_low", "error_to_oracle_high"))
    said = {"en": f"{ratio} times [{low}, {high}]", "zh": f"{ratio} 倍 [{low}, {high}]"}[lang]
    assert said in page
    assert f"{100 * found['coverage']:.0f} %" in page[page.index(said) :][:120]
