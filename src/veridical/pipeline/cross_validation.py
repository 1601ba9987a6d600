"""Without a test set every row is tested once, by a model that saw neither the row nor anything in its cluster."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.core.progress import Progress
from veridical.dataset.splitting import fold_of_clusters
from veridical.ledger.accounting import tables_of
from veridical.ledger.contract import Contract
from veridical.ledger.tables import Tables
from veridical.pipeline.config import RunConfig
from veridical.repair._restricted import Restricted
from veridical.train.training import train

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.train.trained import Trained

N_FOLDS = 5
"""Folds, and so models trained besides the one on all rows. Ours; no source."""


def cross_predicted(trained: "Trained", evidence: Evidence, *, config: RunConfig, progress: Progress) -> "Trained":
    """`trained` (on all rows) with the probabilities of fold models; those of an external model stay as they are."""
    if trained.external:
        return trained
    data = evidence.data
    fold = fold_of_clusters(evidence.clusters, data.codes, N_FOLDS, config.seed)
    if any(len(np.unique(data.codes[fold != k])) < len(data.labels) for k in range(N_FOLDS)):
        n_clusters = len(np.unique(evidence.clusters))
        families = "family" if n_clusters == 1 else "families"
        raise InputError(
            f"The {len(data)} rows form {n_clusters} {families} of near-duplicates, too few to train without some of them and "
            "test on these. Give a test set with --test, more rows, or --split random."
        )
    probabilities = np.full_like(trained.probabilities, np.nan)
    for k in range(N_FOLDS):
        progress("fold", k, N_FOLDS)
        inside = fold == k
        arm = data.with_column("split", np.where(inside, "test", "train").tolist())
        done = train(
            arm,
            model=config.model,
            countermeasures=config.countermeasures,
            config=config.training,
            seed=config.seed,
            clusters=evidence.clusters,
            answering=np.flatnonzero(inside).astype(np.int64),
        )
        probabilities[inside] = done.probabilities[inside]
    said = f"There was no test set: each row was predicted by one of {N_FOLDS} models that had not seen its near-duplicates."
    return replace(trained, probabilities=probabilities, warnings=(*trained.warnings, said))


def one_fold(evidence: Evidence, *, config: RunConfig) -> "Dataset":
    """The rows with the first fold as test: what trivial rules are tried on."""
    fold = fold_of_clusters(evidence.clusters, evidence.data.codes, N_FOLDS, config.seed)
    return evidence.data.with_column("split", np.where(fold == 0, "test", "train").tolist())


def tables_of_folds(trained: "Trained", evidence: Evidence, *, contract: Contract | None, seed: int) -> Tables:
    """The account's tables with every row as a test row that nothing in its training resembles."""
    data = evidence.data
    every = data.with_column("split", ["test"] * len(data))
    tested = Restricted(evidence, every, np.arange(len(data)), keep_folds=True)
    # The model on all rows has seen every one of them: about changed texts there is nobody to ask but an external model.
    asked = trained if trained.external else replace(trained, model=None)
    return replace(tables_of(asked, evidence=tested, contract=contract, seed=seed), has_train=True)
