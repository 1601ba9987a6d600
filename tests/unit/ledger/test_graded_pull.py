"""What a prediction is worth to the account, against a small change of it, where nearly right answers earn something."""

import pytest
from tests.unit.ledger.graded_world import GRADES, made

from veridical.audit._evidence import Evidence
from veridical.ledger.accounting import game_of, tables_of
from veridical.ledger.coalitions import Coalitions


@pytest.mark.parametrize("metric", ["quadratic_kappa", "closeness", "macro_closeness"])
def test_pull_is_the_derivative_by_a_rows_prediction(metric, monkeypatch):
    world = made(seed=2, n_train=300, n_test=150)
    tables = tables_of(world.trained, evidence=Evidence(world.data, seed=0), contract=None, seed=0)
    game = game_of(tables, task="ordinal", labels=GRADES, contract=None, review=None, metric=metric)
    share = 1e-4
    for coalition in (frozenset(), frozenset({"sample"}), frozenset({"sample", "leakage"})):
        before, pull = game(coalition).score, game.pull(coalition)[:, 0, 0]
        for row in (0, 40, 99):
            for other in (0, 4):
                moved = tables.predicted.copy()
                moved[row] = other
                mixture = ((tables.predicted, 1 - share), (moved, share))
                monkeypatch.setattr(Coalitions, "_predictions", lambda self, coalition, mixture=mixture: mixture)
                found = (game(coalition).score - before) / share
                monkeypatch.undo()
                assert found == pytest.approx(pull[row, other] - pull[row, tables.predicted[row]], abs=2e-5)
