"""`run`: the order of the stages, and nothing else. Each stage leaves its record in the folder; a resumed run reads it back.

load -> audit -> train -> probe -> account -> repair -> report. What is cheap and deterministic (near-duplicates, fold models) is
computed again on resume; what is costly (training, the repair arms) is not.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from veridical import __version__
from veridical.core import probe_record, run_record
from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError, UnknownName
from veridical.core.finding import AuditRecord
from veridical.core.probe_record import ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RepairRecord, RunRecord
from veridical.core.surroundings import peak_rss_mb, place_among_processes, threads, use_threads
from veridical.models.callable_name import is_callable_name, source_of
from veridical.models.calls import header_values, is_address
from veridical.pipeline import records
from veridical.pipeline.config import FILES, RunConfig, calls_of, identity
from veridical.pipeline.groups_needed import refuse_no_group_column, refuse_unfit_groups
from veridical.pipeline.run_folder import RunFolder, claim, content_hash, folder_of, wait_for_release
from veridical.pipeline.searching import check_search, read_search, with_chosen
from veridical.train.processes import called, dismiss, together

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.ledger.contract import Contract
    from veridical.ledger.tables import Tables
    from veridical.pipeline.looking import Looked
    from veridical.tasks._contract import Structure, Task
    from veridical.train.trained import Trained

T = TypeVar("T")
CHECKPOINT = "checkpoint"
"""Where training keeps its state while it lasts."""
TASK_COLUMNS = ("tokens", "tags", "context", "question", "answers", "first_entity", "second_entity")
"""Settings that name columns of single tasks."""
STAGE_NAMES = ("load", "audit", "search", "train", "probe", "account", "repair")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives its caller; all of it stands in `folder` too."""

    folder: Path
    record: RunRecord
    audit: AuditRecord


DEFAULTS = RunConfig()


