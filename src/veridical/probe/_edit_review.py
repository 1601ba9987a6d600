"""Which edited texts a person should read, and what the answers say of all edits of their kind.

Edits are drawn at random within strata: those after which the model still gives the label, and those after which it does not.
Labels are lost more often among the latter, so that a share over both together, or a correction by it, would be wrong. The strata
are weighted by the accuracy that was measured on all edits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.probe_record import Measure
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray
from veridical.probe._clustered import Spread

Answer = Literal["yes", "no", "unsure"]
ANSWERS: tuple[Answer, ...] = ("yes", "no", "unsure")
"""What a reviewer may say to "does the label still hold?"; blank is no answer."""
DRAWS = 20_000
"""Draws from which an interval is read: its ends then vary by about 0.1 points. Ours; no source."""
METHOD = "reviewed strata, Jeffreys; unsure counts both ways"


@dataclass(frozen=True, slots=True)
class EditedText:
    """One edit that a probe judged. kind: as its measures name it. right: whether the model gives the row's label after it."""

    row: str
    kind: str
    before: Text
    after: Text
    label: str
    right: bool

    @property
    def id(self) -> str:
        """The same for the same edit; begins with a letter, so that a spreadsheet takes it for no number."""
        said = "\x1f".join((self.kind, self.row, *([self.after] if isinstance(self.after, str) else self.after)))
        return f"e{hashlib.sha256(said.encode()).hexdigest()[:11]}"


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers of one stratum."""

    yes: int = 0
    no: int = 0
    unsure: int = 0

    @property
    def n(self) -> int:
        return self.yes + self.no + self.unsure

    @property
    def share(self) -> float:
        """Of labels that hold; a half where nobody answered."""
        return (self.yes + self.unsure / 2) / self.n if self.n else 0.5

    def draws(self, rng: np.random.Generator, *, generous: bool) -> FloatArray:
        """Shares that these answers leave possible; unsure counts as yes where `generous`, else as no."""
        yes, no = (self.yes + self.unsure, self.no) if generous else (self.yes, self.no + self.unsure)
        return rng.beta(yes + 0.5, no + 0.5, DRAWS)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What reviewers said of the edits of one kind, by stratum."""

    kind: str
    right: Tally = field(default_factory=Tally)
    wrong: Tally = field(default_factory=Tally)

    @property
    def n(self) -> int:
        return self.right.n + self.wrong.n


def drawn(edits: Sequence[EditedText], *, n: int, rng: np.random.Generator) -> list[EditedText]:
    """n edits, at random within kind and stratum and as evenly over these as they allow, one of a row and kind; mixed."""
    cells: dict[tuple[str, bool], list[EditedText]] = {}
    seen: set[tuple[str, str]] = set()
    for at in rng.permutation(len(edits)).tolist():
        one = edits[at]
        if (one.kind, one.row) not in seen:
            seen.add((one.kind, one.row))
            cells.setdefault((one.kind, one.right), []).append(one)
    chosen: list[EditedText] = []
    while len(chosen) < n and any(cells.values()):
        for cell in sorted(cells):
            if cells[cell] and len(chosen) < n:
                chosen.append(cells[cell].pop())
    return [chosen[at] for at in rng.permutation(len(chosen)).tolist()]


def tallied(answers: Iterable[tuple[str, bool, Answer]]) -> tuple[Reviewed, ...]:
    """(kind, right, answer) of each reviewed edit, by kind."""
    counts: dict[str, dict[bool, dict[str, int]]] = {}
    for kind, right, answer in answers:
        cell = counts.setdefault(kind, {}).setdefault(right, dict.fromkeys(ANSWERS, 0))
        cell[answer] += 1
    return tuple(
        Reviewed(kind, Tally(**strata.get(True, {})), Tally(**strata.get(False, {}))) for kind, strata in sorted(counts.items())
    )


