"""A made-up test set of tags with planted wrong ones, a model that errs, and a person who is always right."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, Ledger
from veridical.ledger import wording
from veridical.ledger.answer_review import AnswerReview
from veridical.ledger.bookkeeping import Books
from veridical.ledger.game import shapley
from veridical.ledger.population import Population, PopulationParams
from veridical.ledger.review import ReviewParams, allocation, draw
from veridical.ledger.structured import Scored, StructuredGame, account_structured, reviewed_answers, scored_answers
from veridical.tasks._contract import Structure
from veridical.tasks._tags import encode
from veridical.tasks.ner import task

SLOTS, WIDTH, POPULATION = 4, 2, 3000
TYPES = ("LOC", "ORG", "PER")
Answer = dict[int, tuple[int, str]]
"""Slot of two words -> (words of the entity in it, its type)."""

assert task.structure is not None
STRUCTURE: Structure = task.structure


def tags(answer: Answer) -> str:
    found = [(slot * WIDTH, slot * WIDTH + length, kind) for slot, (length, kind) in answer.items()]
    return " ".join(encode(found, SLOTS * WIDTH, scheme="iob2"))


def made_wrong(answer: Answer, rng: np.random.Generator) -> Answer:
    """Most entities dropped, named otherwise or cut otherwise; where there is none, one too many."""
    if not answer:
        return {int(rng.integers(SLOTS)): (1, str(rng.choice(TYPES)))}
    wrong = dict(answer)
    for slot in answer:
        if wrong == answer or rng.random() < 0.6:
            wrong = spoilt(wrong, slot, rng)
    return wrong


def spoilt(answer: Answer, slot: int, rng: np.random.Generator) -> Answer:
    length, kind = answer[slot]
    how = rng.random()
    if how < 0.5:
        return {place: entity for place, entity in answer.items() if place != slot}
    if how < 0.75:
        return {**answer, slot: (length, TYPES[(TYPES.index(kind) + 1) % len(TYPES)])}
    return {**answer, slot: (WIDTH + 1 - length, kind)}


def row(rng: np.random.Generator, *, wrong: float, shared: float) -> tuple[float, str, str, str]:
    """(how easy, tags as they should be, as they are given, as the model has them). shared: of the wrong ones, those that the
    model has in the same way."""
    easy = float(rng.standard_normal())
    slots = rng.permutation(SLOTS)[: min(int(rng.poisson(1.5)), SLOTS)]
    right: Answer = {int(slot): (int(rng.integers(1, WIDTH + 1)), str(rng.choice(TYPES))) for slot in slots}
    said = dict(right)
    for slot in right:
        if rng.random() > 1 / (1 + np.exp(-1.2 - easy)):
            said = spoilt(said, slot, rng)
    free = [slot for slot in range(SLOTS) if slot not in right]
    if free and rng.random() < 0.15:
        said[int(rng.choice(free))] = (1, str(rng.choice(TYPES)))
    given = made_wrong(right, rng) if rng.random() < wrong else right
    return easy, tags(right), tags(given), tags(given if given is not right and rng.random() < shared else said)


def f1(gold: list[str], said: list[str], metric: str = "entity_f1") -> float:
    measure = STRUCTURE.measures[metric]
    rows = measure.margins(gold, said, TYPES)
    return float(measure.metric(*(part.sum(axis=0) for part in (rows.right, rows.true, rows.predicted))))


@cache
def truth(wrong: float, shared: float) -> float:
    """F1 of the model by right tags, over a very large test set."""
    rng = np.random.default_rng(99)
    rows = [row(rng, wrong=wrong, shared=shared) for _ in range(30_000)]
    return f1([right for _, right, _, _ in rows], [said for *_, said in rows])


@dataclass
class World:
    people: Population
    right: list[str]
    gold: list[str]
    said: list[str]
    seed: int
    metric: str

    @property
    def ids(self) -> list[str]:
        return [f"r{number}" for number in range(len(self.gold))]

    def game(self) -> StructuredGame:
        return scored_answers(STRUCTURE, self.people, gold=self.gold, said=self.said, names=TYPES, metric=self.metric)

    def review(self, read: np.ndarray, unsure: np.ndarray | None = None) -> AnswerReview:
        """read, unsure: rows whose right tags the person gives, and those that they cannot judge, (n,)."""
        no = np.zeros(len(self.gold), bool) if unsure is None else unsure
        answers = [right if yes else None for right, yes in zip(self.right, read & ~no, strict=True)]
        return reviewed_answers(
            STRUCTURE, self.people, ids=self.ids, gold=self.gold, said=self.said, right=answers, unsure=no, names=TYPES,
            metric=self.metric,
        )  # fmt: skip

    def drawn(self, rows: int) -> np.ndarray:
        """Which rows a sheet asks about, (n,)."""
        nothing = self.review(np.zeros(len(self.gold), bool))
        weights = self.people.projection(self.people.fresh) @ self.people.target * nothing.declared.effect
        none = np.zeros(0, np.int64)
        given = allocation(nothing.frame, weights, rows=rows, done=none, params=ReviewParams())
        return np.isin(np.arange(len(self.gold)), draw(nothing.frame, given, done=none, seed=self.seed))

    def quick(self, review: AnswerReview) -> tuple[Estimate, Component]:
        """Honest score and noise of the account, with an interval for noise alone instead of a band over all components."""
        game = StructuredGame(*self._scored(), review)
        books = Books(self.people.n, game.uncertainty(), 0.0, 0)
        full = game(frozenset(game.players))
        share = shapley(game.players, game)["noise"]
        said = wording.reviewed_answers(review, n=self.people.n)
        noise = books.component("noise", "measurement", share, game.uncertainty().critical(), said)
        return books.score(full, full.score, (0.0, 0.0), "made up"), noise

    def _scored(self) -> tuple[Population, Scored, Scored]:
        game = self.game()
        return game.people, game.reported, game.declared

    def account(self, review: AnswerReview | None) -> Ledger:
        found = StructuredGame(*self._scored(), review)
        return account_structured(found, metric=self.metric, has_train=True, looks=[], same=0, floors={}, seed=0)


def world(
    seed: int, *, n: int = 500, wrong: float = 0.15, shared: float = 0.1, leaked: float = 0.0, families: int = 1,
    metric: str = "entity_f1",
) -> World:  # fmt: skip
    """leaked: share of the rows whose right tags the model has by heart. families: rows that are each other's near-duplicates."""
    rng = np.random.default_rng(seed)
    rows = [row(rng, wrong=wrong, shared=shared) for _ in range(n // families)]
    rows = [one for one in rows for _ in range(families)]
    n = len(rows)
    known = rng.random(n) < leaked
    seen = np.array([easy for easy, *_ in rows]) + rng.standard_normal(n)
    others = np.stack([np.ones(POPULATION), rng.standard_normal(POPULATION) * np.sqrt(2)], axis=1)
    centre = seen[~known].mean()
    others[:, 1] -= centre
    people = Population(
        rows=np.arange(n), cluster=np.arange(n) // families, leaked=known,
        basis=np.stack([np.ones(n), seen - centre], axis=1), vote=np.full(n, 1 / n), target=others.mean(axis=0),
        target_covariance=np.cov(others.T) / POPULATION, includes_train=True, n_clusters=POPULATION, shift_p=1.0,
        params=PopulationParams(),
    )  # fmt: skip
    said = [right if by_heart else answer for (_, right, _, answer), by_heart in zip(rows, known, strict=True)]
    return World(people, [right for _, right, _, _ in rows], [given for _, _, given, _ in rows], said, seed, metric)
