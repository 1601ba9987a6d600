"""What the ledger says of each component: how the number was obtained, over how many rows, or why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, ComponentStatus, Kind
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.answer_review import AnswerReview
from veridical.ledger.contract import Contract, Perturbation, Shortcut
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.noise_shapes import NoiseParams
from veridical.ledger.population import Population
from veridical.ledger.reuse import Chosen
from veridical.ledger.review import Reviewed
from veridical.ledger.reweighting import LABELS_UNREAD
from veridical.ledger.tables import Tables
from veridical.ledger.wrong_share import wrong_share
from veridical.tasks._class_metrics import credit_of

if TYPE_CHECKING:
    from veridical.ledger.coalitions import Coalitions


@dataclass(frozen=True, slots=True)
class Said:
    """why: a sentence. method: for the estimate. rows: how many rows it rests on. slack: half width in points where the data
    have no variance at all (nothing found), else None."""

    why: str
    method: str
    rows: int
    slack: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


NOTHING = "none"
"""Method of what could not be looked at."""
FEWEST_CLUSTERS = 10
"""Test clusters below which no variance can be read off. Ours; no source."""
FEWEST_UNITS = 4
"""Clusters below which a score of many rows may be anything: a spread of three says nothing. Ours; no source."""
FEW_OF_GROUP, HEAVY = 30, 3.0
"""Test rows of a group under which, and times its own share that it counts for from which, it is named: shares of so few are
covered in 17 of 20 runs of benchmarks/honesty (groups_worn). Ours; no source."""
BLIND_POINTS = 100.0
"""Half width of a band where nothing can be seen: the whole scale."""


def unseen(name: str, kind: Kind, said: Said, *, n_clusters: int, needed: int) -> Component:
    """A component of which no effect short of the whole scale would be seen. needed: distinct test texts that would do."""
    few = f"Distinct test texts: {n_clusters}, too few to see anything of it; {needed} would show a large effect."
    why = said.why if said.method == NOTHING else f"{said.why} {few}"
    details = {**said.details, "unseen": True}
    return Component(name, kind, "skipped", None, None, said.rows, why, details=details)


def protocol(tables: Tables, *, n_clusters: int) -> Component:
    n = tables.people.n
    zero = Estimate(0.0, 0.0, 0.0, 0.95, n, n_clusters, "identity")
    why = "The metric was computed as the task declares it, one vote a row; a classifier has no padding or majority tag to count."
    return Component("protocol", "measurement", "measured", zero, 0.0, n, why, 0.0, 0.0)


def counted(metric: str, *, instead: str, why: str, n: int) -> Said:
    """The player protocol, where the score as reported is not the one that the task declares."""
    said = f"The metric reported, {metric}, counts what is no achievement: {why}. The task declares {instead}."
    return Said(said, "the same answers, counted both ways", n, slack=0.0, details={"instead": instead})


def reuse(chosen: Chosen, standard_error: float, *, n: int, n_clusters: int) -> Component:
    """An offset: what the choice among the logged looks flatters this score by."""
    if chosen.k > 1:
        return _reused(chosen, n=n, n_clusters=n_clusters)
    if chosen.same:
        zero = Estimate(0.0, 0.0, 0.0, 0.95, n, n_clusters, "identity")
        why = "Every other run in the log predicted the same for all test rows, so nothing was chosen by this score."
        return Component("reuse", "measurement", "measured", zero, 0.0, n, why, 0.0, 0.0, {"looks": 1})
    bound = {str(k): round(100 * standard_error * float(np.sqrt(2 * np.log(k))), 2) for k in (2, 5, 10, 100)}
    why = (
        "No log of earlier looks at this test set. Had this model been chosen as the best of k by this score, up to "
        + ", ".join(f"{points} points (k = {k})" for k, points in bound.items())
        + " of it could be luck."
    )
    return Component("reuse", "measurement", "skipped", None, None, 0, why, details={"bound_points": bound})


def _reused(chosen: Chosen, *, n: int, n_clusters: int) -> Component:
    looks = f"{chosen.k - 1} other {'model was' if chosen.k == 2 else 'models were'} scored on these test rows (log of runs)"
    value = chosen.optimism if chosen.is_best else 0.0
    if chosen.is_best:
        why = f"{looks}, and this one scores highest: chosen by that, its score is {value:.2f} points too high in the mean."
    else:
        why = f"{looks}; this one does not score highest, so it was not chosen by this score."
    method = "selection among the logged looks, clusters resampled"
    points = Estimate(value, 0.0, max(chosen.bound, value), 0.95, n, n_clusters, method)
    status: ComponentStatus = "bounded" if chosen.is_best else "not_detected"
    return Component("reuse", "measurement", status, points, chosen.bound, n, why, value, value, {"looks": chosen.k})


def leakage(game: "Coalitions") -> Said:
    tables = game.tables
    wrong = float(1 - (tables.predicted == tables.codes).mean())
    if credit_of(game.metric) is not None:  # of a score on another scale, what leaks can buy at most is what it lacks
        wrong = max(wrong, 1 - game(frozenset()).score)
    said = leakage_of(tables.people, has_train=tables.has_train, wrong=wrong, too_few=game.too_few_unleaked, stand_in=True)
    if any(game.leaks.reach(frozenset(game.active))):
        said = replace(said, details={**said.details, "chosen_by_label": True})
    return said


def leakage_of(people: Population, *, has_train: bool, wrong: float, too_few: bool, stand_in: bool) -> Said:
    """wrong: share of the test rows, or of what was to be found in them, that the model gets wrong. stand_in: whether fold models
    stand in where too few unleaked rows are left."""
    n_leaked, n_clusters = int(people.leaked.sum()), len(np.unique(people.cluster))
    if not has_train:
        return Said("No training rows were given, so nothing could be compared.", NOTHING, 0, slack=BLIND_POINTS)
    share = 100 * n_leaked / people.n
    if n_leaked == 0:
        # Rule of three, twice: at most 3 / G of G clusters leak, and each buys at most the error rate, itself at least 3 / G.
        rare = min(3 / n_clusters, 1.0)
        slack = 100 * rare * max(wrong, rare) if n_clusters >= FEWEST_CLUSTERS else BLIND_POINTS
        return Said(f"None of {people.n} test rows has an equal or near-equal text in train.", "rule of three", 0, slack=slack)
    details = {"leaked_rows": n_leaked, "unleaked_rows": people.n - n_leaked}
    found = f"{n_leaked} of {people.n} test rows ({share:.1f} %) have an equal or near-equal text in train"
    if people.tied:
        details["tied_rows"] = people.tied
        found = (
            f"{n_leaked} of {people.n} test rows ({share:.1f} %) hang together with train rows: {n_leaked - people.tied} by an "
            f"equal or near-equal text, {people.tied} by a group of which train holds rows"
        )
    if not too_few:
        why = f"{found}; each was given the score this model gets on unleaked rows of the same difficulty."
        return Said(why, "imputed from unleaked rows of equal out-of-fold margin", n_leaked, details=details)
    if not stand_in:
        return Said(f"{found}; too few are left to say what these buy.", NOTHING, n_leaked, BLIND_POINTS, details)
    why = f"{found}; too few are left to judge by, so models trained without the twins stand in for this one."
    return Said(why, "fold models", n_leaked, BLIND_POINTS if n_clusters < FEWEST_CLUSTERS else None, details)


def sample(people: Population) -> Said:
    n_clusters = len(np.unique(people.cluster))
    if people.includes_train:
        why = (
            f"{people.n} rows stand for {people.n_clusters} distinct texts or groups of train and test; they were weighted "
            f"so that difficulty, "
            "length and predicted class match these."
        )
    elif not people.unlike_train:
        why = f"No train rows have a vote, only the test set's own {n_clusters} distinct texts or groups."
    else:
        why = (
            f"Train and test differ in difficulty or classes (p = {people.shift_p:.2g}), so only the test set's own {n_clusters} "
            "distinct texts or groups have a vote."
        )
    blind = BLIND_POINTS if n_clusters < FEWEST_CLUSTERS else None
    details = {"shift_p": people.shift_p, "own_population": people.unlike_train}
    return Said(why, "calibration weights (generalised regression)", people.n, blind, details)


def unreviewed() -> Component:
    """Of a task whose answers are structures."""
    why = "No label was reviewed, and errors in answers of more than one label have no model here: labels count as given."
    return Component("noise", "measurement", "skipped", None, None, 0, why)


def noise(tables: Tables, reviewed: Reviewed | None) -> Said:
    if reviewed is None:
        found = tables.noise
        details = {"rate": found.rate, "upper_rate": found.upper_rate, "shape": found.shape, **_by_group(found)}
        blind = BLIND_POINTS if len(np.unique(tables.people.cluster)) < FEWEST_CLUSTERS else None
        return Said(_unread(found), "transition matrix from out-of-fold train labels", tables.people.n, blind, details)
    n_seen = int(reviewed.seen.sum())
    share = wrong_share(
        reviewed.stratum, seen=reviewed.seen, unsure=reviewed.unsure, wrong=reviewed.wrong, cluster=tables.people.cluster,
        n_strata=len(reviewed.spread),
    )  # fmt: skip
    why = (
        f"{n_seen} labels were reviewed and {reviewed.wrong_seen} changed; the other {tables.people.n - n_seen} carry "
        f"the rate of their stratum. {_of_all(share)}"
    )
    details = {"reviewed": n_seen, "wrong": reviewed.wrong_seen, **_rate(share)}
    return Said(why, "stratified review, model-assisted", n_seen, slack=0.0, details=details)


def _unread(found: LabelNoise) -> str:
    """What the interval holds of wrong labels while none was reviewed."""
    chosen, even, hard = _chosen(found), 100 * found.upper_rate, 100 * max(found.hard, default=0.0)
    if found.apart:
        most = ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in _most_of(found)[:6])
        return (
            f"No label was reviewed. Stated model: train labels are as right as fresh ones; test labels then show {chosen}. "
            f"The interval allows even rates up to what the easiest rows of each group contradict ({most}), and more "
            "on hard rows; of a group whose labels may tell nothing, the model right on all of it and what its texts alone say. "
            "Reviewing rows narrows it: veridical review."
        )
    if found.beyond.any():
        return (
            f"No label was reviewed. Stated model: train labels are as right as fresh ones; test labels then show {chosen}, "
            f"as much as is considered of classes that {100 * found.beyond.mean():.1f} % of the rows belong to: their labels "
            "may tell nothing, and the interval holds the model right on all of them and what their texts alone say. "
            "Reviewing rows narrows it: veridical review."
        )
    if hard >= 100 * NoiseParams().largest(len(found.transition)) - 0.05:
        return (
            f"No label was reviewed. Stated model: train labels are as right as fresh ones; test labels then show {chosen}. "
            f"The interval allows any even rate up to {even:.1f} %, what the easiest rows contradict or all rows show; among "
            "harder rows labels may tell nothing, and it holds what their texts alone say. "
            "Reviewing rows narrows it: veridical review."
        )
    if hard > even + 0.05:
        return (
            f"No label was reviewed. Stated model: train labels are as right as fresh ones; test labels then show {chosen}. "
            f"The interval allows any even rate up to {even:.1f} %, what the easiest rows contradict or all rows show, and "
            f"up to {hard:.1f} % among harder rows. Reviewing rows narrows it: veridical review."
        )
    return (
        f"No label was reviewed. Stated model: train labels are as right as fresh ones; test labels then show {chosen}. "
        f"The interval allows any even rate up to {even:.1f} %, what the easiest rows contradict or all rows show. "
        "Reviewing rows narrows it: veridical review."
    )


OTHERS = "all others"
AT_LEAST = "≥ "
"""Of a group in which so many labels seem wrong that not all of it was undone."""


def _chosen(found: LabelNoise) -> str:
    """What the noise model makes of the test labels."""
    if found.apart:
        each = sorted(_by_group(found)["rates"].items(), key=lambda one: -one[1])
        held = {name or OTHERS for name in found.held.tolist()}
        rates = ", ".join(f"{name} {AT_LEAST * (name in held)}{100 * rate:.1f} %" for name, rate in each[:6])
        return f"{100 * found.rate:.1f} % wrong, more in some groups than in others ({rates})"
    return "no excess" if found.shape == "none" else f"{100 * found.rate:.1f} % wrong ({found.shape.replace('_', ' ')})"


def _by_group(found: LabelNoise) -> dict[str, dict[str, float]]:
    """Share of wrong labels of each group where any has noise of its own, and of all other rows."""
    if not found.apart:
        return {}
    wrong = 1 - np.diagonal(found.of_group, axis1=1, axis2=2)  # (K, C)
    each = (found.expected * wrong[found.number]).sum(axis=1)
    rates = {name: float(each[found.number == k].mean()) for k, name in _named(found)}
    return {"rates": rates, "upper_rates": dict(_most_of(found))}


def _named(found: LabelNoise) -> list[tuple[int, str]]:
    """Number and name of each group that has test rows; of the rows that belong to none, where the name is free."""
    names = [*found.names.tolist(), OTHERS]
    return [(k, name) for k, name in enumerate(names) if (found.number == k).any() and name not in names[:k]]


def _most_of(found: LabelNoise) -> list[tuple[str, float]]:
    """The largest even rate that each group's easiest rows allow, largest first."""
    return sorted(((name, float(found.range_of[k, 1])) for k, name in _named(found)), key=lambda one: -one[1])


