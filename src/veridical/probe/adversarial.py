"""How many right answers can be turned by searching for a small change, and at how many questions?

What it measures: on a sample of unleaked test rows, accuracy as a curve over the number of different inputs an attacker may ask
about one row, for published recipes side by side (slips in words, synonyms, Chinese look-alikes; for encoders also in the order
that gradients foresee); the share of right answers turned, the share of words changed, and how often a reference model still
gives the label.
Why it inflates a score: test rows are nobody's adversary; where texts are written to get past a model, this is what is left.
How it errs: it is a bound found by these searches, not the worst case, and says nothing about ordinary use: it stands beside the
ledger, never in it. A changed text may have lost its label (a synonym that is none), so read the examples and the share kept.
Source: Gao et al. 2018, arXiv:1801.04354 (deepwordbug); Ren et al. 2019, ACL P19-1103 (pwws); Ebrahimi et al. 2018,
arXiv:1712.06751 (hotflip); Morris et al. 2020, arXiv:2004.14174 (labels lost by attacks). Paper against code: probe/attack.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Curve, Example, Measure
from veridical.dataset.rows import IntArray, Text
from veridical.models.queries import Queries
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._edit_review import EditedText, turned_by_review
from veridical.probe._label_kept import kept_by_reference, reference_of
from veridical.probe._said import in_percent
from veridical.probe._share import share_estimate
from veridical.probe._subject import Subject
from veridical.probe._toys import one_spelling
from veridical.probe.attack import RECIPES, Attempt, Outcome, attack, attempts_of, recipes_named


@dataclass(frozen=True)
class Params:
    """Settings of adversarial."""

    recipes: tuple[str, ...] = ("deepwordbug", "pwws", "characters_zh", "hotflip")
    """Recipes tried, where they fit the texts and the model; `--kinds` names others. Known: see probe/attack."""
    budgets: tuple[int, ...] = (10, 30, 100, 300)
    """Different inputs asked about one row, ascending, the original among them: points of the curve. Ours; no source."""
    quick_budget: int = 100
    """The largest of them in a quick look. Ours; no source."""
    rows: tuple[int, int, int] = (40, 120, 500)
    """Test rows attacked in a quick, standard and thorough look. Ours; no source."""
    tolerated: float = 0.05
    """Share of right answers that may be turned before it is called found, 0..1. Ours; no source."""
    fewest: int = 20
    """Right rows with a word to change below which a recipe is not tried. Ours; no source."""
    reference_rows: int = 5000
    """Train rows the reference model is fitted on, at most. Ours; no source."""
    examples: int = 3
    """Turned answers shown for each recipe. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1, for all recipes together."""


@dataclass(frozen=True, eq=False)
class Attacked:
    """What one recipe reached. outcomes: one for each row of the sample, (n,). queries: different inputs asked in all."""

    name: str
    attempts: list[Attempt]
    outcomes: list[Outcome]

    def right_after(self, budget: int) -> IntArray:
        """1 for rows that were right and not turned within the budget, (n,)."""
        return np.array(
            [one.status == "held" or (one.status == "turned" and one.queries > budget) for one in self.outcomes], np.int64
        )


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows under attack. places: within `Subject.rows`; codes, clusters: (n,)."""

    subject: Subject
    places: IntArray
    inputs: list[Text]
    ids: list[str]
    codes: IntArray
    clusters: IntArray


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped("Only predictions are known, and an attack must ask the model. Give the model itself.")
    sample, budgets, found, notes = _tried(subject, subject.queries, params, rng)
    if not found:
        return Skipped(" ".join(notes) or "No recipe was named.")
    level = 1 - (1 - params.level) / len(found)
    measures = [_turned(one, sample, params, level) for one in found]
    for one in found:
        measures += _described(one, sample, params, rng)
    curves = tuple(_curve(one, sample, budgets, params) for one in found)
    examples = tuple(example for one in found for example in _examples(one, sample, params.examples))
    return Measured(
        len(sample.codes), _summary(measures[: len(found)], budgets[-1]), tuple(measures), curves, examples, tuple(notes)
    )


