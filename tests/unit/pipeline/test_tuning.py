"""veridical tune: methods side by side on rows that no training saw; the test rows stay unseen."""

import csv
import io
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).parents[2]))

from tiny_encoder import make_toy, write_tiny_bert
from veridical.cli import main
from veridical.core import tuning_record
from veridical.core.errors import InputError, UnknownName
from veridical.core.tuning_record import TuningRecord
from veridical.pipeline import tuning
from veridical.pipeline.config import configured
from veridical.pipeline.tuning import confusion, estimated, tune
from veridical.probe._forgotten import drifts
from veridical.report.tuning import summary, table
from veridical.report.wording import words
from veridical.tasks._confusion_metrics import METRICS

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "toy.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([row["text"], row["label"]] for row in make_toy(n=320).table.to_pylist())
    return path


def settings(bert: str, **given: object):
    quick = {"learning_rate": 3e-3, "token_budget": 96, "max_length": 32, "dtype": "float32", "attention": "eager", "threads": 1}
    return configured({"text": "text", "label": "label", "model": bert, **quick, "epochs": 3, **given})


def by(codes, metric: str):
    """How the answers of two classes are counted."""
    return METRICS[metric], partial(confusion, codes, n_classes=2, metric=METRICS[metric])


METHODS = ("full", "last_layers:layers=1", "prompt:tokens=60", "head")


@pytest.fixture(scope="module")
def done(bert, rows, tmp_path_factory) -> tuple[Path, TuningRecord]:
    return tune(rows, config=settings(bert), methods=METHODS, out=tmp_path_factory.mktemp("tuned") / "run")


def test_every_method_is_scored_or_says_why_not(done):
    folder, record = done
    assert [one.name for one in record.methods] == list(METHODS)
    full, last, prompt, head = record.methods
    assert "virtual tokens" in prompt.why
    assert prompt.score is None
    assert full.difference is None
    assert full.n_trained > last.n_trained > head.n_trained == 32 * 2 + 2
    assert head.drift.value == pytest.approx(0.0, abs=1e-6)
    assert full.drift.value > 0.01
    assert (head.forgotten.value, head.forgotten.low <= 0 <= head.forgotten.high) == (pytest.approx(0.0, abs=1e-6), True)
    assert full.forgotten is not None
    assert full.score.value > 0.8
    assert full.seconds > 0
    assert tuning_record.read(folder) == record
    assert not (folder / "methods").exists()


def test_test_rows_are_not_looked_at(done, bert, rows):
    """Train and scored rows together are those that `veridical run` would train on."""
    from veridical.core.progress import silent
    from veridical.pipeline.loading import load_as_configured

    _, record = done
    data = load_as_configured(rows, settings(bert), silent)
    assert len(data.rows("test")) > 0
    assert record.n_train + record.n_scored + record.n_left_out == len(data.rows("train"))


def test_scored_rows_share_no_cluster_with_train(bert, rows):
    from veridical.core.progress import silent
    from veridical.pipeline.loading import load_as_configured

    part = tuning._parted(load_as_configured(rows, settings(bert), silent), settings(bert), silent)
    assert not set(part.clusters[part.scored]) & set(part.clusters[part.data.rows("train")])


def test_stopped_between_methods_it_goes_on(bert, rows, tmp_path, monkeypatch, done):
    tried, real = [], tuning._tried

    def stops(place, method, *rest):
        if method == "head" and "stopped" not in tried:
            tried.append("stopped")
            raise KeyboardInterrupt
        if not (place / "done.json").is_file():
            tried.append(method)
        return real(place, method, *rest)

    monkeypatch.setattr(tuning, "_tried", stops)
    with pytest.raises(KeyboardInterrupt):
        tune(rows, config=settings(bert), methods=METHODS, out=tmp_path / "run")
    _, record = tune(rows, config=settings(bert), methods=METHODS, out=tmp_path / "run")
    assert tried == ["full", "last_layers:layers=1", "prompt:tokens=60", "stopped", "head"]
    for one, other in zip(record.methods, done[1].methods, strict=True):
        assert (one.score, one.difference, one.drift, one.n_all) == (other.score, other.difference, other.drift, other.n_all)
    with pytest.raises(InputError, match="another run"):
        tune(rows, config=settings(bert), methods=("full",), out=tmp_path / "run")


