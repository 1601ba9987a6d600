"""Known answers of what planted faults truly cost: leaks, turned labels, uncounted rows, the choice among looks."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.component_truth import _error, component_truth
from benchmarks.honesty.worlds import NO_RELATION, World

from veridical.audit._evidence import Evidence
from veridical.train.trained import Trained
from veridical.train.training import train

N_LEAKED = 12


def by_words(part, n):
    """Rows whose words tell the label; two of three are neg."""
    texts = {"neg": "dreary cold broken", "pos": "lovely bright warm"}
    return [
        {"id": f"{part}-{k}", "text": f"{texts[y]} {part}{k}", "label": y}
        for k in range(n)
        for y in [("neg", "neg", "pos")[k % 3]]
    ]


def leaked_world(leaked):
    """The leaked rows stand in train too; as many test rows do not."""
    fresh = [{**row, "id": f"test-{row['id']}"} for row in by_words("fresh", len(leaked))]
    learned, test = [*by_words("train", 90), *leaked], [*({**row, "id": f"test-{row['id']}"} for row in leaked), *fresh]
    twins = {row["id"]: row["text"] for row in (*learned, *test)}
    numbers = {text: k for k, text in enumerate(sorted(set(twins.values())))}
    return World(
        "leak", "made up", 0, learned, test, by_words("truth", 60), [], None, {row["id"]: row["label"] for row in test},
        {row: numbers[text] for row, text in twins.items()},
    )  # fmt: skip


def bought(made, tmp_path):
    data = dataset(made.train, made.test)
    trained = train(data, model="linear", seed=0, folder=tmp_path, clusters=Evidence(data, seed=0).clusters)
    return component_truth(made, data=data, trained=trained, max_truth=60, model="linear")["leakage"].points


def test_rows_that_only_a_model_that_read_them_can_tell_buy_all_they_score(tmp_path):
    leaked = [{"id": f"leak-{k}", "text": " ".join(f"w{k}x{i}" for i in range(8)), "label": "pos"} for k in range(N_LEAKED)]
    assert bought(leaked_world(leaked), tmp_path) == 50.0  # half of the test set, right when read, all taken for neg unread


def test_rows_that_any_model_can_tell_buy_nothing(tmp_path):
    assert bought(leaked_world(by_words("leak", N_LEAKED)), tmp_path) == 0.0


class Saying:
    """A model that gives each text the answer written down for it."""

    def __init__(self, labels, said):
        self.labels, self.said = labels, said

    def predict(self, texts):
        return np.array([np.eye(len(self.labels))[self.labels.index(self.said[text])] for text in texts])


def judged(made, said, *, labels, looked=()):
    """Component truths of a model that says what `said` holds of each text."""
    data = dataset(made.train, made.test)
    model = Saying(labels, said)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.texts), labels, None, 0.0, external=False)
    found = component_truth(made, data=data, trained=trained, max_truth=1000, model="linear", looked=looked)
    return {name: one.points for name, one in found.items()}


def rows_of(part, labels):
    return [{"id": f"{part}-{k}", "text": f"{part} {k}", "label": label} for k, label in enumerate(labels)]


def plain(name, labels, **changed):
    """A world whose model answers `label` rightly wherever nothing else is said."""
    train, test, truth = (rows_of(part, labels) for part in ("train", "test", "truth"))
    right = {row["id"]: row["label"] for row in (*train, *test)}
    made = World(name, "made up", 0, train, test, truth, [], None, right, {row: k for k, row in enumerate(right)})
    made = replace(made, origins=list(range(len(truth))), contract_origins=list(range(len(truth))))
    return replace(made, **changed), {row["text"]: row["label"] for row in (*train, *test, *truth)}


def test_what_a_label_means_elsewhere_is_told_from_the_texts_there():
    made, said = plain("concept_24", ["neg", "pos"] * 5)
    meant = ["neg"] * 6 + ["pos"] * 4
    under = rows_of("under", ["pos", "pos", *meant[2:]])  # two of ten are turned
    said |= {row["text"]: label for row, label in zip(under, [*meant[:9], "neg"], strict=True)}  # and one is too hard
    target = [{"text": "a", "label": "neg"}]
    made = replace(made, truth_contract=under, meant=meant, target=target, contract={"name": "there"})
    assert judged(made, said, labels=("neg", "pos")) == pytest.approx({"shift": 10.0, "concept": 20.0})
    untold = replace(made, target=[{"text": "a"}], truth_contract=[dict(r, label=m) for r, m in zip(under, meant, strict=True)])
    assert judged(untold, said, labels=("neg", "pos")) == pytest.approx({"shift": 10.0})


def test_what_counting_buys_is_accuracy_minus_the_relations_mean_f1():
    made, said = plain("uncounted_60", [NO_RELATION] * 6 + ["pos"] * 4, task="relation")
    said |= {"truth 6": NO_RELATION, "truth 7": NO_RELATION}  # two of four are found, none is said wrongly: F1 = 2/3
    assert judged(made, said, labels=(NO_RELATION, "pos")) == pytest.approx({"protocol": 80 - 200 / 3})


def test_the_best_of_equal_looks_is_flattered_by_what_mathematics_says():
    rng = np.random.default_rng(0)
    made, said = plain("looks_8", ["neg", "pos"] * 500, looks=8)
    made = replace(made, test=made.test[:400])
    other = {"neg": "pos", "pos": "neg"}
    wrong = [{text: other[y] if rng.random() < 0.2 else y for text, y in said.items()} for _ in range(8)]
    looked = [Saying(("neg", "pos"), answers) for answers in wrong]
    # Independent looks of one standard deviation: the mean of the largest of eight normals is 1.4236 of them. The looks' own
    # scores on 1,000 rows differ a little, so the best is less often another one: a fifth below at most.
    alike = 100 * 1.4236 * np.sqrt(0.16 / 400)
    found = judged(made, wrong[0], labels=("neg", "pos"), looked=looked)["reuse"]
    assert 0.6 * alike < found < 1.05 * alike
    assert judged(made, wrong[0], labels=("neg", "pos"), looked=looked[:1])["reuse"] == pytest.approx(0.0, abs=0.1)


def test_what_noise_hides_of_a_leak_is_known(tmp_path):
    leaked = [{"id": f"leak-{k}", "text": " ".join(f"w{k}x{i}" for i in range(8)), "label": "pos"} for k in range(N_LEAKED)]
    made = leaked_world(leaked)
    turned = [dict(row, label="neg") if k < 3 else row for k, row in enumerate(made.test)]
    made = replace(made, name="leak_noise", test=turned)
    data = dataset(made.train, made.test)
    trained = train(data, model="linear", seed=0, folder=tmp_path, clusters=Evidence(data, seed=0).clusters)
    found = component_truth(made, data=data, trained=trained, max_truth=60, model="linear")
    # Reading buys all 12 rows of 24 by right labels; by those given it buys 9 and costs 3, so 6: noise hides 6 of 24.
    assert found["leakage x noise"].points == pytest.approx(25.0)


def test_a_truth_read_off_a_sample_has_its_error_and_texts_of_both_samples_cancel():
    right = np.array([1, 1, 1, 0] * 25, bool)  # a share of 0.75 has sqrt(0.75 * 0.25 / 100) = 4.33 points
    origins = list(range(100))
    assert _error((right, origins, 1.0)) == pytest.approx(100 * np.sqrt(0.75 * 0.25 / 100))
    assert _error((right, origins, 1.0), (right, origins, -1.0)) == pytest.approx(0.0)
    apart = _error((right, origins, 1.0), (right, [row + 100 for row in origins], -1.0))
    assert apart == pytest.approx(100 * np.sqrt(2 * 0.75 * 0.25 / 100))
    twice = _error((np.repeat(right, 2), np.repeat(origins, 2), 1.0))  # each text twice is no more texts
    assert twice == pytest.approx(100 * np.sqrt(0.75 * 0.25 / 100))
