"""Which test rows of a run people are asked to read: the strata in which they are drawn."""

from veridical.ledger.review import Frame, ReviewParams, frame
from veridical.ledger.tables import Tables


def frame_of(tables: Tables) -> Frame:
    """Strata of the test rows, also where they were drawn: what was read is told by them."""
    return frame(
        tables.noise, ids=[str(row) for row in tables.ids], codes=tables.codes, predicted=tables.predicted,
        leaked=tables.people.leaked, params=ReviewParams(),
    )  # fmt: skip
