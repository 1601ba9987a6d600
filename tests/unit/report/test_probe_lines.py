"""What probes found, as it is printed: found first, within 80 columns, in Chinese without a word of English of ours."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from veridical.core.estimate import Estimate
from veridical.core.probe_record import Counts, Curve, Example, Measure, MeasureStatus, ProbeOutcome, ProbeRecord, ProbeStatus
from veridical.report.probes import probe_lines, shown_measures, summary
from veridical.report.wording import words


def estimate(value: float, method: str = "clusters resampled") -> Estimate:
    return Estimate(value, value - 0.1, value + 0.1, 0.95, 100, 90, method)


def outcome(name: str, status: ProbeStatus, *, said: str, measures: tuple[Measure, ...] = ()) -> ProbeOutcome:
    summary, why = ("", said) if status == "skipped" else (said, "")
    curve = Curve("selective_accuracy", "share of rows answered", (1.0,), (estimate(0.9),), "Accuracy on the surest rows.")
    example = Example("r1", "a text", "another", "length 90 %", "age 60 %", "name origin")
    votes = Example("r2", "a text", "a text", "length by 3 of 5", "age by 1 of 5, name by 1 of 5", "retrained")
    notes = ("Trained again was the linear model.",)
    return ProbeOutcome(
        name, status, 100, summary, why, measures, (curve,), (example, votes), {"bins": 15}, Counts(), 0.1, notes
    )  # fmt: skip


@pytest.fixture
def record() -> ProbeRecord:
    about = "Accuracy before minus after the edit, in the 40 % of rows in which it finds a place."
    edits: tuple[tuple[str, float, MeasureStatus], ...]
    edits = (("keyboard", 1.0, "not_detected"), ("ocr", 9.0, "found"), ("homophones_zh", 8.0, "found"))
    losses = tuple(
        Measure(f"loss ({kind}, 30 %)", estimate(value), "points", about, null=0.0, mde=1.5, p=0.5, status=status)
        for kind, value, status in edits
    )
    groups = tuple(
        Measure(name, estimate(0.1), "share", "Smallest over largest.", null=0.02, mde=0.081, status="not_detected")
        for name in ("equalized_odds_difference: an extraordinarily long name of a class", "metric_gap", "label_shift", "drop")
    )
    lost = "16 edits tried; the largest is loss (ocr, 30 %): 9.0 points [4.9, 13.1]."
    even = "3 groups; the lowest at 80.1 % [73.7, 84.1] (north); groups differ by 6.2 points, random groups by 2.3."
    why = "Only predictions are known, and an attack must ask the model. Give the model itself."
    probes = (
        outcome("adversarial", "skipped", said=why),
        outcome("fairness", "not_detected", said=even, measures=groups),
        outcome("robustness", "found", said=lost, measures=losses),
    )
    return ProbeRecord(probes, 0, "accuracy", "standard")


def printed(record: ProbeRecord, lang: str, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, highlight=False)
    summary(record, words=words(lang), console=console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [48, 80, 300])
def test_no_line_is_wider_than_the_terminal_or_a_hundred_columns(record: ProbeRecord, lang: str, width: int) -> None:
    lines = printed(record, lang, width=width)
    assert max(map(cell_len, lines)) <= min(width, 100)
    assert not [line for line in lines if re.search(r"\[[^\]]*$", line)]  # an interval stays on one line


def test_what_was_found_is_read_first(record: ProbeRecord) -> None:
    lines = probe_lines(record, words("en"))
    assert [line.status for line in lines] == ["found", "not_detected", "skipped"]
    assert [measure.name for measure in lines[0].measures] == [
        "loss (ocr, 30 %)",
        "loss (homophones zh, 30 %)",
        "loss (keyboard, 30 %)",
    ]
    assert len(shown_measures(lines[0])) == 2
    assert len(shown_measures(lines[1])) == 3


def test_what_was_not_detected_says_from_what_on_it_would_have_been(record: ProbeRecord) -> None:
    text = {lang: " ".join(" ".join(printed(record, lang, width=100)).split()) for lang in ("en", "zh")}
    assert text["en"].count("smallest visible 8.1 %") == text["zh"].count("最小可检出 8.1 %") == 3
    assert "1 more in report.html" in text["en"]
    assert "另有 1 项见 report.html" in text["zh"]


def test_in_chinese_only_the_words_of_the_data_stay_english(record: ProbeRecord) -> None:
    shown = "\n".join(printed(record, "zh", width=100))
    for line in probe_lines(record, words("zh")):
        shown += "\n".join([line.name, line.summary, *line.notes, *(e.note for e in line.examples)])
        shown += "\n".join(text for m in line.measures for text in (m.name, m.about, m.method))
        shown += "\n".join(text for c in line.curves for text in (c.name, c.axis, c.about))
    known = {"north", "an", "extraordinarily", "long", "name", "of", "class", "report", "html"}
    assert set(re.findall("[a-z]{2,}", shown)) <= known, set(re.findall("[a-z]{2,}", shown)) - known


def test_labels_in_examples_are_not_translated(record: ProbeRecord) -> None:
    first, votes = probe_lines(record, words("zh"))[0].examples
    assert (first.said_before, first.said_after, first.note) == ("length 90 %", "age 60 %", "姓名来源")
    assert (votes.said_before, votes.said_after) == ("3/5 个模型答 length", "1/5 个模型答 age，1/5 个答 name")
