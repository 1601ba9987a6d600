"""Relations through an encoder: marks are tokens, answers come from the states at those that open; and what grades teach."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_encoder import TINY, make_data
from veridical.core.errors import InputError
from veridical.dataset.entity_marks import MARKS
from veridical.dataset.rows import Dataset
from veridical.models.encoder import load_encoder_model
from veridical.tasks._class_metrics import scored
from veridical.tasks.ordinal import soft_labels
from veridical.tasks.ordinal import task as ordinal
from veridical.train.training import train

CONFIG = replace(TINY, epochs=12, patience=12, checkpoint_seconds=1e9)


def relations(n: int = 300) -> Dataset:
    """All words of a row say nothing: only which of them is the first entity does."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        good = bool(rng.random() < 0.5)
        first, second = ("good", "bad") if good else ("bad", "good")
        parts = [f"<e1>{first}</e1>", f"<e2>{second}</e2>"]
        order = rng.permutation(2)
        words = [f"w{k}" for k in rng.integers(0, 20, 4)]
        text = " ".join([*words[:2], parts[order[0]], *words[2:], parts[order[1]], "film"])
        rows.append(
            {"id": f"r{i}", "split": "train" if i < n * 4 // 5 else "test", "text": text, "label": "yes" if good else "no"}
        )
    return replace(make_data(rows), task="relation")


def right(data: Dataset, probabilities: np.ndarray) -> float:
    test = data.rows("test")
    return float((probabilities[test].argmax(axis=1) == data.codes[test]).mean())


def test_marks_tell_what_words_alone_do_not(tiny_bert: str, tmp_path: Path) -> None:
    data = relations()
    trained = train(data, model=tiny_bert, config=CONFIG)
    model = trained.model
    assert model.markers == MARKS
    assert model.network.head.in_features == 2 * 32
    assert right(data, trained.probabilities) > 0.9
    coded = model.tokenizer("the <e1>good</e1> film")["input_ids"]
    assert [model.tokenizer.convert_tokens_to_ids(mark) in coded for mark in MARKS] == [True, True, False, False]
    model.save(tmp_path / "model")
    again = load_encoder_model(tmp_path / "model")
    assert np.allclose(again.predict(data.inputs()), trained.probabilities, atol=1e-6)
    assert again.markers == MARKS


def test_the_same_rows_without_marks_of_their_own_are_a_riddle(tiny_bert: str) -> None:
    """The twin: the same texts as a classification, where the mean of all states answers."""
    data = replace(relations(), task="classification")
    plain = data.with_column("text", [text.replace("e1>", "").replace("e2>", "") for text in data.texts])
    trained = train(plain, model=tiny_bert, config=CONFIG)
    assert trained.model.markers == ()
    assert trained.model.network.head.in_features == 32
    assert right(plain, trained.probabilities) < 0.75


def test_a_text_whose_marks_were_cut_off_still_gets_an_answer(tiny_bert: str) -> None:
    data = relations(100)
    trained = train(data, model=tiny_bert, config=replace(CONFIG, epochs=1))
    found = trained.model.predict(["good film", "w1 " * 60 + "<e1>good</e1> <e2>bad</e2>"])
    assert np.allclose(found.sum(axis=1), 1.0)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("tuning", ["lora", "bitfit", "last_layers", "prompt", "head"])
def test_marks_and_tuning_in_part(tuning: str, tiny_bert: str, tmp_path: Path) -> None:
    data = relations(100)
    config = replace(CONFIG, epochs=1, tuning=tuning, freeze_embeddings=True)
    try:
        trained = train(data, model=tiny_bert, config=config)
    except InputError as refused:
        pytest.skip(str(refused))
    trained.model.save(tmp_path / "model")
    assert np.allclose(load_encoder_model(tmp_path / "model").predict(data.inputs()), trained.probabilities, atol=1e-5)


def test_interrupted_it_goes_on_and_ends_identical(tiny_bert: str, tmp_path: Path) -> None:
    data = relations(80)
    config = replace(CONFIG, epochs=2)
    whole = train(data, model=tiny_bert, config=config)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == total // 2:
            raise KeyboardInterrupt

    kept = replace(config, checkpoint_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        train(data, model=tiny_bert, config=kept, folder=tmp_path / "kept", progress=stop)
    resumed = train(data, model=tiny_bert, config=kept, folder=tmp_path / "kept")
    assert np.array_equal(whole.probabilities, resumed.probabilities)


def test_an_unknown_metric_to_select_by_is_refused(tiny_bert: str) -> None:
    with pytest.raises(InputError, match=r"Unknown metric .quadratic_kapa.*relation_macro_f1"):
        train(relations(40), model=tiny_bert, config=replace(CONFIG, select_by="quadratic_kapa"))


def grades(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Thirty numbers that lean to a higher or a lower grade, and the grade, noisily."""
    rng = np.random.default_rng(n)
    lean = np.random.default_rng(7).normal(size=30)
    x = rng.normal(size=(n, 30))
    latent = x @ lean / 30**0.5 + rng.normal(scale=0.7, size=n)
    return x.astype(np.float32), np.digitize(latent, [-1.2, -0.4, 0.4, 1.2])


def test_soft_labels_bring_few_rows_nearer_to_the_order() -> None:
    """A linear head on 150 rows, as many steps: what the loss of the task is for."""
    import torch

    x, y = grades(150)
    far, truth = grades(4000)
    kappa = ordinal.metric("quadratic_kappa", tuple("01234"))
    found = {}
    for name, targets in (("hard", np.eye(5)), ("soft", soft_labels(5))):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            head = torch.nn.Linear(30, 5)
            optimizer = torch.optim.AdamW(head.parameters(), lr=0.01)
            for _ in range(150):
                optimizer.zero_grad()
                wanted = torch.from_numpy(targets[y]).float()
                torch.nn.functional.cross_entropy(head(torch.from_numpy(x)), wanted).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            said = head(torch.from_numpy(far)).argmax(1).numpy()
        found[name] = scored(truth, said, n_classes=5, metric=kappa)
    assert found["soft"] > found["hard"] + 0.02