def _of_all(share: Estimate) -> str:
    """What a review shows of all test rows."""
    value, low, high = (f"{100 * end:.1f}" for end in (share.value, share.low, share.high))
    return f"By the chances of these rows to be read, {value} % [{low}, {high}] of all test rows are wrongly labelled."


def _rate(share: Estimate) -> dict[str, float]:
    return {"rate": share.value, "rate_low": share.low, "rate_high": share.high}


def reviewed_answers(found: AnswerReview, *, n: int) -> Said:
    """Of a task whose answers are structures."""
    why = (
        f"{found.n_seen} answers were reviewed and {found.wrong_seen} changed; the other {n - found.n_seen} count with the mean "
        f"change of their stratum, whose rows were drawn by chance. {_of_all(found.wrong_share)}"
    )
    details = {"reviewed": found.n_seen, "wrong": found.wrong_seen, **_rate(found.wrong_share)}
    return Said(why, "stratified review, difference estimator", found.n_seen, slack=0.0, details=details)


def shortcut(game: "Coalitions", position: int, declared: Shortcut) -> Said:
    tables = game.tables
    rows = int(tables.cue_present[:, position].sum())
    rate = game.inputs.rate(position)
    if declared.op == "reweight":
        held = "the labels that the review leaves" if game.reviewed else "the labels as given"
        why = f"The cue {declared.word!r}, in {rows} of {tables.people.n} test rows, was made independent of {held} by weights."
        if game.reviewed is None:
            why += (
                " Rows whose label and cue disagree count for more, and wrong labels are more frequent among them; the interval "
                f"holds even noise of up to {100 * tables.noise.upper_rate:.1f} %, as far as it leaves some of these rows."
            )
        elif game.association_hidden:
            why += " Wrong labels that nobody read hide how much a cue goes with them; the interval holds that."
        details = {"word": declared.word, "op": declared.op, "rate": rate}
        return Said(why, declared.op, tables.people.n, slack=0.0, details=details)
    acts = {
        "transplant": f"put into a share {rate:.2f} of all rows whatever their label",
        "remove": "taken out of every row",
    }[declared.op]
    on, off = tables.cue_present.copy(), tables.cue_present.copy()
    on[:, position], off[:, position] = True, False
    changed = int((tables.prediction(on) != tables.prediction(off)).sum())
    why = (
        f"The cue {declared.word!r}, in {rows} of {tables.people.n} test rows, was {acts}; it alone flips {changed} predictions."
    )
    details = {"word": declared.word, "op": declared.op, "rate": rate, "flips": changed}
    asked = tables.cue_present[:, position] if declared.op == "remove" else np.ones(tables.people.n, np.bool_)
    asked = asked if asked.any() else ~asked  # no row to take it out of: then at most so many rows like them hold it
    clusters = len(np.unique(tables.people.cluster[asked]))
    # Nothing turned in these clusters: in as many others at most this share would (Clopper and Pearson 1934).
    slack = 100 * float(asked.mean()) * (1 - 0.025 ** (1 / clusters))
    return Said(why, declared.op, tables.people.n, slack=slack, details=details)


