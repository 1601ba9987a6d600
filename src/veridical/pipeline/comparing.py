"""`veridical compare`: run folders in, one comparison out. Reads the folders alone; changes nothing in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical import __version__
from veridical.core import looks, run_record
from veridical.core.comparison_record import ComparedRun, ComparisonRecord
from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.core.run_record import RunRecord
from veridical.ledger import wording
from veridical.ledger.accounting import Counting, counting
from veridical.ledger.ballots import Ballots
from veridical.ledger.noise_shapes import per_cluster
from veridical.ledger.notes import LABELS_AS_GIVEN
from veridical.ledger.reading import frame_of
from veridical.ledger.review import STRATA, UNSURE
from veridical.ledger.structured_tables import read_people, read_transfer
from veridical.ledger.tables import Tables, read_tables
from veridical.pipeline.answer_reviewing import AnswerRun
from veridical.pipeline.joint_answers import answers_read
from veridical.pipeline.looking import run_hash
from veridical.pipeline.own_ledgers import note, reasons
from veridical.pipeline.reviewing import stored_answers
from veridical.tasks._structures import structure_of
from veridical.verify import comparison
from veridical.verify.answered_rows import answered_rows
from veridical.verify.label_draws import Truth, under_review, within
from veridical.verify.paired_terms import Paired, Rows

if TYPE_CHECKING:
    from veridical.core.bootstrap import FloatArray, IntArray
    from veridical.ledger.population import Population
    from veridical.tasks._contract import Structure

ONE_NOISE = (
    "Labels of some groups seem wrong more often than those of others: the account of each run holds that, this comparison "
    "counts one share of wrong labels for all."
)
FEW_CLUSTERS = 30
"""Independent units under which a note says that intervals are rough. Ours; no source."""


@dataclass(frozen=True, eq=False)
class _Run:
    """One run folder. ids, labelled: of its n test rows, (n,). said: what it answered them, (n,). texts: test id -> what the
    model read; None where the run keeps none. tables: None where an answer is more than one label."""

    name: str
    folder: Path
    record: RunRecord
    ids: list[str]
    labelled: list[str]
    said: list[str]
    people: "Population"
    tables: Tables | None
    texts: dict[str, tuple[str, str | None]] | None

    def label_of(self) -> dict[str, str]:
        return dict(zip(self.ids, self.labelled, strict=True))


def compare(
    runs: Sequence[Path | str],
    *,
    metric: str | None = None,
    shared: bool = False,
    margin: float | None = None,
    seed: int = 0,
) -> ComparisonRecord:
    """Compare finished runs on their common test rows, each pair and all together; the first run is the baseline.

    metric: that of the runs when not given. shared: compare on the test rows that all runs have, where test sets differ. margin:
    points within which a run counts as not worse. Raises InputError for what cannot be compared.
    """
    if margin is not None and not 0 < margin <= 100:
        raise InputError(f"--margin is {margin:g}; it must be above 0 and at most 100 points, for example 1.")
    folders = [Path(run) for run in runs]
    opened = _opened(folders)
    task = opened[0].record.task
    declared = metric or _same(folders, "metric", [run.record.metric for run in opened], "Choose one for all with --metric NAME.")
    kept, notes = _rows_in_common(opened, shared=shared)
    labels = _labels(opened, task)
    counted = None if structure_of(task) else counting(task, declared, labels)
    get("veridical.tasks", "task", task).metric(declared, labels)  # refused where it is unknown
    name = counted.name if counted else declared
    rows, leaked, known, said = _paired(opened, kept, metric=name, labels=labels, counted=counted)
    seen, not_ours = _looks(opened)
    found = comparison.compare(
        rows, transitions=known.transitions, reviewed=known.reviewed, margin=margin, looks=len(seen), seed=seed
    )
    honest = found.honest or (None,) * len(opened)
    compared = tuple(
        ComparedRun(
            run.name, str(run.folder), run.record.model, run.record.seed, run.record.n_train, int(own.sum()), plain, true,
            run.record.ledger.honest if run.record.ledger and run.record.metric == declared else None,
        )
        for run, own, plain, true in zip(opened, leaked, found.reported, honest, strict=True)
    )  # fmt: skip
    return ComparisonRecord(
        veridical=__version__, task=task, metric=name, terms=found.terms, level=comparison.LEVEL, seed=seed,
        n=rows.n, n_clusters=found.n_clusters, pairs=found.pairs, ranks=found.ranks, stability=found.stability,
        runs=compared, selection=replace(found.selection, lines_not_ours=not_ours),
        notes=(*notes, *said, *_own_ledgers(opened, compared, leaked, by=known.by), *_basis(opened, rows, leaked, found)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of wrong labels: see `comparison.compare`. by: place of the run that it is known from, and as whose rows all
    are weighted."""

    transitions: "Sequence[FloatArray] | None" = None
    reviewed: Truth | None = None
    by: int = 0