def kept_by_review(found: Reviewed, accuracy: Spread, *, level: float, rng: np.random.Generator) -> tuple[Measure, Measure]:
    """(share of edits whose label holds, accuracy among these). accuracy: measured on all edits of the kind, labels as they were.

    With A the accuracy and r, w the shares of labels that hold where the model gives the label and where not, A r + (1 - A) w of
    the edits keep it, and the model is right on A r / (A r + (1 - A) w) of those.
    """
    a, r, w = accuracy.value, found.right.share, found.wrong.share
    value = a * r + (1 - a) * w
    shares = _accuracies(accuracy, rng)
    low = [tally.draws(rng, generous=False) for tally in (found.right, found.wrong)]
    high = [tally.draws(rng, generous=True) for tally in (found.right, found.wrong)]
    kept = [shares * right + (1 - shares) * wrong for right, wrong in (low, high)]
    among = [
        shares * right / np.maximum(shares * right + (1 - shares) * wrong, 1e-12)
        for right, wrong in ((low[0], high[1]), (high[0], low[1]))
    ]
    said = (
        f"Share of edits whose label still holds, from {found.n} that were read ({found.right.yes} of {found.right.n} hold where "
        f"the model gives the label, {found.wrong.yes} of {found.wrong.n} where it does not)."
    )
    corrected = f"Accuracy among edits whose label still holds; counting all of them it is {100 * a:.1f} %."
    return (
        Measure(f"label kept, reviewed ({found.kind})", _estimate(value, kept, accuracy, found, level), "share", said),
        Measure(
            f"accuracy, label kept ({found.kind})", _estimate(a * r / value if value else a, among, accuracy, found, level),
            "share", corrected,
        ),
    )  # fmt: skip


def turned_by_review(
    found: Reviewed, held: Spread, turned: Spread, *, level: float, rng: np.random.Generator
) -> tuple[Measure, Measure]:
    """(share of turned texts whose label holds, accuracy when the others count as held). held, turned: shares of all rows.

    Only turned texts were read. The accuracy is an upper one: refused a text that lost its label, the search might have found
    another.
    """
    share, turns = found.wrong.share, _accuracies(turned, rng)
    low, high = (found.wrong.draws(rng, generous=generous) for generous in (False, True))
    # held + turned is what was right before the attack, known as well as either; their sum is kept at its value.
    before = held.value + turned.value
    after = [before - turns * high, before - turns * low]
    said = f"Share of turned texts whose label still holds, from {found.wrong.n} that were read."
    corrected = (
        f"Accuracy under attack when only turned texts whose label holds count ({100 * held.value:.1f} % when all do); an upper "
        "one, since the search stopped at the first."
    )
    return (
        Measure(f"label kept, reviewed ({found.kind})", _estimate(share, [low, high], turned, found, level), "share", said),
        Measure(
            f"accuracy, label kept ({found.kind})", _estimate(before - turned.value * share, after, held, found, level), "share",
            corrected,
        ),
    )  # fmt: skip


def _accuracies(spread: Spread, rng: np.random.Generator) -> FloatArray:
    """Values that a measured share leaves possible, with its effective number of units."""
    value, n = min(max(spread.value, 0.0), 1.0), float(max(spread.n_clusters, 1))
    worth = min(n, value * (1 - value) / spread.error**2) if spread.error > 0 and 0 < value < 1 else n
    return rng.beta(value * worth + 0.5, (1 - value) * worth + 0.5, DRAWS)


def _estimate(value: float, sides: Sequence[FloatArray], measured: Spread, found: Reviewed, level: float) -> Estimate:
    low, high = float(np.quantile(sides[0], 0.5 - level / 2)), float(np.quantile(sides[1], 0.5 + level / 2))
    low, high = max(0.0, min(low, value)), min(1.0, max(high, value))
    return Estimate(value, low, high, level, found.n, min(found.n, measured.n_clusters), METHOD)