def groups(contract: Contract, group: IntArray, *, noisy: bool = False, doubted: Sequence[str] = ()) -> Said:
    """group: code of each test row's group, -1 for those that the contract does not name, (n,). noisy: whether wrong labels may
    differ between groups, none having been reviewed. doubted: as of `LabelNoise`."""
    mix = ", ".join(f"{name} {100 * share:.0f} %" for name, share in contract.groups[:6])
    outside = int((group < 0).sum())
    rest = f"; {outside} test rows belong to none of them and have no vote" if outside else ""
    why = f"Test rows were weighted so that the groups have the contract's shares ({mix}){rest}."
    counts = np.bincount(group[group >= 0], minlength=len(contract.groups))
    few = [(name, share, n) for (name, share), n in zip(contract.groups, counts.tolist(), strict=True) if n < FEW_OF_GROUP]
    thin = [f"{name} ({n} rows for {100 * share:.0f} %)" for name, share, n in few if share * len(group) > HEAVY * n]
    if thin:
        why += f" Few rows speak for much here, and the luck of theirs counts with them: {', '.join(thin[:6])}."
    if noisy:
        why += (
            " Wrong labels that one group has more of would pass for a harder group; until labels are reviewed the interval "
            "holds it."
        )
    if doubted:
        why += (
            f" More train labels of some groups ({', '.join(doubted[:6])}) contradict the models where these are surest: groups "
            "that are harder, or that have labels as wrong in train as in test; a review of test labels tells."
        )
    return Said(why, "raking", int((group >= 0).sum()), slack=0.0)