def made(name: str, predicted: list[int], drift: float = 0.0) -> dict[str, object]:
    learned = {"tuning": name, "n_trained": 1, "n_all": 4}
    return {
        "name": name,
        "predicted": predicted,
        "drift": [drift] * len(predicted),
        "seconds": 1.0,
        "memory_mb": 3,
        "learned": learned,
    }


def test_scores_and_paired_differences_are_known():
    codes = np.array([0, 1] * 100)
    right, half = codes.tolist(), [0] * 200
    first, worse, same = estimated(
        [made("full", right), made("head", half, 0.5), made("lora", right)],
        by(codes, "accuracy"), np.arange(200), seed=0,
    )  # fmt: skip
    assert (first.score.value, worse.score.value) == (1.0, 0.5)
    assert worse.difference.value == -50.0
    assert worse.difference.high < -35
    reach = 100 * (1 - 0.0125 ** (1 / 200))  # no row differs: what 200 rows leave possible, at 97.5 % for two comparisons
    assert (same.difference.low, same.difference.high) == pytest.approx((-reach, reach))
    assert worse.drift.value == 0.5
    assert "Bonferroni over 2" in worse.difference.method
    # Accuracy 0.5 of 200 rows: half-width 1.96 * sqrt(0.25 / 200).
    assert worse.score.width == pytest.approx(2 * 1.96 * (0.25 / 200) ** 0.5, rel=0.1)


def test_clusters_widen_the_interval():
    codes, wrong = np.array([0, 1] * 100), [0] * 200
    (alone,), (together,) = (
        estimated([made("full", wrong)], by(codes, "macro_f1"), clusters, seed=0)
        for clusters in (np.arange(200), np.arange(200) // 10 * 2 + codes)
    )
    assert together.score.width > 2 * alone.score.width


def test_drift_of_known_features():
    before = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    turned = before @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(drifts(before, before), 0.0, atol=1e-12)
    np.testing.assert_allclose(drifts(before, 3 * before), 0.0, atol=1e-12)
    np.testing.assert_allclose(drifts(before, turned), 1.0)
    np.testing.assert_allclose(drifts(before, -before), 2.0)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 100])
def test_the_table_fits_the_terminal(done, lang, width):
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    summary(done[1], lang=lang, console=console)
    text = console.export_text()
    assert all(one.name[:20] in text for one in done[1].methods)
    assert words(lang)("tune.drift") in text
    assert len(table(done[1], words(lang))) == 4


def test_differences_that_are_not_told_apart_are_called_so(done):
    from veridical.report.tuning import sentences

    _, record = done
    full = record.methods[0]
    alike = replace(full, name="lora", difference=replace(full.score, value=0.0, low=-1.0, high=1.0))
    said = sentences(replace(record, methods=(full, alike)), words("en"))
    assert "no method is told apart from full" in said[0]
    worse = replace(alike, difference=replace(full.score, value=-5.0, low=-8.0, high=-2.0))
    assert "Told apart from full: lora." in sentences(replace(record, methods=(full, worse)), words("en"))[0]


@pytest.mark.parametrize(
    ("methods", "given", "kind", "said"),
    [
        (("full", "full"), {}, InputError, "once"),
        (("lorra",), {}, UnknownName, "lora"),
        (("lora:rnk=2",), {}, UnknownName, "rank"),
        (("full",), {"model": "linear"}, InputError, "no encoder"),
    ],
)
def test_what_cannot_be_compared_is_refused(bert, rows, tmp_path, methods, given, kind, said):
    with pytest.raises(kind, match=said):
        tune(rows, config=settings(bert, **given), methods=methods, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_verb_prints_the_record(bert, rows, tmp_path, capsys):
    arguments = [
        "tune",
        str(rows),
        "--text",
        "text",
        "--label",
        "label",
        "--model",
        bert,
        "--methods",
        "head",
        "--json",
        "--quiet",
    ]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--max-length", "32", "--threads", "1", "--out", str(tmp_path / "run")])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["methods"][0]["name"] == "head"
