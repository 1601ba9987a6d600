"""`train`: rows in, a model and its probabilities for every row out."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import plugins
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.models.lexical_normalisation import LexicalNormaliser, read_through
from veridical.models.model import FloatArray
from veridical.train._contract import (
    Countermeasure,
    Named,
    Study,
    combined_row_weights,
    multiplied,
    refuse_clashes,
    refuse_without_groups,
    studied,
)
from veridical.train._knobs import PACKAGE, called, refuse_outside
from veridical.train.config import DEFAULTS, TrainConfig
from veridical.train.trained import Trained
from veridical.train.watching import Watcher

if TYPE_CHECKING:
    from veridical.train.encoder_training import Request

WITHOUT_STEPS = ("rewritten", "normaliser", "row_weights")
"""Joints that a model fitted at once meets too."""
NO_ROWS: IntArray = np.zeros(0, np.int64)
"""For `answering`: the model alone is wanted."""
FOLDS = 5
"""Parts of the train rows, each answered by a linear model of the others, where a countermeasure asks for answers. Ours."""
FEWEST_VALID = 10
"""Rows below which a validation part says nothing worth stopping for; then training runs all its epochs. Ours."""


def train(
    data: Dataset,
    *,
    model: str = "linear",
    countermeasures: Sequence[str | Countermeasure] = (),
    config: TrainConfig = DEFAULTS,
    seed: int = 0,
    folder: Path | None = None,
    clusters: IntArray | None = None,
    weights: Mapping[str, float] | None = None,
    watcher: Watcher | None = None,
    answering: IntArray | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train `model` on the train rows and predict every row, or those of `answering`.

    model: linear, or what `models.weights.resolve` understands. countermeasures: names of files in train/countermeasures, with
    knobs where wanted (gce:power=0.5), or records with changed params. folder: where an encoder keeps its state; the same call
    with the same folder goes on where it was interrupted and ends identical. clusters: (N,) cluster of each row; whole clusters
    go to the validation part that is cut from train when the data has no valid rows. weights: row id -> weight, 1 where not
    named; of train rows only. watcher: told of every step and epoch of the training that counts, where the model is trained in
    steps. answering: rows that probabilities are wanted of, where not all are; those of other rows may then be missing (NaN).
    """
    named = fitting(countermeasures, model=model, config=config)
    plugins.get("veridical.tasks", "task", data.task).metric(config.select_by, data.labels)  # refused now if it is unknown
    refuse_without_groups(named, data)
    train_rows = data.rows("train")
    if len(train_rows) < 2 or len(np.unique(data.codes[train_rows])) < 2 or data.codes[train_rows].min() < 0:
        raise InputError("Training needs at least two labelled train rows of two classes. Check the label column and the split.")
    if model == "linear":
        read, normalisers = as_learned(data, train_rows, named, seed=seed)
        own = _given(data, train_rows, weights)
        fitted = _train_linear(
            read, train_rows, named, given=own, c=config.linear_c, seed=seed, progress=progress, normalisers=normalisers
        )
        return _as_given(fitted, data, read, normalisers)
    from veridical.models.weights import require_neural, resolve

    found = resolve(model)
    require_neural(f"--model {model}")
    from veridical.train.encoder_training import Request

    train_rows, valid_rows = validation_part(data, clusters=clusters, share=config.validation_share, seed=seed)
    valid_rows = valid_rows[data.codes[valid_rows] >= 0]
    given = _given(data, train_rows, weights)
    kept = Path(folder) if folder else None
    learned = np.concatenate([train_rows, valid_rows])
    read, normalisers = as_learned(data, learned, named, seed=seed, vocabulary=_vocabulary(named, found.folder))
    request = Request(
        read, found, train_rows, valid_rows, given, named, config, seed, kept, progress, watcher, normalisers, answering
    )
    if config.method().tuning.cached:
        return _train_cached_head(request, asked=None if read is data else read_through(data.inputs(), normalisers))
    return _as_given(_train_encoder(request), data, read, normalisers, answering=answering)


def _vocabulary(named: Named, weights: Path) -> tuple[str, ...]:
    """Words that the tokenizer has whole; not looked for where no countermeasure asks."""
    from veridical.models._encoder_network import open_tokenizer
    from veridical.models.tokens import whole_words

    return whole_words(open_tokenizer(weights)) if any(c.normaliser for _, c in named) else ()


def _train_encoder(request: "Request") -> Trained:
    """All of it, after whatever trainings its countermeasures learn from."""
    from veridical.train.encoder_training import train_encoder

    return train_encoder(_studied(request, train_encoder))


def _train_cached_head(request: "Request", *, asked: Sequence[Text] | None) -> Trained:
    """Its head, after whatever fits its countermeasures learn from; all of them share the encoder and the features of each text.
    asked: texts that probabilities are wanted of in place of those that are learned from."""
    from veridical.train.head_training import Frozen, train_head

    trainer = partial(train_head, frozen=Frozen.of(request))
    return trainer(_studied(request, trainer), asked=asked)


