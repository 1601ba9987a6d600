"""What the transfer block needs beyond the cues: the rows' groups, what the model says of edited texts, and the target.

Groups and target act on the *weights* of the test rows, raked jointly; edits act on the *predictions*. Labels of the target,
where they are known, add what reweighting cannot reach: a changed relation of label and text.
"""

from dataclasses import dataclass, replace

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.core.randomness import stream
from veridical.dataset.rows import SCHEMA, BoolArray, Dataset, IntArray, Text
from veridical.ledger.contract import Contract, Perturbation
from veridical.ledger.density import density_of
from veridical.ledger.population import Population
from veridical.models.model import FloatArray, Model
from veridical.tasks._contract import Metric, Task
from veridical.tasks._totals import value

TEXTS_AT_ONCE = 20_000
"""Edited texts given to the model at a time, so that memory stays bounded. Ours; no source."""
FEWEST_TEXTS = 50
"""Distinct texts that a target must hold: what fewer have in common is not told from what these few say. Ours: of fewer than 50
rows most intervals missed the shift, of 60 none did (docs/log.md, 2026-11-29)."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """group: code of each test row's group in the contract's order, -1 for groups it does not name, (n,). edited: predictions for
    edited texts, (n, 2**S, m), m = 0 without perturbations. ratio: density of the target over the test rows', (n,), empty without
    a target. target_codes, target_predicted, target_cluster: the target's unleaked labelled rows, (t,); t = 0 where labels are
    unknown. target_inside: which of them have test rows like them, (t,). target_rows: all rows of the target; target_like: those
    that have test rows like them, which `ratio` is about; target_texts: distinct ones among them all; target_unknown: those under
    labels that the data do not have. auc: of the domain classifier, out of fold (0.5: no shift seen)."""

    group: IntArray
    edited: IntArray
    ratio: FloatArray
    target_codes: IntArray
    target_predicted: IntArray
    target_cluster: IntArray
    target_inside: BoolArray
    target_rows: int
    target_like: int
    auc: float
    target_texts: int
    target_unknown: int
    target_labelled: int = 0
    """Unleaked labelled rows of the target, whether a model could be asked about them or not."""

    @property
    def share_like(self) -> float:
        """Share of the target's rows that have test rows like them, 0..1."""
        return self.target_like / self.target_rows if self.target_rows else 1.0


def no_transfer(n: int) -> Transfer:
    none = np.zeros(0, np.int64)
    return Transfer(
        np.full(n, -1, np.int64), np.zeros((n, 1, 0), np.int64), np.zeros(0), none, none, none, none > 0, 0, 0, 0.5, 0, 0
    )


def group_codes(data: Dataset, rows: IntArray, contract: Contract) -> IntArray:
    position = {group: code for code, (group, _) in enumerate(contract.groups)}
    found = data.table.column("group").take(rows).to_pylist()
    return np.array([position.get(group, -1) for group in found], np.int64)


def edited_predictions(texts: list[Text], perturbation: Perturbation, *, model: Model, seed: int) -> IntArray:
    """Predicted codes (n, m) for m edits of every text."""
    found = np.zeros((len(texts), perturbation.draws), np.int64)
    for draw in range(perturbation.draws):
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = edited_texts(texts[start : start + TEXTS_AT_ONCE], perturbation, draw=draw, seed=seed, first=start)
            found[start : start + len(part), draw] = model.predict(part).argmax(axis=1)
    return found


def edited_texts(texts: list[Text], perturbation: Perturbation, *, draw: int, seed: int, first: int = 0) -> list[Text]:
    """One edit of every text; `first`: place of the first of them among the test rows.

    The edits of a row depend on the seed, its place and the draw alone: with and without a cue it is edited alike (common random
    numbers)."""
    from veridical.probe.perturbations import perturb

    return [
        perturb(text, perturbation.names, stream(seed, f"perturb/{draw}/{first + place}")) for place, text in enumerate(texts)
    ]


def if_edits_break(edits: Perturbation, totals: FloatArray, *, metric: Metric) -> tuple[float, float]:
    """How far a score may lie below (<= 0) and above (>= 0) its value, as edits that change the right answer may all be answered
    wrongly, or all rightly. totals: (3W,), weighted statistics of the rows of which a share arrives edited."""
    totals, broken = np.maximum(totals, 0.0), edits.rate * (1 - edits.valid)
    right, true, said = np.split(totals, 3)
    more = right + broken * np.maximum(true - right, 0)
    low, middle, high = (
        value(metric, np.concatenate(parts))
        for parts in ((right * (1 - broken), true, said), (right, true, said), (more, true, np.maximum(said, more)))
    )
    return min(low - middle, 0.0), max(high - middle, 0.0)