def _paired(
    opened: Sequence[_Run], kept: Sequence[str], *, metric: str, labels: tuple[str, ...], counted: Counting | None
) -> "tuple[Paired, np.typing.NDArray[np.bool_], _Known, list[str]]":
    """(the rows compared, which of them each run has in train (K, n), what is known of wrong labels, notes). counted: how labels
    are scored; None where an answer is more than one label."""
    structure = structure_of(opened[0].record.task)
    aligned = [_Aligned(run, kept, labels) for run in opened] if structure is None else []
    shared = [_Shared(run, kept) for run in opened]
    leaked, clusters = np.stack([one.leaked for one in shared]), joined([one.clusters for one in shared])
    best = _foresees_best(aligned)
    people = shared[best].people(np.asarray(leaked.any(axis=0)), clusters)
    if structure is not None:
        gold = tuple(shared[0].of(opened[0].labelled))
        said = tuple(tuple(one.of(run.said)) for one, run in zip(shared, opened, strict=True))
        read, basis = answers_read([(one.answered(structure), one.at) for one in shared])
        if structure.head == "words":
            every = [answer for one in (gold, *said, read.right if read else ()) for answer in one if answer is not None]
            labels = tuple(sorted({*labels, *structure.shape.names(every)}))
        rows = answered_rows(
            structure, gold=gold, said=said, names=labels, metric=metric, clusters=clusters, people=people, read=read
        )
        return rows, leaked, _Known(), basis or [LABELS_AS_GIVEN]
    assert counted is not None
    plain = Rows(
        codes=aligned[0].codes,
        predicted=np.stack([one.predicted for one in aligned]),
        clusters=clusters,
        n_classes=len(labels),
        metric=counted.metric,
        people=people,
        declared=counted.declared,
    )
    reviewed, notes = _reviewed(aligned, plain, expected=aligned[best].expected)
    noise = aligned[best].tables.noise
    if reviewed is None and noise.apart:
        notes = [*notes, ONE_NOISE]
    known = _Known(within(noise, n_classes=len(labels)), reviewed, best)
    return plain, leaked, known, [*notes, *_counted_otherwise(counted)]


def _foresees_best(aligned: "Sequence[_Aligned]") -> int:
    """The run whose fold models make the labels of the common rows likeliest under the noise that it sees, so that the order in
    which runs are named makes no difference; the first where answers are more than one label."""
    return int(np.argmax([one.likely for one in aligned])) if aligned else 0


def _own_ledgers(
    opened: Sequence[_Run], runs: Sequence[ComparedRun], leaked: "np.typing.NDArray[np.bool_]", *, by: int
) -> list[str]:
    """A note for each run whose own ledger shows another honest score. by: the run as whose rows all are weighted."""
    people, read = [run.people for run in opened], [set(stored_answers(run.folder)) for run in opened]
    known = partial(
        reasons, people, by=by, names=[run.name for run in runs], leaked=leaked, n=leaked.shape[1], read=read,
        of_labels=opened[0].tables is not None,
    )  # fmt: skip
    return [note(run, known(at=at)) for at, run in enumerate(runs) if run.elsewhere]


def _counted_otherwise(counted: Counting) -> tuple[str, ...]:
    """What honest scores count where that is not what was reported."""
    if counted.declared is None:
        return ()
    return (wording.counted(counted.name, instead=counted.instead, why=counted.why, n=0).why,)


