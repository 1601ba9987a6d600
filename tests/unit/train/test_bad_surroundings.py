"""A loss that is no number, a full disk, a checkpoint or weights of something else: one sentence each, and nothing is lost.

Both kinds of training: rows with one label, and rows whose answers are structures.
"""

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.unit.answers.made_up import ner_rows, write

from tiny_encoder import TINY, make_toy, write_tiny_bert
from veridical.core.errors import InputError, SurroundingsError
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.models.stored import open_answering, open_model
from veridical.models.weights import resolve
from veridical.train import loop
from veridical.train.answer_training import train_answers
from veridical.train.loop import LossNotFinite
from veridical.train.training import train

CONFIG = replace(TINY, epochs=2, max_length=64)
Train = Callable[..., Any]


@pytest.fixture(params=["classification", "ner"])
def fit(request: pytest.FixtureRequest, tmp_path: Path) -> Train:
    """Train on the rows of a task; options as of the function that does it."""
    if request.param == "classification":
        toy = make_toy(n=120)
        return lambda **options: train(toy, seed=1, **{"config": CONFIG, **options})
    path = write(tmp_path / "rows.jsonl", ner_rows(60, seed=3))
    data = load(path, task="ner", shape=get("veridical.tasks", "task", "ner").structure.shape, split="random")
    return lambda **options: train_answers(data, seed=1, **{"config": CONFIG, **options})


def same(one: Any, other: Any) -> bool:
    a, b = one.model.network.state_dict(), other.model.network.state_dict()
    return bool(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a))


def test_a_loss_that_is_no_number_stops_at_its_step_and_the_last_good_state_goes_on(
    fit: Train, tiny_bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, kept, take, taken = fit(model=tiny_bert), tmp_path / "kept", loop._take_step, []

    def faulty(job: loop.Job, *arguments: Any, number: int, **options: Any) -> None:
        taken.append(number)
        if number == 5:
            with torch.no_grad():
                job.network.head.bias.fill_(float("nan"))
        take(job, *arguments, number=number, **options)

    monkeypatch.setattr(loop, "_take_step", faulty)
    with pytest.raises(LossNotFinite, match=r"stopped at step 6: .*last saved state is in .*checkpoint\.safetensors"):
        fit(model=tiny_bert, folder=kept)
    monkeypatch.undo()
    state = load_file(str(kept / "checkpoint.safetensors"))
    assert all(torch.isfinite(tensor).all() for name, tensor in state.items() if not name.startswith("dynamics/"))
    assert state["optimizer/step/head.weight"] == taken[-1] == 5
    assert same(fit(model=tiny_bert, folder=kept), whole)


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """Call it with the bytes that a file may have from then on: a write beyond them fails as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_while_the_state_is_saved_leaves_the_one_before(
    fit: Train, tiny_bert: str, tmp_path: Path, small_disk: Callable[[int], None]
) -> None:
    whole, kept, saved = fit(model=tiny_bert), tmp_path / "kept", b""
    path = kept / "checkpoint.safetensors"

    def fills(stage: str, done: int, total: int) -> None:
        nonlocal saved
        if stage == "train" and done == 5:
            saved = path.read_bytes()
            small_disk(len(saved) // 2)

    with pytest.raises(SurroundingsError, match=r"checkpoint\.safetensors.*is as it was.*goes on where it stopped"):
        fit(model=tiny_bert, folder=kept, progress=fills)
    small_disk(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert path.read_bytes() == saved
    assert not list(kept.glob("*.part")), "a half-written file would fill the disk further"
    assert load_file(str(path))["optimizer/step/head.weight"] == 4
    assert same(fit(model=tiny_bert, folder=kept), whole)


def test_a_state_of_another_architecture_is_refused_and_left_as_it_is(fit: Train, tiny_bert: str, tmp_path: Path) -> None:
    kept, other = tmp_path / "kept", write_tiny_bert(tmp_path / "other")
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(other)
    config.num_hidden_layers = 3
    BertModel(config).save_pretrained(other)
    fit(model=tiny_bert, folder=kept)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(InputError, match=r"other data, settings or weights\. Give another folder, or use --fresh"):
        fit(model=str(other), folder=kept)
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def _narrow(folder: Path) -> None:
    tensors = load_file(str(folder / "model.safetensors"))
    save_file({name: tensor[..., :16].contiguous() for name, tensor in tensors.items()}, str(folder / "model.safetensors"))


def _shallow(folder: Path) -> None:
    tensors = load_file(str(folder / "model.safetensors"))
    kept = {name: tensor for name, tensor in tensors.items() if "layer.1." not in name}
    save_file(kept, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _foreign(folder: Path) -> None:
    tensors = load_file(str(folder / "model.safetensors"))
    renamed = {name.replace("encoder.layer", "transformer.layer"): tensor for name, tensor in tensors.items()}
    save_file(renamed, str(folder / "model.safetensors"), metadata={"format": "pt"})


@pytest.mark.parametrize("change", [_narrow, _shallow, _foreign])
def test_weights_that_are_not_those_of_their_config_are_refused(
    fit: Train, change: Callable[[Path], None], tiny_bert: str, tmp_path: Path
) -> None:
    """transformers would fill the gaps with random numbers and say so only in its log."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "changed"))
    change(folder)
    with pytest.raises(InputError, match=r"not those of the architecture in its config\.json \(bert\)"):
        fit(model=str(folder))


def test_a_tokenizer_of_more_tokens_than_the_table_has_rows_is_refused(tiny_bert: str, tmp_path: Path) -> None:
    from veridical.models._encoder_network import refuse_no_encoder

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "wider"))
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    refuse_no_encoder(folder)
    tokens["model"]["vocab"]["zorblat"] = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"] + 5
    (folder / "tokenizer.json").write_text(json.dumps(tokens), encoding="utf-8")
    with pytest.raises(InputError, match=r"'zorblat' with number .* the table of its weights has"):
        refuse_no_encoder(folder)


