"""Compute a certificate's figures again from the stored answers of the arms, and say claim by claim whether they come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.counted import counted as counted_words
from veridical.core.multiplicity import holm
from veridical.core.plugins import get
from veridical.core.run_record import Arm
from veridical.verify.arms import SEEDS
from veridical.verify.ballot_table import read_ballots
from veridical.verify.certificate import MARGINS, figures_json
from veridical.verify.figures import Figures, against_placebo, against_untouched, recall
from veridical.verify.judging import judging_of
from veridical.verify.outcome_replay import unlike, unlike_skipped
from veridical.verify.scoring import Scored, Yardstick, counted
from veridical.verify.verdict import Trial, against_both

TOLERANCE = 1e-9
"""Difference up to which two figures count as equal: sums in another order round otherwise. Ours; no source."""

NOT_TRAINED = ("callable", "endpoint", "predictions")
"""Kinds of model that veridical does not train."""
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
    found = [_trial(arm, scores, ruler, certificate) for arm in tested]
    fresh = [now and figures_json(now[1]) for now in found]
    claims = [_claim(arm, now) for arm, now in zip(tested, fresh, strict=True)]
    told = _told(certificate, {who: len(said.predicted) for who, said in ballots.items()}, n=len(ruler.rows))
    return [*claims, _corrected(tested, fresh), _outcomes(certificate["arms"], [now and now[0] for now in found]), told]


def _trial(
    arm: Mapping[str, Any], scores: Mapping[str, Scored], ruler: Yardstick, said: Mapping[str, Any]
) -> tuple[Trial, Figures] | None:
    """What is measured of one arm, but for the gap to the reported score; None where answers are missing."""
    name, seed = arm["repair"], said["seed"]
    needed = ["untouched", name, *([f"placebo of {name}"] if arm["kind"] == "training" else [])]
    if any(who not in scores for who in needed):
        return None
    after, before = scores[name], scores["untouched"]
    empty = Arm(name, "", arm["kind"], "", arm["rows"], None, None, None, None, None, None, None, None)
    found, p_worse = against_untouched(empty, after, before, ruler, seed=seed, one_model=said["model"] in NOT_TRAINED)
    if arm["kind"] == "training":
        found = against_placebo(found, after, scores[needed[2]], ruler, seed=seed)
    p_better = against_both(found) if arm["kind"] == "training" else 1.0  # that of a gap is not known: see outcome_replay
    figures = Figures(found, recall(name, after, before, ruler, said["labels"], seed=seed))
    return Trial(found, p_better, p_worse), figures


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
            wrong += [
                f"{arm['repair']} {p} is {value:.4g}"
                for said in [arm["holm"][p]]
                if said is None or abs(said - value) > TOLERANCE
            ]
    if wrong:
        return Claim("Holm's correction", holds=False, why=f"Computed again, {wrong[0]}, which is not what the certificate says.")
    one, several = "It comes out the same over 1 arm.", f"It comes out the same over {len(tested)} arms."
    return Claim("Holm's correction", holds=True, why=one if len(tested) == 1 else several)


def _outcomes(arms: Sequence[Mapping[str, Any]], trials: Sequence[Trial | None]) -> Claim:
    """Whether outcome, reason and claim of every arm are what its figures give."""
    known = [trial for trial in trials if trial is not None]
    if len(known) < len(trials):
        return Claim("outcomes", holds=None, why="Answers are missing, so outcomes were not computed again.")
    wrong = unlike_skipped(arms) or unlike([arm for arm in arms if arm["figures"]], known)
    if wrong:
        return Claim("outcomes", holds=False, why=wrong)
    whole, but_gap = (
        "Outcomes, reasons and claims say what the figures give.",
        "Outcomes, reasons and claims say what the figures give; what became of a gap to the reported score needs --rerun.",
    )
    of_gap = any(trial.arm.kind == "measurement" for trial in known)
    return Claim("outcomes", holds=True, why=but_gap if of_gap else whole)


def _told(certificate: Mapping[str, Any], models: Mapping[str, int], *, n: int) -> Claim:
    """Looks, seeds and margins. models: arm -> how many models answered. n: locked rows that were asked."""
    now = {
        "looks": [f"{who}: {counted_words(count, 'model')} on {n} locked rows" for who, count in models.items()],
        "one_fit": models.get("untouched") == 1,
    }
    return constants(certificate, now)


def constants(certificate: Mapping[str, Any], now: Mapping[str, Any]) -> Claim:
    """Seeds and margins by what this veridical uses, and what else is known of the arms. now: name -> what it should be."""
    seeds = [] if certificate["skipped"] else list(SEEDS)
    apart = differing(
        {name: certificate[name] for name in (*now, "seeds", "margins")}, {**now, "seeds": seeds, "margins": MARGINS}
    )
    name = "looks, seeds and margins"
    if apart:
        return Claim(name, holds=False, why=f"It should be {apart[0]}.")
    same = "They are those of the stored answers and of this version."
    return Claim(name, holds=True, why=same)


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
