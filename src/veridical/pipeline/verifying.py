"""`veridical verify`: does a certificate still hold: its hash, the data it names, its figures, and with --rerun its models?"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.pipeline.certifying import PREDICTIONS
from veridical.pipeline.config import RunConfig, calls_of, configured
from veridical.pipeline.run_folder import content_hash
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.ledger.contract import Contract
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained
    from veridical.verify.arms import Tried
    from veridical.verify.countermeasure_verdict import Exams
    from veridical.verify.locked_fold import LockedFold
    from veridical.verify.replay import Claim


NOTHING = "No repair could be tested, so nothing is claimed; each says why."
NOTHING_TRIED = {"looks": [], "one_fit": False}
CONTRACT = "contract.yaml"
"""The contract of the run, as it stands in its folder."""


def verify(path: Path, *, data: Path | None = None, rerun: bool = False, progress: Progress = silent) -> "list[Claim]":
    """One claim each for the data, the stored answers, the figures of every arm, and what run.json says; the last names the rest.

    data: the file the run was given, checked instead of the rows kept in the run folder. Raises InputError where the certificate
    was changed, or what it names is missing.
    """
    from veridical.pipeline.certified_settings import Settings
    from veridical.verify.certificate import FILE as CERTIFICATE
    from veridical.verify.certificate import read_certificate
    from veridical.verify.replay import Claim

    path = path / CERTIFICATE if path.is_dir() else path
    certificate, folder = read_certificate(path), path.parent
    _refuse_alone(path, certificate, data)
    claims = [Claim("own hash", holds=True, why="The certificate is as it was written.")]
    if data is not None:
        claims.append(_file(certificate, data))
    kept = _Kept.of(certificate, folder, progress=progress)
    if kept is not None:
        claims += kept.as_certified(certificate)
    elif data is None or rerun:
        raise InputError(f"{folder} holds no data.parquet to check (copied, or run with --no-text). Give the input with --data.")
    record, unfinished = _record(folder)
    rows = (kept.evidence.data, kept.locked) if kept else None
    settings = Settings(certificate, folder, _config(certificate, folder), rows, record)
    settled = settings.claims()
    claims += [*_answers(certificate, folder, kept), *settled, *unfinished]
    if record is not None:
        claims += [*_recounted(folder), *_predictions(folder)]
    claims += [*_stored_predictions(certificate, folder), *_probes(certificate, folder)]
    rerun = rerun and not certificate["skipped"]
    if rerun:
        assert kept is not None
        claims += _retrained(certificate, folder, kept, progress=progress)
    left = ", ".join([*settings.unchecked(input_checked=data is not None, rerun=rerun), *_held_by_nothing(claims, folder)])
    return [*claims, Claim("the rest", holds=None, why=f"Nothing that is here holds these once more: {left}.")]


def _refuse_alone(path: Path, certificate: Mapping[str, Any], data: Path | None) -> None:
    """A certificate without its run folder can be held beside nothing."""
    from veridical.verify.ballot_table import FILE as ARMS

    beside = [name for name in ("data.parquet", ARMS, "run.json") if (path.parent / name).is_file()]
    if not beside and (data is None or any(arm["figures"] for arm in certificate["arms"])):
        raise InputError(
            f"{path} stands alone: its own hash is right, and nothing else of it can be checked, because no file of its run is "
            f"beside it. Give the folder of the run, or copy its files (data.parquet, {ARMS}, run.json) there."
        )


def _record(folder: Path) -> "tuple[dict[str, Any] | None, list[Claim]]":
    """run.json as it stands; None where it is not there, or does not hold the repairs yet, and then that is said."""
    from veridical.core.run_record import as_stored
    from veridical.verify.replay import Claim

    if not (folder / "run.json").is_file():
        return None, []
    record = as_stored(folder)
    if record["repair"] is None and not record["complete"]:
        why = "run.json does not hold the repairs yet: the run is not finished."
        return None, [Claim("repairs in run.json", holds=None, why=why)]
    return record, []


def _recounted(folder: Path) -> "list[Claim]":
    """Whether the account in run.json is what the stored tables and the answers of reviews give; nothing where these are not
    there."""
    from dataclasses import asdict

    from veridical.core.run_record import read
    from veridical.pipeline.reviewing import recounted
    from veridical.verify.replay import Claim, differing

    name = "figures of the account in run.json"
    try:
        kept, now = read(folder).ledger, recounted(folder)
    except InputError:  # tables were left out, or are of another version
        return []
    except ValueError:  # of an estimate
        return [Claim(name, holds=False, why="An estimate in run.json lies outside of its own interval.")]
    assert kept is not None
    parts = ("metric", "votes", "reported", "honest", "contract", "components")
    said, given = ({name: asdict(ledger)[name] for name in parts} for ledger in (kept, now))
    for one in (said, given):
        one["components"] = {
            part["name"]: {k: part[k] for k in ("status", "points", "mde", "rows")} for part in one["components"]
        }
    apart = differing(given, said)
    same = "The stored tables and answers give the same account."
    if not apart:
        return [Claim(name, holds=True, why=same)]
    where = apart[0].partition(" where ")[0]
    return [Claim(name, holds=False, why=f"The stored tables and answers give another account: {where}.")]


def _predictions(folder: Path) -> "list[Claim]":
    """Whether predictions.parquet holds the labels and the answers of the test rows that the account was made of; nothing where
    there are no tables, or where the account is made of that file itself (answers of more than one label)."""
    from pyarrow import ArrowException

    from veridical.core.run_record import as_stored
    from veridical.ledger.tables import read_tables
    from veridical.pipeline.answer_records import read_answers
    from veridical.pipeline.records import unlike_probabilities
    from veridical.verify.replay import Claim

    if not (folder / "tables.npz").is_file():
        return []
    record = as_stored(folder)
    try:
        kept = read_tables(folder / "tables.npz")
    except InputError:  # of another version
        return []
    ids, labels = [str(row) for row in kept.ids], dict(enumerate(record["labels"]))
    try:
        stored, unlike = read_answers(folder, ids=ids), unlike_probabilities(folder)
    except (InputError, ArrowException, OSError, KeyError, TypeError, ValueError):
        why = "It is missing, cannot be read, or lacks test rows of the account."
        return [Claim("answers in predictions.parquet", holds=False, why=why)]
    known = [[labels.get(code) for code in codes.tolist()] for codes in (kept.codes, kept.predicted)]
    apart = [row for row, *both in zip(ids, *stored, *known, strict=True) if both[:2] != both[2:]]
    if unlike and not apart:
        why = f"Of {len(unlike)} rows the probabilities there are highest for another answer, first {unlike[0]!r}."
        return [Claim("answers in predictions.parquet", holds=False, why=why)]
    if apart:
        why = f"{len(apart)} of {len(ids)} test rows have another label or answer there than in the account, first {apart[0]!r}."
        return [Claim("answers in predictions.parquet", holds=False, why=why)]
    if record["n_test"] != len(ids):
        why = f"run.json counts {record['n_test']} test rows, the account is of {len(ids)}."
        return [Claim("answers in predictions.parquet", holds=False, why=why)]
    held = f"It holds the labels and answers of the {len(ids)} test rows of the account."
    return [Claim("answers in predictions.parquet", holds=True, why=held)]


def _stored_predictions(certificate: Mapping[str, Any], folder: Path) -> "list[Claim]":
    """Nothing where the certificate is older than their hash."""
    named = "predictions" in certificate["data"]
    return _unchanged(certificate, folder / PREDICTIONS, name="stored predictions", key="predictions") if named else []


def _probes(certificate: Mapping[str, Any], folder: Path) -> "list[Claim]":
    """Whether probes.json is of the certified run; nothing where it is not there. Nothing holds what it says of the model."""
    from veridical.core.probe_record import FILE, read
    from veridical.verify.replay import Claim

    try:
        found = read(folder)
    except (InputError, KeyError, TypeError, ValueError):
        return [Claim("the run of probes.json", holds=False, why=f"{FILE} cannot be read.")]
    if found is None:
        return []
    said = {name: certificate["data"][name] for name in ("rows", "predictions") if name in certificate["data"]}
    said |= {"seed": certificate["seed"], "metric": certificate["config"].get("metric")}
    now: dict[str, Any] = {"rows": found.fingerprints.get("data"), "predictions": found.fingerprints.get("predictions")}
    now |= {"seed": found.seed, "metric": found.metric}
    apart = [name for name, value in said.items() if now[name] is not None and now[name] != value]
    if apart:
        return [
            Claim(
                "the run of probes.json",
                holds=False,
                why=f"{FILE} is of another run: {', '.join(apart)} differ from the certificate.",
            )
        ]
    if any(now[name] is None for name in ("rows", "predictions")) or "predictions" not in said:
        return []
    return [
        Claim(
            "the run of probes.json", holds=True, why=f"{FILE} names the rows, predictions, seed and metric that are certified."
        )
    ]


def _answers(certificate: Mapping[str, Any], folder: Path, kept: "_Kept | None") -> "list[Claim]":
    """What comes out of the stored answers of repairs and countermeasures."""
    from veridical.verify.ballot_table import FILE as ARMS
    from veridical.verify.outcome_replay import unlike_skipped
    from veridical.verify.replay import Claim, constants, replayed

    tried = certificate.get("countermeasures") or {"arms": []}
    if certificate["skipped"]:
        none = f"None was tested, so nothing is claimed: {certificate['skipped']}"
        some = "The certificate says that none was tested, and yet it has arms."
        empty = not certificate["arms"] and not tried["arms"]
        return [Claim("repairs", holds=empty, why=none if empty else some), constants(certificate, NOTHING_TRIED)]
    claims: list[Claim] = []
    if any(arm["figures"] for arm in certificate["arms"]):
        claims += _unchanged(certificate, folder / ARMS, name="stored answers", key="arms")
        try:
            claims += [*([kept.asked(certificate, folder / ARMS)] if kept else []), *replayed(certificate, folder / ARMS)]
        except InputError as error:
            if not (folder / ARMS).is_file():
                raise
            claims.append(Claim("figures", holds=False, why=f"{ARMS} gives none. {error}"))
    else:
        wrong = unlike_skipped(certificate["arms"])
        claims += [Claim("repairs", holds=not wrong, why=wrong or NOTHING), constants(certificate, NOTHING_TRIED)]
    return [*claims, *_countermeasures(certificate, folder, kept)]


def _held_by_nothing(claims: "list[Claim]", folder: Path) -> list[str]:
    """What other files of the run hold that no claim is about."""
    from veridical.core.probe_record import FILE

    named = {claim.name for claim in claims}
    found = [f"probabilities in {PREDICTIONS}"] if (folder / PREDICTIONS).is_file() and "stored predictions" not in named else []
    if (folder / FILE).is_file():
        found += [f"figures in {FILE}"] if "the run of probes.json" in named else [FILE]
    return found


def exit_code(claims: "list[Claim]") -> int:
    """1 where a claim does not hold."""
    return int(any(claim.holds is False for claim in claims))


def _file(certificate: Mapping[str, Any], data: Path) -> "Claim":
    from veridical.verify.replay import Claim

    said, now = certificate["data"].get("input_file"), content_hash(data)
    if said is None:
        return Claim("input file", holds=None, why="The certificate names no input file.")
    if said == now:
        return Claim("input file", holds=True, why=f"{data} is the file that was given to the run.")
    return Claim("input file", holds=False, why=f"{data} has SHA-256 {now[:12]}, the file given to the run had {said[:12]}.")


def _unchanged(certificate: Mapping[str, Any], path: Path, *, name: str, key: str) -> "list[Claim]":
    """Whether stored answers are as they were; nothing where they are not there, which computing with them refuses."""
    from veridical.verify.replay import Claim

    if not path.is_file():
        return []
    same = content_hash(path) == certificate["data"].get(key)
    unchanged, changed = (
        f"{path.name} is as it was when the certificate was written.",
        f"{path.name} has changed since the certificate was written.",
    )
    return [Claim(name, holds=same, why=unchanged if same else changed)]


@dataclass(frozen=True, eq=False)
class _Kept:
    """The rows kept in the run folder, with the locked fold drawn again from their content."""

    evidence: "Evidence"
    locked: "LockedFold"
    config: RunConfig
    name: str

    @classmethod
    def of(cls, certificate: Mapping[str, Any], folder: Path, *, progress: Progress) -> "_Kept | None":
        """None where the folder holds no rows."""
        from veridical.audit._evidence import Evidence
        from veridical.dataset.storage import read
        from veridical.verify.locked_fold import locked_fold
        from veridical.verify.replay import NOT_TRAINED

        path = folder / "data.parquet"
        if not path.is_file():
            return None
        data, config = read(path), _config(certificate, folder)
        evidence = Evidence(data, seed=config.seed, progress=progress)
        locked = locked_fold(data, evidence.clusters, fixed=certificate["model"] in NOT_TRAINED)
        return cls(evidence, locked, config, path.name)

    def as_certified(self, certificate: Mapping[str, Any]) -> "list[Claim]":
        """Rows as loaded, train as given, and the locked fold."""
        from veridical.pipeline.certifying import fingerprints
        from veridical.verify.replay import Claim

        found = []
        for name, now in fingerprints(self.evidence.data, self.locked).items():
            said = certificate["data"][name]
            same = f"{self.name} has fingerprint {said[:12]}, as certified."
            other = f"{self.name} has fingerprint {now[:12]}; certified was {said[:12]}."
            found.append(Claim(f"data: {name}", holds=now == said, why=same if now == said else other))
        return found

    def asked(self, certificate: Mapping[str, Any], path: Path) -> "Claim":
        """Whether the answers are to the labelled rows of the locked fold, beside their labels."""
        from veridical.verify.ballot_table import read_ballots
        from veridical.verify.replay import Claim

        data, structured = self.evidence.data, structure_of(self.config.task) is not None
        _, shared = read_ballots(path, of_answers=structured)
        right = data.answers if structured else [code if code >= 0 else None for code in data.codes.tolist()]
        locked = {data.ids[row]: right[row] for row in self.locked.rows if right[row] is not None}
        same = dict(zip(shared["row"].to_pylist(), shared["label"].to_pylist(), strict=True)) == locked
        held, other = (
            f"The {len(locked)} labelled rows of the locked fold were asked, and their labels stand beside the answers.",
            f"{path.name} is of other rows, or of other labels, than the locked fold of {self.name}.",
        )
        return Claim("questions of the repairs", holds=same, why=held if same else other)

    def exams(self, certificate: Mapping[str, Any], contract: "Contract | None") -> "Exams":
        """The questions that these rows and the contract give."""
        from veridical.verify.countermeasure_verdict import Exams
        from veridical.verify.judging import judging_of, labels_of

        data, clusters = self.evidence.data, self.evidence.clusters
        judging = judging_of(
            self.config.task, metric=certificate["metric"], labels=data.labels, right=labels_of(data), clusters=clusters
        )
        return Exams.of(
            data, clusters, self.locked.rows, judging=judging, votes=certificate["votes"], contract=contract,
            seed=self.config.seed,
        )  # fmt: skip


def _countermeasures(certificate: Mapping[str, Any], folder: Path, kept: _Kept | None) -> "list[Claim]":
    from veridical.ledger.contract import read_contract
    from veridical.verify.countermeasure_replay import replayed_countermeasures
    from veridical.verify.exam_table import FILE
    from veridical.verify.replay import Claim

    said = certificate.get("countermeasures")
    if said is None:
        why = "A certificate of format 1 leaves out the countermeasures that were tried after the repairs."
        return [Claim("countermeasures", holds=None, why=why)]
    claims: list[Claim] = []
    contract = None
    if said["contract"]:
        claims.append(_contract(said["contract"], folder))
        contract = read_contract(folder / CONTRACT, stored=True) if claims[0].holds else None
    asked = None
    if kept is not None and any(arm["figures"] for arm in said["arms"]) and (contract is not None) == bool(said["contract"]):
        asked = kept.exams(certificate, contract)
    claims += _unchanged(certificate, folder / FILE, name="stored answers of countermeasures", key="countermeasures")
    return [*claims, *replayed_countermeasures(certificate, folder / FILE, asked=asked)]


def _contract(said: Mapping[str, str], folder: Path) -> "Claim":
    from veridical.verify.replay import Claim

    path = folder / CONTRACT
    if not path.is_file():
        return Claim("contract", holds=False, why=f"There is no {CONTRACT} beside the certificate. Put it back.")
    now = hashlib.sha256(path.read_bytes()).hexdigest()
    if now == said["sha256"]:
        return Claim("contract", holds=True, why=f"{CONTRACT} is the contract {said['name']} that was certified.")
    return Claim("contract", holds=False, why=f"{CONTRACT} has SHA-256 {now[:12]}; certified was {said['sha256'][:12]}.")


def _retrained(certificate: Mapping[str, Any], folder: Path, kept: _Kept, *, progress: Progress) -> "list[Claim]":
    """Every arm trained again with the same seeds; figures and outcomes must come out the same. A model that was not trained
    here keeps the answers of the run."""
    from veridical.pipeline import records
    from veridical.pipeline.arm_fitting import fit_of
    from veridical.pipeline.repairing import answered, said_of_all, tried
    from veridical.verify.replay import NOT_TRAINED

    config, evidence, fixed = kept.config, kept.evidence, certificate["model"] in NOT_TRAINED
    with TemporaryDirectory(prefix="veridical-") as scratch:
        fit = (
            answered(said_of_all(_scored_model(folder, config)))
            if fixed
            else fit_of(Path(scratch), kind=certificate["model"], evidence=evidence, config=config, progress=progress)
        )
        found = tried(
            fit,
            evidence=evidence,
            audit=records.read_audit(folder),
            locked=kept.locked,
            votes=certificate["votes"],
            config=config,
            fixed=fixed,
            progress=progress,
        )
    return [*_arms_again(certificate, found), *_countermeasures_again(certificate, folder, found, config, progress=progress)]


def _arms_again(certificate: Mapping[str, Any], found: "Tried") -> "list[Claim]":
    from veridical.verify.certificate import figures_json
    from veridical.verify.replay import Claim, differing

    record = found.record
    again = {arm.repair: arm for arm in (*record.arms, *([record.combination] if record.combination else []))}
    figures = {f.arm.repair: figures_json(f) for f in found.figures}
    claims = []
    for arm in certificate["arms"]:
        if not arm["figures"]:
            continue
        name = arm["repair"]
        now = again.get(name)
        apart = differing(arm["figures"], figures.get(name))
        apart += [d for part in ("outcome", "why", "rows") for d in differing(arm[part], getattr(now, part, None), where=part)]
        why = f"Trained again it gives {apart[0]}." if apart else "Trained again it gives the same figures, outcome and reason."
        claims.append(Claim(f"rerun of {name}", holds=not apart, why=why))
    return claims


def _scored_model(folder: Path, config: RunConfig) -> "Trained | Answered":
    """The model that was scored, with what it said of every row."""
    from veridical.pipeline import records
    from veridical.pipeline.answer_records import read_answered

    if structure_of(config.task) is not None:
        return read_answered(folder, seconds=0.0)
    return records.read_trained(folder, model=config.model, seconds=0.0, calls=calls_of(config))


def _countermeasures_again(
    certificate: Mapping[str, Any], folder: Path, found: "Tried", config: RunConfig, *, progress: Progress
) -> "list[Claim]":
    """Those that were tried, on top of the repairs that win this time."""
    from veridical.ledger.contract import read_contract
    from veridical.pipeline.repairing import routed_on
    from veridical.verify.countermeasure_replay import same_when_retrained
    from veridical.verify.countermeasure_verdict import Proposal

    said = certificate.get("countermeasures") or {"arms": [], "contract": None}
    tested = [arm for arm in said["arms"] if arm["figures"]]
    if not tested or found.court is None:
        return []
    contract = folder / CONTRACT
    if said["contract"] and not contract.is_file():
        raise InputError(f"There is no {contract}, under which countermeasures were tried. Put it back, or leave --rerun out.")
    proposed = [Proposal(arm["countermeasure"], arm["component"]) for arm in tested]
    routing = routed_on(
        found,
        propose=lambda _rows: proposed,
        contract=read_contract(contract, stored=True) if said["contract"] else None,
        votes=certificate["votes"],
        dtype=config.training.dtype,
        kept=None,
        config=config,
        progress=progress,
    )
    again = {one.routed.arm.repair: (one, verdict) for one, verdict in zip(routing.trials, routing.judged, strict=True)}
    return [same_when_retrained(arm, again.get(arm["countermeasure"]), said["contract"]) for arm in tested]


def _config(certificate: Mapping[str, Any], folder: Path) -> RunConfig:
    """The run's configuration as the certificate holds it; its contract is the copy in the folder."""
    flat = dict(certificate["config"])
    config = configured({**{name: value for name, value in flat.items() if name != "training"}, **flat["training"]})
    return replace(config, contract=str(folder / CONTRACT)) if config.contract else config
