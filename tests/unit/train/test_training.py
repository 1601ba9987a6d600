"""The loop learns, and what should not change its result does not."""

import json
from dataclasses import asdict, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tiny_encoder import TINY, make_data, make_toy, same
from veridical.core.errors import InputError, UnknownName
from veridical.dataset.rows import Dataset
from veridical.models.encoder import load_encoder_model
from veridical.models.stored import open_model
from veridical.tasks._confusion_metrics import METRICS
from veridical.train import loop
from veridical.train._contract import Countermeasure, Toy
from veridical.train.checkpoint import trainable
from veridical.train.config import TrainConfig
from veridical.train.countermeasures import class_weights, label_smoothing
from veridical.train.loop import LossNotFinite
from veridical.train.trained import Trained
from veridical.train.training import cut_validation, train


def tensors(trained: Trained) -> dict[str, torch.Tensor]:
    return dict(trained.model.network.state_dict())


@pytest.fixture(scope="module")
def baseline(toy: Dataset, tiny_bert: str) -> Trained:
    return train(toy, model=tiny_bert, config=TINY, seed=1)


def accuracy(trained: Trained, data: Dataset, split: str = "test") -> float:
    rows = data.rows(split)
    return float((trained.probabilities[rows].argmax(1) == data.codes[rows]).mean())


def test_learns_the_toy(toy, tiny_bert):
    trained = train(toy, model=tiny_bert, config=replace(TINY, epochs=8), seed=1)
    assert accuracy(trained, toy) >= 0.95
    assert trained.kind == "encoder"
    assert trained.ids == tuple(toy.ids)
    np.testing.assert_allclose(trained.probabilities.sum(1), 1, atol=1e-6)


def test_learns_pairs_and_refuses_single_texts_afterwards(tiny_bert):
    data = make_toy(pair=True)
    trained = train(data, model=tiny_bert, config=replace(TINY, epochs=8), seed=1)
    assert accuracy(trained, data) >= 0.9
    with pytest.raises(InputError, match="pairs of texts"):
        trained.model.predict(["one text"])


def test_same_seed_same_result_other_seed_another(toy, tiny_bert, baseline):
    assert same(train(toy, model=tiny_bert, config=TINY, seed=1), baseline)
    assert not same(train(toy, model=tiny_bert, config=TINY, seed=2), baseline)


