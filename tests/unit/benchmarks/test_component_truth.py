"""Known answers of what a leak truly bought: what its rows score when the model has not read them."""

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.component_truth import component_truth
from benchmarks.honesty.worlds import World

from veridical.audit._evidence import Evidence
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
    return component_truth(made, data=data, trained=trained, truth=1.0, truth_contract=None, model="linear")["leakage"]


def test_rows_that_only_a_model_that_read_them_can_tell_buy_all_they_score(tmp_path):
    leaked = [{"id": f"leak-{k}", "text": " ".join(f"w{k}x{i}" for i in range(8)), "label": "pos"} for k in range(N_LEAKED)]
    assert bought(leaked_world(leaked), tmp_path) == 50.0  # half of the test set, right when read, all taken for neg unread


def test_rows_that_any_model_can_tell_buy_nothing(tmp_path):
    assert bought(leaked_world(by_words("leak", N_LEAKED)), tmp_path) == 0.0
