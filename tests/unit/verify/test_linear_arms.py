"""The whole trial with the real linear model, on made-up reviews of which 30 % carry the wrong label."""

import numpy as np
from number_world import KnownEvidence, knowing

from veridical.audit._made_up import dataset
from veridical.models.text_features import hashed
from veridical.repair._planted_rows import rows
from veridical.verify.arms import tried_repairs
from veridical.verify.fitting import linear_fit
from veridical.verify.locked_fold import locked_fold


def test_setting_aside_wrong_labels_is_accepted():
    other = {"neg": "pos", "pos": "neg"}
    flip = np.random.default_rng(0).random(4000) < 0.3
    plain = rows(4000, split="train", seed=20)
    data = dataset([(i, s, t, other[y] if f else y) for (i, s, t, y), f in zip(plain, flip, strict=True)])
    look = knowing({row[0] for row, f in zip(plain, flip, strict=True) if f})
    evidence = KnownEvidence(data)
    locked = locked_fold(data, evidence.clusters)
    repairs = ("set_aside_label_errors", "relabel_label_errors", "drop_leaks")
    fit = linear_fit(hashed(data.inputs()), data.labels)
    found = tried_repairs(
        data, evidence=evidence, audit=look(evidence, ()), locked=locked, repairs=repairs, fit=fit, look=look
    ).record
    assert "set_aside_label_errors" in found.names("accepted"), [arm.why for arm in found.arms]
    assert found.names("skipped") == ["drop_leaks"]
    # Against labels of which 30 % are wrong a surer model has the larger log loss: why it is no reason to accept or refuse.
    assert found.arms[0].log_loss_gain.value < 0