def test_training_leaves_torch_as_it_was(toy, tiny_bert):
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train(toy, model=tiny_bert, config=replace(TINY, epochs=1), seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("pieces", [2, 5])
def test_accumulation_does_not_change_the_result(toy, tiny_bert, baseline, pieces):
    weights = {id_: 0.5 + i % 3 for i, id_ in enumerate(toy.ids) if toy.splits[i] == "train"}
    config = replace(TINY, epochs=1, token_budget=192)
    whole = train(toy, model=tiny_bert, config=config, seed=1, weights=weights)
    pieced = train(toy, model=tiny_bert, config=replace(config, accumulation=pieces), seed=1, weights=weights)
    np.testing.assert_allclose(pieced.probabilities, whole.probabilities, atol=2e-5)
    unweighted = train(toy, model=tiny_bert, config=config, seed=1)
    assert np.abs(unweighted.probabilities - whole.probabilities).max() > 1e-3


def test_saved_and_loaded_model_predicts_the_same(toy, tiny_bert, baseline, tmp_path):
    baseline.model.save(tmp_path / "model")
    for loaded in (load_encoder_model(tmp_path / "model"), open_model(tmp_path / "model")):
        assert loaded.kind == "encoder"
        assert loaded.labels == ("neg", "pos")
        np.testing.assert_array_equal(loaded.predict(toy.inputs()), baseline.probabilities)
    assert not list(tmp_path.rglob("*.bin"))
    assert json.loads((tmp_path / "model" / "model.json").read_text(encoding="utf-8"))["kind"] == "encoder"


def test_files_of_two_models_are_refused(baseline, tmp_path):
    baseline.model.save(tmp_path)
    about = (tmp_path / "model.json").read_text(encoding="utf-8").replace('"pos"', '"pos", "third"')
    (tmp_path / "model.json").write_text(about, encoding="utf-8")
    with pytest.raises(InputError, match="do not belong to one"):
        load_encoder_model(tmp_path)


def test_dynamics_hold_every_row_and_epoch(toy, baseline):
    table = baseline.dynamics.to_pydict()
    assert set(table) == {"row", "epoch", "part", "loss", "margin", "correct"}
    n_train = len(toy.rows("train"))
    for epoch in (1, 2, 3):
        rows = [r for r, e in zip(table["row"], table["epoch"], strict=True) if e == epoch]
        assert rows == [toy.ids[i] for i in toy.rows("train")]
    assert len(table["row"]) == 3 * n_train
    assert [m > 0 for m in table["margin"]] == table["correct"]
    # Two classes: loss = log(1 + exp(-margin)).
    np.testing.assert_allclose(table["loss"], np.log1p(np.exp(-np.array(table["margin"]))), atol=1e-5)
    assert {p: table["part"].count(p) for p in ("train", "valid")} == {"train": 3 * 144, "valid": 3 * 16}


def test_stops_early_and_keeps_the_best_epoch(tiny_bert):
    rows = make_toy().table.to_pylist()
    noisy = [{**r, "split": "valid" if i % 4 == 0 else r["split"]} for i, r in enumerate(rows)]
    rng = np.random.default_rng(0)
    data = make_data([{**r, "label": str(rng.choice(["neg", "pos"]))} for r in noisy])
    trained = train(data, model=tiny_bert, config=replace(TINY, epochs=30, patience=2), seed=1)
    table = trained.dynamics.to_pydict()
    epochs = max(table["epoch"])
    assert epochs < 30
    scores = []
    for epoch in range(1, epochs + 1):
        right = [c for c, e, p in zip(table["correct"], table["epoch"], table["part"], strict=True) if (e, p) == (epoch, "valid")]
        scores.append(np.mean(right))
    valid = data.rows("valid")
    assert accuracy(trained, data, "valid") == pytest.approx(max(scores))
    assert len(right) == len(valid)
    assert epochs - 1 - int(np.argmax(scores)) >= 2 or scores.count(max(scores)) > 1


def test_frozen_parts_stay_as_they_were(toy, tiny_bert):
    config = replace(TINY, epochs=1, freeze_embeddings=True, frozen_layers=1)
    trained = train(toy, model=tiny_bert, config=config, seed=1)
    learns = set(trainable(trained.model.network))
    assert learns
    assert all(name.startswith(("encoder.encoder.layer.1.", "head.")) for name in learns)
    start = train(toy, model=tiny_bert, config=replace(config, learning_rate=1e-8, head_rate=1e-3), seed=1)
    for name, tensor in tensors(trained).items():
        assert name in learns or torch.equal(tensor, tensors(start)[name])
    assert any(not torch.allclose(tensors(trained)[n], tensors(start)[n], atol=1e-5) for n in learns)
    with pytest.raises(InputError, match="has 2 layers"):
        train(toy, model=tiny_bert, config=replace(TINY, frozen_layers=3))


# Countermeasures


@pytest.mark.parametrize(
    "off",
    [
        replace(label_smoothing.countermeasure, params=label_smoothing.Params(share=0.0)),
        replace(class_weights.countermeasure, params=class_weights.Params(power=0.0)),
    ],
    ids=["label_smoothing", "class_weights"],
)
def test_a_countermeasure_switched_off_is_the_baseline_bit_for_bit(toy, tiny_bert, baseline, off):
    assert same(train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[off]), baseline)


