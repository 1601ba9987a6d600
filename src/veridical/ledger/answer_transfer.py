"""What a contract asks of a task whose answers are structures: the rows' groups, the density of its target, what the model says
of edited texts and of the target's labelled rows.

Answers are kept as they are stored in the label column, and counted by whichever measure the account needs. Edits leave the right
answer where it is (probe/answers): tags keep their number, and an answer's words stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, IntArray, Text
from veridical.ledger.contract import Contract, Perturbation
from veridical.ledger.density import density_of
from veridical.ledger.population import Population
from veridical.ledger.transfer import TEXTS_AT_ONCE, group_codes, read_target
from veridical.models.answering import Answering
from veridical.models.model import FloatArray
from veridical.tasks._contract import Structure


@dataclass(frozen=True, eq=False)
class AnswerTransfer:
    """ids: of the n test rows. group: code of each row's group in the contract's order, -1 for groups it does not name, (n,).
    ratio: density of the target over the test rows', (n,), empty without a target. auc: of the classifier that tells them apart.
    edited: what the model says of each draw of edits, m times n answers. target_rows: all rows of the target; target_texts:
    distinct ones; target_like: those that have test rows like them, which `ratio` is about; target_gold, target_said,
    target_cluster: its unleaked labelled ones, empty where labels or model are not there; target_inside: which of these have test
    rows like them, (t,). asked: whether there is a model that can be asked about other texts."""

    contract: Contract
    ids: npt.NDArray[np.str_]
    group: IntArray
    ratio: FloatArray
    auc: float
    edited: tuple[tuple[str, ...], ...]
    target_rows: int
    target_texts: int
    target_like: int
    target_gold: tuple[str, ...]
    target_said: tuple[str, ...]
    target_cluster: IntArray
    target_inside: BoolArray
    asked: bool
    target_labelled: int = 0
    """See `Transfer`."""

    @property
    def share_like(self) -> float:
        """Share of the target's rows that have test rows like them, 0..1."""
        return self.target_like / self.target_rows if self.target_rows else 1.0

    def changed(self, said: Sequence[str]) -> float:
        """Share of edits after which the answer is another. said: answers to the texts as they are, (n,)."""
        turned = [now != before for draw in self.edited for now, before in zip(draw, said, strict=True)]
        return float(np.mean(turned)) if turned else 0.0


def answer_transfer(
    contract: Contract, *, evidence: Evidence, people: Population, structure: Structure, model: Answering | None, seed: int
) -> AnswerTransfer:
    """Asks the model about edited texts and about the target, as far as the contract names them."""
    data, rows = evidence.data, people.rows
    gold = [str(data.answers[row]) for row in rows]
    edited: tuple[tuple[str, ...], ...] = ()
    if contract.perturbation and model is not None:
        edited = _edited(data.inputs(rows), gold, contract.perturbation, structure=structure, model=model, seed=seed)
    group = group_codes(data, rows, contract) if contract.groups else np.full(people.n, -1, np.int64)
    ids, none = np.array(data.ids, dtype=np.str_)[rows], np.zeros(0, np.int64)
    if contract.target is None:
        return AnswerTransfer(
            contract, ids, group, np.zeros(0), 0.5, edited, 0, 0, 0, (), (), none, none > 0, model is not None
        )  # fmt: skip
    target = read_target(contract, evidence, seed=seed)
    source = ~people.leaked if (~people.leaked).any() else np.ones(people.n, bool)
    ratio = np.ones(people.n)
    density = density_of(target.evidence, rows[source], target.rows, seed=seed)
    ratio[source] = density.ratio
    both = target.evidence
    labelled = target.fresh_labelled
    known = labelled if model is not None else none
    there = tuple(str(both.data.answers[row]) for row in known)
    said = tuple(model.answer(both.data.inputs(known)).said) if model is not None and len(known) else ()
    inside = density.inside[np.searchsorted(target.rows, known)]
    return AnswerTransfer(
        contract, ids, group, ratio, density.auc, edited, len(target.rows), target.n_texts, int(density.inside.sum()),
        there, said, both.clusters[known], inside, model is not None, len(labelled),
    )  # fmt: skip


def _edited(
    texts: list[Text], gold: list[str], perturbation: Perturbation, *, structure: Structure, model: Answering, seed: int
) -> tuple[tuple[str, ...], ...]:
    """Answers to m edits of every text; the edits of a row depend on the seed, its place and the draw alone."""
    from veridical.probe.answers._edits import perturbed

    found = []
    for draw in range(perturbation.draws):
        said: list[str] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = range(start, min(start + TEXTS_AT_ONCE, len(texts)))
            said += model.answer([
                perturbed(structure.head, texts[at], gold[at], perturbation.names, stream(seed, f"perturb/{draw}/{at}"))
                for at in part
            ]).said  # fmt: skip
        found.append(tuple(said))
    return tuple(found)