def _labels(opened: Sequence[_Run], task: str) -> tuple[str, ...]:
    """The labels of all runs, sorted; in their order where labels are grades."""
    of_runs = {run.record.labels for run in opened}
    if get("veridical.tasks", "task", task).ordered:
        if len(of_runs) > 1:
            shown = " and ".join(", ".join(labels) for labels in sorted(of_runs)[:2])
            raise InputError(f"The runs have other grades or another order ({shown}). Compare runs with the same ones.")
        return opened[0].record.labels
    return tuple(sorted({label for labels in of_runs for label in labels}))


def _opened(folders: Sequence[Path]) -> list[_Run]:
    if len(folders) < 2:
        raise InputError(f"A comparison needs at least two runs; {len(folders)} was given. Name another run folder.")
    real = [folder.resolve() for folder in folders]
    for at, folder in enumerate(real):
        if folder in real[:at]:
            raise InputError(f"The run {folders[at]} is named twice; name each run once, two different ones at least.")
    short = [folder.resolve().name for folder in folders]
    names = [name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)]
    finished = [_finished(folder) for folder in folders]
    _same(folders, "task", [record.task for record in finished], "Compare runs of one task.")
    return [_open(name, folder, record) for name, folder, record in zip(names, folders, finished, strict=True)]


def _finished(folder: Path) -> RunRecord:
    record = run_record.read(folder)
    if not record.complete or record.ledger is None:
        raise InputError(f"The run in {folder} is not finished, so it has no score to compare. Give its command again first.")
    return record


def _open(name: str, folder: Path, record: RunRecord) -> _Run:
    if structure_of(record.task) is not None:
        return _answered(name, folder, record)
    tables = read_tables(folder / "tables.npz")
    labelled, said = ([record.labels[code] for code in codes] for codes in (tables.codes, tables.predicted))
    return _Run(name, folder, record, [str(row) for row in tables.ids], labelled, said, tables.people, tables, _texts(folder))


def _answered(name: str, folder: Path, record: RunRecord) -> _Run:
    """A run whose answers are more than one label."""
    from veridical.pipeline.answer_records import read_answers

    found = read_people(folder)
    ids = [str(row) for row in found.ids]
    labelled, said = read_answers(folder, ids=ids)
    return _Run(name, folder, record, ids, labelled, said, found.people, None, _texts(folder))


def _texts(folder: Path) -> dict[str, tuple[str, str | None]] | None:
    from veridical.dataset.storage import read

    path = folder / "data.parquet"
    if not path.is_file():
        return None
    table = read(path).table.select(["id", "text", "second"])
    columns = [table.column(name).to_pylist() for name in ("id", "text", "second")]
    return {row: (text, second) for row, text, second in zip(*columns, strict=True)}


def _same(folders: Sequence[Path], what: str, found: Sequence[str], next_step: str) -> str:
    for folder, value in zip(folders, found, strict=True):
        if value != found[0]:
            raise InputError(f"{folders[0]} has the {what} {found[0]!r}, {folder} has {value!r}. {next_step}")
    return found[0]


def _rows_in_common(opened: Sequence[_Run], *, shared: bool) -> tuple[list[str], list[str]]:
    """(ids of the rows compared, in the first run's order; notes). Refuses other test sets unless `shared`."""
    first = opened[0]
    kept, notes = set(first.ids), []
    for run in opened[1:]:
        both = set(first.ids) & set(run.ids)
        mine, theirs = first.label_of(), run.label_of()
        relabelled = {row for row in both if mine[row] != theirs[row]}
        reworded: set[str] = set()
        if first.texts is not None and run.texts is not None:
            reworded = {row for row in both if first.texts[row] != run.texts[row]}
        else:
            notes.append(f"{first.name} or {run.name} keeps no texts, so that ids and labels alone say which rows are the same.")
        same = both - relabelled - reworded
        if not shared and not len(same) == len(first.ids) == len(run.ids):
            raise InputError(
                _differ(first, run, both=len(both), relabelled=len(relabelled), reworded=len(reworded), same=len(same))
            )
        if len(same) < max(len(first.ids), len(run.ids)):
            notes.append(
                f"{first.name} ({len(first.ids)} test rows) and {run.name} ({len(run.ids)}) share {len(same)} rows with the same "
                "text and label; scores here are on the shared rows, not those of run.json."
            )
        kept &= same
    if len(kept) < 2:
        raise InputError(f"The {len(opened)} runs share {len(kept)} test rows, too few to compare on. Run them on one test set.")
    return [row for row in first.ids if row in kept], list(dict.fromkeys(notes))