def fragility(edits: Perturbation, *, changed: float, n: int) -> Said:
    """changed: share of edits after which the prediction is another. n: test rows."""
    said = (
        "" if edits.valid == 1.0 else f" Of the edits, {100 * (1 - edits.valid):.0f} % may change the right label: an interval."
    )
    why = (
        f"A share {edits.rate:.2f} of rows arrives edited ({', '.join(edits.names)}), as the mean of {edits.draws} edits a row; "
        f"an edit changes {100 * changed:.1f} % of predictions.{said}"
    )
    details = {"changed": changed, "draws": edits.draws, "rate": edits.rate, "valid": edits.valid}
    return Said(why, "mean over edits, common random numbers", n, slack=0.0, details=details)


def shift(*, rows: int, like: int, auc: float) -> Said:
    """rows: of the target. like: those that have test rows like them. auc: of the domain classifier."""
    if like == rows:
        why = (
            f"Test rows were weighted like the {rows} rows of the target by a domain classifier (area under "
            f"its curve {auc:.2f}; 0.50 means no difference). Assumes that equal texts have equal labels there."
        )
    else:
        why = (
            f"Test rows were weighted like {like} of the {rows} rows of the target by a domain classifier (area under "
            f"its curve {auc:.2f}; 0.50 means no difference). Assumes that equal texts have equal labels there. No test rows are "
            f"like the other {rows - like}: they have no vote, and nothing is said of them."
        )
    return Said(why, "density ratio, out of fold", like, slack=0.0, details={"auc": auc, "target_rows": rows})


