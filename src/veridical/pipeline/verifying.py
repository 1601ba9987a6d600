"""`veridical verify`: does a certificate still hold: its hash, the data it names, its figures, and with --rerun its models?"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.pipeline.config import RunConfig, calls_of, configured
from veridical.pipeline.run_folder import content_hash
from veridical.pipeline.running import structure_of

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained
    from veridical.verify.replay import Claim


NOT_TRAINED = ("callable", "endpoint", "predictions")
"""Kinds of model that veridical does not train."""
NOTHING = "No repair could be tested, so nothing is claimed; each says why."


def verify(path: Path, *, data: Path | None = None, rerun: bool = False, progress: Progress = silent) -> "list[Claim]":
    """One claim each for the data, the stored answers and the figures of every arm.

    data: the file the run was given, checked instead of the rows kept in the run folder. Raises InputError where the certificate
    was changed, or what it names is missing.
    """
    from veridical.verify.ballot_table import FILE as ARMS
    from veridical.verify.certificate import read_certificate
    from veridical.verify.replay import Claim, replayed

    certificate, folder = read_certificate(path), path.parent
    claims = [Claim("own hash", holds=True, why="The certificate is as it was written.")]
    if data is not None:
        claims.append(_file(certificate, data))
    kept = folder / "data.parquet"
    if kept.is_file():
        claims += _rows(certificate, kept)
    elif data is None or rerun:
        raise InputError(f"{folder} holds no data.parquet to check (copied, or run with --no-text). Give the input with --data.")
    if certificate["skipped"]:
        return [*claims, Claim("repairs", holds=True, why=f"None was tested, so nothing is claimed: {certificate['skipped']}")]
    if not any(arm["figures"] for arm in certificate["arms"]):
        return [*claims, Claim("repairs", holds=True, why=NOTHING)]
    if (folder / ARMS).is_file():
        same = content_hash(folder / ARMS) == certificate["data"]["arms"]
        unchanged, changed = (
            f"{ARMS} is as it was when the certificate was written.",
            f"{ARMS} has changed since the certificate was written.",
        )
        claims.append(Claim("stored answers", holds=same, why=unchanged if same else changed))
    claims += replayed(certificate, folder / ARMS)
    if rerun:
        claims += _retrained(certificate, folder, progress=progress)
    return claims


def exit_code(claims: "list[Claim]") -> int:
    """1 where a claim does not hold."""
    return int(any(claim.holds is False for claim in claims))


def _file(certificate: dict[str, Any], data: Path) -> "Claim":
    from veridical.verify.replay import Claim

    said, now = certificate["data"].get("input_file"), content_hash(data)
    if said is None:
        return Claim("input file", holds=None, why="The certificate names no input file.")
    if said == now:
        return Claim("input file", holds=True, why=f"{data} is the file that was given to the run.")
    return Claim("input file", holds=False, why=f"{data} has SHA-256 {now[:12]}, the file given to the run had {said[:12]}.")


def _rows(certificate: dict[str, Any], kept: Path) -> "list[Claim]":
    """Rows as loaded, train as given, and the locked fold, drawn again from their content."""
    from veridical.dataset.storage import read
    from veridical.pipeline.certifying import fingerprints
    from veridical.verify.locked_fold import locked_fold
    from veridical.verify.replay import Claim

    data = read(kept)
    config = _config(certificate)
    locked = locked_fold(data, _evidence(data, config).clusters, fixed=certificate["model"] in NOT_TRAINED)
    found = []
    for name, now in fingerprints(data, locked).items():
        said = certificate["data"][name]
        same = f"{kept.name} has fingerprint {said[:12]}, as certified."
        other = f"{kept.name} has fingerprint {now[:12]}; certified was {said[:12]}."
        found.append(Claim(f"data: {name}", holds=now == said, why=same if now == said else other))
    return found


def _retrained(certificate: dict[str, Any], folder: Path, *, progress: Progress) -> "list[Claim]":
    """Every arm trained again with the same seeds; figures and outcomes must come out the same. A model that was not trained
    here keeps the answers of the run."""
    from veridical.dataset.storage import read
    from veridical.pipeline import records
    from veridical.pipeline.repairing import answered, fit_of, said_of_all, tried
    from veridical.verify.certificate import figures_json
    from veridical.verify.locked_fold import locked_fold
    from veridical.verify.replay import Claim, differing

    config, data = _config(certificate), read(folder / "data.parquet")
    evidence = _evidence(data, config, progress=progress)
    fixed = certificate["model"] in NOT_TRAINED
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
            locked=locked_fold(data, evidence.clusters, fixed=fixed),
            votes=certificate["votes"],
            config=config,
            fixed=fixed,
            progress=progress,
        )
    record = found.record
    outcomes = {arm.repair: arm.outcome for arm in (*record.arms, *([record.combination] if record.combination else []))}
    figures = {f.arm.repair: figures_json(f) for f in found.figures}
    claims = []
    for arm in certificate["arms"]:
        name = arm["repair"]
        apart = differing(arm["figures"], figures.get(name)) + differing(arm["outcome"], outcomes.get(name), where="outcome")
        why = f"Trained again it gives {apart[0]}." if apart else "Trained again it gives the same figures and outcome."
        claims.append(Claim(f"rerun of {name}", holds=not apart, why=why))
    return claims


def _scored_model(folder: Path, config: RunConfig) -> "Trained | Answered":
    """The model that was scored, with what it said of every row."""
    from veridical.pipeline import records
    from veridical.pipeline.answer_records import read_answered

    if structure_of(config.task) is not None:
        return read_answered(folder, seconds=0.0)
    return records.read_trained(folder, model=config.model, seconds=0.0, calls=calls_of(config))


def _evidence(data: "Dataset", config: RunConfig, *, progress: Progress = silent) -> Any:
    from veridical.audit._evidence import Evidence

    return Evidence(data, seed=config.seed, progress=progress)


def _config(certificate: dict[str, Any]) -> RunConfig:
    """The run's configuration as the certificate holds it."""
    flat = dict(certificate["config"])
    return configured({**{name: value for name, value in flat.items() if name != "training"}, **flat["training"]})