def _studied(request: "Request", trainer: Callable[["Request"], Trained]) -> "Request":
    """The request with what its countermeasures learn from trainings before the one that counts."""
    from veridical.train.encoder_training import first_training

    def study(name: str) -> Study:
        def first(epochs: int, *, changed: Dataset | None = None, part: int = 0) -> Trained:
            own = first_training(request, name=name, epochs=epochs, part=part)
            return trainer(own if changed is None else replace(own, data=changed))

        return Study(request.data, request.train, first, lambda epochs: first(epochs).probabilities, request.seed)

    return replace(request, countermeasures=studied(request.countermeasures, study))


def as_learned(
    data: Dataset, rows: IntArray, named: Named, *, seed: int, vocabulary: Sequence[str] = ()
) -> tuple[Dataset, tuple[LexicalNormaliser, ...]]:
    """The data as it is learned from, and what the model must read texts through: texts of the training and validation rows
    (`rows`) as countermeasures have them rewritten, then all texts as they have them read. vocabulary: words that the tokenizer
    has whole, commonest first."""
    data = as_rewritten(data, rows, named, seed=seed)
    normalisers: list[LexicalNormaliser] = []
    for _, countermeasure in named:
        if countermeasure.normaliser:
            found = countermeasure.normaliser(data.inputs(rows), vocabulary, countermeasure.params)
            if found is not None:
                data = data.with_inputs(np.arange(len(data)), read_through(data.inputs(), [found]))
                normalisers.append(found)
    return data, tuple(normalisers)


def as_rewritten(data: Dataset, rows: IntArray, named: Named, *, seed: int) -> Dataset:
    """The data with the texts of `rows` as countermeasures have them rewritten."""
    for name, countermeasure in named:
        if countermeasure.rewritten:
            data = countermeasure.rewritten(data, rows, countermeasure.params, stream(seed, f"{name}/rewritten"))
    return data


def _as_given(
    done: Trained, data: Dataset, read: Dataset, normalisers: Sequence[LexicalNormaliser], *, answering: IntArray | None = None
) -> Trained:
    """What was trained on rewritten texts, with its probabilities for the texts as given."""
    if read is data:
        return done
    pairs = zip(read_through(data.inputs(), normalisers), read.inputs(), strict=True)
    changed = np.array([row for row, (given, other) in enumerate(pairs) if given != other], np.int64)
    if answering is not None:
        changed = np.intersect1d(changed, answering)
    if not len(changed):
        return done
    assert done.model is not None
    probabilities = done.probabilities.copy()
    probabilities[changed] = done.model.predict(data.inputs(changed))
    return replace(done, probabilities=probabilities)


def fitting(countermeasures: Sequence[str | Countermeasure], *, model: str, config: TrainConfig = DEFAULTS) -> Named:
    """The countermeasures by name; those that clash, or that this model or its tuning has no place for, are refused."""
    named = _named(countermeasures)
    refuse_clashes(named)
    for _, countermeasure in named:
        said = countermeasure.lacking(countermeasure.params) if countermeasure.lacking else None
        if said:
            raise InputError(said)
    neural = [name for name, c in named if not set(c.joints()) <= set(WITHOUT_STEPS) or c.needs_epochs]
    if model == "linear" and neural:
        raise InputError(f"{neural[0]} changes steps of the training loop, which model linear does not have. Use --model minilm.")
    if model == "linear" and config.tuning != "full":
        raise InputError(f"--tuning {config.tuning} is for encoders, and --model is linear. Use --model minilm, or leave it out.")
    config.method().tuning.require(config.tuning)
    if neural and config.method().tuning.cached:
        raise InputError(
            f"{neural[0]} changes steps of the training loop, which tuning {config.tuning} lacks: its head is solved for. "
            "Use countermeasures that weigh rows, or --tuning last_layers."
        )
    _refuse_mixing(named, config)
    return named


def _refuse_mixing(named: Named, config: TrainConfig) -> None:
    """Weights before and after are mixed tensor by tensor, which says nothing where a matrix is the product of what is mixed."""
    if config.method().tuning.merge is not None:
        mixing = [name for name, c in named if c.after]
        if mixing:
            raise InputError(
                f"{mixing[0]} mixes weights before and after training, and tuning {config.tuning} keeps factors until the end. "
                "Use --tuning full, last_layers or bitfit with it."
            )


def _named(countermeasures: Sequence[str | Countermeasure]) -> Named:
    """(name, record) of each; a record passed as a value is called by the file that made it, or by its place."""
    named = []
    for place, countermeasure in enumerate(countermeasures):
        if isinstance(countermeasure, str):
            named.append(called(countermeasure))
        else:
            name = _origin(countermeasure) or f"countermeasure {place + 1}"
            refuse_outside(name, countermeasure.params)
            named.append((name, countermeasure))
    return tuple(named)


def _origin(countermeasure: Countermeasure) -> str:
    module = type(countermeasure.params).__module__
    return module.rpartition(".")[2] if module.startswith(PACKAGE) else ""


def _given(data: Dataset, rows: IntArray, weights: Mapping[str, float] | None) -> FloatArray | None:
    if weights is None:
        return None
    unknown = sorted(set(weights) - {data.ids[i] for i in data.rows("train")})
    if unknown:
        raise InputError(f"A weight was given for {unknown[0]!r}, which is no train row. Give weights by ids of train rows.")
    return np.array([weights.get(data.ids[i], 1.0) for i in rows], np.float64)


