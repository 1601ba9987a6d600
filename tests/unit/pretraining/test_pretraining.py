"""A pre-training from text to a folder that fine-tuning opens: interrupted, out of disk, without a finite loss, continued."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from veridical.core import pretrain_record
from veridical.core.errors import InputError
from veridical.pipeline.corpus_config import CorpusConfig
from veridical.pipeline.pretraining import pretrain
from veridical.train.loop import LossNotFinite
from veridical.train.pretrain_config import PretrainConfig

SMALL = PretrainConfig(
    layers=1, width=16, heads=2, max_length=32, token_budget=128, steps=12, dtype="float32", attention="eager", threads=1,
    checkpoint_seconds=0.0, learning_rate=3e-3,
)  # fmt: skip
OPTIONS = (
    *("--layers", "1", "--width", "16", "--heads", "2", "--max-length", "32", "--token-budget", "128", "--dtype", "float32"),
    *("--attention", "eager", "--threads", "1", "--checkpoint-seconds", "0", "--learning-rate", "3e-3"),
)
TIMED = ("seconds",)


class Interrupted(Exception):
    pass


def stop_at(n_steps: int):
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == n_steps:
            raise Interrupted

    return progress


def contents(folder: Path) -> dict[str, object]:
    """What must not depend on where it was interrupted."""
    record = json.loads((folder / "pretrain.json").read_text(encoding="utf-8"))
    found: dict[str, object] = {name: value for name, value in record.items() if name not in TIMED}
    for name, tensor in load_file(folder / "model.safetensors").items():
        found[name] = tensor.numpy().tobytes()
    return {**found, "tokenizer": (folder / "tokenizer.json").read_text(encoding="utf-8")}


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    folder, record = pretrain([corpus], config=SMALL, out=tmp_path_factory.mktemp("whole") / "model")
    return folder, record


def test_the_record_says_what_was_done(whole):
    folder, record = whole
    assert (record.n_documents, record.n_train + record.n_held_out) == (60, 60)
    assert record.steps == 12
    assert [one.objective for one in record.measures] == ["mlm"]
    assert {"train_test_overlap", "exact_duplicates", "near_duplicates", "damaged_text"} <= {one.check for one in record.audit}
    assert all(one.status in ("found", "clean", "skipped") for one in record.audit)
    assert record.measures[0].held_out.n_clusters <= record.n_held_out
    assert record.curve[-1][0] == 12
    assert pretrain_record.read(folder) == record
    for name in ("checkpoint", "documents.parquet", "half_saved"):
        assert not (folder / name).exists()


def test_finished_it_is_read_and_not_done_again(whole, corpus):
    folder, record = whole
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert pretrain([corpus], config=SMALL, out=folder)[1] == record
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="steps was 12, now 13"):
        pretrain([corpus], config=replace(SMALL, steps=13), out=folder)


def test_fresh_starts_over_and_leaves_what_is_not_ours(corpus, tmp_path):
    out = tmp_path / "m"
    pretrain([corpus], config=replace(SMALL, steps=2), out=out)
    (out / "notes.txt").write_text("mine")
    _, record = pretrain([corpus], config=replace(SMALL, steps=3), out=out, fresh=True)
    assert record.steps == 3
    assert (out / "notes.txt").read_text() == "mine"
    with pytest.raises(InputError, match="fills only"):
        pretrain([corpus], config=replace(SMALL, vocabulary=50_000), out=out, fresh=True)
    assert pretrain_record.read(out).steps == 3, "what was refused gives the model back"
    assert (out / "model.safetensors").is_file()


def test_the_same_command_gives_the_same_model_and_another_seed_another(whole, corpus, tmp_path):
    folder, _ = whole
    again, _ = pretrain([corpus], config=SMALL, out=tmp_path / "again")
    assert contents(again) == contents(folder)
    other, _ = pretrain([corpus], corpus=CorpusConfig(seed=1), config=SMALL, out=tmp_path / "other")
    assert contents(other)["curve"] != contents(folder)["curve"]


@pytest.mark.parametrize("objective", ["mlm", "mlm+clm", "mlm+nsp", "denoise", "clm"])
def test_interrupted_anywhere_it_ends_the_same_bit_for_bit(corpus, tmp_path, objective):
    config = replace(SMALL, objective=objective, steps=9, dropout=0.2)
    uninterrupted, _ = pretrain([corpus], config=config, out=tmp_path / "whole")
    for moment in (1, 5, 9):
        with pytest.raises(Interrupted):
            pretrain([corpus], config=config, out=tmp_path / "stopped", progress=stop_at(moment))
    stopped, _ = pretrain([corpus], config=config, out=tmp_path / "stopped")
    assert contents(stopped) == contents(uninterrupted)


def test_transformers_and_fine_tuning_open_the_folder(whole):
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    from tiny_encoder import TINY, make_toy
    from veridical.models.language_losses import LanguageHead, language_head
    from veridical.train.training import train

    folder, _ = whole
    model, tokenizer = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer)
    head = language_head(folder)
    assert isinstance(head, LanguageHead)
    assert head.kind == "masked"
    assert np.isfinite(head.losses(["the king saw the old tree"], max_length=32)).all()
    trained = train(make_toy(), model=str(folder), config=TINY, seed=0)
    assert np.isfinite(trained.probabilities).all()


def test_continued_it_starts_from_the_weights_and_keeps_their_tokenizer(whole, corpus, tmp_path):
    folder, first = whole
    further, record = pretrain(
        [corpus], config=replace(SMALL, model=str(folder), learning_rate=1e-6, steps=1), out=tmp_path / "b"
    )
    assert record.base.startswith(str(folder))
    assert (further / "tokenizer.json").read_text() == (folder / "tokenizer.json").read_text()
    before, after = load_file(folder / "model.safetensors"), load_file(further / "model.safetensors")
    assert all(torch.allclose(before[name], after[name], atol=1e-4) for name in before)
    assert record.measures[0].held_out.value == pytest.approx(first.measures[0].held_out.value, rel=1e-3)
    assert record.warnings == ()


def test_weights_without_a_mask_are_refused(tiny_bert, corpus, tmp_path):
    with pytest.raises(InputError, match="has no mask token, which mlm needs"):
        pretrain([corpus], config=replace(SMALL, model=tiny_bert), out=tmp_path / "m")


def test_weights_without_a_head_say_so(headless, corpus, tmp_path):
    _, record = pretrain([corpus], config=replace(SMALL, model=headless, learning_rate=1e-4, steps=2), out=tmp_path / "m")
    assert any("brings no head for mlm" in warning for warning in record.warnings)


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("clm", "of architecture bert; this objective needs a decoder"),
        ("mlm", "of architecture llama; this objective needs an enc"),
    ],
)
def test_another_architecture_is_refused(objective, said, tiny_bert, corpus, tmp_path):
    base = tiny_bert
    if objective == "mlm":
        base = str(pretrain([corpus], config=replace(SMALL, objective="clm", steps=1), out=tmp_path / "decoder")[0])
    with pytest.raises(InputError, match=said):
        pretrain([corpus], config=replace(SMALL, model=base, objective=objective), out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_state_of_another_training_is_refused(corpus, tmp_path):
    config = replace(SMALL, steps=4)
    for name, seed in (("a", 0), ("b", 1)):
        with pytest.raises(Interrupted):
            pretrain([corpus], corpus=CorpusConfig(seed=seed), config=config, out=tmp_path / name, progress=stop_at(2))
    (tmp_path / "a" / "checkpoint" / "checkpoint.safetensors").replace(tmp_path / "b" / "checkpoint" / "checkpoint.safetensors")
    with pytest.raises(InputError, match="belongs to a training run with other data, settings or weights"):
        pretrain([corpus], corpus=CorpusConfig(seed=1), config=config, out=tmp_path / "b")


def test_a_loss_that_is_no_number_stops_with_its_step_and_keeps_the_last_state(corpus, tmp_path, monkeypatch):
    import veridical.train.pretraining as module

    plain, calls = module.loss_of, []

    def spoiled(*arguments):
        calls.append(0)
        losses = plain(*arguments)
        return [loss * float("nan") for loss in losses] if len(calls) == 6 else losses

    monkeypatch.setattr(module, "loss_of", spoiled)
    with pytest.raises(LossNotFinite, match=r"stopped at step 6 of 12.*The last good state is kept in"):
        pretrain([corpus], config=SMALL, out=tmp_path / "m")
    state = load_file(tmp_path / "m" / "checkpoint" / "checkpoint.safetensors")
    assert int((~state["kept/curve/losses"].isnan()).sum()) == 5
    assert all(tensor.isfinite().all() for name, tensor in state.items() if name.startswith("model/"))
    monkeypatch.setattr(module, "loss_of", plain)
    whole, _ = pretrain([corpus], config=SMALL, out=tmp_path / "whole")
    assert contents(pretrain([corpus], config=SMALL, out=tmp_path / "m")[0]) == contents(whole)


def test_held_out_twins_are_told_and_left_out_of_the_second_figure(stories, tmp_path):
    (tmp_path / "train.txt").write_text("\n\n".join(stories), encoding="utf-8")
    (tmp_path / "held.txt").write_text("\n\n".join([*stories[:6], *(f"{s} Never seen before, not once." * 3 for s in "abcdef")]))
    _, record = pretrain(
        [tmp_path / "train.txt"], corpus=CorpusConfig(valid=str(tmp_path / "held.txt")), config=SMALL, out=tmp_path / "m"
    )
    assert record.n_leaked == 6
    (measure,) = record.measures
    assert measure.unleaked is not None
    assert measure.unleaked.n == measure.held_out.n - 6


def test_what_checks_found_is_set_aside_and_logged(stories, tmp_path):
    from veridical.repair._edit_log import read_edits

    (tmp_path / "t.txt").write_text(
        "\n\n".join([*stories, *stories[:5], "12 34 56 78 90 12 34 56 78 90 11 12"]), encoding="utf-8"
    )
    corpus = CorpusConfig(set_aside=("exact_duplicates", "little_text"))
    folder, record = pretrain([tmp_path / "t.txt"], corpus=corpus, config=SMALL, out=tmp_path / "m")
    edits = read_edits(folder / "edits.parquet")
    assert record.n_set_aside == len(edits)
    assert {edit.check for edit in edits} <= {"exact_duplicates", "little_text"}
    assert record.n_train + record.n_held_out + record.n_set_aside == record.n_documents == 66
    found = {one.check: one.n_found for one in record.audit}
    assert found["exact_duplicates"] + found["little_text"] == record.n_set_aside >= 3


def test_near_equal_documents_are_held_out_together(stories, tmp_path):
    """Half of the documents stand there twice: none of the held-out ones has its copy in train."""
    (tmp_path / "t.txt").write_text("\n\n".join([*stories, *stories[:30]]), encoding="utf-8")
    _, record = pretrain([tmp_path / "t.txt"], corpus=CorpusConfig(valid_share=0.3), config=SMALL, out=tmp_path / "m")
    assert record.n_leaked == 0
    assert record.n_held_out == pytest.approx(27, abs=4)


@pytest.mark.parametrize(
    ("options", "text", "said"),
    [
        ((), "", "is empty"),
        ((), " \n\n \t\n", "is empty"),
        ((), "one single line", "1 document; 2 or more are needed"),
        (("--vocabulary", "5000"), None, "fills only"),
        (("--vocabulary", "20"), None, "at least 64"),
        (("--tokenizer", "bpe", "--vocabulary", "100"), None, "byte-level bpe needs 261"),
        (("--tokenizer", "wordpeice"), None, "Did you mean 'wordpiece'?"),
        (("--objective", "mln"), None, "Did you mean 'mlm'?"),
        (("--objective", "clm+nsp"), None, "Unknown objective 'clm+nsp'"),
        (
            ("--objective", "nsp"),
            "a single sentence here.\n\nanother one there.\n\nand a third one.\n" * 5,
            "two sentences or more",
        ),
        (("--objective", "nsp", "--architecture", "llama"), None, "needs an encoder with a head for pairs"),
        (("--objective-knobs", "share=9"), None, "outside 0.01..0.99"),
        (("--set-aside", "exact_duplicate"), None, "Did you mean 'exact_duplicates'?"),
        (("--model", "no-such-folder/at/all"), None, "is no hub id"),
        (("--width", "30", "--heads", "4"), None, "no multiple of --heads"),
        (("--max-length", "8"), None, "outside 16..100000"),
        (("--token-budget", "32", "--max-length", "64"), None, "less than one row"),
        (("--valid-share", "0.9"), None, "outside 0.001..0.5"),
        (("--documents", "page"), None, "Unknown way to cut texts"),
        (("--seed", "-1"), None, "0 or more"),
        (("--learning-rate", "fast"), None, "should be a valid number"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_left(options, text, said, corpus, tmp_path, capsys, monkeypatch):
    from veridical.cli import main

    monkeypatch.chdir(tmp_path)
    source = corpus
    if text is not None:
        source = tmp_path / "text.txt"
        source.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stopped:
        main(["pretrain", str(source), "--out", "m", "--quiet", *options])
    err = capsys.readouterr().err.strip()
    assert stopped.value.code == 2, err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "m" / "pretrain.json").exists()


def test_no_text_at_all(tmp_path, capsys, monkeypatch):
    from veridical.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        (["pretrain"], "Missing argument"),
        (["pretrain", "nothing.txt"], "There is no nothing.txt"),
        (["pretrain", "empty"], "holds no file ending in"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        err = capsys.readouterr().err.strip()
        assert stopped.value.code == 2
        assert said in err
        assert len(err.splitlines()) == 1


def command(corpus: Path, out: Path, *more: str) -> list[str]:
    code = "from veridical.cli import main; main()"
    return [sys.executable, "-c", code, "pretrain", str(corpus), "--out", str(out), *OPTIONS, *more]


@pytest.mark.slow
def test_killed_it_goes_on_and_ends_the_same(corpus, tmp_path):
    steps = ("--steps", "120")
    subprocess.run(command(corpus, tmp_path / "whole", *steps, "--quiet"), check=True, timeout=200)
    kills = 0
    for wanted in (10, 60):
        with subprocess.Popen(command(corpus, tmp_path / "killed", *steps, "--quiet")) as process:
            deadline, state = time.monotonic() + 100, tmp_path / "killed" / "checkpoint" / "checkpoint.safetensors"
            while process.poll() is None and time.monotonic() < deadline:
                with open(state, "rb") if state.exists() else open(os.devnull, "rb") as file:
                    head = file.read(4000)
                if b'\\"step\\": ' in head and _taken(head) >= wanted:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.005)
    assert kills
    subprocess.run(command(corpus, tmp_path / "killed", *steps, "--quiet"), check=True, timeout=200)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def _taken(head: bytes) -> int:
    """Steps within the epoch, plus ten for each epoch before: far enough in."""
    about = head.split(b'\\"epoch\\": ')[1]
    return 10 * int(about.split(b",")[0]) + int(head.split(b'\\"step\\": ')[1].split(b",")[0])


def test_interrupted_by_hand_it_says_how_to_go_on(corpus, tmp_path):
    with subprocess.Popen(command(corpus, tmp_path / "m", "--steps", "3000"), stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "m" / "checkpoint" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on where it stopped" in err
    assert "train" in err, "progress is shown"
    assert "Traceback" not in err


def test_a_full_disk_leaves_the_state_before(corpus, tmp_path, capsys):
    """A limit on file size stands in for a full disk."""
    from veridical.cli import main

    out = tmp_path / "m"
    arguments = ["pretrain", str(corpus), "--out", str(out), *OPTIONS, "--steps", "6", "--quiet"]
    config = replace(SMALL, steps=6)
    with pytest.raises(Interrupted):
        pretrain([corpus], config=config, out=out, progress=stop_at(4))
    before = (out / "checkpoint" / "checkpoint.safetensors").read_bytes()
    capsys.readouterr()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, hard))
    try:
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert stopped.value.code == 3
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert (out / "checkpoint" / "checkpoint.safetensors").read_bytes() == before
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code in (0, None)
    assert (out / "pretrain.json").is_file()


def test_the_summary_is_said_in_two_languages(whole, corpus, capsys):
    from veridical.cli import main

    folder, record = whole
    for lang, said in (("en", "What the audit of the text found"), ("zh", "训练前对文本的检查结果")):
        from rich.console import Console

        from veridical.report.pretraining import summary

        summary(record, lang=lang, console=Console(width=100, highlight=False), folder=folder)
        shown = capsys.readouterr().out
        assert said in shown
        assert "mlm" in shown
    with pytest.raises(SystemExit) as stopped:
        main(["pretrain", str(corpus), "--out", str(folder), "--json", "--steps", "12", *OPTIONS])
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)["objective"] == "mlm"
