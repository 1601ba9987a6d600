"""What the ledger says beside its components: of the rows it rests on, and of what it could not tell."""

from typing import TYPE_CHECKING

import numpy as np

from veridical.ledger.borrowing import Borrowed, BorrowParams
from veridical.ledger.chosen_leaks import CHOSEN_Z
from veridical.ledger.game import Value
from veridical.ledger.inference import POWER_FACTOR
from veridical.ledger.noise_range import renamed_classes
from veridical.ledger.population import Population
from veridical.ledger.review import Reviewed
from veridical.ledger.tables import Tables
from veridical.ledger.transfer import Transfer
from veridical.ledger.wording import FEWEST_UNITS

if TYPE_CHECKING:
    from veridical.ledger.coalitions import Coalitions

FEW_ROWS = 300
"""Test rows under which a note says what they can see. Ours; no source."""
CROWDED = 0.1
"""Share of the test rows in large families of near-equal texts from which that is said. Ours; no source."""
LEAN_SAID = 0.005
"""Share by which a mean over classes lies low from which that is said. Ours; no source."""


def chosen_leaks(game: "Coalitions", *, labels: tuple[str, ...]) -> tuple[str, ...]:
    """A warning where leaked rows are harder or easier than their texts say, or of one class more than their texts say."""
    off = sum(map(abs, game.leaks.reach(frozenset(game.active))))
    if not off:
        return ()
    found, of_class, why = game.leaks.by_texts(), game.leaks.leaked_class, list[str]()
    if found is not None and abs(found[2]) >= CHOSEN_Z:
        right, expected, _ = found
        why.append(
            f"The test rows that also stand in train are {'easier' if right > expected else 'harder'} than their texts say: "
            f"models trained without them are right on {100 * right:.0f} % of them, where {100 * expected:.0f} % was expected."
        )
    if of_class is not None:
        which, share, others = of_class
        why.append(
            f"Of the test rows of {labels[which]} {100 * share:.0f} % also stand in train, of the others {100 * others:.0f} %."
        )
    return (
        f"{' '.join(why)} Which rows leaked then hangs on their labels, and the honest score rests on the other rows: it may lie "
        f"anywhere in its interval, which reaches {100 * off:.1f} points further for it. Judge on rows that were drawn "
        "otherwise.",
    )


def undecided(n: int) -> str:
    return f"No answer of the review decides a label ({n} unsure), so the account stands as it stood without them."


def borrowing(found: Borrowed, *, gap: float, z: float) -> str:
    said = (
        f"Train rows ({found.n_reviewed} labels reviewed, {found.wrong_seen} changed): fold models are right on "
        f"{100 * found.accuracy:.1f} % of them, {100 * abs(gap):.1f} points {'more' if gap > 0 else 'less'} than on the test rows"
    )
    if abs(z) > BorrowParams().max_z:
        return f"{said}; that is more than chance allows ({abs(z):.1f} standard errors), so nothing was borrowed from them."
    return (
        f"{said}; the honest score borrows from this, on the assumption that the reviewed train rows tell the rate of wrong "
        "train labels."
    )


def of_rows(tables: Tables, reviewed: Reviewed | None, *, labels: tuple[str, ...]) -> tuple[str, ...]:
    unknown = ("Test-label noise is an interval until labels are reviewed.",) if reviewed is None else ()
    apart = (f"{ENCODER_APART[tables.apart]} {LINEAR_ALONE}",) if tables.apart else ()
    renamed = () if reviewed else tuple(
        f"{100 * share:.0f} % of the test rows that read like {labels[read]} are labelled {labels[given]}: see whether train and "
        "test name their labels alike."
        for read, given, share in renamed_classes(tables.noise, tables.codes)
    )  # fmt: skip
    given = () if reviewed else tuple(
        f"Train holds hardly any row of {labels[k]}, so whether its {int((tables.codes == k).sum())} test labels are right was "
        "not looked at: they are taken as given."
        for k in np.flatnonzero(tables.noise.unjudged)
    )  # fmt: skip
    found = (*_unlike(tables.people), *unknown, *renamed, *given, *apart)
    return (*few_rows(tables.people), *found, *_unknown_there(tables.transfer))


