"""run.json: what a run found, readable without torch. Format number first; scores are shares, points percentage points."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, ContractScore, Interaction, Ledger
from veridical.core.search_record import SearchRecord

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Arm:
    """One tested repair on the locked fold: scores and paired differences (points, repaired minus other).

    outcome: accepted (better than untouched and than placebo; of a repair of the test set: its gap to the locked score shrinks at
    no more than 1 point), rejected (worse than untouched, or the gap grows), harmless (neither was shown) or skipped (the repair
    had nothing to change or could not be tested; `why` says which). log_loss_gain: the second endpoint, declared
    beforehand and never a reason to accept: untouched minus repaired, nats per vote.
    """

    repair: str
    outcome: str
    kind: str
    why: str
    rows: int
    before: Estimate | None
    after: Estimate | None
    placebo: Estimate | None
    gain_over_untouched: Estimate | None
    gain_over_placebo: Estimate | None
    p_untouched: float | None
    p_placebo: float | None
    mde: float | None
    log_loss_gain: Estimate | None = None


@dataclass(frozen=True, slots=True)
class RoutedArm:
    """One countermeasure tried on the locked fold because it is known to answer a component that was diagnosed.

    arm: its verdict; `repair` is the countermeasure's name. component: what it answers. endpoint: `locked`, or the contract under
    which the fold was asked; empty where it was skipped. elsewhere: gain in points on the fold as it is, where the endpoint is a
    contract. models: how many were trained of each kind, in words.
    """

    arm: Arm
    component: str
    endpoint: str
    elsewhere: Estimate | None
    models: str


@dataclass(frozen=True, slots=True)
class RepairRecord:
    """What was tried, and what the locked fold said. `skipped` holds the reason when nothing could be tested.

    looks: every time an arm was scored on the locked fold, in order. combination: the accepted training repairs applied together,
    where there are several. one_fit: the seed does not change the model, so that each arm is one fit and its verdict holds for
    this train set. routed: countermeasures tried on top of the repairs that won; chosen: the one that the repaired model is
    trained with, None where none won.
    """

    arms: tuple[Arm, ...] = ()
    n_locked: int = 0
    seeds: tuple[int, ...] = ()
    skipped: str = ""
    n_edits: int = 0
    rows_in: int = 0
    rows_kept: int = 0
    rows_set_aside: int = 0
    looks: tuple[str, ...] = ()
    combination: Arm | None = None
    one_fit: bool = False
    routed: tuple[RoutedArm, ...] = ()
    chosen: str | None = None

    def names(self, outcome: str) -> list[str]:
        return [arm.repair for arm in self.arms if arm.outcome == outcome]

    def to_json(self) -> dict[str, Any]:
        best = next((a for a in self.arms if a.outcome == "accepted"), self.arms[0] if self.arms else None)
        return {
            "accepted": self.names("accepted"),
            "harmless": self.names("harmless"),
            "rejected": self.names("rejected"),
            "before": best.before.to_json() if best and best.before else None,
            "after": best.after.to_json() if best and best.after else None,
            "placebo": best.placebo.to_json() if best and best.placebo else None,
            **asdict(self),
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "RepairRecord":
        estimates = ("before", "after", "placebo", "gain_over_untouched", "gain_over_placebo", "log_loss_gain")

        def arm(found: dict[str, Any]) -> Arm:
            return Arm(**{**found, **{k: Estimate.from_json(found[k]) if found.get(k) else None for k in estimates}})

        return cls(
            arms=tuple(arm(found) for found in record["arms"]),
            combination=arm(record["combination"]) if record.get("combination") else None,
            routed=tuple(
                RoutedArm(
                    **{**r, "arm": arm(r["arm"]), "elsewhere": Estimate.from_json(r["elsewhere"]) if r["elsewhere"] else None}
                )
                for r in record.get("routed", ())
            ),
            chosen=record.get("chosen"),
            one_fit=record.get("one_fit", False),
            seeds=tuple(record["seeds"]),
            looks=tuple(record.get("looks", ())),
            **{k: record[k] for k in ("n_locked", "skipped", "n_edits", "rows_in", "rows_kept", "rows_set_aside")},
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything run.json holds."""

    veridical: str
    complete: bool
    task: str
    metric: str
    model: str
    seed: int
    n_train: int
    n_test: int
    labels: tuple[str, ...]
    ledger: Ledger | None
    repair: RepairRecord | None
    config: dict[str, Any]
    fingerprints: dict[str, str]
    seconds: dict[str, float]
    peak_rss_mb: int
    warnings: tuple[str, ...] = ()
    set_aside: dict[str, int] = field(default_factory=dict)
    """Reason -> number of rows set aside at load."""
    earlier_looks: int | None = None
    """Other runs logged to have scored the same test rows; None while the run is not finished, or older than the log."""
    search: SearchRecord | None = None
    """What --search tried. `config` holds the settings as they were given; the model was trained with those chosen here."""
    learned: dict[str, Any] | None = None
    """Of an encoder trained here: tuning (name of the method), n_trained and n_all (numbers that could change, and all)."""

    def to_json(self) -> dict[str, Any]:
        ledger = self.ledger
        return {
            "format": FORMAT,
            "veridical": self.veridical,
            "complete": self.complete,
            "task": self.task,
            "metric": self.metric,
            "model": self.model,
            "seed": self.seed,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "labels": list(self.labels),
            "votes": ledger.votes if ledger else None,
            "reported": ledger.reported.to_json() if ledger else None,
            "honest": ledger.honest.to_json() if ledger else None,
            "contract": asdict(ledger.contract) if ledger and ledger.contract else None,
            "components": [asdict(c) for c in ledger.components] if ledger else [],
            "floors": {k: v.to_json() for k, v in ledger.floors.items()} if ledger else {},
            "notes": list(ledger.notes) if ledger else [],
            "interactions": [asdict(i) for i in ledger.interactions] if ledger else [],
            "variance": ledger.variance if ledger else {},
            "unreviewed": ledger.unreviewed if ledger else 0.0,
            "repair": self.repair.to_json() if self.repair else None,
            "config": self.config,
            "fingerprints": self.fingerprints,
            "seconds": self.seconds,
            "peak_rss_mb": self.peak_rss_mb,
            "warnings": list(self.warnings),
            "set_aside": self.set_aside,
            "earlier_looks": self.earlier_looks,
            "learned": self.learned,
            "search": self.search.to_json() if self.search else None,
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "RunRecord":
        ledger = None
        if record["reported"] is not None:
            contract = record["contract"]
            ledger = Ledger(
                metric=record["metric"],
                votes=record["votes"],
                reported=Estimate.from_json(record["reported"]),
                honest=Estimate.from_json(record["honest"]),
                contract=ContractScore(
                    contract["name"],
                    contract["sha256"],
                    Estimate.from_json(contract["honest"]),
                    tuple(contract.get("unmeasured", ())),
                    contract.get("variance", {}),
                    contract.get("target_share", 1.0),
                    contract.get("unreviewed", 0.0),
                )
                if contract
                else None,
                components=tuple(
                    Component(**{**c, "points": Estimate.from_json(c["points"]) if c["points"] else None})
                    for c in record["components"]
                ),
                floors={k: Estimate.from_json(v) for k, v in record["floors"].items()},
                notes=tuple(record["notes"]),
                interactions=tuple(
                    Interaction(i["first"], i["second"], Estimate.from_json(i["points"])) for i in record.get("interactions", ())
                ),
                variance=record.get("variance", {}),
                unreviewed=record.get("unreviewed", 0.0),
            )
        plain = ["veridical", "complete", "task", "metric", "model", "seed", "n_train", "n_test", "config"]
        plain += ["fingerprints", "seconds", "peak_rss_mb", "set_aside"]
        return cls(
            labels=tuple(record["labels"]),
            ledger=ledger,
            repair=RepairRecord.from_json(record["repair"]) if record["repair"] else None,
            warnings=tuple(record["warnings"]),
            earlier_looks=record.get("earlier_looks"),
            learned=record.get("learned"),
            search=SearchRecord.from_json(record["search"]) if record.get("search") else None,
            **{k: record[k] for k in plain},
        )


def save(record: RunRecord, folder: Path) -> Path:
    path = folder / "run.json"
    write_json(path, record.to_json())
    return path


def read(folder: Path) -> RunRecord:
    """The record of a run folder. Raises InputError when there is none or it is of another format."""
    return RunRecord.from_json(as_stored(folder))


def as_stored(folder: Path) -> dict[str, Any]:
    """The same as it stands in run.json."""
    path = folder / "run.json"
    if not path.is_file():
        if (folder / "pretrain.json").is_file():
            raise InputError(f"{folder} holds a pre-trained model, not a run. Train with it: veridical run DATA --model {folder}")
        if (folder / "stages").is_dir():
            raise InputError(
                f"{folder} holds an unfinished run. Give the command of that run again; it goes on where it stopped."
            )
        next_step = f"Make one with: veridical run DATA --out {folder}"
        raise InputError(f"{folder} holds no run.json, so it is not a run folder. {next_step}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). Run again with --fresh.") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path} has format {got!r}; this veridical reads format {FORMAT}. Run again with --fresh.")
    return record
