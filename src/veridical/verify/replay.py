"""Compute a certificate's figures again from the stored answers of the arms, and say claim by claim whether they come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.multiplicity import holm
from veridical.core.plugins import get
from veridical.core.run_record import Arm
from veridical.verify.ballot_table import read_ballots
from veridical.verify.certificate import claim, figures_json
from veridical.verify.figures import Figures, against_placebo, against_untouched, recall
from veridical.verify.judging import judging_of
from veridical.verify.scoring import Scored, Yardstick, counted
from veridical.verify.verdict import ALPHA, MARGIN

TOLERANCE = 1e-9
"""Difference up to which two figures count as equal: sums in another order round otherwise. Ours; no source."""

NOT_TRAINED = ("callable", "endpoint", "predictions")
"""Kinds of model that veridical does not train."""
NO_CLAIM = "no claim."
GAIN_AND_LOSS = "Gain and log loss come out of the stored answers; the gap to the reported score needs --rerun."
GAIN = "The gain comes out of the stored answers; the gap to the reported score needs --rerun."


@dataclass(frozen=True, slots=True)
class Claim:
    """holds: True, False, or None where it cannot be checked; why: one sentence."""

    name: str
    holds: bool | None
    why: str


def replayed(certificate: Mapping[str, Any], path: Path) -> list[Claim]:
    """One claim for each arm of the certificate; `path` is its arms.parquet."""
    task = certificate["config"]["task"]
    structured = get("veridical.tasks", "task", task).structure is not None
    ballots, shared = read_ballots(path, of_answers=structured)
    judging = judging_of(
        task,
        metric=certificate["metric"],
        labels=tuple(certificate["labels"]),
        right=shared["label"].to_numpy(),
        clusters=shared["cluster"].to_numpy(),
    )
    ruler = judging.ruler(np.arange(len(shared), dtype=np.int64), votes=certificate["votes"])
    scores = {who: counted(said, ruler) for who, said in ballots.items()}
    tested = [arm for arm in certificate["arms"] if arm["figures"]]
    fresh: list[dict[str, Any] | None] = [_figures(arm, scores, ruler, certificate) for arm in tested]
    claims = [_claim(arm, now) for arm, now in zip(tested, fresh, strict=True)]
    return [*claims, _corrected(tested, fresh), _outcomes(tested, fresh)]


def _figures(
    arm: Mapping[str, Any], scores: Mapping[str, Scored], ruler: Yardstick, said: Mapping[str, Any]
) -> dict[str, Any] | None:
    name, seed = arm["repair"], said["seed"]
    needed = ["untouched", name, *([f"placebo of {name}"] if arm["kind"] == "training" else [])]
    if any(who not in scores for who in needed):
        return None
    after, before = scores[name], scores["untouched"]
    empty = Arm(name, "", arm["kind"], "", arm["rows"], None, None, None, None, None, None, None, None)
    found, _ = against_untouched(empty, after, before, ruler, seed=seed, one_model=said["model"] in NOT_TRAINED)
    if arm["kind"] == "training":
        found = against_placebo(found, after, scores[needed[2]], ruler, seed=seed)
    return figures_json(Figures(found, recall(name, after, before, ruler, said["labels"], seed=seed)))


def _claim(arm: Mapping[str, Any], now: dict[str, Any] | None) -> Claim:
    name = f"figures of {arm['repair']}"
    if now is None:
        return Claim(name, holds=False, why="arms.parquet lacks the answers of its models.")
    apart = differing(arm["figures"], now)
    if apart:
        one, several = (
            f"The stored answers give {apart[0]}.",
            f"The stored answers give {apart[0]}, and {len(apart) - 1} more differ.",
        )
        return Claim(name, holds=False, why=several if apart[1:] else one)
    if arm["kind"] == "measurement":
        return Claim(name, holds=True, why=GAIN_AND_LOSS if now["log_loss_gain"] else GAIN)
    return Claim(name, holds=True, why=f"All come out of the stored answers. {arm['claim']}".rstrip())


def _corrected(tested: Sequence[Mapping[str, Any]], fresh: Sequence[dict[str, Any] | None]) -> Claim:
    """Holm's correction again, over the arms that have each p value."""
    wrong: list[str] = []
    for p in ("p_untouched", "p_placebo"):
        have = [(arm, now[p]) for arm, now in zip(tested, fresh, strict=True) if now and now[p] is not None]
        for (arm, _), value in zip(have, holm([raw for _, raw in have]), strict=True):
            wrong += [f"{arm['repair']} {p} is {value:.4g}" for said in [arm["holm"][p]] if abs(said - value) > TOLERANCE]
    if wrong:
        return Claim("Holm's correction", holds=False, why=f"Computed again, {wrong[0]}, which is not what the certificate says.")
    one, several = "It comes out the same over 1 arm.", f"It comes out the same over {len(tested)} arms."
    return Claim("Holm's correction", holds=True, why=one if len(tested) == 1 else several)


def _outcomes(tested: Sequence[Mapping[str, Any]], fresh: Sequence[dict[str, Any] | None]) -> Claim:
    """Whether what is claimed says what the figures give, and whether they allow what was accepted. That a gap shrank is not
    among the stored answers; training the arms again shows it."""
    for arm, now in zip(tested, fresh, strict=True):
        if now is None:
            continue
        gain = Estimate.from_json(now["gain_over_untouched"])
        blank = Arm(arm["repair"], arm["outcome"], arm["kind"], "", arm["rows"], *[None] * 8)
        said = claim(replace(blank, gain_over_untouched=gain))
        if said != arm["claim"]:
            why = f"Of {arm['repair']} the figures give: {said or NO_CLAIM} The certificate says: {arm['claim'] or NO_CLAIM}"
            return Claim("outcomes", holds=False, why=why)
        seen = [p for p in (arm["holm"]["p_untouched"], arm["holm"]["p_placebo"]) if p is not None]
        allowed = gain.low >= -MARGIN if arm["kind"] == "measurement" else gain.value > 0 and max(seen, default=1.0) <= ALPHA
        if arm["outcome"] == "accepted" and not allowed:
            why = f"{arm['repair']} is called accepted, which its figures do not allow."
            return Claim("outcomes", holds=False, why=why)
    return Claim("outcomes", holds=True, why="What is claimed says what the figures give, and they allow what was accepted.")


def differing(said: Any, now: Any, *, where: str = "") -> list[str]:
    """What differs between two JSON values, one phrase each; numbers up to TOLERANCE."""
    if isinstance(said, dict) and isinstance(now, dict):
        names = [*said, *(n for n in now if n not in said)]
        return [d for n in names for d in differing(said.get(n), now.get(n), where=f"{where} {n}".strip())]
    if isinstance(said, list) and isinstance(now, list) and len(said) == len(now):
        return [d for i, (a, b) in enumerate(zip(said, now, strict=True)) for d in differing(a, b, where=f"{where} {i + 1}")]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (said, now))
    if abs(said - now) <= TOLERANCE if numbers else said == now:
        return []
    return [f"{where} {now!r} where the certificate says {said!r}"]
