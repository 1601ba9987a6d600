"""Which rows are twins of which: what the duplicate, overlap and conflict checks share."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import IntArray


@dataclass(frozen=True, slots=True)
class Twin:
    """Another row that says the same. how: exact, near, contained or linked (through a third text or an equal group)."""

    row: int
    similarity: float
    how: str

    @property
    def evidence(self) -> str:
        return self.how if self.how in ("exact", "linked") else f"{self.how} {self.similarity:.2f}"


def by_code(codes: IntArray, rows: IntArray, ids: list[str]) -> dict[int, list[int]]:
    """Code -> its rows among `rows`, by id, so that the first does not depend on the order of the file."""
    found: dict[int, list[int]] = defaultdict(list)
    for row in sorted(rows.tolist(), key=lambda r: ids[r]):
        found[int(codes[row])].append(row)
    return found


def neighbours(evidence: Evidence) -> dict[int, list[tuple[int, float]]]:
    """Exact group -> (other group, Jaccard) of its verified near-duplicates, nearest first."""
    similar = evidence.similar
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for left, right, jaccard in zip(similar.left.tolist(), similar.right.tolist(), similar.jaccard.tolist(), strict=True):
        a, b = int(similar.groups[left]), int(similar.groups[right])
        found[a].append((b, jaccard))
        found[b].append((a, jaccard))
    for near in found.values():
        near.sort(key=lambda pair: -pair[1])
    return found


def twins_in(evidence: Evidence, rows: IntArray, others: IntArray) -> dict[int, Twin]:
    """For each of `rows` that shares a cluster with one of `others`: its closest twin among these. Near-equal texts of two
    clusters, into which one of too many texts was cut, are no twins: the account does not take them for leaked either."""
    data, similar = evidence.data, evidence.similar
    cluster_of = dict(zip(similar.groups.tolist(), evidence.clusters.tolist(), strict=True))
    same = by_code(similar.groups, others, data.ids)
    linked = by_code(evidence.clusters, others, data.ids)
    near = neighbours(evidence)
    holder = dict(
        zip(similar.groups[similar.contained].tolist(), zip(similar.container, similar.share, strict=True), strict=True)
    )
    allowed = set(np.unique(similar.groups[others]).tolist())
    found: dict[int, Twin] = {}
    for row in rows.tolist():
        group = int(similar.groups[row])
        close = next(((g, j) for g, j in near.get(group, ()) if g in allowed and cluster_of[g] == cluster_of[group]), None)
        if group in same and (twin := next((r for r in same[group] if r != row), None)) is not None:
            found[row] = Twin(twin, 1.0, "exact")
        elif close is not None:
            found[row] = Twin(same[close[0]][0], close[1], "near")
        elif group in holder and int(similar.groups[holder[group][0]]) in allowed:
            container, share = holder[group]
            found[row] = Twin(same[int(similar.groups[container])][0], float(share), "contained")
        elif (chain := next((r for r in linked.get(int(evidence.clusters[row]), ()) if r != row), None)) is not None:
            found[row] = Twin(chain, 0.5, "linked")
    return found
