"""--search: validation rows alone decide; stopped and taken up again it tries the same; what flatters the best is said."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).parents[2]))

from tests.unit.answers.made_up import ner_rows, write

from tiny_encoder import make_toy, write_tiny_bert
from veridical.audit._evidence import Evidence
from veridical.cli import main
from veridical.core import run_record
from veridical.core.errors import InputError, MissingExtra, UnknownName
from veridical.core.plugins import get
from veridical.core.progress import silent
from veridical.core.search_record import SearchRecord, Trial
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.pipeline.config import configured
from veridical.pipeline.probing import configuration_of
from veridical.pipeline.searching import FOLDER, check_search, read_search, search, with_chosen
from veridical.report.html import report
from veridical.report.searched import search_sentences, search_table
from veridical.report.terminal import summary
from veridical.report.wording import words
from veridical.train.search_space import OF_ENCODER, SPACE, Range, space_of
from veridical.train.training import train

pytest.importorskip("torch")
pytest.importorskip("optuna")

QUICK = {
    "token_budget": 200, "max_length": 32, "dtype": "float32", "attention": "eager", "threads": 1, "freeze_embeddings": False,
    "epochs": 3, "validation_share": 0.25, "checkpoint_seconds": 0.0,
}  # fmt: skip


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def toy() -> Dataset:
    return make_toy(n=240)


def searched(data: Dataset, run: Path, progress: Any = silent, **given: Any) -> SearchRecord:
    config = configured({"seed": 3, **given})
    structure = get("veridical.tasks", "task", config.task).structure
    evidence = Evidence(data, seed=config.seed)
    return search(evidence, config=config, structure=structure, run=run, progress=progress)


@pytest.fixture(scope="module")
def encoder(toy: Dataset, bert: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], SearchRecord]:
    """A search that begins at a step size at which nothing is learned."""
    given = {**QUICK, "model": bert, "epochs": 4, "learning_rate": 1e-7, "search": 8, "search_over": "learning_rate=1e-7:2e-2"}
    given["seed"] = 6
    return given, searched(toy, tmp_path_factory.mktemp("run"), **given)


def test_it_finds_settings_that_learn_where_those_given_do_not(encoder: Any, toy: Dataset, bert: str) -> None:
    given, found = encoder
    first, best = found.trials[0], found.best
    assert [trial.number for trial in found.trials] == list(range(1, 9))
    assert first.settings == {"learning_rate": 1e-7}
    assert best.settings["learning_rate"] > 1e-4
    assert best.score is not None
    assert best.score > first.score + 0.1
    assert best.score == max(trial.score for trial in found.trials if trial.state == "complete")
    assert found.looks == sum(len(trial.epochs) for trial in found.trials)
    assert found.space["learning_rate"] == {"low": 1e-7, "high": 2e-2, "scale": "log"}
    chosen = with_chosen(configured(given), found)
    assert (chosen.search, chosen.training.learning_rate) == (0, best.settings["learning_rate"])
    trained = train(toy, model=bert, config=chosen.training, seed=6, clusters=Evidence(toy, seed=6).clusters)
    valid = [row for row, part in zip(trained.dynamics["row"].to_pylist(), trained.dynamics["part"].to_pylist(), strict=True)
             if part == "valid"]  # fmt: skip
    rows = [toy.ids.index(row) for row in dict.fromkeys(valid)]
    assert len(rows) == found.n_valid  # the final training keeps the same rows apart, and scores on them what the trial did
    assert np.mean(trained.probabilities[rows].argmax(axis=1) == toy.codes[rows]) == pytest.approx(best.score)


def test_trials_below_the_median_are_ended_early(encoder: Any) -> None:
    _, found = encoder
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned, [trial.epochs for trial in found.trials]
    for trial in pruned:
        before = [other for other in found.trials[: trial.number - 1] if other.state == "complete"]
        at = len(trial.epochs) - 1
        assert len(before) >= 5
        assert at >= 1
        assert len(trial.epochs) < 4
        assert max(trial.epochs) < np.median([max(other.epochs[: at + 1]) for other in before])


def test_interrupted_it_tries_the_same(encoder: Any, toy: Dataset, tmp_path: Path) -> None:
    given, whole = encoder
    for stop in (1, 3, 17):
        calls = []

        def stopping(stage: str, done: int, total: int, stop: int = stop, calls: list[int] = calls) -> None:
            calls.append(done)
            if len(calls) == 3 * stop:
                raise Interrupted

        with pytest.raises(Interrupted):
            searched(toy, tmp_path, stopping, **given)
    assert searched(toy, tmp_path, **given) == whole
    assert read_search(tmp_path) == whole
    assert not list((tmp_path / FOLDER).glob("trial-*"))


def test_test_labels_decide_nothing(encoder: Any, toy: Dataset, tmp_path: Path) -> None:
    """With coins for the labels of test rows, the same trials and the same choice."""
    given, whole = encoder
    rng = np.random.default_rng(0)
    labels = [str(rng.choice(["neg", "pos"])) if part == "test" else label
              for label, part in zip(toy.table["label"].to_pylist(), toy.splits, strict=True)]  # fmt: skip
    garbage = toy.with_column("label", labels)
    assert (garbage.codes != toy.codes).any()
    assert searched(garbage, tmp_path, **{**given, "search": 4}).trials == whole.trials[:4]


def _labels_at_random() -> Dataset:
    rng, toy = np.random.default_rng(1), make_toy(n=400)
    return toy.with_column("label", [str(rng.choice(["neg", "pos"])) for _ in toy.ids])


def test_the_best_of_many_guesses_is_called_lucky(tmp_path: Path) -> None:
    """Labels are coins: no setting is better than another, and the best trial's score is above a half by luck alone."""
    found = searched(_labels_at_random(), tmp_path, search=12, validation_share=0.3)
    assert found.n_distinct > 3
    assert 0 < found.optimism <= found.bound
    assert found.best.score is not None
    assert found.valid_from == "train"
    assert all(trial.epochs == () for trial in found.trials)
    assert found.looks == 12


