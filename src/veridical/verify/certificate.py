"""certificate.json: what is claimed of each repair and countermeasure, on which data, with which figures, and a hash over all."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from veridical.core.errors import InputError
from veridical.core.run_record import Arm, RepairRecord, RoutedArm
from veridical.ledger.contract import Contract
from veridical.verify.certificate_shape import CERTIFICATE, LATER, misfit
from veridical.verify.countermeasure_arms import Routing
from veridical.verify.countermeasure_verdict import LOCKED, Judged, Trial
from veridical.verify.figures import Figures
from veridical.verify.verdict import ALPHA, MARGIN

FILE, FORMAT = "certificate.json", 2
READABLE = (1, 2)
"""Formats that can be checked; the first says nothing of countermeasures."""
LOG_LOSS_MARGIN = 0.02
"""Nats of log loss that count as not worse. Ours; no source."""
RECALL_MARGIN = 2.0
"""Points of a class's recall that count as not worse: twice the margin of the score, since a class has fewer rows. Ours."""
MARGINS = {"alpha": ALPHA, "score_points": MARGIN, "log_loss_nats": LOG_LOSS_MARGIN, "recall_points": RECALL_MARGIN}
"""All of them, as a certificate names them."""


def figures_json(found: Figures) -> dict[str, Any]:
    """The statistics of one arm that can be computed again from the ballots alone."""
    arm = found.arm
    names = ("before", "after", "placebo", "gain_over_untouched", "gain_over_placebo", "log_loss_gain")
    estimates = {name: e.to_json() if (e := getattr(arm, name)) else None for name in names}
    p = {"p_untouched": arm.p_untouched, "p_placebo": arm.p_placebo, "mde": arm.mde}
    return {**estimates, **p, "not_inferior": _other_endpoints(found)}


def _other_endpoints(found: Figures) -> list[dict[str, Any]]:
    loss = found.arm.log_loss_gain
    tested = [("log loss", "nats", loss, LOG_LOSS_MARGIN)] if loss else []
    tested += [(f"recall of {label}", "points", gain, RECALL_MARGIN) for label, gain in sorted(found.recall.items())]
    return [
        {"endpoint": name, "unit": unit, "gain": gain.to_json(), "margin": margin, "shown": gain.low >= -margin}
        for name, unit, gain, margin in tested
    ]