def _tried(
    subject: Subject, queries: Queries, params: Params, rng: np.random.Generator
) -> tuple[Sample, tuple[int, ...], list[Attacked], list[str]]:
    """(the rows, the budgets of the curve, every recipe that fits, why the others do not)."""
    places = subject.sample(subject.limit(*params.rows), rng)
    ids = [subject.data.ids[i] for i in subject.rows[places]]
    sample = Sample(subject, places, [subject.inputs[i] for i in places], ids, subject.codes[places], subject.clusters[places])
    budgets = tuple(b for b in params.budgets if subject.budget != "quick" or b <= params.quick_budget)
    seed = int(rng.integers(2**31))
    found, notes = [], list[str]()
    for name in params.recipes:
        attacked = _attacked(name, sample, queries, params, budget=budgets[-1], seed=seed, notes=notes)
        if attacked is not None:
            found.append(attacked)
    return sample, budgets, found, notes


def edits(subject: Subject, params: Params, rng: np.random.Generator) -> list[EditedText]:
    """The texts that turned an answer."""
    if subject.queries is None:
        return []
    sample, _, found, _ = _tried(subject, subject.queries, params, rng)
    return [
        EditedText(sample.ids[i], one.name, outcome.original, outcome.changed, subject.labels[int(sample.codes[i])], right=False)
        for one in found
        for i, outcome in enumerate(one.outcomes)
        if outcome.status == "turned"
    ]


def _attacked(
    name: str, sample: Sample, queries: Queries, params: Params, *, budget: int, seed: int, notes: list[str]
) -> Attacked | None:
    """The outcome of one recipe on every row; None, with the reason in `notes`, where it does not fit."""
    recipe = RECIPES[name]
    if recipe.needs_gradients and queries.model.kind != "encoder":
        notes.append(f"Recipe {name} was not tried: it needs the gradients of an encoder.")
        return None
    if recipe.needs_gradients and getattr(queries.model, "normalisers", None):
        notes.append(
            f"Recipe {name} was not tried: the model reads words as others, so gradients do not lead to words as written."
        )
        return None
    lacking = recipe.missing(sample.inputs)
    if lacking:
        notes.append(f"Recipe {name} was not tried. {lacking}")
        return None
    attempts = attempts_of(recipe, sample.inputs, sample.codes.tolist(), sample.ids, seed=seed, budget=budget)
    usable = sum(bool(one.options) for one in attempts)
    if usable < max(params.fewest, len(attempts) / 2):
        notes.append(f"Recipe {name} was not tried: only {usable} of {len(attempts)} texts have a word it could change.")
        return None
    return Attacked(name, attempts, attack(queries, recipe, attempts))


def _turned(one: Attacked, sample: Sample, params: Params, level: float) -> Measure:
    """Share of right answers turned, against the tolerated share."""
    right = np.array([o.status != "wrong" for o in one.outcomes], np.float64)
    turned = np.array([o.status == "turned" for o in one.outcomes], np.float64)
    held = np.flatnonzero(right)
    spread = _clustered.mean(turned[held], sample.clusters[held], votes=np.ones(len(held))) if len(held) else None
    estimate = share_estimate(spread or _clustered.Spread(0.0, 0.0, 0, 0), level=level)
    n = max(estimate.n_clusters, 1)
    error = max(spread.error if spread else 0.0, float(np.sqrt(params.tolerated * (1 - params.tolerated) / n)))
    about = (
        "Share of right answers that the search turned within the largest budget; a bound by these searches, not a worst case."
    )
    return Measure(
        f"turned ({one.name})", estimate, "share", about, null=params.tolerated,
        mde=minimum_detectable_effect(error, level=level),
    )  # fmt: skip