def concept(inside: BoolArray, *, reviewed: bool) -> Said:
    """inside: which labelled rows of the target have test rows like them, (t,). reviewed: whether test labels were."""
    rows = int(inside.sum())
    if inside.all():
        why = (
            f"{rows} labelled rows of the target score otherwise than the reweighted test rows: what a change of texts alone "
            "does not explain."
        )
    else:
        why = (
            f"{rows} labelled rows of the target that have test rows like them score otherwise than the reweighted test rows: "
            "what a change of texts alone does not explain."
        )
    doubt = "" if reviewed else " Test labels that are wrong, and that nobody reviewed, look the same."
    return Said(why + doubt, "target labels minus reweighted test rows", rows, slack=0.0)


def untold(reason: str, direct: Estimate) -> Component:
    """Changed labels that cannot be told from changed texts. direct: the score on the target's labelled rows."""
    score = f"{100 * direct.value:.1f} [{100 * direct.low:.1f}, {100 * direct.high:.1f}]"
    why = f"Not told: {reason}. On the {direct.n} labelled rows of the target themselves the score is {score}."
    details = {**DECLARED, "on_target": direct.value, "on_target_low": direct.low, "on_target_high": direct.high}
    return Component("concept", "transfer", "skipped", None, None, direct.n, why, details=details)


DECLARED: dict[str, Any] = {"declared": True}
"""Of a player that the contract declares and that could not be played."""


def unsupported(name: str, reason: str) -> Component:
    if reason.startswith("this asks the scored model"):
        why = f"Not measured: {reason}. Give the model with --model, and a test set with --test."
        return Component(name, "transfer", "skipped", None, None, 0, why, details=DECLARED)
    if reason == LABELS_UNREAD:
        why = f"Not reweighted: {reason}, or use op: transplant."
        return Component(name, "transfer", "skipped", None, None, 0, why, details=DECLARED)
    advice = "Use op: transplant, or more data" if name.startswith("shortcut") else "Give more test rows of that kind"
    return Component(name, "transfer", "skipped", None, None, 0, f"Not reweighted: {reason}. {advice}.", details=DECLARED)
