"""Units belong together, strata are compared."""

import numpy as np
import pyarrow as pa
import pytest

from veridical.audit._made_up import dataset, rows
from veridical.dataset.grouping import are_strata
from veridical.dataset.similarity import clusters, similar_pairs


def column(values):
    return pa.chunked_array([pa.array(values, pa.string())])


@pytest.mark.parametrize(
    ("values", "strata"),
    [
        (["en", "zh"] * 100, True),
        (["en"] * 190 + ["zh"] * 10, True),
        ([f"author {i // 4}" for i in range(200)], False),
        (["en", "zh"] * 40, False),  # too few rows to say
        ([None] * 190 + ["en"] * 10, False),  # most rows have no group
        ([None] * 860 + ["a"] * 60 + ["b"] * 50 + ["c"] * 30, False),
        ([None] * 150 + ["en"] * 50, False),  # one group beside none
        ([None] * 810 + ["a"] * 120 + ["b"] * 70, False),  # two authors of a fifth
        ([None] * 600 + ["a", "b"] * 200, True),
        ([None] * 700 + ["a", "b", "c"] * 100, True),
        ([f"author {i % 60}" for i in range(600)], False),
        ([f"shop {i % 25}" for i in range(1500)], True),  # however even: as units they would leave no unleaked row
        ([f"author {i % 25}" for i in range(1000)], False),
    ],
)
def test_a_few_large_groups_are_strata(values, strata):
    assert are_strata(column(values)) is strata


def test_strata_glue_no_rows_and_units_do():
    data = dataset(rows(200, seed=0))
    large = data.with_column("group", ["en" if i % 2 else "zh" for i in range(200)])
    units = data.with_column("group", [f"author {i // 2}" for i in range(200)])
    pairs = similar_pairs(data)
    assert len(np.unique(clusters(large, pairs))) == len(np.unique(clusters(data, pairs))) == 200
    assert len(np.unique(clusters(units, pairs))) == 100
