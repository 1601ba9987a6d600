"""Checks where there is nothing to learn, one split, one class; and that a cue is named, not just something found."""

from collections import Counter

import numpy as np
import pytest

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.audit._runner import audit, run_checks
from veridical.core.errors import UnknownName
from veridical.core.plugins import get


def outcome(name, data):
    return run_checks(Evidence(data, seed=0), only=[name], seed=0).checks[0]


@pytest.mark.parametrize("seed", range(5))
def test_label_errors_says_nothing_of_labels_that_texts_do_not_tell(seed):
    found = outcome("label_errors", dataset(rows(300, seed=seed)))
    assert found.status == "skipped"
    assert "cannot judge labels" in found.why


def test_the_planted_cue_is_the_word_that_is_named():
    check = get("veridical.audit", "check", "label_words")
    found = outcome("label_words", check.planted().data)
    assert "'sponsored'" in found.findings[0].evidence


def test_one_split_cannot_overlap():
    data = dataset([(i, "train", t, y) for i, _, t, y in rows(40, seed=1)])
    found = outcome("train_test_overlap", data)
    assert found.status == "skipped"
    assert "only one split" in found.why


def test_one_class():
    data = dataset([(i, s, t, "neg") for i, s, t, _ in rows(40, seed=1)])
    statuses = {record.check: record.status for record in audit(data).checks}
    assert statuses["label_errors"] == statuses["label_words"] == statuses["class_imbalance"] == "skipped"


def test_unknown_checks_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="label_words"):
        audit(dataset(rows(20, seed=0)), checks=["label_word"])


def test_nothing_planted_is_quiet():
    """Data without signal or fault, ten sets: no check alarms more than once (tests at 5 % alarm twice in 9 % of trials)."""
    alarms = Counter()
    for seed in range(10):
        record = audit(dataset(rows(200, seed=100 + seed)), seed=seed)
        alarms.update(c.check for c in record.checks if c.status == "found")
    assert all(n <= 1 for n in alarms.values()), alarms


def test_overlap_names_its_kind_and_its_share():
    check = get("veridical.audit", "check", "train_test_overlap")
    found = outcome("train_test_overlap", check.planted().data)
    kinds = {f.row.split("-")[0]: f.evidence.split()[0] for f in found.findings}
    assert kinds == {"exact": "exact", "near": "near", "inside": "contained"}
    share = found.measures["share_of_test"]
    n_test = len(check.planted().data.rows("test"))
    assert share.value == pytest.approx(13 / n_test)
    assert share.n == n_test
    assert np.all([0 <= f.score <= 1 for f in found.findings])


@pytest.mark.parametrize(
    "disguise", [lambda text: f"{text} ~", str.upper, lambda text: f" {text}", lambda text: text.replace(" ", "  ")]
)
def test_a_sign_that_is_no_word_tells_the_label(disguise):
    plain = rows(200, seed=7)
    signed = [(i, s, disguise(t) if y == "pos" and k % 10 else t, y) for k, (i, s, t, y) in enumerate(plain)]
    found = outcome("partial_input", dataset(signed))
    reasons = {f.reason for f in found.findings}
    assert "the label can be told from marks and capitals alone" in reasons
    # A sign more is longer, too.
    assert reasons <= {f"the label can be told from {part} alone" for part in ("marks and capitals", "length")}
    assert found.measures["marks and capitals"].value > 0.9


def test_signs_that_go_with_no_label_are_quiet():
    plain = rows(200, seed=7)
    signed = [(i, s, f"{t} ~" if k % 3 else t.upper(), y) for k, (i, s, t, y) in enumerate(plain)]
    assert outcome("partial_input", dataset(signed)).findings == ()