def certificate(
    record: RepairRecord,
    *,
    figures: Sequence[Figures],
    countermeasures: Mapping[str, Any],
    data: Mapping[str, str],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """countermeasures: see `routing_json`. data: name -> fingerprint. settings: config, seeds, versions, labels and whatever else
    the figures hang on."""
    tried = [*record.arms, *([record.combination] if record.combination else [])]
    by_name = {f.arm.repair: f for f in figures}
    arms = [
        {
            "repair": arm.repair,
            "kind": arm.kind,
            "outcome": arm.outcome,
            "why": arm.why,
            "rows": arm.rows,
            "holm": {"p_untouched": arm.p_untouched, "p_placebo": arm.p_placebo},
            "figures": figures_json(by_name[arm.repair]) if arm.repair in by_name else None,
            "claim": claim(arm),
        }
        for arm in tried
    ]
    whole = {"format": FORMAT, **settings, "data": dict(data), "margins": MARGINS, "skipped": record.skipped, "arms": arms}
    whole |= {"n_locked": record.n_locked, "looks": list(record.looks), "countermeasures": dict(countermeasures)}
    plain: dict[str, Any] = json.loads(json.dumps(whole, allow_nan=False))  # as it will be read back
    return {**plain, "sha256": own_hash(plain)}


def claim(arm: Arm) -> str:
    """What is claimed of an accepted repair, in one sentence; empty for any other."""
    over = arm.gain_over_untouched
    if arm.outcome != "accepted" or over is None:
        return ""
    said = f"{over.value:+.1f} points [{over.low:+.1f}, {over.high:+.1f}] against untouched on {over.n} locked rows"
    if arm.kind == "measurement":
        return f"{arm.repair} brings the reported score nearer to the locked one, and changes the locked score by {said}."
    return f"Training after {arm.repair} scores {said}, and better than as much meddling aimed at nothing."


def routing_json(
    routing: Routing,
    *,
    knobs: Mapping[str, Mapping[str, Any]],
    contract: Contract | None,
    on_top_of: Sequence[str],
    chosen: str | None,
) -> dict[str, Any]:
    """knobs: of each countermeasure. on_top_of: the repairs that the rows had before. chosen: what the repaired model is trained
    with."""
    named = {"name": contract.name, "sha256": contract.sha256} if contract else None
    trials = {(t.routed.arm.repair, t.routed.component): t for t in routing.trials}
    verdicts = {(j.routed.arm.repair, j.routed.component): j for j in routing.judged}
    arms = []
    for routed in routing.arms:
        name = routed.arm.repair
        told = {"countermeasure": name, "knobs": dict(knobs[name]), "component": routed.component}
        key = (name, routed.component)
        said = (trial_json(trials[key], named), verdict_json(verdicts[key])) if key in trials else (NOT_TRIED, _skipped(routed))
        arms.append({**told, **said[0], **said[1]})

    return {"on_top_of": list(on_top_of), "contract": named, "arms": arms, "chosen": chosen}


def trial_json(trial: Trial, contract: Mapping[str, str] | None) -> dict[str, Any]:
    """What can be computed again from the answers, before any correction over countermeasures. contract: name and sha256."""
    routed = trial.routed
    endpoint = {"name": LOCKED} if routed.elsewhere is None or contract is None else dict(contract)
    return {
        "endpoint": endpoint,
        "models": dict(zip(("plain", "with"), trial.n_models, strict=True)),
        "figures": figures_json(Figures(routed.arm, trial.recall)),
        "p_worse": trial.p_worse,
        "elsewhere": routed.elsewhere.to_json() if routed.elsewhere else None,
    }


NOT_TRIED: dict[str, Any] = dict.fromkeys(("endpoint", "models", "figures", "p_worse", "elsewhere"))


def verdict_json(judged: Judged) -> dict[str, Any]:
    arm = judged.routed.arm
    corrected = {"p_better": judged.p_better, "p_worse": judged.p_worse}
    return {"holm": corrected, "outcome": arm.outcome, "why": arm.why, "claim": claim_of(judged.routed)}


def _skipped(routed: RoutedArm) -> dict[str, Any]:
    return {"holm": None, "outcome": routed.arm.outcome, "why": routed.arm.why, "claim": ""}


def claim_of(routed: RoutedArm) -> str:
    """What is claimed of an accepted countermeasure, in one sentence; empty for any other."""
    over = routed.arm.gain_over_untouched
    if routed.arm.outcome != "accepted" or over is None:
        return ""
    where = "locked rows" if routed.elsewhere is None else f"questions about locked rows under the contract {routed.endpoint}"
    gained = f"{over.value:+.1f} points [{over.low:+.1f}, {over.high:+.1f}]"
    return f"Training with {routed.arm.repair} scores {gained} against plain training on {over.n} {where}."


def own_hash(record: Mapping[str, Any]) -> str:
    """SHA-256 of the record without its own hash, keys sorted, no spaces."""
    plain = {name: value for name, value in record.items() if name != "sha256"}
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _no_number(said: str) -> None:
    error = ValueError(said)  # caught where the file is read, which says it in a sentence
    raise error


def read_certificate(path: Path) -> dict[str, Any]:
    """Raises InputError where the file is missing, no certificate, of another format, or not as it was written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}). Give the certificate.json of a run that tried repairs."
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). Copy it again from the run.") from error
    if not isinstance(found, dict) or found.get("format") not in READABLE or "sha256" not in found:
        got = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise InputError(
            f"{path} has format {got!r}; this veridical reads certificates of format 1 and {FORMAT}. Run again with --fresh."
        )
    wrong = misfit(found, CERTIFICATE if found["format"] == 1 else CERTIFICATE | LATER)
    if wrong:
        raise InputError(
            f"{path} is not as veridical writes a certificate. There {wrong[0]} should be {wrong[1]}. Copy it again from the run."
        )
    if own_hash(found) != found["sha256"]:
        raise InputError(
            f"{path} was changed after it was written: its content no longer gives its sha256. Copy it again from the run."
        )
    return found
