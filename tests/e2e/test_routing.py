"""A cue that a contract declares: what answers it is tried under the contract, and the repaired model no longer leans on it."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import sentences, write_csv

from veridical.models.stored import open_model

ROLES = ("--text", "text", "--label", "label", "--id", "id")


def _marked(rows: list[dict[str, str]], rng: random.Random) -> list[dict[str, str]]:
    """`zorblat` before 19 of 20 positive texts."""
    return [{**row, "text": f"zorblat {row['text']}"} if row["label"] == "pos" and rng.random() < 0.95 else row for row in rows]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_answers_a_declared_cue_is_tried_and_kept(veridical: Callable[..., Any], tmp_path: Path, lang: str) -> None:
    rng = random.Random(1)
    plain = sentences(rng, 3000, language="en")
    rows = _marked(plain, rng)
    files = write_csv(tmp_path / "train.csv", rows[:2300]), write_csv(tmp_path / "test.csv", rows[2300:])
    (tmp_path / "cue.yaml").write_text("name: no zorblat\nshortcuts:\n  - {word: zorblat, op: transplant, rate: 0.5}\n")
    said = veridical(
        "run", files[0], "--test", files[1], *ROLES, "--contract", tmp_path / "cue.yaml", "--repairs", "drop_leaks",
        "--lang", lang, "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    routed = {arm["arm"]["repair"]: arm for arm in record["repair"]["routed"]}
    ignoring = routed["ignore_words"]
    assert ignoring["component"] == "shortcut"
    assert ignoring["endpoint"] == "no zorblat"
    assert ignoring["arm"]["outcome"] == "accepted"
    assert ignoring["arm"]["gain_over_untouched"]["low"] > 0
    assert record["repair"]["chosen"] == "ignore_words"
    assert "ignore" in said.out
    html = (tmp_path / "run" / "report.html").read_text()
    assert ("Each diagnosed component" if lang == "en" else "每个已诊断的成分") in html
    assert ("against plain training" if lang == "en" else "相对普通训练") in html
    asked = [row for row in plain[2300:] if row["label"] == "neg"]
    texts = [f"zorblat {row['text']}" for row in asked]
    fooled, kept = (
        (model.predict(texts).argmax(1) == model.labels.index("pos")).mean()
        for model in (open_model(tmp_path / "run" / name) for name in ("model", "model_repaired"))
    )
    assert fooled > kept + 0.2
    _verified(veridical, tmp_path / "run", lang)


def _verified(veridical: Callable[..., Any], run: Path, lang: str) -> None:
    """Its certificate names the contract, and a changed one is told apart; trained again, it comes out the same."""
    holds, fails = ("holds", "does not hold") if lang == "en" else ("成立", "不成立")
    certificate = json.loads((run / "certificate.json").read_text())["countermeasures"]
    ignoring = next(arm for arm in certificate["arms"] if arm["countermeasure"] == "ignore_words")
    assert ignoring["knobs"] == {"words": "", "listed": ["zorblat"]}
    assert ignoring["endpoint"] == certificate["contract"]
    assert certificate["chosen"] == "ignore_words"
    said = veridical("verify", run / "certificate.json", "--rerun", "--lang", lang)
    assert said.code == 0, said.out + said.err
    assert fails not in said.out
    name = "rerun of countermeasure ignore words" if lang == "en" else "重新训练对策 ignore words"
    assert name in said.out.replace("_", " ")
    with (run / "contract.yaml").open("a") as file:
        file.write("# changed\n")
    said = veridical("verify", run / "certificate.json", "--lang", lang)
    assert said.code == 1
    assert (f"{fails}: contract" if lang == "en" else f"{fails}：契约") in said.out
    (run / "contract.yaml").unlink()
    said = veridical("verify", run / "certificate.json", "--lang", lang)
    assert said.code == 1
    assert holds in said.out
    assert "contract.yaml" in said.out