def test_given_validation_rows_are_used_and_unlabelled_ones_left_out(tmp_path: Path) -> None:
    toy = make_toy(n=400)
    splits = ["valid" if split == "train" and k % 3 == 0 else split for k, split in enumerate(toy.splits)]
    labels = [None if k < 30 and split == "valid" else label for k, (split, label) in
              enumerate(zip(splits, toy.table["label"].to_pylist(), strict=True))]  # fmt: skip
    found = searched(toy.with_column("split", splits).with_column("label", labels), tmp_path, search=2)
    assert found.valid_from == "valid"
    assert found.n_valid == splits.count("valid") - 10


@pytest.mark.parametrize("model", ["linear", "BERT"])
def test_answers_that_are_structures_are_searched_too(model: str, bert: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ner_rows(160, seed=3))
    data = load(path, task="ner", shape=get("veridical.tasks", "task", "ner").structure.shape, split="random")
    options = {"linear_c": 1e-5, "search_over": "linear_c=1e-5:100"} if model == "linear" else {
        **QUICK, "max_length": 64, "model": bert, "learning_rate": 1e-7, "search_over": "learning_rate=1e-7:1e-2"}  # fmt: skip
    found = searched(data, tmp_path / "run", **{"task": "ner", "search": 4, "validation_share": 0.3, **options})
    assert found.metric == "entity_f1"
    assert found.best.score is not None
    assert found.best.score > (found.trials[0].score or 0.0)
    assert (len(found.best.epochs) > 0) == (model == "BERT")


def test_settings_that_cannot_be_trained_are_failed_trials(toy: Dataset, bert: str, tmp_path: Path) -> None:
    given = {**QUICK, "model": bert, "epochs": 1, "search": 6, "search_over": "frozen_layers=2:6"}
    found = searched(toy, tmp_path, **given)
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert all("has 2 layers" in trial.why and trial.score is None for trial in failed)
    with pytest.raises(InputError, match=r"None of the 2 trials .* has 2 layers"):
        searched(toy, tmp_path / "none", **{**given, "search": 2, "search_over": "frozen_layers=3:6"})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"search": 1}, "must be 2 or more"),
        ({"search": -3}, "must be 2 or more"),
        ({"search_over": "linear_c"}, "give --search too"),
        ({"search": 5, "predictions": "p.jsonl"}, "--predictions is not trained here"),
        ({"search": 5, "model": "http://localhost:1/x"}, "is not trained here"),
        ({"search": 5, "model": "a.b:c"}, "a.b:c is not trained here"),
        ({"search": 5, "split": "folds"}, "tests every row"),
        ({"search": 5, "model": "minilm", "tuning": "head"}, "nothing to search"),
        ({"search": 5, "search_over": "learning_rate"}, "changes nothing for a model linear"),
        ({"search": 5, "model": "minilm", "search_over": "linear_c"}, "changes nothing for a model of an encoder"),
        ({"search": 5, "search_over": "linear_c,linear_c=1:2"}, "twice"),
        ({"search": 5, "search_over": "linear_c=1"}, "is no range"),
        ({"search": 5, "search_over": "linear_c=0:2"}, "two numbers above 0"),
        ({"search": 5, "search_over": "linear_c=3:2"}, "the smaller first"),
        ({"search": 5, "model": "minilm", "search_over": "epochs=1.5:3"}, "two whole numbers"),
        ({"search": 5, "model": "minilm", "search_over": "dropout=0:7"}, "outside"),
        ({"search": 5, "model": "minilm", "search_over": "learning_rate=nan:1"}, "two numbers above 0"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_a_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_search(configured(given))


def test_unknown_settings_a_missing_extra_and_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'learning_rate'"):
        space_of(["learning_rat"], linear=False)
    for name, value in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="works in one process"):
        check_search(configured({"search": 5}))
    monkeypatch.delenv("RANK")
    config = configured({"search": 5})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"--search needs the extra \[search\]"):
        check_search(config)


def test_every_range_is_one_of_a_setting_and_holds_its_default() -> None:
    training = configured({}).training
    for name, bounds in SPACE.items():
        assert bounds.holds(getattr(training, name)), name
        assert (bounds.scale == "whole") == isinstance(getattr(training, name), int)
    assert space_of([], linear=False) == {name: SPACE[name] for name in OF_ENCODER}
    assert space_of(["epochs=2:3"], linear=False) == {"epochs": Range(2, 3, "whole")}


