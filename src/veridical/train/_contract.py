"""What a countermeasure is: a change to training at some of its joints, its parameters, and a toy on which it must help.

docs/decisions/0006-joints-of-training.md lists the joints and says why these. An idea that needs another is a design decision
to be written down there.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from veridical.core.errors import InputError
from veridical.dataset.grouping import GroupParams, are_strata
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.models.lexical_normalisation import LexicalNormaliser
from veridical.models.model import FloatArray
from veridical.train.batching import Batch
from veridical.train.trained import Trained

JOINTS = (
    "rewritten",
    "normaliser",
    "row_weights",
    "network",
    "rates",
    "change_batch",
    "weigh",
    "offsets",
    "mixed",
    "loss",
    "beside",
    "attack",
    "penalty",
    "noticed",
    "after_step",
    "scored",
    "after",
    "head",
)
REPLACED = {"loss": "the loss", "mixed": "the tensors of a step", "scored": "the tensors that are scored", "head": "the head"}
"""Joints at which only one can stand, and what it replaces there."""
OF_ONE_PROCESS = ("mixed", "beside", "attack", "noticed")
"""Joints that call the network past its wrapper for many processes, or see the rows of one process alone."""
FEWEST_GROUPS = 2
"""Groups below which there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Toy:
    """Data with the trouble that the countermeasure answers, and a number that must be lower with it than without.

    trouble: (probabilities (N, C) of every row, data) -> that number. settings: training settings the trouble needs.
    """

    data: Dataset
    trouble: Callable[[FloatArray, Dataset], float]
    settings: Mapping[str, Any] | None = None
    params: Any = None
    """Params of the countermeasure on this toy, where its defaults lack what only a user can name."""
    encoder: Callable[[Any], None] | None = None
    """Plants something in the encoder before training, with the countermeasure and without."""


@dataclass(frozen=True, eq=False, slots=True)
class Read:
    """What the network makes of rows, with its graph: states (B, D) as its head gets them, and logits (B, C)."""

    states: Any
    logits: Any


@dataclass(frozen=True, eq=False, slots=True)
class Pass:
    """One piece of a step as `beside` and `attack` see it; torch tensors.

    logits: (B, C) of the pass just made, with its graph; None for `attack`. mask: (B, T, 1), 1 on real tokens. unit: mean length
    of a word embedding at the start. again: (shift (B, T, D) or None, *, same_masks) -> logits (B, C) of another pass whose word
    embeddings are moved by the shift, under the same dropout masks or new ones. noise: () -> (B, T, D) standard normal numbers
    on real tokens, for a row the same in whichever piece it is computed.
    """

    logits: Any
    mask: Any
    unit: float
    again: Callable[..., Any]
    noise: Callable[[], Any]
    rows: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """(B,) positions in the data set; -1 on a row that only fills a piece."""
    states: Any = None
    """(B, D), of which the head made the logits."""
    codes: Any = None
    """(B,) classes as they are written down."""
    losses: Any = None
    """(B,) what the step learns from these rows without what stands beside, row weights not applied."""
    loss: Any = None
    """(logits (B, C), codes (B,)) -> (B,), as the row loss but without offsets."""
    head: Any = None
    """states (B, D) -> logits (B, C)."""
    again_of: Any = None
    """(places of rows in the piece (k,), ascending) -> logits of another pass of these rows under new dropout masks, and where
    they stand among `logits`."""
    read_rows: Any = None
    """(positions in the data set (n,)) -> Read of those rows, under new dropout masks."""
    read_texts: Any = None
    """(positions among the texts that the countermeasure brought (n,)) -> Read."""
    streams: Any = None
    """() -> a random stream for each row (B,), the same in whichever piece a row is computed."""
    own: dict[str, Any] = field(default_factory=dict)
    """The countermeasure's own tensors, saved with the state; those that the whole step changes are changed in `after_step`."""


@dataclass(frozen=True, eq=False, slots=True)
class Start:
    """The network before the first step, without dropout. parameters: what learns, by name. read_rows, read_texts: as in Pass.
    train: positions of the training rows. rng: a stream of the countermeasure's own."""

    parameters: Mapping[str, Any]
    read_rows: Callable[[IntArray], Read]
    read_texts: Callable[[IntArray], Read]
    train: IntArray
    rng: np.random.Generator


class First(Protocol):
    """The training that is about to start, but without countermeasures and for at most `epochs`; of `changed` where it is given
    (the same rows under other labels). part: tells apart several by one countermeasure."""

    def __call__(self, epochs: int, *, changed: Dataset | None = None, part: int = 0) -> Trained: ...