def run(
    train: Path | str,
    *,
    config: RunConfig = DEFAULTS,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """The whole main job on the rows of `train`. Goes on where an earlier run of the same configuration and data stopped.

    Raises InputError for what the user can change, SurroundingsError when another process holds the folder or the disk is full.
    """
    source = Path(train)
    if place_among_processes()[0] > 0:
        return _along(source, config, out)
    if fresh:
        _check_names(config)  # before what is there is emptied
        refuse_no_group_column(source, config)
    whole = identity_of("run", source, config)
    with claim(Path(out) if out is not None else None, whole, threads=threads(), fresh=fresh) as folder:
        use_threads(folder.machine["threads"])
        use_engine(config)
        if folder.finished:
            dismiss()
        else:
            _kind_of_job(config)(folder, source, config, progress).work()
        return Outcome(folder.path, run_record.read(folder.path), records.read_audit(folder.path))


def _along(source: Path, config: RunConfig, out: Path | str | None) -> Outcome:
    """What the processes do that torchrun started beside the first: train along, then wait for the rest."""
    joins = called()  # first of all: what is to be refused is refused by the first
    whole = identity_of("run", source, config)
    folder = RunFolder.beside(folder_of(Path(out) if out is not None else None, whole), whole)
    if joins:
        use_engine(config)
        _kind_of_job(config)(folder, source, config, silent).along()
    wait_for_release(folder.path)
    return Outcome(folder.path, run_record.read(folder.path), records.read_audit(folder.path))


def _kind_of_job(config: RunConfig) -> "type[_Job]":
    """The stages of rows with one label, or of tasks whose answers are structures."""
    if structure_of(config.task) is None:
        return _Job
    from veridical.pipeline.structured_running import StructuredJob

    return StructuredJob


def structure_of(task: str) -> "Structure | None":
    """What a task brings whose answer is more than one label, None for the others."""
    from veridical.core.plugins import get

    found: Structure | None = get("veridical.tasks", "task", task).structure
    return found


def use_engine(config: RunConfig) -> None:
    """Passes over the texts run where the configuration says."""
    from veridical.dataset.engine import Engine, choose

    choose(Engine("ray" if config.engine == "ray" else "local", config.engine_address))


@dataclass(frozen=True)
class _Job:
    """One run in one folder: `work` is the order of the stages, a method each."""

    folder: RunFolder
    source: Path
    config: RunConfig
    progress: Progress

    def work(self) -> None:
        from veridical.audit._evidence import Evidence

        _check_names(self.config)
        refuse_no_group_column(self.source, self.config)
        data = self.stage("load", self.load, self.loaded)
        evidence = Evidence(data, seed=self.config.seed, progress=self.progress)
        audit = self.stage("audit", lambda: self.audit(evidence), lambda: records.read_audit(self.folder.path))
        if self.config.search:
            self.stage("search", lambda: self.search(evidence), lambda: None)
        trained = self.stage("train", lambda: self.train(evidence), self.trained)
        probes = self.stage("probe", lambda: self.probe(trained, evidence), lambda: probe_record.read(self.folder.path))
        ledger = self.stage("account", lambda: self.account(trained, evidence, audit, probes), lambda: self.saved().ledger)
        repair = self.stage("repair", lambda: self.repair(trained, evidence, audit), lambda: self.saved().repair)
        self.save(trained, data, ledger=ledger, repair=repair, complete=True, looked=self.look(data, ledger))
        self.report(data, audit)
        self.folder.mark("finished", {})
        shutil.rmtree(self.folder.path / CHECKPOINT, ignore_errors=True)

    def stage(self, name: str, compute: Callable[[], T], stored: Callable[[], T]) -> T:
        """Compute a stage and mark it done, or read it back where an earlier process marked it."""
        if self.folder.done(name):
            return stored()
        began = time.monotonic()
        result = compute()
        self.folder.mark(name, {"seconds": round(time.monotonic() - began, 3), "peak_rss_mb": peak_rss_mb()})
        return result

    def load(self) -> "Dataset":
        from veridical.dataset.storage import save

        data = load_as_configured(self.source, self.config, self.progress)
        refuse_unfit_groups(data, self.config)
        self.refuse_unfit_contract(data)
        if self.config.predictions:
            from veridical.models.external import read_predictions

            read_predictions(Path(self.config.predictions), data=data)  # refused now rather than after the audit
        elif is_address(self.config.model):
            from veridical.models.endpoint import EndpointModel

            EndpointModel(self.config.model, labels=data.labels, calls=calls_of(self.config)).predict(data.inputs()[:1])
        if not self.config.no_text:
            save(data, self.folder.path / "data.parquet")
        return data

    def refuse_unfit_contract(self, data: "Dataset") -> None:
        """A contract that names what these rows do not hold, or a target that cannot be read, is refused before the audit."""
        if self.config.contract:
            from veridical.audit._evidence import Evidence
            from veridical.ledger.contract import read_contract, refuse_absent
            from veridical.ledger.transfer import read_target

            contract = read_contract(Path(self.config.contract))
            refuse_absent(contract, data)
            if contract.target:
                read_target(contract, Evidence(data, seed=self.config.seed), seed=self.config.seed)

    def loaded(self) -> "Dataset":
        from veridical.dataset.storage import read

        if self.config.no_text:
            return load_as_configured(self.source, self.config, self.progress)
        return read(self.folder.path / "data.parquet")

    def audit(self, evidence: "Evidence") -> AuditRecord:
        from veridical.audit._runner import run_checks

        audit = run_checks(evidence, seed=self.config.seed, progress=self.progress)
        records.write_audit(self.folder.path, audit)
        return audit

    def search(self, evidence: "Evidence") -> None:
        from veridical.pipeline.searching import search

        structure = structure_of(self.config.task)
        search(evidence, config=self.config, structure=structure, run=self.folder.path, progress=self.progress)

    @property
    def chosen(self) -> RunConfig:
        """The configuration that trains: as given, or with the settings that the search chose."""
        return with_chosen(self.config, read_search(self.folder.path)) if self.config.search else self.config

    def along(self) -> None:
        """The training of the first process, in one of the others."""
        from veridical.audit._evidence import Evidence

        self.fitted(Evidence(self.loaded(), seed=self.config.seed, progress=self.progress))

    def fitted(self, evidence: "Evidence") -> "Trained":
        """The model, trained by all processes there are."""
        from veridical.pipeline.training import trained_model, watched

        config, folder = self.chosen, self.folder.path
        with watched(folder, config) as watcher:
            return trained_model(evidence, config=config, folder=folder / CHECKPOINT, watcher=watcher, progress=self.progress)

    def train(self, evidence: "Evidence") -> "Trained":
        with together():
            trained = self.fitted(evidence)
        if not len(evidence.data.rows("test")):
            from veridical.pipeline.cross_validation import cross_predicted

            trained = cross_predicted(trained, evidence, config=self.chosen, progress=self.progress)
        records.write_trained(self.folder.path, trained, evidence.data)
        return trained

    def trained(self) -> "Trained":
        dismiss()
        seconds = self.folder.marked("train")["seconds"]
        calls = calls_of(self.config)
        return records.read_trained(
            self.folder.path, model=self.config.model, seconds=seconds, calls=calls, progress=self.progress
        )

    def probe(self, trained: "Trained", evidence: "Evidence") -> ProbeRecord | None:
        from veridical.pipeline.probing import probe_stage

        return probe_stage(self.folder.path, trained, evidence, config=self.chosen, progress=self.progress)

    def account(
        self, trained: "Trained", evidence: "Evidence", audit: AuditRecord, probes: ProbeRecord | None
    ) -> "Ledger | None":
        from veridical.ledger.accounting import account_tables, tables_of
        from veridical.ledger.tables import save_tables
        from veridical.models.floors import floors

        config, contract = self.config, self.contract()
        tested = evidence.data
        if len(tested.rows("test")):
            tables = tables_of(trained, evidence=evidence, contract=contract, seed=config.seed)
        else:
            from veridical.pipeline.cross_validation import one_fold, tables_of_folds

            tested = one_fold(evidence, config=config)
            tables = tables_of_folds(trained, evidence, contract=contract, seed=config.seed)
        tables = self.with_looks(tables, evidence.data)
        save_tables(tables, self.folder.path / "tables.npz")
        ledger = account_tables(
            tables,
            task=config.task,
            labels=evidence.data.labels,
            contract=contract,
            review=None,
            metric=config.metric,
            floors=floors(tested, metric=config.metric, seed=config.seed),
            candidates=[finding.evidence for finding in audit.findings("label_words")],
            probes=probes,
            seed=config.seed,
        )
        self.save(trained, evidence.data, ledger=ledger, repair=None, complete=False)
        return ledger

    def contract(self) -> "Contract | None":
        """The contract of the run, of which a copy is put into its folder."""
        from veridical.ledger.contract import read_contract

        if not self.config.contract:
            return None
        content = Path(self.config.contract).read_bytes()
        write_with(self.folder.path / "contract.yaml", lambda path: path.write_bytes(content))
        return read_contract(Path(self.config.contract))

    def with_looks(self, tables: "Tables", data: "Dataset") -> "Tables":
        """The tables with what other runs in the log predicted for the same test rows, where their folders are still there."""
        import numpy as np

        from veridical.core.looks import log_of
        from veridical.pipeline.looking import earlier_looks, predicted_at

        code, ids, found = {label: k for k, label in enumerate(data.labels)}, [str(row) for row in tables.ids], []
        for look in earlier_looks(self.folder, data):
            said = predicted_at(look, log=log_of(self.folder.path), ids=ids)
            if said is not None and set(said) <= code.keys():
                found.append([code[label] for label in said])
        return replace(tables, looks=np.array(found, np.int64).reshape(len(found), len(ids)))

    def repair(self, trained: "Trained", evidence: "Evidence", audit: AuditRecord) -> RepairRecord | None:
        if self.config.no_repair:
            return None
        from veridical.pipeline.repairing import repaired

        ledger = self.saved().ledger
        assert ledger is not None
        repair = repaired(
            self.folder.path,
            trained,
            evidence=evidence,
            audit=audit,
            ledger=ledger,
            config=self.chosen,
            progress=self.progress,
        )
        self.save(trained, evidence.data, ledger=ledger, repair=repair, complete=False)
        return repair

    def report(self, data: "Dataset", audit: AuditRecord) -> None:
        from veridical.report.html import report

        if not self.config.no_text:
            records.write_shown_rows(self.folder.path, data=data, audit=audit)
        for format in ("html", "md"):
            report(self.folder.path, format=format, lang=self.config.lang)

    def look(self, data: "Dataset", ledger: "Ledger | None") -> "Looked | None":
        """The score is known now: one more look at this test set."""
        if ledger is None:
            return None
        from veridical.pipeline.looking import log_look

        return log_look(self.folder, data, model=self.named_model, ledger=ledger)

    @property
    def named_model(self) -> str:
        return "predictions" if self.config.predictions else self.config.model

    def saved(self) -> RunRecord:
        return run_record.read(self.folder.path)

    def save(
        self,
        trained: "Trained",
        data: "Dataset",
        *,
        ledger: "Ledger | None",
        repair: RepairRecord | None,
        complete: bool,
        looked: "Looked | None" = None,
    ) -> None:
        """run.json with what is known so far."""
        config, folder = self.config, self.folder
        marked = {name: folder.marked(name) for name in STAGE_NAMES if folder.done(name)}
        reasons = data.set_aside.column("reason").to_pylist() if data.set_aside.num_rows else []
        record = RunRecord(
            veridical=__version__,
            complete=complete,
            task=config.task,
            metric=config.metric,
            model=self.named_model,
            seed=config.seed,
            n_train=len(data.rows("train")),
            n_test=len(data.rows("test")) or len(data),
            labels=data.labels,
            ledger=ledger,
            repair=repair,
            config=asdict(config),
            fingerprints={"data": data.fingerprint, **folder.identity["data"], **({"test": looked.test} if looked else {})},
            seconds={name: marker["seconds"] for name, marker in marked.items()},
            peak_rss_mb=max([peak_rss_mb(), *(marker["peak_rss_mb"] for marker in marked.values())]),
            warnings=(*data.warnings, *trained.warnings, *(looked.warnings if looked else ())),
            set_aside={reason: reasons.count(reason) for reason in sorted(set(reasons))},
            earlier_looks=looked.earlier if looked else None,
            learned=asdict(trained.learned) if trained.learned else None,
            search=read_search(folder.path) if config.search else None,
        )
        run_record.save(record, folder.path)


def identity_of(verb: str, source: Path, config: RunConfig) -> dict[str, Any]:
    """What makes two runs the same: the verb, our version, the settings, and the content of every file named.

    Raises InputError for what cannot be read, and for an address or a header that must not be written down.
    """
    from veridical.train._knobs import files_named

    calls_of(config)
    named = {"TRAIN": source, **{f"--{name}": Path(getattr(config, name)) for name in FILES if getattr(config, name)}}
    named |= {f"--countermeasures {what}": path for what, path in files_named(config.countermeasures).items()}
    if config.model not in ("linear", "minilm") and Path(config.model).is_dir():
        named["--model"] = Path(config.model)
    if config.contract:
        from veridical.ledger.contract import read_contract

        target = read_contract(Path(config.contract)).target
        if target:
            named["the contract's target"] = target
    module = source_of(config.model)
    if module is not None:
        named["--model"] = module  # the file of the function; what it imports is not looked at
    data = {name: content_hash(path) for name, path in named.items()}
    return {"verb": verb, "veridical": __version__, "config": identity(config), "data": data}


def _check_names(config: RunConfig) -> None:
    """Refuse unknown names before any long work."""
    from veridical.core.plugins import get, names
    from veridical.train._knobs import files_named

    task = get("veridical.tasks", "task", config.task)
    for metric in (config.metric, *(() if task.structure else (config.training.select_by,))):
        if metric not in task.metrics:
            raise UnknownName("metric", metric, task.metrics)
    if config.order and not task.ordered:
        raise InputError(f"--order is for tasks whose labels are grades, and task {config.task} has none. Leave it out.")
    for name in config.repairs:
        if name not in names("veridical.repair"):
            raise UnknownName("repair", name, names("veridical.repair"), "See: veridical list repairs")
    files_named(config.countermeasures)
    if config.probes:
        from veridical.probe._runner import chosen_probes

        chosen_probes(config.probes)
    if task.structure is not None:
        from veridical.pipeline.structured_running import check_structured

        check_structured(config)
    elif config.countermeasures or config.training.tuning != "full":
        from veridical.train.training import fitting

        fitting(config.countermeasures, model=config.model, config=config.training)
    if config.predictions and config.model != "linear":
        raise InputError(f"--predictions and --model {config.model} exclude each other; give one of them.")
    if config.contract:
        from veridical.ledger.contract import read_contract

        read_contract(Path(config.contract))
    if not config.predictions:
        _check_model(config)
    _check_steps(config)
    check_search(config)


def _check_steps(config: RunConfig) -> None:
    """Refuse what needs a model that is trained here in steps."""
    brought = bool(config.predictions) or is_callable_name(config.model) or is_address(config.model)
    in_steps = not brought and config.model != "linear" and config.training.tuning != "head"
    what = "--predictions" if config.predictions else f"--model {config.model}"
    what = f"--tuning {config.training.tuning}" if config.training.tuning == "head" else what
    if config.track and not in_steps:
        raise InputError(f"--track shows the steps of a training, and {what} takes none. Leave --track out.")
    if place_among_processes()[1] > 1 and not in_steps:
        raise InputError(
            f"Many processes share the steps of a training, and {what} takes none. Start veridical without torchrun."
        )
    if config.track:
        from veridical.train.tracking import require_trackers

        require_trackers(config.track)


def _check_model(config: RunConfig) -> None:
    """Find the model before any long work: import the function, or look up the weights."""
    from veridical.models.external import callable_model

    for option, given in (("countermeasures", config.countermeasures), ("tuning", config.training.tuning != "full")):
        if given and (is_callable_name(config.model) or is_address(config.model)):
            raise InputError(f"--model {config.model} is not trained here, so --{option} cannot apply; leave it out.")
    if is_callable_name(config.model):
        callable_model(config.model, labels=())
    elif is_address(config.model):
        header_values(config.model_header)
    elif config.model != "linear":
        from veridical.models.weights import require_neural, resolve

        require_neural(f"--model {config.model}")
        resolve(config.model)


def load_as_configured(source: Path, config: RunConfig, progress: Progress) -> "Dataset":
    from veridical.core.plugins import get
    from veridical.dataset.loading import load
    from veridical.dataset.row_shape import refuse_option

    task: Task = get("veridical.tasks", "task", config.task)
    shape = task.structure.shape if task.structure else task.shape
    own = {name: getattr(config, name) for name in TASK_COLUMNS}
    refuse_option(shape, own, task=config.task)
    if shape and shape.classes and config.second and "second" not in shape.options.values():
        raise InputError(f"--second names a second text, which task {config.task} does not have. Leave it out.")
    roles = {shape.options[name]: column for name, column in own.items() if shape and column is not None}
    return load(
        source,
        shape=shape,
        beside={role: column for role, column in roles.items() if role in shape.beside} if shape else None,
        notation=config.tag_scheme,
        order=config.order if task.ordered else None,
        test=config.test,
        valid=config.valid,
        task=config.task,
        text=roles.get("text", config.text),
        second=roles.get("second", config.second),
        label=roles.get("label", config.label),
        id=config.id,
        group=config.group,
        source=config.source,
        time=config.time,
        split_column=config.split_column,
        split=config.split,
        test_share=config.test_share,
        seed=config.seed,
        progress=progress,
    )