def test_a_countermeasure_by_name_changes_the_result(toy, tiny_bert, baseline):
    smoothed = train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=["label_smoothing"])
    assert not same(smoothed, baseline)
    with pytest.raises(UnknownName, match="label_smoothing"):
        train(toy, model=tiny_bert, config=TINY, countermeasures=["label_smothing"])


def test_two_that_replace_the_loss_are_refused(toy, tiny_bert):
    other = replace(label_smoothing.countermeasure, params=object())
    with pytest.raises(InputError, match="both replace the loss"):
        train(toy, model=tiny_bert, config=TINY, countermeasures=["label_smoothing", other])
    with pytest.raises(InputError, match="named twice"):
        train(toy, model=tiny_bert, config=TINY, countermeasures=["class_weights", "class_weights"])


def unused() -> Toy:
    raise NotImplementedError


def test_batch_and_after_joints_are_used(toy, tiny_bert, baseline):
    seen: list[int] = []

    def blank(batch, params, rng):
        seen.extend(batch.rows.tolist())
        return replace(batch, ids=np.where(rng.random(batch.ids.shape) < params, 1, batch.ids))

    changed = Countermeasure(params=0.9, toy=unused, change_batch=blank)
    assert not same(train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[changed]), baseline)
    assert len(seen) == 3 * 144

    def back(start, best, share):
        return {name: share * start[name] + (1 - share) * best[name] for name in best}

    whole = Countermeasure(params=0.0, toy=unused, after=back)
    assert same(train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[whole]), baseline)
    undone = Countermeasure(params=1.0, toy=unused, after=back)
    start = train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[undone])
    assert accuracy(start, toy, "train") < accuracy(baseline, toy, "train")


# Refusals and warnings


def test_a_loss_that_is_no_number_stops_with_the_step_and_keeps_the_last_state(toy, tiny_bert, tmp_path):
    calls = []

    def broken(logits, codes, params):
        calls.append(1)
        return logits.sum(1) * (float("nan") if len(calls) == 4 else 0.0)

    faulty = Countermeasure(params=None, toy=unused, loss=broken)
    faulty = replace(faulty, params=class_weights.Params())
    with pytest.raises(LossNotFinite, match=r"stopped at step 4.*checkpoint"):
        train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[faulty], folder=tmp_path)
    from safetensors.torch import load_file

    kept = load_file(str(tmp_path / "checkpoint.safetensors"))
    assert all(torch.isfinite(t).all() for name, t in kept.items() if not name.startswith("dynamics/"))
    assert kept["optimizer/step/head.weight"] == 3


def test_chinese_for_an_encoder_that_cannot_read_it_warns(tiny_bert):
    rows = [{"id": str(i), "split": "train", "text": "很好看的电影" if i % 2 else "太差", "label": str(i % 2)} for i in range(20)]
    trained = train(make_data(rows), model=tiny_bert, config=replace(TINY, epochs=1))
    assert any("unknown to" in warning and "--model linear" in warning for warning in trained.warnings)


def test_settings_out_of_range_are_refused():
    for wrong in ({"epochs": 0}, {"learning_rate": 0.0}, {"dtype": "half"}, {"epochs": 2.5}, {"validation_share": 0.9}):
        with pytest.raises(InputError, match=f"--{next(iter(wrong)).replace('_', '-')}"):
            TrainConfig(**wrong)
    with pytest.raises(InputError, match="nan"):
        TrainConfig(learning_rate=float("nan"))


def test_every_setting_says_unit_and_origin():
    import inspect

    source = inspect.getsource(TrainConfig)
    for name in asdict(TrainConfig()):
        after = source.split(f"\n    {name}:")[1].split("\n", 1)[1].lstrip()
        assert after.startswith('"""'), name


def test_one_class_in_train_is_refused(tiny_bert):
    rows = [
        {"id": str(i), "split": "train" if i < 5 else "test", "text": "good", "label": "a" if i < 5 else "b"} for i in range(9)
    ]
    with pytest.raises(InputError, match="two classes"):
        train(make_data(rows), model=tiny_bert, config=TINY)


