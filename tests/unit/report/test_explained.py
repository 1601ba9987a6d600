"""What is said of the rows behind a component."""

import pytest

from veridical.core.explain_record import ExplainedComponent
from veridical.report.explained import explained_line
from veridical.report.wording import words


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("exact", "12 rows, together +4.0 points"),
        ("influence", "12 rows; a figure is what one row puts into it, and they need not add up to it"),
        ("heuristic", "12 rows in order; their figures are no points"),
    ],
)
def test_only_figures_that_add_up_are_added_up(kind, says):
    found = ExplainedComponent(component="sample", points=4.0, kind=kind, rows=12, carried=4.0, why="made up", validation=None)
    assert explained_line(found, [], words("en")).says == says