def test_weights_whose_config_was_given_another_type_are_refused(tiny_bert: str, tmp_path: Path) -> None:
    """Tensors of BERT and RoBERTa have the same names and sizes; positions are counted from another number."""
    from veridical.models._encoder_network import open_encoder

    folder = Path(shutil.copytree(tiny_bert, tmp_path / "renamed"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "roberta", "architectures": ["BertModel"]}), encoding="utf-8"
    )
    with pytest.raises(InputError, match="names the architecture BertModel and the model type roberta"):
        open_encoder(folder, dropout=0.0, attention="eager")


def test_a_pooling_layer_that_is_absent_is_not_missed(tiny_bert: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "headless"))
    tensors = {n: t for n, t in load_file(str(folder / "model.safetensors")).items() if not n.startswith("pooler")}
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    ours = train(make_toy(n=120), model=str(folder), config=replace(CONFIG, epochs=1), seed=1)
    theirs = train(make_toy(n=120), model=tiny_bert, config=replace(CONFIG, epochs=1), seed=1)
    np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)


def test_files_that_broke_off_are_refused(fit: Train, tiny_bert: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "half"))
    trained = fit(model=tiny_bert)
    trained.model.save(tmp_path / "model")
    for place, opened in (
        (folder, resolve),
        (tmp_path / "model", lambda path: (open_model if _one(trained) else open_answering)(Path(path))),
    ):
        path = place / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match=r"model\.safetensors is no whole file of tensors"):
            opened(str(place))


def _one(trained: Any) -> bool:
    return hasattr(trained, "probabilities")


def test_a_model_of_another_architecture_is_refused(fit: Train, tiny_bert: str, tmp_path: Path) -> None:
    trained = fit(model=tiny_bert)
    trained.model.save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(
        config.read_text(encoding="utf-8").replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'), encoding="utf-8"
    )
    with pytest.raises(InputError, match="do not belong to one"):
        (open_model if _one(trained) else open_answering)(tmp_path / "model")
