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
