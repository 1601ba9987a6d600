"""Settings of training and of pre-training are refused alike, and what both have is written once."""

import dataclasses
import typing

import pytest

from veridical.core.allowed import refuse_below
from veridical.core.errors import InputError, UnknownName
from veridical.train import config, pretrain_config
from veridical.train.config import TrainConfig
from veridical.train.pretrain_config import PretrainConfig

RECORDS = {"train": (TrainConfig, config._RANGES), "pretrain": (PretrainConfig, pretrain_config._RANGES)}
NUMBERS = [(kind, name) for kind, (record, _) in RECORDS.items() for name in record.__annotations__
           if record.__annotations__[name] in (int, float)]  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_every_number_has_a_range_and_says_it(kind: str, name: str) -> None:
    record, ranges = RECORDS[kind]
    low, high = ranges[name]
    for value in (low - 1, high + 1):
        typed = int(value) if record.__annotations__[name] is int else float(value)
        said = f"^--{name.replace('_', '-')} is {typed!r}, outside {low:g}..{high:g}. Give a value in that range.$".replace(
            "+", r"\+"
        )
        with pytest.raises(InputError, match=said):
            record(**{name: typed})


@pytest.mark.parametrize("kind", RECORDS)
def test_no_range_is_of_a_setting_that_is_not_there(kind: str) -> None:
    record, ranges = RECORDS[kind]
    assert set(ranges) <= {field.name for field in dataclasses.fields(record)}


def test_what_both_have_alike_is_written_once() -> None:
    alike = {name for name, bounds in config._RANGES.items() if pretrain_config._RANGES.get(name) == bounds}
    assert alike == set(config.SHARED_RANGES)


@pytest.mark.parametrize("kind", RECORDS)
def test_choices_are_those_of_the_field(kind: str) -> None:
    record, _ = RECORDS[kind]
    chosen = [field for field in dataclasses.fields(record) if typing.get_origin(field.type) is typing.Literal]
    assert chosen
    for field in chosen:
        for value in typing.get_args(field.type):
            record(**{field.name: value})
        with pytest.raises(UnknownName, match=f"value for --{field.name} 'sums'.*{', '.join(typing.get_args(field.type))}"):
            record(**{field.name: "sums"})


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("value", [2.5, "3", True])
def test_a_count_that_is_not_whole_is_said_before_its_range(kind: str, value: object) -> None:
    with pytest.raises(InputError, match=r"--epochs is .*; a whole number is needed"):
        RECORDS[kind][0](epochs=value)


def test_what_has_no_upper_bound() -> None:
    refuse_below("--rows", 1, low=1, example=10)
    with pytest.raises(InputError, match=r"^--rows is 0; it must be 1 or more, for example 10\.$"):
        refuse_below("--rows", 0, low=1, example=10)
