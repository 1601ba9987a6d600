"""Spans and entity counts against seqeval and nervaluate on 10,000 drawn rows, and by hand."""

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.tasks._entity_scores import entity_counts
from veridical.tasks._tags import PREFIXES, SCHEMES, convert, encode, guessed_scheme, problem, spans

TYPES = ("LOC", "ORG", "a-b")
N = 10_000 // len(SCHEMES)


def tags_of(scheme):
    return ["O", *(f"{letter}-{kind}" for letter in PREFIXES[scheme] for kind in TYPES)]


def well_formed(rng, n, scheme):
    found, at = [], 0
    while at < n:
        width = int(rng.integers(1, 4))
        if rng.random() < 0.6 and at + width <= n:
            found.append((at, at + width, str(rng.choice(TYPES))))
        at += width
    return encode(found, n, scheme=scheme)


def drawn(rng, scheme, *, n_rows):
    """Pairs of rows: half drawn tag by tag, half written well and then changed here and there; some empty."""
    gold, said = [], []
    known = np.array(tags_of(scheme), dtype=object)
    for row in range(n_rows):
        n = int(rng.integers(0, 13))
        true = rng.choice(known, n) if row % 2 else np.array(well_formed(rng, n, scheme), dtype=object)
        changed = np.where(rng.random(n) < rng.choice([0.0, 0.1, 0.5]), rng.choice(known, n), true)
        gold.append(["O"] * n if row % 50 == 0 else true.tolist())
        said.append(changed.tolist())
    return gold, said


def bioes_letters(rows):
    """seqeval's default reading knows no L- and U-."""
    return [[{"L-": "E-", "U-": "S-"}.get(tag[:2], tag[:2]) + tag[2:] for tag in tags] for tags in rows]


