"""The benchmark of tasks: verdicts of paired differences, and the opponents' own reading of spans."""

import numpy as np
import pytest
from benchmarks.tasks.bars import summary
from benchmarks.tasks.reference import _best, _ends
from scipy.stats import t


def _cells(name: str, differences: list[float]) -> dict[str, dict[str, float]]:
    return {f"{name}/{seed}": {"ours": 50.0 + d, "reference": 50.0} for seed, d in enumerate(differences)}


def test_a_loss_of_a_point_is_ruled_out_only_by_differences_that_lie_above_it():
    done = _cells("wnut17", [0.4, 0.5, 0.6, 0.5, 0.5]) | _cells("sst5", [-3.0, -3.2, -2.8, -3.1, -2.9])
    done |= _cells("cad_nli", [-2.0, 2.0, -1.0, 1.0, 0.0])
    found = {line["set"]: line for line in summary(done)}
    assert found["wnut17"]["verdict"] == "not inferior"
    assert found["sst5"]["verdict"] == "inferior"
    assert found["cad_nli"]["verdict"] == "not decided"
    error = np.std([-2, 2, -1, 1, 0], ddof=1) / np.sqrt(5)
    assert found["cad_nli"]["p_inferior"] == pytest.approx(float(t.sf(1.0 / error, 4)), abs=1e-5)
    assert found["cad_nli"]["p_holm"] == pytest.approx(min(1, 2 * float(t.sf(1.0 / error, 4))), abs=1e-5)


def test_the_reference_finds_where_an_answer_stands_and_reads_it_back():
    spans = [None, (0, 5), (6, 10), (11, 14), None]
    assert _ends(spans, 6, 14) == (2, 3)
    assert _ends(spans, 6, 20) == (0, 0)  # it ends in another window
    starts, ends = np.zeros(5), np.zeros(5)
    starts[2], ends[3] = 5.0, 5.0
    assert _best(starts, ends, spans)[1:] == (6, 14)
    ends[0], starts[4] = 50.0, 50.0  # no text there
    assert _best(starts, ends, spans)[1:] == (6, 14)