def transfer_of(
    contract: Contract | None,
    *,
    evidence: Evidence,
    people: Population,
    inputs: list[list[Text]],
    model: Model | None,
    seed: int,
) -> Transfer:
    """inputs: the texts of the test rows with every combination of the contract's cues, 2**S lists of n."""
    found = no_transfer(people.n)
    if contract is None:
        return found
    data = evidence.data
    group = group_codes(data, people.rows, contract) if contract.groups else found.group
    edited = found.edited
    if contract.perturbation and model is not None:
        drawn = [edited_predictions(texts, contract.perturbation, model=model, seed=seed) for texts in inputs]
        edited = np.stack(drawn, axis=1)
    if contract.target is None:
        return replace(found, group=group, edited=edited)
    target = read_target(contract, evidence, seed=seed)
    source = ~people.leaked if (~people.leaked).any() else np.ones(people.n, bool)
    density = density_of(target.evidence, people.rows[source], target.rows, seed=seed)
    whole = np.ones(people.n)
    whole[source] = density.ratio
    labelled = target.fresh_labelled
    rows = labelled if model is not None else target.rows[:0]
    told = model.predict(target.evidence.data.inputs(rows)) if model is not None and len(rows) else np.zeros((0, 1))
    predicted = told.argmax(axis=1).astype(np.int64) if len(rows) else rows
    codes, cluster = target.evidence.data.codes[rows], target.evidence.clusters[rows]
    inside = density.inside[np.searchsorted(target.rows, rows)]
    return Transfer(
        group, edited, whole, codes, predicted, cluster, inside, len(target.rows), int(density.inside.sum()), density.auc,
        target.n_texts, target.n_unknown, len(labelled),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Target:
    """The target's rows appended to the rows of a data set: evidence over both. rows: positions of the target's."""

    evidence: Evidence
    rows: IntArray

    @property
    def n_texts(self) -> int:
        """Distinct texts, near-duplicates counting as one."""
        return len(np.unique(self.evidence.clusters[self.rows]))

    @property
    def n_unknown(self) -> int:
        """Rows under labels that the data do not have, where a row has one."""
        data = self.evidence.data
        if _task_of(data).structure is not None:
            return 0
        given = data.table.column("label").take(self.rows).to_pylist()
        return sum(label is not None and code < 0 for label, code in zip(given, data.codes[self.rows].tolist(), strict=True))

    @property
    def fresh_labelled(self) -> IntArray:
        """Rows of the target whose label is known to the model, or whose answer is given, and whose cluster is not in train."""
        data, clusters = self.evidence.data, self.evidence.clusters
        in_train = np.isin(clusters[self.rows], clusters[data.rows("train")])
        if _task_of(data).structure is not None:
            labelled = np.array([data.answers[row] is not None for row in self.rows], bool)
        else:
            labelled = data.codes[self.rows] >= 0
        return self.rows[labelled & ~in_train]


def _task_of(data: Dataset) -> Task:
    found: Task = get("veridical.tasks", "task", data.task)
    return found


def read_target(contract: Contract, evidence: Evidence, *, seed: int) -> Target:
    """The target in the roles of the data, with labels where it has that column. Raises InputError for what cannot be read."""
    import pyarrow as pa

    from veridical.dataset.loading import columns_of, load_inputs

    assert contract.target is not None
    data, there, task = evidence.data, columns_of(contract.target), _task_of(evidence.data)
    roles = {role: data.roles[role] for role in ("text", "second", "label") if data.roles.get(role) in there}
    for role in ("text", "second") if data.seconds is not None else ("text",):
        if role not in roles:
            raise InputError(
                f"The target {contract.target} has no column {data.roles.get(role, role)!r} as train has; its columns: "
                f"{', '.join(there[:10])}. Rename its column."
            )
    shape = task.structure.shape if task.structure else task.shape
    beside = {role: data.roles[role] for role in (shape.beside if shape else ()) if data.roles.get(role) in there}
    found = load_inputs(
        contract.target, text=roles.get("text"), second=roles.get("second"), label=roles.get("label"), task=data.task,
        shape=shape, beside=beside, notation=data.notation or None,
    )  # fmt: skip
    if not len(found):
        raise InputError(f"The target {contract.target} holds no row that can be used. Give rows in the columns of train.")
    if (found.seconds is None) != (data.seconds is None):
        raise InputError(f"The target {contract.target} and train do not both hold pairs of texts. Give the same columns.")
    n = len(found)
    table = found.table.set_column(0, SCHEMA.field("id"), pa.array([f"target/{row}" for row in found.ids], pa.string()))
    table = table.set_column(1, SCHEMA.field("split"), pa.array(["valid"] * n, pa.string()))
    both = Dataset(data.task, pa.concat_tables([data.table, table]), data.labels, data.set_aside, data.roles)
    return Target(Evidence(both, seed=seed), np.arange(len(data), len(data) + n, dtype=np.int64))
