"""Split again, so that near-duplicates stand on one side.

What it measures: nothing; every cluster with rows in train and test is moved whole to one side, drawn at random so that the test
set keeps its size as nearly as whole clusters allow. All other rows stay where they are.
Why it inflates a score: a random split of rows with near-duplicates puts copies of test rows into training.
How it errs: where a split was made on purpose (by time, by source), moving rows across it loses that purpose; a cluster larger
than the room left in the test set always goes to train.
Source: Sogaard et al. 2021, EACL (random splits overestimate performance).
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import AuditRecord
from veridical.dataset.rows import Dataset, IntArray
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import move
from veridical.repair._found import found_rows, members
from veridical.repair._planted_rows import rows

NAME = "keep_clusters_together"


@dataclass(frozen=True)
class Params:
    """How clusters are dealt to the two sides."""

    keep_test_size: bool = True
    """Fill the test set up to its old size; without it, every mixed cluster goes to train. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data, clusters = evidence.data, evidence.clusters
    found = found_rows(data, audit, repair.answers, partners=True)
    everyone = np.arange(len(data), dtype=np.int64)
    mixed = [c for c in members(clusters, found, everyone) if len(set(data.splits[c])) > 1]
    # The order of the draw must not depend on the order of the rows.
    mixed.sort(key=lambda cluster: min(data.ids[r] for r in cluster))
    room = sum(int(np.sum(data.splits[c] == "test")) for c in mixed) if params.keep_test_size else 0
    edits: list[Edit] = []
    for which in rng.permutation(len(mixed)):
        cluster = mixed[which]
        side = "test" if "test" in data.splits[cluster] and len(cluster) <= room else "train"
        room -= len(cluster) if side == "test" else 0
        edits += _moved(data, cluster, side)
    return tuple(edits)


def _moved(data: Dataset, cluster: IntArray, side: str) -> list[Edit]:
    reason = f"its cluster of {len(cluster)} rows stood on several sides"
    away = sorted((int(r) for r in cluster if data.splits[r] != side), key=lambda r: data.ids[r])
    return [move(data, row, side, reason=reason, check=repair.answers[0], repair=NAME) for row in away]


def planted() -> Planted:
    train, test = rows(60, split="train", seed=5), rows(20, split="test", seed=6)
    # Three copies of each leaked test row stand in train: too many for the room left, so most clusters move to train.
    leaks = [(f"leak-{i}-{k}", "train", test[i][2], test[i][3]) for i in range(3) for k in range(3)]
    return Planted(dataset(train + test + leaks), frozenset(test[i][0] for i in range(3)), dataset(train + test))


# No row that a model was trained on can become a test row of that model.
repair = Repair(apply, Params(), "measurement", ("train_test_overlap",), planted, params_fixed=Params(keep_test_size=False))