@dataclass(frozen=True, eq=False, slots=True)
class Study:
    """What a countermeasure may learn from before training. train: positions of the training rows.

    first: a first training. answers: (epochs) -> probabilities (N, C) that one gives every row; those of model linear for a row
    are of a model that did not learn from it, since it has no early epochs.
    """

    data: Dataset
    train: IntArray
    first: First
    answers: Callable[[int], FloatArray]
    seed: int

    def cells(self) -> IntArray:
        """(N,) group x label of every row, from 0; rows without a group are a group. -1 where there is no label."""
        codes = self.data.codes
        return np.where(codes >= 0, self.groups() * len(self.data.labels) + codes, -1)

    def groups(self) -> IntArray:
        """(N,) group of every row, from 0."""
        values = ["" if value is None else value for value in self.data.table.column("group").to_pylist()]
        return np.asarray(np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)[1], np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class Features:
    """States (n, D) under the head once training has ended, of the labelled train and validation rows. weight (C, D) and bias
    (C,): the head's. rows: (n,) positions in the data set. codes: (n,)."""

    states: FloatArray
    rows: IntArray
    codes: IntArray
    weight: FloatArray
    bias: FloatArray


Shifts = Generator[tuple[Any, bool], Any, None]
"""Yields (shift (B, T, D), whether the network learns there); is sent the gradient of the loss of each row at that shift."""


@dataclass(frozen=True, slots=True)
class Countermeasure:
    """The record a countermeasure file ends with. At least one joint; what is None is left as it is. Tensors are torch's.

    rewritten: (data, positions of the training and validation rows, params, random stream) -> data whose texts there read
    otherwise; all other joints meet that data, and answers to the texts as given are asked for at the end.
    normaliser: (texts of the training and validation rows as rewritten, words that the tokenizer has whole, params) ->
        LexicalNormaliser or None; the model reads every text through it, in training and ever after.
    prepare: (codes (N,) of the training rows, number of classes, params) -> params that the other joints get.
    texts: (params) -> inputs, as many as wanted, that `beside` and `begin` may read; tokenised once.
    begin: (Start, params) -> params that the joints of steps get; made anew when a training resumes.
    rates: (EncoderClassifier, params) -> factor on the step size of tensors that learn, by name; 1 where not named.
    row_weights: (codes (N,) of the training rows, number of classes, params) -> weights (N,) with mean 1.
    network: (EncoderClassifier before training, params, random stream); changes it in place, and twice is as once.
    change_batch: (batch, params, random stream) -> batch with the same rows.
    study: (Study, params) -> params that every joint gets; may train a first time.
    weigh: (rows (B,), own tensors, params) -> factors (B,) >= 0 on the weights of a step's rows.
    offsets: (rows (B,), params) -> (B, C) or None, added to the logits that the loss sees, and to no answer.
    noticed: (rows (B,), losses (B,) of the step just made, own tensors, params); changes its own tensors, which are saved.
    head: (Features, params) -> weight (C, D) and bias (C,) of the head to use.
    mixed: (parameters, tensors before training, params, random stream) -> tensors this step computes with, by name.
    loss: (logits (B, C), codes (B,), params) -> loss of each row (B,); row weights are applied to it afterwards.
    beside: (Pass, params) -> loss of each row (B,) to be added.
    attack: (gradient (B, T, D) of the loss at the word embeddings, Pass, params) -> Shifts; the losses where it learns are added.
    penalty: (parameters, tensors before training, params) -> scalar to be added.
    after_step: (parameters, own tensors, share of all steps done 0..1, params); changes its own tensors, which are saved.
    scored: (own tensors, params) -> tensors to score and keep at the end of an epoch; {} for the network's own.
    after: (tensors before training, best tensors, params) -> tensors to use, both by name.
    """

    params: Any
    toy: Callable[[], Toy]
    off: Any = None
    """Params with which training ends as without it, bit for bit; required of every file in the folder."""
    needs_groups: bool = False
    """Without a group column it is refused before any work."""
    answers: tuple[str, ...] = ()
    """Components that it is known to answer, so that `veridical run` tries it where they are diagnosed: noise, imbalance,
    shortcut, groups, fragility."""
    needs_epochs: bool = False
    """Model linear, which is fitted at once, is refused."""
    lacking: Callable[[Any], str | None] | None = None
    """(params) -> a sentence where they lack what only a user can name, so that it is refused before any work."""
    surroundings: Callable[[Any], str] | None = None
    """(params) -> fingerprint of what decides a training beside data, settings and the files that knobs name; part of a run's
    identity. Empty: nothing."""
    rewritten: Callable[[Dataset, IntArray, Any, np.random.Generator], Dataset] | None = None
    normaliser: Callable[[Sequence[Text], Sequence[str], Any], LexicalNormaliser | None] | None = None
    study: Callable[[Study, Any], Any] | None = None
    prepare: Callable[[IntArray, int, Any], Any] | None = None
    texts: Callable[[Any], Sequence[Text]] | None = None
    begin: Callable[[Start, Any], Any] | None = None
    rates: Callable[[Any, Any], Mapping[str, float]] | None = None
    row_weights: Callable[[IntArray, int, Any], FloatArray] | None = None
    network: Callable[[Any, Any, np.random.Generator], None] | None = None
    change_batch: Callable[[Batch, Any, np.random.Generator], Batch] | None = None
    weigh: Callable[[IntArray, dict[str, Any], Any], FloatArray] | None = None
    offsets: Callable[[IntArray, Any], FloatArray | None] | None = None
    mixed: Callable[[Mapping[str, Any], Mapping[str, Any], Any, np.random.Generator], Mapping[str, Any]] | None = None
    loss: Callable[[Any, Any, Any], Any] | None = None
    beside: Callable[[Pass, Any], Any] | None = None
    attack: Callable[[Any, Pass, Any], Shifts] | None = None
    penalty: Callable[[Mapping[str, Any], Mapping[str, Any], Any], Any] | None = None
    noticed: Callable[[IntArray, FloatArray, dict[str, Any], Any], None] | None = None
    after_step: Callable[[Mapping[str, Any], dict[str, Any], float, Any], None] | None = None
    scored: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None
    after: Callable[[Mapping[str, Any], Mapping[str, Any], Any], Mapping[str, Any]] | None = None
    head: Callable[[Features, Any], tuple[FloatArray, FloatArray]] | None = None

    def __post_init__(self) -> None:
        if not self.joints():
            raise InputError(f"A countermeasure sets none of {', '.join(JOINTS)}, so it would change nothing.")

    def joints(self) -> tuple[str, ...]:
        """Names of the joints it stands at."""
        return tuple(joint for joint in JOINTS if getattr(self, joint) is not None)


