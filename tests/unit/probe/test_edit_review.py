"""What answers about edited texts say: shares that are known, intervals that cover them, and draws that stay even."""

import numpy as np
import pytest

from veridical.probe._clustered import Spread
from veridical.probe._edit_review import EditedText, Reviewed, Tally, drawn, kept_by_review, tallied, turned_by_review


def rng():
    return np.random.default_rng(0)


def share(value, n):
    return Spread(value, float(np.sqrt(value * (1 - value) / n)), n, n)


def edits(n_rows=60, kinds=("ocr", "case"), wrong=3):
    """Every `wrong`-th edit of a row turns the answer."""
    return [
        EditedText(str(row), kind, f"text {row}", f"{kind} {row}", "pos", right=bool(row % wrong))
        for row in range(n_rows)
        for kind in kinds
    ]


def test_the_correction_is_bayes_rule():
    """Accuracy 0.8; labels hold in 90 of 100 read where right, 30 of 60 where wrong: 0.72 + 0.1 hold, 0.72 of 0.82 are right."""
    found = Reviewed("ocr", Tally(90, 10, 0), Tally(30, 30, 0))
    kept, accuracy = kept_by_review(found, share(0.8, 1000), level=0.95, rng=rng())
    assert kept.estimate.value == pytest.approx(0.82)
    assert accuracy.estimate.value == pytest.approx(0.72 / 0.82)
    assert kept.estimate.low < 0.82 < kept.estimate.high
    assert accuracy.estimate.low < 0.72 / 0.82 < accuracy.estimate.high
    assert (kept.null, accuracy.null) == (None, None)
    assert "90 of 100 hold" in kept.about
    assert "80.0 %" in accuracy.about


def test_labels_that_all_hold_change_nothing_but_the_width():
    found = Reviewed("ocr", Tally(400, 0, 0), Tally(400, 0, 0))
    kept, accuracy = kept_by_review(found, share(0.7, 400), level=0.95, rng=rng())
    assert kept.estimate.value == 1.0
    assert accuracy.estimate.value == pytest.approx(0.7)
    assert accuracy.estimate.width == pytest.approx(2 * 1.96 * np.sqrt(0.21 / 400), rel=0.1)


def test_unsure_widens_both_sides_and_nothing_read_is_no_knowledge():
    sure, unsure = (
        kept_by_review(Reviewed("ocr", Tally(40, 4, n), Tally(20, 20, n)), share(0.8, 500), level=0.95, rng=rng())
        for n in (0, 15)
    )
    for one, other in zip(sure, unsure, strict=True):
        assert other.estimate.low < one.estimate.low
        assert other.estimate.high > one.estimate.high
    blank = kept_by_review(Reviewed("ocr", Tally(0, 0, 0), Tally(5, 0, 0)), share(0.8, 500), level=0.95, rng=rng())
    assert blank[0].estimate.low < 0.3
    assert blank[0].estimate.high > 0.95


@pytest.mark.parametrize(("right", "wrong", "n"), [(0.97, 0.6, 40), (0.9, 0.2, 20), (1.0, 0.9, 12)])
def test_intervals_cover_what_was_planted(right, wrong, n):
    """Truth: accuracy 0.75 on 300 edits, labels held at these rates; n of each stratum are read. Few and extreme ones: 91 %."""
    source, hits, worlds = np.random.default_rng(1), np.zeros(2), 400
    truth = np.array([0.75 * right + 0.25 * wrong, 0.75 * right / (0.75 * right + 0.25 * wrong)])
    for _ in range(worlds):
        seen = source.binomial(300, 0.75) / 300
        held = source.binomial(n, right), source.binomial(n, wrong)
        found = Reviewed("ocr", Tally(held[0], n - held[0], 0), Tally(held[1], n - held[1], 0))
        measures = kept_by_review(found, share(seen, 300), level=0.95, rng=source)
        hits += [m.estimate.low <= t <= m.estimate.high for m, t in zip(measures, truth, strict=True)]
    assert (hits / worlds >= 0.9).all()
    assert (hits / worlds <= 0.995).all()


def test_of_an_attack_only_turned_texts_whose_label_holds_count():
    """60 % held, 30 % turned, of which half keep their label: 75 % would stand."""
    found = Reviewed("pwws", wrong=Tally(50, 50, 0))
    kept, accuracy = turned_by_review(found, share(0.6, 500), share(0.3, 500), level=0.95, rng=rng())
    assert kept.estimate.value == 0.5
    assert accuracy.estimate.value == pytest.approx(0.75)
    assert 0.6 < accuracy.estimate.low < 0.75 < accuracy.estimate.high < 0.9
    assert "60.0 % when all do" in accuracy.about


def test_edits_are_drawn_evenly_once_a_row_and_kind_and_the_same_again():
    pool = [*edits(), *edits()]  # two draws of every edit
    chosen = drawn(pool, n=40, rng=rng())
    assert len({(one.kind, one.row) for one in chosen}) == 40
    cells = {}
    for one in chosen:
        cells[one.kind, one.right] = cells.get((one.kind, one.right), 0) + 1
    assert set(cells.values()) == {10}
    assert chosen == drawn(pool, n=40, rng=rng())
    assert [one.id for one in chosen] != sorted(one.id for one in chosen)
    # Where a stratum is small, the others fill up.
    assert len(drawn(edits(n_rows=9, kinds=("ocr",)), n=100, rng=rng())) == 9
    assert drawn([], n=5, rng=rng()) == []


def test_ids_are_of_the_edit_and_no_numbers():
    ids = {one.id for one in edits()}
    assert len(ids) == 120
    assert all(name.startswith("e") and not name.isdigit() for name in ids)
    pair = EditedText("1", "ocr", ("a", "b"), ("a", "c"), "pos", right=True)
    assert pair.id != EditedText("1", "ocr", ("a", "b"), ("a", "d"), "pos", right=True).id


def test_answers_are_counted_by_kind_and_stratum():
    said = [("ocr", True, "yes"), ("ocr", False, "no"), ("ocr", False, "unsure"), ("case", True, "no")]
    assert tallied(said) == (
        Reviewed("case", Tally(0, 1, 0), Tally()),
        Reviewed("ocr", Tally(1, 0, 0), Tally(0, 1, 1)),
    )
