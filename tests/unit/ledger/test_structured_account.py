"""The account of answers that are structures, on made-up statistics of entities whose true F1 is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from veridical.core.ledger_record import Ledger
from veridical.ledger.population import Population, PopulationParams
from veridical.ledger.structured import Scored, StructuredGame, account_structured
from veridical.tasks._confusion_metrics import accuracy, micro_f1
from veridical.tasks._contract import Margins, Measure

N, POPULATION = 400, 3000


def no_margins(*_: object) -> Margins:
    raise AssertionError("statistics are made up here")


ENTITIES = Measure(micro_f1, no_margins)
PADDED = Measure(accuracy, no_margins, "entity_f1", "padding counts")


def entities(rng: np.random.Generator, easy: np.ndarray) -> Margins:
    """Two entities a row on average; those of easy rows are found more often."""
    true = rng.poisson(2.0, len(easy)).astype(float)
    right = rng.binomial(true.astype(int), 1 / (1 + np.exp(-1 - easy))).astype(float)
    return Margins(right[:, None], true[:, None], (right + rng.poisson(0.5, len(easy)))[:, None])


def f1(rows: Margins) -> float:
    return micro_f1(rows.right.sum(axis=0), rows.true.sum(axis=0), rows.predicted.sum(axis=0))


TRUTH = f1(entities(np.random.default_rng(99), np.random.default_rng(98).standard_normal(400_000)))


@dataclass
class Drawn:
    ledger: Ledger
    realised: float


def drawn(seed: int, *, leaked: float = 0.0, padded: bool = False) -> Drawn:
    """A test set of N rows; the model knows the leaked ones by heart. What describes a row is a noisy look at how easy it is."""
    rng = np.random.default_rng(seed)
    easy = rng.standard_normal(N)
    rows = entities(rng, easy)
    known = rng.random(N) < leaked
    learned = Margins(*(np.where(known[:, None], rows.true, part) for part in (rows.right, rows.true, rows.predicted)))
    seen = easy + rng.standard_normal(N)
    others = np.stack([np.ones(POPULATION), rng.standard_normal(POPULATION) * np.sqrt(2)], axis=1)
    centre = seen[~known].mean()
    others[:, 1] -= centre
    people = Population(
        rows=np.arange(N), cluster=np.arange(N), leaked=known, basis=np.stack([np.ones(N), seen - centre], axis=1),
        vote=np.full(N, 1 / N), target=others.mean(axis=0), target_covariance=np.cov(others.T) / POPULATION,
        includes_train=True, n_clusters=POPULATION, shift_p=1.0, params=PopulationParams(),
    )  # fmt: skip
    declared = Scored(ENTITIES, learned)
    filled = Margins(learned.right + 100, learned.true + 100, learned.true + 100)
    game = StructuredGame(people, Scored(PADDED, filled) if padded else declared, declared)
    ledger = account_structured(
        game, metric="padded" if padded else "entity_f1", has_train=True, looks=[], same=0, floors={}, seed=0
    )
    return Drawn(ledger, f1(rows))


def points(ledger: Ledger, name: str) -> tuple[float, float, float]:
    found = next(c.points for c in ledger.components if c.name == name)
    assert found is not None
    return found.value, found.low, found.high


@pytest.mark.parametrize("padded", [False, True])
def test_components_sum_to_the_gap_to_the_last_digit(padded: bool) -> None:
    ledger = drawn(1, leaked=0.3, padded=padded).ledger
    summed = sum(c.points.value for c in ledger.components if c.points)
    assert ledger.reported.value - summed / 100 == ledger.honest.value


def test_what_leaked_rows_bought_is_taken_away() -> None:
    runs = [drawn(seed, leaked=0.3) for seed in range(30)]
    bought = np.array([points(run.ledger, "leakage")[0] for run in runs])
    # A leaked row lifts its entities' F1 from TRUTH to 1.
    assert bought.mean() == pytest.approx(100 * 0.3 * (1 - TRUTH), rel=0.2)
    assert all(next(c.status for c in run.ledger.components if c.name == "leakage") == "measured" for run in runs)
    off = np.array([run.ledger.honest.value - TRUTH for run in runs])
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(runs))
    # 250 draws gave a coverage of .944; of 30, fewer than 25 would be a chance of 1 in 300.
    assert sum(run.ledger.honest.low <= TRUTH <= run.ledger.honest.high for run in runs) >= 25


def test_nothing_is_found_where_nothing_leaked() -> None:
    for seed in range(10):
        assert next(c.status for c in drawn(seed).ledger.components if c.name == "leakage") == "not_detected"


def test_the_luck_of_the_draw_lies_in_the_interval_of_sample() -> None:
    covered = []
    for seed in range(80):
        run = drawn(1000 + seed)
        _, low, high = points(run.ledger, "sample")
        covered.append(low <= 100 * (run.realised - TRUTH) <= high)
    assert np.mean(covered) >= 0.9


def test_what_counting_padding_bought_is_the_protocol() -> None:
    run = drawn(3, padded=True)
    value, low, _ = points(run.ledger, "protocol")
    assert value > 20
    assert low > 15
    assert run.ledger.honest.value == pytest.approx(TRUTH, abs=0.06)
    assert points(drawn(3).ledger, "protocol") == (0.0, 0.0, 0.0)


def test_where_every_row_leaked_nothing_is_known_of_the_honest_score():
    from veridical.ledger.notes import ALL_LEAKED
    from veridical.report.account_view import gap_sentence
    from veridical.report.wording import words

    ledger = drawn(3, leaked=0.995).ledger
    assert (ledger.honest.low, ledger.honest.high) == (0.0, 1.0)
    assert ledger.notes[0] == ALL_LEAKED
    assert "cannot be said" in gap_sentence(ledger, words("en"))
    some = drawn(3, leaked=0.3).ledger
    assert some.honest.high - some.honest.low < 0.2
    assert ALL_LEAKED not in some.notes