Named = tuple[tuple[str, Countermeasure], ...]


def refuse_many_processes(countermeasures: Named, n_processes: int) -> None:
    """Those that see one process's rows alone say so before any work."""
    found = [name for name, c in countermeasures if set(c.joints()) & set(OF_ONE_PROCESS)]
    if found and n_processes > 1:
        raise InputError(f"{found[0]} works in one process so far, and there are {n_processes}. Start one.")


def refuse_clashes(countermeasures: Named) -> None:
    """Two that replace the same thing would hide one another; the same one twice is a slip."""
    names = [name for name, _ in countermeasures]
    if len(set(names)) < len(names):
        raise InputError(f"A countermeasure is named twice: {', '.join(names)}. Name each once.")
    for joint, what in REPLACED.items():
        replacing = [name for name, c in countermeasures if joint in c.joints()]
        if len(replacing) > 1:
            raise InputError(f"{' and '.join(replacing)} both replace {what}, so one would silently win. Choose one of them.")


def refuse_without_groups(countermeasures: Named, data: Dataset) -> None:
    """Those that need groups say so before any work."""
    needing = [name for name, c in countermeasures if c.needs_groups]
    if not needing:
        return
    column = data.table.column("group").take(data.rows("train"))
    params = GroupParams(fewest_rows=FEWEST_GROUPS)
    if len(column.unique()) < FEWEST_GROUPS or not are_strata(column, params=params):
        raise InputError(
            f"{needing[0]} needs a column that divides the train rows into a few large groups; {_no_strata(column, params)}. "
            f"Name such a column with --group, or leave {needing[0]} out."
        )


def _no_strata(column: pa.ChunkedArray, params: GroupParams) -> str:
    """What a group column holds that is not a few large groups."""
    n, named, values = len(column), len(column) - column.null_count, column.drop_null().value_counts()
    if not named:
        return "they have no group"
    if named < params.covered_share * n:
        return f"only {named} of {n} have a group"
    if len(values) == 1:
        return f"all of them are in one, {values.field('values')[0].as_py()!r}"
    largest = max(values.field("counts").to_pylist())
    return f"the group column has {len(values)} values, the largest with {largest} of {n} rows"


def studied(countermeasures: Named, study: Callable[[str], Study]) -> Named:
    """The same countermeasures, with what each learned before training in its params. study: name -> its Study."""
    return tuple((name, replace(c, params=c.study(study(name), c.params)) if c.study else c) for name, c in countermeasures)


def prepared(countermeasures: Named, codes: IntArray, n_classes: int) -> Named:
    """The same countermeasures, their params filled in from the training rows (codes (N,)) where they ask for it."""
    return tuple(
        (name, replace(c, params=c.prepare(codes, n_classes, c.params)) if c.prepare else c) for name, c in countermeasures
    )


def multiplied(countermeasures: Named) -> tuple[str, ...]:
    """A sentence for the user where several weigh the rows."""
    weighing = [name for name, c in countermeasures if c.row_weights]
    if len(weighing) < 2:
        return ()
    names = f"{', '.join(weighing[:-1])} and {weighing[-1]}"
    return (f"{names} all weigh train rows; each row has the product of their weights.",)


def combined_row_weights(countermeasures: Named, codes: IntArray, n_classes: int, given: FloatArray | None) -> FloatArray:
    """The product of the weights given and those of every countermeasure, scaled to mean 1. Shape (N,)."""
    changing = [c for _, c in countermeasures if c.row_weights]
    weights = np.ones(len(codes)) if given is None else np.asarray(given, np.float64)
    for countermeasure in changing:
        assert countermeasure.row_weights is not None
        weights = weights * countermeasure.row_weights(codes, n_classes, countermeasure.params)
    if len(weights) != len(codes) or not np.all(np.isfinite(weights)) or np.any(weights < 0) or not weights.sum() > 0:
        raise InputError(
            "Row weights must be finite, not negative, one for each training row, and not all 0. Check weights given."
        )
    if given is None and not changing:
        return weights
    return np.asarray(weights * (len(weights) / weights.sum()))
