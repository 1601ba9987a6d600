"""The benchmark of countermeasures: all are in it, differences are paired by seed, and what is done is not done again."""

import numpy as np
import pytest
from benchmarks.countermeasures import catalogue
from benchmarks.countermeasures.cases import CASES

from veridical.core.plugins import names
from veridical.train._knobs import called


def test_every_countermeasure_is_measured_somewhere():
    measured = {called(arm)[0] for case in CASES.values() for arm in case.arms}
    assert measured == set(names("veridical.train.countermeasures"))


def test_points_are_paired_by_seed_and_have_the_interval_of_student():
    plain, gained = [0.5, 0.7, 0.6], [0.01, 0.02, 0.06]
    done = {("typos", "plain", seed, True): {"score": score, "clean": 0.9} for seed, score in enumerate(plain)}
    for seed, score in enumerate(plain):
        done["typos", "fgm", seed, True] = {"score": score + gained[seed], "clean": 0.88}
    done["typos", "fgm", 9, True] = {"score": 0.0, "clean": 0.0}  # no plain training of that seed: not counted
    (line,) = catalogue.summary(done)
    half = 4.303 * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    assert line["points"] == {"value": 3.0, "seeds": 3, "low": round(3 - half, 1), "high": round(3 + half, 1)}
    assert line["clean_points"]["value"] == -2.0
    assert line["plain"] == 60.0


def test_a_student_is_measured_against_a_student_without_teacher():
    done = {
        ("few", "plain", 0, True): {"score": 0.9},
        ("few", "distil:weight=0", 0, True): {"score": 0.7},
        ("few", "distil", 0, True): {"score": 0.8},
    }
    found = {line["arm"]: line["points"]["value"] for line in catalogue.summary(done)}
    assert found == {"distil:weight=0": pytest.approx(-20.0), "distil": pytest.approx(10.0)}


def test_it_goes_on_where_it_was(tmp_path):
    path, done = tmp_path / "found.json", {("few", "ema", 1, True): {"score": 0.5, "seconds": 1.0}}
    catalogue._write(path, done)
    assert catalogue._read(path) == done
    wanted = catalogue.wanted_cells(["few"], range(2))
    assert len(wanted) == 2 * (1 + len(CASES["few"].arms))
    assert ("few", "ema", 1, True) in wanted
