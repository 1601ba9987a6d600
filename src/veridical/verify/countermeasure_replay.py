"""Compute what a certificate says of countermeasures again from the stored answers, and say claim by claim what comes out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.plugins import get
from veridical.dataset.rows import IntArray
from veridical.verify.certificate import trial_json, verdict_json
from veridical.verify.countermeasure_verdict import Exams, Judged, Proposal, Sat, Trial, best, judged, trial
from veridical.verify.exam_table import FILE, read_exams
from veridical.verify.judging import Judging, judging_of
from veridical.verify.outcome_replay import unlike_skipped
from veridical.verify.replay import Claim, differing
from veridical.verify.scoring import Labels

FIGURES = ("endpoint", "models", "figures", "p_worse", "elsewhere")
NO_ONE = "no countermeasure"
VERDICT = ("outcome", "why", "claim")


def replayed_countermeasures(certificate: Mapping[str, Any], path: Path, *, asked: Exams | None) -> list[Claim]:
    """One claim for each countermeasure that was tried; `path` is its countermeasures.parquet. asked: both exams as data and
    contract give them, None where these are not there."""
    said = certificate["countermeasures"]
    tested = [arm for arm in said["arms"] if arm["figures"]]
    wrong = unlike_skipped(said["arms"])
    if wrong:
        return [Claim("countermeasures", holds=False, why=wrong)]
    if not tested:
        return [Claim("countermeasures", holds=True, why="None was tried, so nothing is claimed."), _chosen(said["chosen"], [])]
    config, labels = certificate["config"], tuple(certificate["labels"])
    contract = said["contract"]

    def judging(right: Labels, clusters: IntArray) -> Judging:
        return judging_of(config["task"], metric=certificate["metric"], labels=labels, right=right, clusters=clusters)

    exams, answers = read_exams(
        path,
        judging=judging,
        of_answers=get("veridical.tasks", "task", config["task"]).structure is not None,
        votes=certificate["votes"],
        contract=contract["name"] if contract else "",
    )
    fresh = [_trial(arm, answers, exams, labels=labels, seed=certificate["seed"]) for arm in tested]
    claims = [] if asked is None else [_same_questions(exams, asked)]
    claims += [_figures(arm, now, contract) for arm, now in zip(tested, fresh, strict=True)]
    known = [(arm, now) for arm, now in zip(tested, fresh, strict=True) if now is not None]
    verdicts = judged([now for _, now in known])
    return [*claims, _corrected([arm for arm, _ in known], verdicts), _chosen(said["chosen"], verdicts)]


def _trial(arm: Mapping[str, Any], answers: Mapping[str, Sat], exams: Exams, *, labels: Sequence[str], seed: int) -> Trial | None:
    """None where the answers of its models are missing."""
    name, under = arm["countermeasure"], arm["elsewhere"] is not None
    if name not in answers or "" not in answers or (under and exams.under is None):
        return None
    proposal = Proposal(name, arm["component"])
    return trial(proposal, answers[""], answers[name], exams, labels=labels, judged_under=under, seed=seed)


def _same_questions(stored: Exams, asked: Exams) -> Claim:
    """Whether the stored answers are to the questions that data and contract give."""
    one, other = stored.under, asked.under
    pairs: list[tuple[Any, Any]] = [(stored.base.right, asked.base.right), (stored.base.clusters, asked.base.clusters)]
    if one is not None and other is not None:
        pairs += [(one.row, other.row), (one.share, other.share)]
    same = stored.ids == asked.ids and (one is None) == (other is None) and all(np.array_equal(a, b) for a, b in pairs)
    alike, apart = (
        "Rows, labels and shares of votes are those that the data and the contract give.",
        "Rows, labels or shares of votes are not those that the data and the contract give.",
    )
    return Claim("questions of the exams", holds=same, why=alike if same else apart)


def _figures(arm: Mapping[str, Any], now: Trial | None, contract: Mapping[str, str] | None) -> Claim:
    name = f"figures of countermeasure {arm['countermeasure']}"
    if now is None:
        return Claim(name, holds=False, why=f"{FILE} lacks the answers of its models.")
    apart = differing({part: arm[part] for part in FIGURES}, trial_json(now, contract))
    if apart:
        one, several = (
            f"The stored answers give {apart[0]}.",
            f"The stored answers give {apart[0]}, and {len(apart) - 1} more differ.",
        )
        return Claim(name, holds=False, why=several if apart[1:] else one)
    return Claim(name, holds=True, why=f"All come out of the stored answers. {arm['claim'] or arm['why']}")


def _corrected(arms: Sequence[Mapping[str, Any]], verdicts: Sequence[Judged]) -> Claim:
    """Holm's correction and the verdicts again, over all countermeasures that were tried."""
    wrong: list[str] = []
    for arm, verdict in zip(arms, verdicts, strict=True):
        now, name = verdict_json(verdict), arm["countermeasure"]
        wrong += [f"{name} {said}" for said in differing(arm["holm"], now["holm"])]
        wrong += [f"{name} {said}" for part in VERDICT for said in differing(arm[part], now[part], where=part)]
    name = "Holm's correction over countermeasures"
    if wrong:
        return Claim(name, holds=False, why=f"Computed again, {wrong[0]}.")
    one = "It and the verdict come out the same over 1 countermeasure."
    several = f"It and the verdicts come out the same over {len(arms)} countermeasures."
    return Claim(name, holds=True, why=one if len(arms) == 1 else several)


def _chosen(said: str | None, verdicts: Sequence[Judged]) -> Claim:
    """Which countermeasure the repaired model is trained with."""
    now = best([verdict.routed for verdict in verdicts])
    name = "countermeasure of the repaired model"
    if said != now:
        why = f"The stored answers choose {now or NO_ONE}; the certificate says {said or NO_ONE}."
        return Claim(name, holds=False, why=why)
    kept, none = f"{said} gained most of those accepted.", "None was accepted."
    return Claim(name, holds=True, why=kept if said else none)


def same_when_retrained(arm: Mapping[str, Any], now: tuple[Trial, Judged] | None, contract: Mapping[str, str] | None) -> Claim:
    """now: the countermeasure tried again; None where it refused."""
    name = f"rerun of countermeasure {arm['countermeasure']}"
    if now is None:
        return Claim(name, holds=False, why="Trained again it was refused.")
    apart = differing({part: arm[part] for part in FIGURES}, trial_json(now[0], contract))
    apart += differing(arm["outcome"], now[1].routed.arm.outcome, where="outcome")
    again, other = "Trained again it gives the same figures and outcome.", f"Trained again it gives {(apart or [''])[0]}."
    return Claim(name, holds=not apart, why=other if apart else again)
