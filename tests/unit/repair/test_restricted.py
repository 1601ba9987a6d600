"""Evidence about some rows says about them what evidence made from them alone would say."""

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.repair._planted_rows import rows
from veridical.repair._restricted import Restricted


def pairs_of(evidence):
    ids, similar = evidence.data.ids, evidence.similar
    named = zip(similar.left, similar.right, similar.jaccard, strict=True)
    return {(frozenset((ids[a], ids[b])), round(float(j), 9)) for a, b, j in named}


def partition(ids, codes):
    found: dict[int, set[str]] = {}
    for row, code in zip(ids, codes, strict=True):
        found.setdefault(int(code), set()).add(row)
    return {frozenset(part) for part in found.values()}


def test_it_equals_evidence_made_from_the_rows_alone():
    plain = rows(40, split="train", seed=1) + rows(20, split="test", seed=2)
    copies = [(f"copy-{i}", ("train", "test")[i % 2], text, label) for i, (_, _, text, label) in enumerate(plain[:12])]
    near = [(f"near-{i}", "train", f"{text} extra", label) for i, (_, _, text, label) in enumerate(plain[6:18])]
    data = dataset(plain + copies + near)
    whole = Evidence(data, seed=0)
    kept = np.sort(np.random.default_rng(0).permutation(len(data))[:70])
    part = Restricted(whole, data.take(kept), kept, keep_folds=False)
    alone = Evidence(data.take(kept), seed=0)
    assert partition(part.data.ids, part.similar.groups) == partition(alone.data.ids, alone.similar.groups)
    assert len(pairs_of(alone)) > 3
    assert pairs_of(part) == pairs_of(alone)
    assert (part.similar.left < part.similar.right).all()
    # Clusters are those of the whole: rows linked only through a row that is gone stay together.
    assert all(
        any(small <= large for large in partition(part.data.ids, part.clusters))
        for small in partition(alone.data.ids, alone.clusters)
    )


def test_folds_are_fitted_again_or_kept():
    data = dataset(rows(60, split="train", seed=3) + rows(20, split="test", seed=4))
    whole, kept = Evidence(data, seed=0), np.arange(0, 80, 2)
    again = Restricted(whole, data.take(kept), kept, keep_folds=False).folds
    same = Restricted(whole, data.take(kept), kept, keep_folds=True).folds
    assert (same.probabilities == whole.folds.probabilities[kept]).all()
    assert not np.allclose(again.probabilities, same.probabilities)
