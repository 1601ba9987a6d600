"""Each thing is said once, and the next step fits the run."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.golden import frozen_run

from veridical.core.run_record import RunRecord
from veridical.report.account_view import (
    REVIEW_ROWS,
    account_notes,
    gap_sentence,
    learned_sentence,
    next_steps,
    warning_sentences,
)
from veridical.report.html import page
from veridical.report.markdown import markdown
from veridical.report.run_files import read_run_files
from veridical.report.terminal import summary
from veridical.report.wording import words


def _commands(record: RunRecord) -> list[str]:
    return [command for command, _ in next_steps(record, words("en"), folder=Path("runs/demo")) if "review" in command]


@pytest.mark.parametrize(("n_test", "rows"), [(1, 1), (40, 40), (REVIEW_ROWS, REVIEW_ROWS), (7025, REVIEW_ROWS)])
def test_no_more_rows_are_proposed_for_review_than_there_are(n_test: int, rows: int) -> None:
    (command,) = _commands(replace(frozen_run.record(), n_test=n_test))
    assert command == f"veridical review runs/demo --rows {rows} --out review.csv"


def test_rows_set_aside_are_said_once() -> None:
    record = replace(frozen_run.record(), set_aside={"text empty": 3}, warnings=("3 rows were set aside: text empty: 3.",))
    out = io.StringIO()
    summary(record, lang="en", console=Console(file=out, width=200, highlight=False))
    assert [line for line in out.getvalue().splitlines() if "rows were set aside" in line or "rows set aside" in line] == [
        "! 3 rows were set aside: text empty: 3."
    ]


@pytest.mark.parametrize(
    ("high", "english", "chinese"),
    [
        (0.866, "stands 10.8 points above", "10.8 分"),
        (0.970, "the interval of the whole holds the reported score", "总区间仍包含报告得分"),
    ],
)
def test_a_gap_the_interval_cannot_tell_from_none_is_not_claimed(high: float, english: str, chinese: str) -> None:
    ledger = frozen_run.ledger()
    ledger = replace(ledger, honest=replace(ledger.honest, high=high))
    assert english in gap_sentence(ledger, words("en"))
    assert chinese in gap_sentence(ledger, words("zh"))
    assert ("stands" in gap_sentence(ledger, words("en"))) == (high < 0.9)


@pytest.mark.parametrize(
    ("high", "english", "chinese"),
    [
        (0.866, "stands 5.2 to 15.6 points above", "高 5.2 至 15.6 分"),
        (0.970, "anywhere from 15.6 points above to 5.2 points below", "可能高 15.6 分，也可能低 5.2 分"),
    ],
)
def test_where_labels_chose_which_rows_leaked_a_range_is_said(high: float, english: str, chinese: str) -> None:
    ledger = frozen_run.ledger()
    ledger = replace(ledger, honest=replace(ledger.honest, low=0.762, high=high))
    ledger = replace(ledger, reported=replace(ledger.reported, value=0.918, low=0.9, high=0.93))
    leakage = next(one for one in ledger.components if one.name == "leakage")
    chosen = replace(leakage, status="bounded", details={**leakage.details, "chosen_by_label": True})
    others = tuple(one for one in ledger.components if one.name != "leakage")
    assert english in gap_sentence(replace(ledger, components=(chosen, *others)), words("en"))
    assert chinese in gap_sentence(replace(ledger, components=(chosen, *others)), words("zh"))
    wide = account_notes(replace(ledger, components=(chosen, *others), unreviewed=0.4), words("en"))
    assert any("40 % of the width of the honest interval is open for which rows leaked" in line for line in wide)
    few = replace(leakage, status="bounded")
    assert not any("which rows leaked" in line for line in account_notes(replace(ledger, unreviewed=0.4), words("en")))
    assert "hangs on their labels" not in gap_sentence(replace(ledger, components=(few, *others)), words("en"))


def test_labels_are_named_as_the_reason_only_where_their_noise_is_in_the_account() -> None:
    ledger = frozen_run.ledger()
    ledger = replace(ledger, honest=replace(ledger.honest, high=0.970))
    assert "reviewing labels narrows it" in gap_sentence(ledger, words("en"))
    skipped = tuple(replace(c, status="skipped", points=None) if c.name == "noise" else c for c in ledger.components)
    said = gap_sentence(replace(ledger, components=skipped), words("en"))
    assert "more test rows narrow it" in said
    assert "label" not in said
    assert "复核标签" not in gap_sentence(replace(ledger, components=skipped), words("zh"))


def test_pairs_and_shares_of_the_variance_are_said_and_none_where_there_are_none() -> None:
    ledger = frozen_run.ledger()
    together, shares = account_notes(ledger, words("en"))
    assert together == "leakage and sample take 0.8 points more together than apart [+0.5, +1.2]"
    assert shares.endswith("test rows drawn 99.2 % · population and imputed scores 0.8 %")  # sources of nothing are left out
    assert all(account_notes(ledger, words("zh")))
    assert account_notes(replace(ledger, interactions=(), variance={}), words("en")) == []


def test_how_much_was_trained_is_said_where_it_is_not_the_usual() -> None:
    learned = {"tuning": "lora", "n_trained": 180_000, "n_all": 22_700_000}
    record = replace(frozen_run.record(), learned=learned)
    assert learned_sentence(record, words("en")) == "Trained with lora: 0.79 % of 22,700,000 numbers could change."
    assert "0.79 %" in learned_sentence(record, words("zh"))
    assert learned_sentence(replace(record, learned={**learned, "tuning": "full"}), words("en")) == ""
    assert learned_sentence(replace(record, learned=None), words("en")) == ""
    out = io.StringIO()
    summary(record, lang="en", console=Console(file=out, width=100, highlight=False))
    assert "Trained with lora" in out.getvalue()


@pytest.mark.parametrize(
    ("lang", "given", "alike"), [("en", "labels as given", "confuse alike"), ("zh", "标签按给定的计", "以同样方式混淆")]
)
def test_every_report_says_which_wrong_labels_are_in_no_interval(lang: str, given: str, alike: str, tmp_path: Path) -> None:
    """Of structures whose answers nobody reviewed, all; of labels without a review, classes that train and test confuse alike."""
    record = frozen_run.record()
    assert record.ledger is not None
    read, few = {"reviewed": 150}, {"shape": "none", "unseen": True}
    cases = (
        ("skipped", {}, given),
        ("skipped", few, alike),
        ("bounded", {}, alike),
        ("not_detected", {}, alike),
        ("measured", read, None),
    )
    for noise, details, said in cases:
        components = tuple(
            replace(c, status=noise, details=details) if c.name == "noise" else c for c in record.ledger.components
        )
        made = replace(record, ledger=replace(record.ledger, components=components))
        files = read_run_files(frozen_run.write_run(tmp_path / f"{noise}{len(details)}", made))
        for text in (markdown(files, words(lang)), page(files, words(lang))):
            assert [sentence in text for sentence in (given, alike)] == [sentence == said for sentence in (given, alike)]


def test_that_no_difference_can_be_told_is_said_of_labels_as_they_are_where_none_was_reviewed() -> None:
    ledger = frozen_run.ledger()
    for noise, read in (("bounded", False), ("skipped", False), ("measured", True)):
        status = {"noise": noise}
        components = tuple(replace(c, status=status.get(c.name, "not_detected"), rows=0) for c in ledger.components)
        held = replace(ledger, honest=replace(ledger.honest, high=0.97), components=components)
        held = replace(held, components=tuple(c for c in components if not (read and c.name == "noise")))
        assert gap_sentence(held, words("en")).endswith(
            "on these rows no difference can be told."
            if read
            else "on these rows, as they are labelled, no difference can be told."
        )
        assert ("现有标签" in gap_sentence(held, words("zh"))) != read


@pytest.mark.parametrize(
    ("floors", "said"),
    [
        ({"majority": 0.50, "one_word": 0.958}, "one word) 95.8, which that interval holds"),
        ({"majority": 0.50, "bag_of_words": 0.958}, ""),  # a model of its own
        ({"one_word": 0.958, "bag_of_words": 0.97}, "bag of words) 97.0: a score means something only above its floor"),
        ({"one_word": 0.95}, ""),
    ],
)
def test_a_trivial_rule_that_scores_as_high_or_nearly_so_is_said(floors: dict[str, float], said: str) -> None:
    """The model scores 96.1 [95.6, 96.5]."""
    record = frozen_run.record()
    assert record.ledger is not None
    known = {name: replace(record.ledger.reported, value=value, low=value, high=value) for name, value in floors.items()}
    sentences = warning_sentences(replace(record, ledger=replace(record.ledger, floors=known)), words("en"))
    told = [sentence for sentence in sentences if "trivial rule" in sentence]
    assert len(told) == bool(said)
    assert said in "".join(told)