def test_too_few_rows_to_choose_by(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="30 are needed"):
        searched(make_toy(n=60), tmp_path, search=3)


# The whole run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = _labels_at_random().table.to_pylist()
    path.write_text("".join(json.dumps({k: row[k] for k in ("id", "text", "label")}) + "\n" for row in rows), encoding="utf-8")
    return path


def command(files: Path, out: Path, *more: str) -> list[str]:
    columns = ("--text", "text", "--label", "label", "--id", "id", "--split", "random")
    return ["run", str(files), *columns, "--no-repair", "--search", "8", "--validation-share", "0.3", "--out", str(out), *more]


def test_too_few_rows_are_refused_before_the_audit(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = files.read_text(encoding="utf-8").splitlines()[:80]
    (tmp_path / "few.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(command(tmp_path / "few.jsonl", tmp_path / "run"))
    assert stopped.value.code == 2
    assert "30 are needed" in capsys.readouterr().err
    assert not (tmp_path / "run" / "stages" / "audit.json").exists()


@pytest.fixture(scope="module")
def run(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(SystemExit) as ended:
        main(command(files, out, "--quiet"))
    assert not ended.value.code
    return out


def test_the_record_says_what_was_tried_and_what_trained(run: Path, files: Path) -> None:
    record = run_record.read(run)
    assert record.search is not None
    assert record.config["search"] == 8
    assert record.config["training"]["linear_c"] == 10.0  # as it was given, so that the run can be repeated from here
    assert configuration_of(record).training.linear_c == record.search.best.settings["linear_c"]
    assert "search" in record.seconds
    data = load(files, split="random", text="text", label="label", id="id", test_share=0.2, seed=0)
    chosen = train(data, config=configuration_of(record).training, seed=0)
    stored = run / "model" / "model.safetensors"
    chosen.model.save(run.parent / "again")  # type: ignore[union-attr]
    assert (run.parent / "again" / "model.safetensors").read_bytes() == stored.read_bytes()


@pytest.mark.parametrize(
    ("lang", "said"), [("en", ("validation rows", "flatters it by about")), ("zh", ("行验证数据", "约被高估"))]
)
def test_the_reports_tell_of_it(run: Path, lang: str, said: tuple[str, str]) -> None:
    record, out = run_record.read(run), io.StringIO()
    summary(record, lang=lang, console=Console(file=out, width=80, highlight=False))
    texts = [out.getvalue().replace("\n", " ") if lang == "en" else out.getvalue().replace("\n", "")]
    texts += [report(run, format=format, lang=lang).read_text(encoding="utf-8") for format in ("html", "md")]
    for text in texts:
        for words_of_it in said:
            assert words_of_it in text
        assert f"{100 * record.search.best.score:.1f}" in text  # type: ignore[union-attr, operator]
    assert len(search_table(record, words(lang))) == 9
    assert len(search_table(record, words(lang), shown=5)) == 6
    from dataclasses import replace

    assert search_sentences(replace(record, search=None), words(lang)) == ()


def test_hostile_words_in_a_failed_trial_are_not_markup(run: Path) -> None:
    record = run_record.read(run)
    trial = Trial(9, "failed", None, {"linear_c": 1.0}, (), "<script>alert(1)</script>")
    from dataclasses import replace

    assert record.search is not None
    changed = replace(record, search=replace(record.search, trials=(*record.search.trials, trial)))
    assert search_table(changed, words("en"))[-1][:3] == ("9", "failed", "–")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_by_hand_the_same_command_ends_the_same(
    how: signal.Signals, files: Path, run: Path, tmp_path: Path, bert: str
) -> None:
    source = Path(search.__code__.co_filename).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(source)}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items() if not isinstance(value, bool)]
    more = ["--model", bert, "--no-freeze-embeddings", *options, "--search-over", "learning_rate=1e-5:1e-2", "--quiet"]

    def started(out: Path) -> subprocess.Popen[str]:
        line = [sys.executable, "-m", "veridical", *command(files, out, *more)]
        return subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)

    with started(tmp_path / "whole") as process:
        assert process.wait(timeout=240) == 0
    kills = 0
    for trial in ("trial-2", "trial-5"):
        with started(tmp_path / "killed") as process:
            deadline = time.monotonic() + 120
            while not (tmp_path / "killed" / FOLDER / trial / "checkpoint.safetensors").exists() and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(how)
            _, said = process.communicate(timeout=60)
            kills += process.returncode != 0
            if how == signal.SIGINT:
                assert process.returncode == 130
                assert "goes on where it stopped" in said
                assert "Traceback" not in said
    assert kills == 2
    with started(tmp_path / "killed") as process:
        assert process.wait(timeout=240) == 0
    assert read_search(tmp_path / "killed") == read_search(tmp_path / "whole")
    logs = [(tmp_path / name / "training.jsonl").read_text(encoding="utf-8") for name in ("killed", "whole")]
    assert logs[0] == logs[1]