def validation_part(data: Dataset, *, clusters: IntArray | None, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """(train, valid): as the data has them, else cut from train."""
    valid = data.rows("valid")
    return (data.rows("train"), valid) if len(valid) else cut_validation(data, clusters=clusters, share=share, seed=seed)


def cut_validation(data: Dataset, *, clusters: IntArray | None, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """(train, valid): about `share` of the train rows set apart, whole clusters together; without clusters, equal texts together.

    Nothing is set apart where that would be fewer than FEWEST_VALID rows, or would leave train without one of its classes.
    """
    rows = data.rows("train")
    wanted = round(share * len(rows))
    if wanted < FEWEST_VALID:
        return rows, rows[:0]
    if clusters is None:
        seen: dict[object, int] = {}
        member = np.array([seen.setdefault(text, len(seen)) for text in data.inputs(rows)], np.int64)
    else:
        member = np.unique(clusters[rows], return_inverse=True)[1]
    sizes = np.bincount(member)
    chosen, n_chosen = np.zeros(len(sizes), np.bool_), 0
    for cluster in stream(seed, "validation").permutation(len(sizes)):
        # A cluster too large for the part stays in train.
        if n_chosen + sizes[cluster] <= wanted:
            chosen[cluster] = True
            n_chosen += int(sizes[cluster])
    valid = chosen[member]
    lost = set(data.codes[rows].tolist()) - set(data.codes[rows[~valid]].tolist())
    if n_chosen < FEWEST_VALID or lost:
        return rows, rows[:0]
    return rows[~valid], rows[valid]


def _train_linear(
    data: Dataset,
    rows: IntArray,
    named: Named,
    *,
    given: FloatArray | None,
    c: float,
    seed: int,
    progress: Progress,
    normalisers: tuple[LexicalNormaliser, ...] = (),
) -> Trained:
    """normalisers: what the model reads texts through; those of `data` have been."""
    from veridical.models.linear import LinearParams, fit_linear
    from veridical.models.text_features import hashed

    started = time.monotonic()
    progress("train", 0, 3)
    features = hashed(data.inputs())
    progress("train", 1, 3)
    codes = data.codes[rows]
    weights = linear_weights(data, rows, named, given=given, c=c, seed=seed)
    params = LinearParams(c=c)
    model = fit_linear(features.rows(rows), codes, labels=data.labels, weights=weights, seed=seed, params=params)
    progress("train", 2, 3)
    columns = np.searchsorted(features.hashes, model.hashes)
    probabilities = model.predict_features(features.matrix[:, columns])
    progress("train", 3, 3)
    return Trained(
        model=replace(model, normalisers=normalisers),
        kind="linear",
        ids=tuple(data.ids),
        probabilities=probabilities,
        labels=data.labels,
        dynamics=None,
        seconds=time.monotonic() - started,
        external=False,
        warnings=multiplied(named),
    )


def linear_weights(
    data: Dataset, rows: IntArray, named: Named, *, given: FloatArray | None, c: float, seed: int
) -> FloatArray | None:
    """Weights (n,), mean 1, that a linear model of `rows` is fitted with; None where nothing asks for any. c: its penalty."""
    if given is None and not named:
        return None

    def first(epochs: int, *, changed: Dataset | None = None, part: int = 0) -> Trained:
        return _train_linear(data if changed is None else changed, rows, (), given=given, c=c, seed=seed, progress=silent)

    def answers(_epochs: int) -> FloatArray:
        return _crossed(data, rows, given=given, c=c, seed=seed)

    named = studied(named, lambda _name: Study(data, rows, first, answers, seed))
    return combined_row_weights(named, data.codes[rows], len(data.labels), given)


def _crossed(data: Dataset, rows: IntArray, *, given: FloatArray | None, c: float, seed: int) -> FloatArray:
    """Probabilities (N, C); every row in `rows` is answered by a linear model that did not learn from it, nor from its copies.
    The other rows are answered evenly."""
    from veridical.models.linear import LinearParams, fit_linear
    from veridical.models.text_features import hashed

    params = LinearParams(c=c)
    seen: dict[object, int] = {}
    features = hashed(data.inputs())
    member = np.array([seen.setdefault(text, len(seen)) for text in data.inputs(rows)], np.int64)
    fold = stream(seed, "folds").integers(FOLDS, size=len(seen))[member]
    probabilities = np.full((len(data), len(data.labels)), 1 / len(data.labels))
    for number in range(FOLDS):
        learned, asked = rows[fold != number], rows[fold == number]
        if len(learned) and len(asked):
            weights = None if given is None else given[fold != number]
            codes, known = data.codes[learned], features.rows(learned)
            model = fit_linear(known, codes, labels=data.labels, weights=weights, seed=seed, params=params)
            columns = np.searchsorted(features.hashes, model.hashes)
            probabilities[asked] = model.predict_features(features.matrix[asked][:, columns])
    return probabilities