def _described(one: Attacked, sample: Sample, params: Params, rng: np.random.Generator) -> list[Measure]:
    """How much of a text was changed, and how often its label is thought to have stayed."""
    turned = [i for i, outcome in enumerate(one.outcomes) if outcome.status == "turned"]
    if not turned:
        return []
    at = np.array(turned, np.int64)
    shares = np.array([len(one.outcomes[i].written) / max(len(one.attempts[i].options), 1) for i in turned])
    spread = _clustered.mean(shares, sample.clusters[at], votes=np.ones(len(at)))
    about = "Share of the words it could change that were changed where the answer was turned."
    measures = [Measure(f"words changed ({one.name})", share_estimate(spread, level=params.level), "share", about)]
    reviewed = next((found for found in sample.subject.reviewed if found.kind == one.name), None)
    if reviewed is not None:
        held, gone = (_share_of(one, sample, status) for status in ("held", "turned"))
        return [*measures, *turned_by_review(reviewed, held, gone, level=params.level, rng=rng)]
    reference = reference_of(sample.subject, sample.places, most=params.reference_rows, rng=rng)
    if reference is not None:
        changed = [(i, one.outcomes[i].changed) for i in turned]
        kept = kept_by_reference(one.name, reference, changed, sample.codes, sample.clusters, level=params.level)
        measures += [kept] if kept else []
    return measures


def _share_of(one: Attacked, sample: Sample, status: str) -> _clustered.Spread:
    """Of all rows attacked."""
    values = np.array([outcome.status == status for outcome in one.outcomes], np.float64)
    return _clustered.mean(values, sample.clusters, votes=np.ones(len(values)))


def _curve(one: Attacked, sample: Sample, budgets: tuple[int, ...], params: Params) -> Curve:
    votes = np.ones(len(sample.codes))
    estimates = [
        share_estimate(_clustered.mean(one.right_after(b).astype(np.float64), sample.clusters, votes=votes), level=params.level)
        for b in (0, *budgets)
    ]
    about = f"Accuracy left when {one.name} may ask about each row so many different inputs."
    at = tuple(float(b) for b in (0, *budgets))
    return Curve(f"accuracy under {one.name}", "different inputs asked a row", at, tuple(estimates), about)


def _examples(one: Attacked, sample: Sample, most: int) -> Iterator[Example]:
    """Turned answers with the fewest words changed."""
    turned = [i for i, outcome in enumerate(one.outcomes) if outcome.status == "turned"]
    queries, labels = sample.subject.queries, sample.subject.labels
    assert queries is not None
    for i in sorted(turned, key=lambda i: len(one.outcomes[i].written))[:most]:
        outcome = one.outcomes[i]
        said = queries.ask([outcome.original, outcome.changed])
        before, after = (text if isinstance(text, str) else " | ".join(text) for text in (outcome.original, outcome.changed))
        answers = [f"{labels[int(p.argmax())]} {100 * p.max():.0f} %" for p in said]
        yield Example(sample.ids[i], before, after, answers[0], answers[1], f"{one.name}, {outcome.queries} questions")


def _summary(turned: list[Measure], budget: int) -> str:
    worst = max(turned, key=lambda m: m.estimate.value)
    name = worst.name.removeprefix("turned (").removesuffix(")")
    return (
        f"{len(turned)} recipes; of the right answers {name} turns, with {budget} questions a row, {in_percent(worst.estimate)}."
    )


def toys() -> Toys:
    """One of two words decides; the cheat knows a word only with every letter in its place."""
    honest, cheat = one_spelling("adversarial toy", n_words=2)
    return Toys(honest, cheat, "turned (deepwordbug)")


def with_kinds(params: Params, kinds: Sequence[str]) -> Params:
    """The params with these recipes."""
    return replace(params, recipes=recipes_named(kinds))


probe = Probe(run, Params(), toys, edits=edits, with_kinds=with_kinds)