def test_max_length_beyond_the_encoder_is_refused(toy, tiny_bert):
    with pytest.raises(InputError, match="at most 64"):
        train(toy, model=tiny_bert, config=replace(TINY, max_length=128))


# The validation part


def test_validation_part_takes_whole_clusters_from_train_only(toy):
    clusters = np.arange(len(toy)) // 3
    kept, valid = cut_validation(toy, clusters=clusters, share=0.2, seed=0)
    assert set(kept) | set(valid) == set(toy.rows("train"))
    assert not set(clusters[kept]) & set(clusters[valid])
    assert 0.1 <= len(valid) / len(toy.rows("train")) <= 0.2
    again = cut_validation(toy, clusters=clusters, share=0.2, seed=0)[1]
    assert np.array_equal(again, valid)


def test_equal_texts_stay_together_without_clusters():
    rows = [{"id": str(i), "split": "train", "text": f"w{i // 4}", "label": str(i % 2)} for i in range(200)]
    data = make_data(rows)
    kept, valid = cut_validation(data, clusters=None, share=0.2, seed=0)
    assert len(valid) == 40
    assert not {data.texts[i] for i in kept} & {data.texts[i] for i in valid}


def test_too_few_rows_leave_no_validation_part(toy):
    kept, valid = cut_validation(toy, clusters=None, share=0.05, seed=0)
    assert not len(valid)
    assert len(kept) == len(toy.rows("train"))


# Linear


def test_linear_goes_through_the_same_door(toy):
    trained = train(toy, model="linear", seed=0)
    assert trained.kind == "linear"
    assert trained.dynamics is None
    assert accuracy(trained, toy) >= 0.95
    np.testing.assert_allclose(trained.model.predict(toy.inputs()), trained.probabilities, atol=1e-6)
    with pytest.raises(InputError, match="model linear does not have"):
        train(toy, model="linear", countermeasures=["label_smoothing"])


def test_class_weights_raise_a_rare_class_in_a_linear_model():
    toy = class_weights.toy()
    plain = train(toy.data, model="linear")
    weighted = train(toy.data, model="linear", countermeasures=["class_weights"])
    rare = toy.data.rows("test")[toy.data.codes[toy.data.rows("test")] == 1]
    assert weighted.probabilities[rare, 1].mean() > plain.probabilities[rare, 1].mean() + 0.1


def test_weights_by_row_id_are_used_and_unknown_ids_refused(toy):
    plain = train(toy, model="linear")
    ones = {toy.ids[i]: 5.0 for i in toy.rows("train") if toy.codes[i] == 1}
    weighted = train(toy, model="linear", weights=ones)
    assert weighted.probabilities[:, 1].mean() > plain.probabilities[:, 1].mean()
    with pytest.raises(InputError, match="no train row"):
        train(toy, model="linear", weights={toy.ids[-1]: 2.0})


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "weighted_f1", "balanced_accuracy", "mcc"])
def test_the_epoch_is_picked_by_the_metric_that_is_asked_for(name):
    from sklearn import metrics

    rng = np.random.default_rng(0)
    codes, logits = rng.choice(3, size=60, p=[0.8, 0.15, 0.05]), rng.normal(size=(40, 3)).astype(np.float32)
    valid = np.arange(10, 50)
    job = SimpleNamespace(codes=codes, valid=valid, metric=METRICS[name])
    theirs = {
        "accuracy": metrics.accuracy_score,
        "macro_f1": partial(metrics.f1_score, average="macro"),
        "weighted_f1": partial(metrics.f1_score, average="weighted"),
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "mcc": metrics.matthews_corrcoef,
    }
    assert loop._metric(job, logits) == pytest.approx(theirs[name](codes[valid], logits.argmax(axis=1)))
