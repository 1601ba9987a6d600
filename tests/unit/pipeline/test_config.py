"""Settings of a run: known, typed, derived."""

from dataclasses import fields
from pathlib import Path

import pytest

from veridical.core.errors import InputError, UnknownName
from veridical.core.field_docs import field_docs, plain_type
from veridical.pipeline.config import RunConfig, configured, identity, read_config
from veridical.train.config import TrainConfig


def test_settings_reach_both_records() -> None:
    config = configured({"seed": 3, "epochs": 7, "repairs": "drop_leaks, drop_duplicates", "learning_rate": 1})
    assert (config.seed, config.training.epochs, config.training.learning_rate) == (3, 7, 1.0)
    assert config.repairs == ("drop_leaks", "drop_duplicates")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sed": 1}, "Did you mean 'seed'"),
        ({"epoch": 1}, "Did you mean 'epochs'"),
        ({"seed": "one"}, "must be of type int"),
        ({"seed": True}, "must be of type int"),
        ({"no_repair": "yes"}, "must be of type bool"),
        ({"repairs": 3}, "separated by commas"),
        ({"split": "randm"}, "Did you mean 'random'"),
        ({"lang": "de"}, "Known: en, zh"),
        ({"test_share": 1.0}, "between 0 and 1"),
        ({"seed": -1}, "0 or more"),
        ({"seed": None}, "must be of type int"),
    ],
)
def test_what_is_not_known_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        configured(given)


def test_a_file_of_settings(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 4\nno-repair: true\ntest-share: 0.3\n", encoding="utf-8")
    assert configured(read_config(path)) == RunConfig(seed=4, no_repair=True, test_share=0.3)
    path.write_text("- a\n- b\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds a list"):
        read_config(path)
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match="not valid YAML"):
        read_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")
    path.write_text("sede: 4\n", encoding="utf-8")
    with pytest.raises(UnknownName):
        configured(read_config(path))


@pytest.mark.parametrize("record", [RunConfig, TrainConfig])
def test_every_setting_is_explained_and_has_a_plain_type(record: type) -> None:
    docs = field_docs(record)
    for field in fields(record):
        assert docs[field.name], f"{field.name} has no docstring"
        if field.name != "training":
            assert plain_type(field) in (bool, int, float, str, tuple)


def test_language_and_paths_do_not_change_what_a_run_is() -> None:
    assert identity(RunConfig(lang="zh", test="a.csv")) == identity(RunConfig())
    assert identity(RunConfig(seed=1)) != identity(RunConfig())
    assert identity(configured({"epochs": 9})) != identity(RunConfig())


def test_the_metric_also_picks_the_epoch_unless_another_is_named():
    assert configured({}).training.select_by == "accuracy"
    assert configured({"metric": "macro_f1"}).training.select_by == "macro_f1"
    assert configured({"metric": "macro_f1", "select_by": "mcc"}).training.select_by == "mcc"


def test_trackers_change_nothing_that_is_computed() -> None:
    assert identity(configured({"track": "tensorboard,wandb"})) == identity(configured({}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2\n", "not valid YAML .*seed stands twice"),
        ("no-repair: true\nno_repair: false\n", "no_repair stands twice"),
        ("epochs: 2\ntraining:\n  epochs: 3\n", "epochs stands twice"),
        ("training:\n  epochs: 3\n  epochs: 4\n", "epochs stands twice"),
        ("training: 3\n", "training in .* is 3"),
        ("training:\n  epoch: 3\n", "Unknown setting 'epoch'. Did you mean 'epochs'"),
        ("model: 3\n", "model is 3; it must be of type str"),
        ("model: [minilm]\n", "must be of type str"),
        ("seed: {a: 1}\n", "must be of type int"),
        ("epochs: '3'\n", "must be of type int"),
        ("learning_rate: fast\n", "must be of type float"),
        ("repairs: [1, 2]\n", "names separated by commas"),
        ("1: 2\n", "Unknown setting '1'"),
        ("null: 2\n", "Unknown setting 'None'"),
        ("serch: 5\n", "Unknown setting 'serch'. Did you mean 'search'"),
        ("- seed: 1\n", "holds a list"),
        ("a: &a [*a]\n", "Unknown setting 'a'"),
        ("seed: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said) as refused:
        configured(read_config(path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("learning_rate: 1e-4\n", {"learning_rate": 1e-4}),  # a text to YAML 1.1
        ("learning_rate: 2.5e-5\n", {"learning_rate": 2.5e-5}),
        ("training:\n  epochs: 3\nseed: 1\n", {"epochs": 3, "seed": 1}),
        ("usual: &usual {epochs: 3}\n", None),
        ("training:\n  <<: {epochs: 3, patience: 1}\n  patience: 2\n", {"epochs": 3, "patience": 2}),  # YAML's own merging
        ("repairs: [drop_leaks]\n", {"repairs": "drop_leaks"}),
        ("contract: null\n", {}),
        ("", {}),
    ],
)
def test_what_yaml_allows_is_read(text: str, expected: dict[str, object] | None, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    if expected is None:
        with pytest.raises(UnknownName, match="usual"):
            configured(read_config(path))
    else:
        assert configured(read_config(path)) == configured(expected)


def test_a_run_is_repeated_from_its_own_record(tmp_path: Path) -> None:
    import json
    from dataclasses import asdict

    config = configured(
        {"test": "t.csv", "epochs": 7, "learning_rate": 1e-5, "metric": "mcc", "repairs": "drop_leaks", "seed": 4}
    )
    record = {"format": 1, "veridical": "0.1.0", "complete": True, "config": asdict(config), "seconds": {"load": 1.0}}
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert configured(read_config(tmp_path / "run.json")) == config
    assert configured(read_config(tmp_path)) == config
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path.parent)
