"""What run.json says of repairs and countermeasures, held beside the certificate: both were written by the same run."""

from collections.abc import Mapping
from typing import Any

from veridical.verify.replay import Claim, differing

ESTIMATES = ("before", "after", "placebo", "gain_over_untouched", "gain_over_placebo", "log_loss_gain", "mde")
"""Figures of an arm that both hold."""
SAME = ("repair", "kind", "outcome", "why", "rows")
"""What else of a repair both hold under one name."""
RUN = "run.json"


def against_record(certificate: Mapping[str, Any], repair: Mapping[str, Any]) -> list[Claim]:
    """Repairs and countermeasures; and whether the summary in run.json is that of its own arms. repair: as run.json holds it."""
    claims = [
        _same(f"repairs in {RUN}", _repairs_certified(certificate), _repairs_kept(repair)),
        _same(f"summary in {RUN}", _summary(repair), {name: repair.get(name) for name in _summary(repair)}),
    ]
    said = certificate.get("countermeasures")
    if said is None:
        return claims
    routed = {"chosen": repair.get("chosen"), "arms": [_routed_kept(one) for one in repair.get("routed", ())]}
    certified = {"chosen": said["chosen"], "arms": [_routed_certified(one) for one in said["arms"]]}
    return [*claims, _same(f"countermeasures in {RUN}", _by_name(certified), _by_name(routed))]


def _same(name: str, certified: Mapping[str, Any], kept: Mapping[str, Any]) -> Claim:
    apart = differing(dict(certified), dict(kept))
    if not apart:
        return Claim(name, holds=True, why="Both say the same.")
    own = name.startswith("summary")
    said = apart[0].replace("where the certificate says", "where its arms give") if own else apart[0]
    one, several = f"run.json gives {said}.", f"run.json gives {said}, and {len(apart) - 1} more differ."
    return Claim(name, holds=False, why=several if apart[1:] else one)


def _repairs_certified(certificate: Mapping[str, Any]) -> dict[str, Any]:
    arms = [
        {
            **{name: arm[name] for name in SAME},
            **{p: arm["holm"][p] for p in ("p_untouched", "p_placebo")},
            **{name: (arm["figures"] or {}).get(name) for name in ESTIMATES},
        }
        for arm in certificate["arms"]
    ]
    named = ("n_locked", "skipped", "seeds", "looks", "one_fit")
    return _by_name({**{name: certificate[name] for name in named}, "arms": arms})


def _repairs_kept(repair: Mapping[str, Any]) -> dict[str, Any]:
    together = repair.get("combination")
    arms = [
        {name: arm.get(name) for name in (*SAME, "p_untouched", "p_placebo", *ESTIMATES)}
        for arm in (*repair["arms"], *([together] if together else []))
    ]
    named = ("n_locked", "skipped", "seeds", "looks", "one_fit")
    return _by_name({**{name: repair.get(name) for name in named}, "arms": arms})


def _by_name(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arms by name, so that what differs is said of one; their order stands beside."""
    arms = {arm["repair"]: arm for arm in record["arms"]}
    return {**record, "arms": arms, "order": [arm["repair"] for arm in record["arms"]]}


def _routed_certified(arm: Mapping[str, Any]) -> dict[str, Any]:
    figures = arm["figures"] or {}
    return {
        "repair": arm["countermeasure"],
        **{name: arm[name] for name in ("component", "outcome", "why", "elsewhere")},
        "endpoint": arm["endpoint"]["name"] if arm["endpoint"] else "",
        "p_untouched": arm["holm"]["p_better"] if arm["holm"] else None,
        **{name: figures.get(name) for name in ESTIMATES},
    }


def _routed_kept(routed: Mapping[str, Any]) -> dict[str, Any]:
    arm = routed["arm"]
    return {
        **{name: arm.get(name) for name in ("repair", "outcome", "why", "p_untouched", *ESTIMATES)},
        **{name: routed[name] for name in ("component", "elsewhere", "endpoint")},
    }


def _summary(repair: Mapping[str, Any]) -> dict[str, Any]:
    """The lists of names and the scores that stand before the arms, from the arms."""
    arms = repair["arms"]
    best = next((arm for arm in arms if arm["outcome"] == "accepted"), arms[0] if arms else {})
    names = {o: [arm["repair"] for arm in arms if arm["outcome"] == o] for o in ("accepted", "harmless", "rejected")}
    return {**names, **{name: best.get(name) for name in ("before", "after", "placebo")}}


ROUNDING = 1e-9
"""Share up to which a sum read back may differ from its parts."""


def adds_up(record: Mapping[str, Any]) -> Claim:
    """Whether the scores of run.json differ by the points of its components, and lie in their own intervals: a certificate does
    not hold them, but a figure changed by hand does not fit the others."""
    scores = [("reported", record["reported"]), ("honest", record["honest"])]
    if record["contract"]:
        scores.append(("the score under the contract", record["contract"]["honest"]))
    for (first, before), (second, after), kind in zip(scores, scores[1:], ("measurement", "transfer"), strict=False):
        points = [part["points"]["value"] for part in record["components"] if part["kind"] == kind and part["points"]]
        if abs(before["value"] - sum(points) / 100 - after["value"]) > ROUNDING:
            return Claim(
                "account in run.json", holds=False, why=f"In run.json {first} minus the points of its components is not {second}."
            )
    outside = [who for who, score in scores if not score["low"] <= score["value"] <= score["high"]]
    if outside:
        return Claim("account in run.json", holds=False, why=f"In run.json {outside[0]} lies outside of its own interval.")
    return Claim("account in run.json", holds=True, why="The scores in run.json differ by the points of its components.")
