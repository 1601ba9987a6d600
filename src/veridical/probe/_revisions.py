"""Originals and the revisions that someone has written of them: is the model right on both?

Source: Kaushik, Hovy and Lipton 2020, arXiv:1909.12434 (counterfactual pairs); Gardner et al. 2020, arXiv:2004.02709 (contrast
sets and their consistency).
"""

from collections.abc import Sequence

import numpy as np

from veridical.core.errors import InputError
from veridical.core.probe_record import Measure
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.models.queries import Queries
from veridical.probe import _clustered


def consistency(
    queries: Queries,
    originals: Sequence[tuple[Text, str]],
    revised: Sequence[tuple[Text, str]],
    *,
    rng: np.random.Generator,
    level: float = 0.95,
) -> tuple[Measure, ...]:
    """originals, revised: (input, label), the i-th revision made from the i-th original; an original with several revisions
    stands there as often, and they form one set. Raises InputError on lists of unequal length or labels the model does not have.

    Measures: accuracy on originals and on revisions, the drop between them (points, null 0), the share of pairs right on both
    and of sets right as a whole.
    """
    if len(originals) != len(revised) or not originals:
        raise InputError(
            f"{len(originals)} originals and {len(revised)} revisions were given; each revision needs the original it was made "
            "from. Give two lists of the same length, 1 or more."
        )
    labels = queries.model.labels
    codes = {label: code for code, label in enumerate(labels)}
    unknown = sorted({label for _, label in (*originals, *revised)} - set(codes))
    if unknown:
        raise InputError(f"The label {unknown[0]!r} of a pair is none of the model's. Its labels: {', '.join(labels)}.")
    sides = []
    said = queries.ask([text for text, _ in (*originals, *revised)]).argmax(axis=1)
    for side, answers in ((originals, said[: len(originals)]), (revised, said[len(originals) :])):
        sides.append((answers == np.array([codes[label] for _, label in side])).astype(np.float64))
    known: dict[Text, int] = {}
    sets = np.array([known.setdefault(text, len(known)) for text, _ in originals], np.int64)
    whole = np.array([(sides[0] * sides[1])[sets == number].min() for number in range(len(known))])
    drop = "Accuracy on originals minus that on their revisions."
    return (
        _clustered.paired_measure("drop", sides[0] - sides[1], sets, rng, unit="points", about=drop, level=level),
        _share("original_accuracy", sides[0], sets, "Accuracy on the originals.", level),
        _share("revised_accuracy", sides[1], sets, "Accuracy on the revisions.", level),
        _share("both_right", sides[0] * sides[1], sets, "Share of pairs with original and revision right.", level),
        _share("whole_set_right", whole, np.arange(len(known)), "Share of originals right with all of their revisions.", level),
    )


def _share(name: str, values: FloatArray, clusters: IntArray, about: str, level: float) -> Measure:
    spread = _clustered.mean(values, clusters)
    return _clustered.measure(name, spread, unit="share", about=about, level=level, bounded=True)