def _differ(first: _Run, run: _Run, *, both: int, relabelled: int, reworded: int, same: int) -> str:
    parts = [f"{both} ids are in both"]
    parts += [f"{relabelled} of these have another label"] if relabelled else []
    parts += [f"{reworded} have another text"] if reworded else []
    hint = f"Compare on the {same} rows they share with --shared" if same >= 2 else "Run both on one test set, with ids from --id"
    return (
        f"{first.folder} ({len(first.ids)} test rows) and {run.folder} ({len(run.ids)}) were scored on different test sets: "
        f"{', '.join(parts)}. {hint}."
    )


class _Shared:
    """One run's test rows in the common order."""

    def __init__(self, run: _Run, kept: Sequence[str]) -> None:
        position = {row: at for at, row in enumerate(run.ids)}
        self.run, self.ids = run, list(kept)
        self.at = np.array([position[row] for row in kept], dtype=np.int64)
        self.clusters: IntArray = run.people.cluster[self.at]
        self.leaked = run.people.leaked[self.at]

    def of(self, values: Sequence[str]) -> list[str]:
        return [values[at] for at in self.at]

    def answered(self, structure: "Structure") -> AnswerRun:
        """The run as its review sees it."""
        run = self.run
        transfer = read_transfer(run.folder)
        return AnswerRun(run.folder, run.record, structure, run.people, run.ids, run.labelled, run.said, transfer)

    def people(self, leaked: "np.typing.NDArray[np.bool_]", clusters: "IntArray") -> "Population":
        """The run's population on the common rows, with `leaked` those that any run has in train."""
        own = self.run.people
        vote = own.vote[self.at]
        return replace(
            own, rows=own.rows[self.at], cluster=clusters, leaked=leaked, basis=own.basis[self.at], vote=vote / vote.sum()
        )


class _Aligned(_Shared):
    """With label codes in the common label set."""

    def __init__(self, run: _Run, kept: Sequence[str], labels: tuple[str, ...]) -> None:
        super().__init__(run, kept)
        assert run.tables is not None
        code = {label: at for at, label in enumerate(labels)}
        recode = np.array([code[label] for label in run.record.labels], dtype=np.int64)
        self.labels, self.recode = labels, recode
        self.tables = tables = run.tables
        self.codes: IntArray = recode[tables.codes[self.at]]
        self.predicted: IntArray = recode[tables.predicted[self.at]]

    @property
    def expected(self) -> "FloatArray":
        """p(label | text) over the common label set, (n, C)."""
        wide = np.zeros((len(self.at), len(self.labels)))
        wide[:, self.recode] = self.tables.noise.expected[self.at]
        return wide

    @property
    def likely(self) -> float:
        """Log-likelihood of the common rows' labels under the noise that this run sees."""
        return self.tables.noise.likelihood(self.tables.codes, self.at, weight=per_cluster(self.clusters))

    @property
    def strata(self) -> "IntArray":
        """The strata in which this run's review was drawn."""
        return frame_of(self.tables).stratum[self.at]

    def answers(self) -> "IntArray":
        """Code of each row's reviewed label, -1 where it was not read, -2 where unsure."""
        given = stored_answers(self.run.folder)
        code = {label: at for at, label in enumerate(self.labels)} | {UNSURE: -2}
        return np.array([code.get(given.get(row, ""), -1) for row in self.ids], dtype=np.int64)


