"""What a group column is for: units that belong together (authors, documents), or strata to compare (a language, an age band)."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class GroupParams:
    """When the values of a group column are strata. Rows of a unit stay on one side of a split; strata would glue all rows."""

    fewest_rows: int = 100
    """Rows below which every group is a unit. Ours; no source."""
    most_strata: int = 50
    """Distinct values above which groups are units. Ours; no source."""
    largest_share: float = 0.1
    """Share of all rows in the largest group from which groups are strata: no single author writes a tenth. Ours; no source."""
    median_rows: int = 50
    """Rows of the middle one of the groups from which they are strata too, however even: were they units, every test row would
    share one with train. Ours; no source."""
    covered_share: float = 0.5
    """Share of rows that must have a group for these to be strata. Ours; no source."""
    half_covered: float = 0.25
    """The same where the largest has `largest_share` of all rows, and half of them, two at least, half of that. Ours; no
    source."""


def are_strata(group: pa.ChunkedArray, *, params: GroupParams = GroupParams()) -> bool:
    """Whether the values of a group column (null: none) divide the rows into a few large parts."""
    n, named = len(group), len(group) - group.null_count
    if n < params.fewest_rows or not named:
        return False
    counts = sorted(pc.value_counts(group.drop_null()).field("counts").to_pylist())
    middle = counts[(len(counts) - 1) // 2] if len(counts) > 1 else 0
    few_and_large = counts[-1] >= params.largest_share * n and middle >= params.largest_share / 2 * n
    if named < (params.half_covered if few_and_large else params.covered_share) * n:
        return False
    large = counts[-1] > params.largest_share * n or counts[len(counts) // 2] >= params.median_rows
    return len(counts) <= params.most_strata and large