def micro_and_macro(counts):
    right, true, said = (part.sum(axis=0) for part in (counts.right, counts.true, counts.predicted))
    seen = true + said > 0
    return 2 * right.sum() / (true + said).sum(), (2 * right[seen] / (true + said)[seen]).mean()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_to_seqeval(scheme, strict):
    import seqeval.metrics
    import seqeval.scheme

    gold, said = drawn(np.random.default_rng(3), scheme, n_rows=N)
    oracle = {"zero_division": 0}
    given = (gold, said) if strict else (bioes_letters(gold), bioes_letters(said))
    if strict:
        oracle |= {"mode": "strict", "scheme": getattr(seqeval.scheme, {"bioes": "IOBES"}.get(scheme, scheme.upper()))}
    report = seqeval.metrics.classification_report(*given, output_dict=True, **oracle)
    counts = entity_counts(gold, said, scheme=scheme, strict=strict)
    assert counts.types == TYPES
    assert counts.true.sum(axis=0).tolist() == [report[kind]["support"] for kind in TYPES]
    right, true, predicted = (part.sum(axis=0) for part in (counts.right, counts.true, counts.predicted))
    assert (right / true).tolist() == pytest.approx([report[kind]["recall"] for kind in TYPES], abs=1e-12)
    assert (right / predicted).tolist() == pytest.approx([report[kind]["precision"] for kind in TYPES], abs=1e-12)
    micro, macro = micro_and_macro(counts)
    assert micro == pytest.approx(report["micro avg"]["f1-score"], abs=1e-12)
    assert macro == pytest.approx(report["macro avg"]["f1-score"], abs=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_to_nervaluate_strict(scheme):
    """It reads IOB1 and IOB2 as by default; rows of other schemes reach it as IOB2."""
    from nervaluate import Evaluator

    gold, said = drawn(np.random.default_rng(4), scheme, n_rows=N)
    counts = entity_counts(gold, said, scheme=scheme)
    given = [[convert(tags, source=scheme, target="iob2") for tags in rows] for rows in (gold, said)]
    evaluator = Evaluator(*(given if scheme in ("bioes", "bilou") else (gold, said)), tags=list(TYPES), loader="list")
    evaluator.strategies = {"strict": evaluator.strategies["strict"]}
    found = evaluator.evaluate()
    totals = found["overall"]["strict"]
    assert (totals.correct, totals.possible, totals.actual) == tuple(
        int(part.sum()) for part in (counts.right, counts.true, counts.predicted)
    )
    micro, macro = micro_and_macro(counts)
    assert micro == pytest.approx(totals.f1, abs=1e-12)
    assert macro == pytest.approx(np.mean([found["entities"][kind]["strict"].f1 for kind in TYPES]), abs=1e-12)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_of_each_row_are_those_of_its_spans(scheme, strict):
    gold, said = drawn(np.random.default_rng(5), scheme, n_rows=1_000)
    counts = entity_counts(gold, said, scheme=scheme, strict=strict)
    for row, pair in enumerate(zip(gold, said, strict=True)):
        true, found = (set(spans(tags, scheme=scheme, strict=strict)) for tags in pair)
        for part, entities in ((counts.right, true & found), (counts.true, true), (counts.predicted, found)):
            assert part[row].tolist() == [sum(kind == name for _, _, kind in entities) for name in counts.types]


@pytest.mark.parametrize("source", SCHEMES)
def test_a_scheme_says_what_another_says(source):
    rng = np.random.default_rng(6)
    for _ in range(300):
        tags = well_formed(rng, int(rng.integers(0, 12)), source)
        assert spans(tags, scheme=source, strict=True) == spans(tags, scheme=source)
        for target in SCHEMES:
            other = convert(tags, source=source, target=target)
            assert spans(other, scheme=target, strict=True) == spans(tags, scheme=source)
            assert convert(other, source=target, target=source) == tags


def test_by_hand():
    assert spans(["I-A", "I-A", "O", "B-A", "B-A", "I-B"], scheme="iob2") == [(0, 2, "A"), (3, 4, "A"), (4, 5, "A"), (5, 6, "B")]
    assert spans(["I-A", "I-A", "O", "B-A", "B-A", "I-B"], scheme="iob2", strict=True) == [(3, 4, "A"), (4, 5, "A")]
    assert spans(["I-A", "B-A", "I-A", "I-B"], scheme="iob1", strict=True) == [(0, 1, "A"), (1, 3, "A"), (3, 4, "B")]
    assert spans(["B-A", "I-A", "S-A", "B-A", "E-A"], scheme="bioes", strict=True) == [(2, 3, "A"), (3, 5, "A")]
    assert spans(["B-A", "I-A", "U-A", "B-A", "L-A"], scheme="bilou") == [(0, 2, "A"), (2, 3, "A"), (3, 5, "A")]
    assert encode([(3, 4, "B"), (0, 2, "A"), (2, 3, "A")], 5, scheme="iob1") == ["I-A", "I-A", "B-A", "I-B", "O"]
    assert encode([(0, 3, "A"), (3, 4, "A")], 4, scheme="bilou") == ["B-A", "I-A", "L-A", "U-A"]
    counts = entity_counts([["B-A", "I-A"], [], ["B-B"]], [["B-A", "O"], [], ["B-B"]], scheme="iob2")
    assert counts.types == ("A", "B")
    assert counts.right.tolist() == [[0, 0], [0, 0], [0, 1]]
    assert counts.true.tolist() == counts.predicted.tolist() == [[1, 0], [0, 0], [0, 1]]


def test_odd_cases_of_seqeval_in_iob1():
    assert spans(["B-A", "I-A"], scheme="iob1", strict=True) == [(1, 2, "A")]
    assert spans(["I-A", "B-A", "B-B"], scheme="iob1", strict=True) == [(0, 1, "A")]


def test_an_entity_does_not_reach_into_the_next_row():
    counts = entity_counts([["B-A"], ["I-A"]], [["B-A"], ["O"]], scheme="iob2")
    assert counts.right.tolist() == [[1], [0]]
    assert counts.true.tolist() == [[1], [1]]


@pytest.mark.parametrize("rows", [[], [[]], [[], []], [["O", "O"], []]])
def test_nothing_to_find(rows):
    counts = entity_counts(rows, rows, scheme="bioes", strict=True)
    assert counts.types == ()
    assert counts.right.shape == counts.true.shape == counts.predicted.shape == (len(rows), 0)


def test_tags_that_the_scheme_does_not_know():
    assert problem(["O", "B-A", "I-A"], scheme="iob2") == ""
    assert problem(["O", "S-A"], scheme="iob2") == "tag 2 is 'S-A', and iob2 knows O, B-TYPE, I-TYPE"
    for tag in ("", "o", "B", "B-", "b-A", "BA", "-A", "PER", "S-A"):
        assert problem([tag], scheme="iob2").startswith(f"tag 1 is {tag!r}")
        with pytest.raises(InputError, match="was read as iob2, which knows O, B-TYPE, I-TYPE"):
            spans([tag], scheme="iob2")
        with pytest.raises(InputError, match="was read as iob2"):
            entity_counts([["O"]], [[tag]], scheme="iob2")


@pytest.mark.parametrize("said", [[["O"]], [["O"], ["O", "O", "O"]], [["O"], ["O"]]])
def test_rows_of_different_lengths_are_refused(said):
    with pytest.raises(InputError, match="Give one tag for every word"):
        entity_counts([["O"], ["O", "O"]], said, scheme="iob2")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_scheme_is_guessed_from_tags_that_show_it(scheme):
    rng = np.random.default_rng(8)
    assert guessed_scheme([well_formed(rng, 10, scheme) for _ in range(40)]) == scheme


def test_a_guess_where_tags_say_little():
    assert guessed_scheme([]) == guessed_scheme([["O"], ["Org", "B-A", "I-A"]]) == "iob2"
