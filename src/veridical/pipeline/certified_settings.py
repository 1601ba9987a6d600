"""What a certificate says beside its figures: held beside what the configuration, the data, run.json and the other files give."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical import __version__
from veridical.core.errors import UnknownName
from veridical.core.plugins import get, names
from veridical.core.search_record import SearchRecord
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import is_address
from veridical.pipeline.arm_fitting import taken_by_arms
from veridical.pipeline.config import PRESENTATION, RunConfig, configured
from veridical.pipeline.repairing import PREDICTIONS
from veridical.pipeline.routing import knobs_of
from veridical.pipeline.run_folder import stored_identity
from veridical.pipeline.searching import with_chosen
from veridical.train._knobs import PACKAGE

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.verify.locked_fold import LockedFold
    from veridical.verify.replay import Claim

Json = Mapping[str, Any]
RUN = "run.json"
COUNTED = {"n_edits": "edits.parquet", "rows_in": "data.parquet"}
"""Number in run.json -> the file that has so many rows."""


def kind_of(config: RunConfig) -> str:
    """The kind of model that a configuration names, as a certificate calls it."""
    if config.predictions:
        return "predictions"
    if is_callable_name(config.model):
        return "callable"
    if is_address(config.model):
        return "endpoint"
    return "linear" if config.model == "linear" else "encoder"


@dataclass(frozen=True, eq=False)
class Settings:
    """A certificate with what it can be held beside.

    config: as certified, its contract the copy in the folder. rows: those kept, and the locked fold drawn from them; None without
    them. record: run.json, None where it is not there or not finished.
    """

    certificate: Json
    folder: Path
    config: RunConfig
    rows: "tuple[Dataset, LockedFold] | None"
    record: Json | None

    def claims(self) -> "list[Claim]":
        found = [self._of_code(), *self._input_file()]
        if self.record is None:
            return found
        from veridical.verify.kept_record import adds_up, against_record
        from veridical.verify.replay import Claim

        repair = self.record["repair"]
        if repair is None:
            return [*found, Claim(f"repairs in {RUN}", holds=False, why="run.json holds no repairs.")]
        return [
            *found, self._of_record(self.record), *against_record(self.certificate, repair), self._counts(repair),
            adds_up(self.record),
        ]  # fmt: skip

    def _of_code(self) -> "Claim":
        """What follows from the configuration, the rows and the code."""
        from veridical.verify.judging import judging_of
        from veridical.verify.outcome_replay import won

        said, config = self.certificate, self.config
        task, kind = get("veridical.tasks", "task", config.task), kind_of(config)
        now: dict[str, Any] = {"model": kind, "seed": config.seed}
        if "trained_with" in said:
            now["trained_with"] = list(taken_by_arms(config, kind=kind))
        if config.metric not in task.metrics:
            raise UnknownName("metric", config.metric, task.metrics)
        if self.rows is not None:
            data, fold = self.rows
            skipped = _skipped(config, kind=kind, fold=fold)
            now |= {"labels": list(data.labels), "skipped": skipped}
            now["n_locked"] = 0 if skipped and skipped != fold.skipped else len(fold.rows)
        apart = {name: said[name] for name in now}
        now["metric"], apart["metric"] = config.metric, said["metric"]
        if not said["skipped"]:
            import numpy as np

            empty = np.zeros(0, np.int64)
            judging = judging_of(config.task, metric=config.metric, labels=tuple(said["labels"]), right=empty, clusters=empty)
            now["metric"] = judging.name
        tried = said.get("countermeasures")
        if tried is not None:
            now["on_top_of"], apart["on_top_of"] = list(won(said["arms"])), tried["on_top_of"]
            now["knobs"], apart["knobs"] = self._knobs(tried["arms"]), {a["countermeasure"]: a["knobs"] for a in tried["arms"]}
        good = "Model, metric, countermeasures and knobs follow from the configuration that is certified."
        return _claim("settings", apart, now, by="The configuration, the rows and the code give", good=good)

    def _knobs(self, arms: Sequence[Json]) -> dict[str, Any]:
        """As this version sets them; as certified where another version did, or where the contract that names words is gone."""
        known, whole = names(PACKAGE), not self.config.contract or Path(self.config.contract).is_file()
        ours = whole and self.certificate["veridical"] == __version__
        found = {arm["countermeasure"]: arm["knobs"] for arm in arms}
        now = {name: knobs_of(name, self.config) if ours and name in known else given for name, given in found.items()}
        plain: dict[str, Any] = _plain(now)
        return plain

    def _input_file(self) -> "list[Claim]":
        """Nothing where the identity of the run is not there."""
        given = (stored_identity(self.folder) or {"data": {}})["data"].get("TRAIN")
        if given is None:
            return []
        said, good = self.certificate["data"].get("input_file"), "It is the one that stages/identity.json names."
        by = "stages/identity.json gives"
        return [_claim("input file of the run", {"SHA-256": said}, {"SHA-256": given}, by=by, good=good)]

    def _of_record(self, record: Json) -> "Claim":
        """Configuration, version, labels, votes, data and contract, as run.json has them."""
        said, prints = self.certificate, record["fingerprints"]
        now: dict[str, Any] = {name: record[name] for name in ("veridical", "seed", "labels")}
        now |= {"config": self._config_of(record), "rows": prints.get("data"), "input file": prints.get("TRAIN")}
        apart: dict[str, Any] = {name: said[name] for name in ("veridical", "seed", "labels")}
        certified = _compared(_given(said["config"]), dtype=self._dtype_known(record))
        apart |= {"config": certified, "rows": said["data"]["rows"], "input file": said["data"].get("input_file")}
        if record["votes"] is not None:
            now["votes"], apart["votes"] = record["votes"], said["votes"]
        tried, contract = said.get("countermeasures"), record["contract"]
        if tried is not None and contract is not None:
            now["contract"], apart["contract"] = {n: contract[n] for n in ("name", "sha256")}, tried["contract"]
        good = "Configuration, version, labels and data are those of run.json."
        return _claim(f"settings in {RUN}", apart, now, by=f"{RUN} gives", good=good)

    def _config_of(self, record: Json) -> dict[str, Any]:
        """What the run trained with: as given, with what a search chose."""
        search = SearchRecord.from_json(record["search"]) if record.get("search") else None
        return _compared(with_chosen(_given(record["config"]), search), dtype=self._dtype_known(record))

    def _dtype_known(self, record: Json | None) -> bool:
        """Whether the number format is as it was given; an encoder given `auto` chose one, which the certificate alone holds."""
        given = self.certificate["config"] if record is None else record["config"]
        return bool(self.certificate["model"] != "encoder" or given["training"]["dtype"] != "auto")

    def _counts(self, repair: Json) -> "Claim":
        """Edits and rows by the files of the run folder."""
        import pyarrow.parquet as pq

        files = {name: self.folder / file for name, file in COUNTED.items() if (self.folder / file).is_file()}
        now = {name: pq.read_metadata(path).num_rows for name, path in files.items()}
        now["rows_set_aside"] = repair["rows_in"] - repair["rows_kept"]
        apart = {name: repair[name] for name in now}
        good = "Edits and rows are as many as in those files of the run that are there."
        return _claim(f"counts in {RUN}", apart, now, by="The files give", good=good, who=RUN)

    def unchecked(self, *, input_checked: bool, rerun: bool) -> tuple[str, ...]:
        """Names of what stands in the certificate alone."""
        said, bare = self.certificate, self.record is None
        tested = [arm for arm in said["arms"] if arm["figures"]]
        found = ["versions"]
        if not self._dtype_known(self.record):
            found.append("config.training.dtype")
        if bare:
            found += ["veridical", "config"]
            found += [f"rows of {arm['repair']}" for arm in tested if not rerun]
            found += [f"gap of {arm['repair']}" for arm in tested if arm["kind"] == "measurement" and not rerun]
            found += [f"why of {arm['repair']}" for arm in said["arms"] if not arm["figures"]]
            tried = (said.get("countermeasures") or {"arms": []})["arms"]
            found += [f"component of {arm['countermeasure']}" for arm in tried]
            found += [f"why of {arm['countermeasure']}" for arm in tried if not arm["figures"]]
            if not input_checked and stored_identity(self.folder) is None:
                found.append("data.input_file")
        else:
            found += [f"{name} in {RUN}" for name, file in COUNTED.items() if not (self.folder / file).is_file()]
        if self.rows is None:
            found += ["data.train", "data.locked", *(["data.rows", "labels", "n_locked", "skipped"] if bare else [])]
        return tuple(found)


def _skipped(config: RunConfig, *, kind: str, fold: "LockedFold") -> str:
    """Why no repair was tried at all, empty where they were."""
    if get("veridical.tasks", "task", config.task).structure is None:
        return PREDICTIONS if kind == "predictions" else fold.skipped
    from veridical.pipeline.answer_arms import untried

    return fold.skipped or untried(kind, config)


def _given(flat: Json) -> RunConfig:
    return configured({**{name: value for name, value in flat.items() if name != "training"}, **flat["training"]})


def _compared(config: RunConfig, *, dtype: bool) -> dict[str, Any]:
    """The settings that decide a figure. dtype: whether the number format is one of them."""
    found: dict[str, Any] = _plain({name: value for name, value in asdict(config).items() if name not in PRESENTATION})
    if not dtype:
        del found["training"]["dtype"]
    return found


def _plain(record: Any) -> Any:
    """As it will be read back from JSON."""
    return json.loads(json.dumps(record))


def _claim(name: str, said: Json, now: Json, *, by: str, good: str, who: str = "the certificate") -> "Claim":
    from veridical.verify.replay import Claim, differing

    apart = [phrase.replace("the certificate says", f"{who} says") for phrase in differing(dict(said), dict(now))]
    if not apart:
        return Claim(name, holds=True, why=good)
    one, several = f"{by} {apart[0]}.", f"{by} {apart[0]}, and {len(apart) - 1} more differ."
    return Claim(name, holds=False, why=several if apart[1:] else one)
