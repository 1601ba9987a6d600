"""The benchmark of the ledger's speed plays the whole game, and the account asks each coalition once."""

from collections import Counter

import pytest
from benchmarks.speed.ledger import PLAYERS, fully, tables, told

from veridical.ledger.coalitions import Coalitions


@pytest.mark.parametrize(("metric", "n_classes"), [("accuracy", 3), ("macro_f1", 3)])
def test_every_player_of_the_full_game_holds_points_and_no_coalition_is_asked_twice(metric, n_classes, monkeypatch):
    asked, plain, alive = Counter(), Coalitions.__call__, []

    def counted(game, coalition):
        alive.append(game.tables)  # so that no other table gets its number
        asked[id(game.tables), coalition] += 1
        return plain(game, coalition)

    monkeypatch.setattr(Coalitions, "__call__", counted)
    found = told(fully(tables(400, n_classes=n_classes), n_classes=n_classes), n_classes=n_classes, metric=metric, game="full")
    assert {component.name for component in found.components if component.points is not None} >= PLAYERS["full"]
    whole = frozenset({"leakage", "sample", "noise"})
    # Bounds of the noise, the bound of reuse and the offset of the concept ask a few coalitions on their own.
    all_of_them = max((coalition for _, coalition in asked), key=len)
    again = {coalition for (_, coalition), times in asked.items() if times > 1} - {whole, whole | {"shift"}, all_of_them}
    assert not again
    assert len({coalition for _, coalition in asked}) == 2**3 + 2**5 - 1