def _unlike(people: Population) -> tuple[str, ...]:
    """Where train rows have no vote in the population."""
    if not people.unlike_train:
        return ()
    return (
        f"Test rows are unlike train rows (p = {people.shift_p:.2g}): the honest score is that of texts like the test "
        "rows, which may be easier or harder than those that train was drawn from.",
    )


ENCODER_APART = {
    "met": "The encoder, as it came, is surer of the train rows than of the test rows, by more than linear models are: one that "
    "was tuned on these rows before looks so, and so does a test set of another kind.",
    "unlike": "The encoder, as it came, may be surer of the train rows than of the test rows, or the other way round, than "
    "linear models are, so it was left out, which costs some width.",
    "few": "Train or test rows are too few to tell whether the encoder, as it came, knows their labels, so it was left out, "
    "which costs some width.",
    "tuned": "The encoder's folder says that it was tuned on labels before, which may be those of these rows, so it was left "
    "out, which costs some width.",
}
"""By tables.apart."""
LINEAR_ALONE = "What is expected of each row comes from linear models alone."
"""After each of them."""


def _unknown_there(transfer: Transfer) -> tuple[str, ...]:
    """Of labels of the target that no model of these data can answer."""
    n = transfer.target_unknown
    if not n:
        return ()
    if n == 1:
        return (
            "1 row of the target carries a label that the data do not have: the model cannot answer so, and what it loses there "
            "is not in the score under the contract.",
        )
    return (
        f"{n} rows of the target carry labels that the data do not have: the model cannot answer so, and what it loses there is "
        "not in the score under the contract.",
    )


def lends_nothing(n: int) -> str:
    """Of reviewed train rows."""
    if n == 1:
        return (
            "1 answer about a train row moves no figure here: it lends to accuracy alone, where train and test look like one "
            "population."
        )
    return (
        f"{n} answers about train rows move no figure here: they lend to accuracy alone, where train and test look like one "
        "population."
    )


def few_rows(people: Population) -> tuple[str, ...]:
    """What a small test set, or one of few distinct texts, can see."""
    distinct = len(np.unique(people.cluster))
    found = []
    if people.n < FEW_ROWS:
        few = "Only 1 test row" if people.n == 1 else f"Only {people.n} test rows"
        seen = 100 * POWER_FACTOR * 0.5 / np.sqrt(distinct)
        found.append(f"{few}: a difference under {seen:.1f} points cannot be seen (80 % power).")
    if distinct < FEWEST_UNITS <= people.n:
        found.append(f"The {people.n} test rows count as {distinct}, so the honest score may be anything: see what ties them.")
    if people.crowded >= CROWDED * people.n:
        found.append(
            f"{people.crowded} of {people.n} test rows stand in large families of near-equal texts. Where different texts share "
            "a long passage (a signature, a quotation, a form), they are taken for copies and leaks by that passage: take it out "
            "and run again."
        )
    return tuple(found)


def leaning(honest: Value) -> tuple[str, ...]:
    """Of a mean over classes of few rows each."""
    differs = honest.lopsided()
    lean = differs.lean if differs else 0.0
    if lean < LEAN_SAID:
        return ()
    return (
        "Classes have few test rows each, and a mean over classes lies lower on few than on many: the honest interval reaches "
        f"{100 * lean:.1f} points further up for it.",
    )


ALL_LEAKED = (
    "Too few test rows are left that have no equal or near-equal text in train, so the honest score may be anything. "
    "Give other test rows."
)
LABELS_AS_GIVEN = "The honest score holds for labels as they are given; wrong test labels may hide or add points."