def joined(partitions: Sequence["IntArray"]) -> "IntArray":
    """The finest clusters that no partition splits: rows that hang together in any run, through any chain. (n,) codes each."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n, edges, offset = len(partitions[0]), [], len(partitions[0])
    for partition in partitions:
        codes, member = np.unique(partition, return_inverse=True)
        edges.append(np.stack([np.arange(n), offset + member]))
        offset += len(codes)
    rows, columns = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(offset, offset))
    return np.asarray(connected_components(graph, directed=False)[1][:n], dtype=np.int64)


def _reviewed(aligned: Sequence[_Aligned], rows: Rows, *, expected: "FloatArray") -> tuple[Truth | None, list[str]]:
    """The truth that the reviews of all runs tell; rows on which two reviews disagree count as unsure. expected: (n, C)."""
    truth = np.full(len(rows.codes), -1, dtype=np.int64)
    strata, kinds = np.zeros((2, len(rows.codes)), dtype=np.int64)
    clashes = 0
    for one in aligned:
        own = one.answers()
        if not (own != -1).any():
            continue
        strata = np.unique(np.stack([strata, one.strata]), axis=1, return_inverse=True)[1].reshape(-1)
        kinds = kinds * len(STRATA) + one.strata % len(STRATA)
        clash = (truth != -1) & (own != -1) & (own != truth)
        clashes += int(clash.sum())
        truth = np.where(clash, -2, np.where(own != -1, own, truth))
    if not (truth != -1).any():
        return None, []
    n_read = int((truth >= 0).sum())
    changed = int((truth[truth >= 0] != rows.codes[truth >= 0]).sum())
    said = [f"Labels reviewed: {n_read}, changed: {changed}. Honest differences use these answers."]
    said += [f"Rows on which two reviews disagree, counted as unsure: {clashes}."] if clashes else []
    made = under_review(
        codes=rows.codes,
        predicted=rows.predicted,
        truth=truth,
        strata=strata,
        kinds=kinds,
        expected=expected,
        ballots=Ballots(per_cluster(rows.clusters), rows.clusters),
    )
    return made, said


def _looks(opened: Sequence[_Run]) -> tuple[set[str], int]:
    """(hashes of all runs known to have scored these test sets, the compared ones included; log lines that are not ours)."""
    own = {run_hash(run.folder) for run in opened}
    logs = [looks.read(path) for path in dict.fromkeys(looks.log_of(run.folder) for run in opened)]
    tests = {run.record.fingerprints.get("test", "") for run in opened} - {""}
    found = {look.run for log in logs for test in tests for look in log.at(test)}
    return own | found, sum(log.not_ours for log in logs)


def _basis(opened: Sequence[_Run], rows: Paired, leaked: "np.typing.NDArray[np.bool_]", found: comparison.Compared) -> list[str]:
    """What the honest differences rest on, or why there are none."""
    assert rows.people is not None
    said, any_leaked = [], np.asarray(leaked.any(axis=0))
    left, n = int((~any_leaked).sum()), len(any_leaked)
    if found.honest is None:
        said.append(
            f"Test rows in no run's train: {left} of {n}, too few to compare in honest terms. Differences are as reported, and "
            "leakage may decide them."
        )
    else:
        weighted = f"weighted to the population of {opened[0].name}"
        said.append(
            f"Honest differences are read on the {left} of {n} test rows that no compared run has in its train, {weighted}."
        )
        alone = [int((own & ~np.delete(leaked, at, axis=0).any(axis=0)).sum()) for at, own in enumerate(leaked)]
        said += [
            f"Left out because {run.name} alone has them in train: {count}."
            for run, count in zip(opened, alone, strict=True)
            if count
        ]
    if len({run.record.ledger.votes for run in opened if run.record.ledger}) > 1:
        said.append(f"The runs vote differently (clusters and rows); {opened[0].name} decides.")
    if found.n_clusters < FEW_CLUSTERS:
        said.append(f"Independent groups of rows: only {found.n_clusters}; intervals are rough, trust the p values.")
    if any(run.record.ledger and run.record.ledger.contract for run in opened):
        said.append("Contracts are left out: honest here is before any contract.")
    said.append("Compared are these trained models, not the recipes behind them: another training seed gives another model.")
    return said
