"""What probes found, as it is printed: found first, within 80 columns, in Chinese without a word of English of ours."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from veridical.core.estimate import Estimate
from veridical.core.probe_record import (
    Counts,
    Curve,
    Example,
    Measure,
    MeasureStatus,
    ProbeOutcome,
    ProbeRecord,
    ProbeStatus,
    Unit,
)
from veridical.report.probe_brief import brief_lines
from veridical.report.probes import ProbeLine, probe_lines, shown_measures, summary
from veridical.report.seen import seen_of
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
    lost = "16 edits tried; the largest is loss (ocr, 30 %): 9.0 points [4.9, 13.1] (n = 100)."
    even = (
        "3 groups; the lowest (north) at 80.1 % [73.7, 84.1] (n = 100); groups differ by 6.2 points [1.0, 9.0] (n = 100), random "
        "groups by 2.3."
    )
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
    # The probe says it, and three of its measures.
    assert text["en"].count("smallest visible 10.1 %") == text["zh"].count("最小可检出 10.1 %") == 4
    assert "1 more in report.html" in text["en"]
    assert "另有 1 项见 report.html" in text["zh"]


FIGURE = r"[-+−]?[\d.]+(?: %| points)?"
WHOLE = re.compile(rf"{FIGURE} \[[-+\d.]+, [-+\d.]+\] \(n = [\d,]+\)")
SEEN = re.compile(rf"smallest visible {FIGURE}(?: to {FIGURE})?")


def bare(text: str, record: ProbeRecord) -> list[str]:
    """Figures of a text of the report without interval or n, but for the smallest visible effects and what chance gives."""
    for name in (measure.name.replace("_", " ") for outcome in record.probes for measure in outcome.measures):
        text = text.replace(name, "")
    text = re.sub(r"random groups by [\d.]+", "", SEEN.sub("", WHOLE.sub("", " ".join(text.split()))))
    return re.findall(r"\d+(?:\.\d+)?(?: %| points)|\d+\.\d+", text)


def test_no_figure_of_a_probe_stands_without_its_interval_and_n(record: ProbeRecord) -> None:
    said = words("en")
    brief = "\n".join(line for _, line in brief_lines(record, said))
    page = "\n".join(f"{name} {value} {band} ({n})" for line in probe_lines(record, said) for name, value, band, n in drawn(line))
    for text in ("\n".join(printed(record, "en", width=100)), brief, page):
        assert not bare(text, record), text
    cut = replace(record, probes=tuple(replace(p, summary=p.summary.replace(" (n = 100)", "")) for p in record.probes))
    assert bare("\n".join(line for _, line in brief_lines(cut, said)), cut) == ["9.0 points", "4.9", "13.1"]


def drawn(line: ProbeLine) -> list[tuple[str, str, str, str]]:
    """Rows of the page's tables."""
    curves = [(curve.name, *value) for curve in line.curves for value in curve.values]
    return [(measure.name, measure.value, measure.interval, measure.n) for measure in line.measures] + curves


@pytest.mark.parametrize(
    ("lang", "said"), [("en", "Fairness over groups (smallest visible 10.1 %)"), ("zh", "（最小可检出 10.1 %）")]
)
def test_what_was_not_detected_never_stands_as_a_name_alone(record: ProbeRecord, lang: str, said: str) -> None:
    line = next(line for status, line in brief_lines(record, words(lang)) if status == "not_detected")
    assert said in line


def test_smallest_visible_effects_of_several_units_and_sizes(record: ProbeRecord) -> None:
    fairness = record.probes[1]
    units: tuple[tuple[Unit, float], ...] = (("points", 4.5), ("points", 1.26), ("nats", 0.031), ("share", 0.02))
    measures = tuple(replace(m, unit=unit, mde=mde, null=0.0) for m, (unit, mde) in zip(fairness.measures, units, strict=True))
    outcome = replace(fairness, measures=measures)
    assert seen_of(outcome, words("en")) == "smallest visible 1.3 to 4.5 points; 2.0 %; 0.031 nats"
    assert seen_of(outcome, words("zh")) == "最小可检出 1.3 到 4.5 分；2.0 %；0.031 纳特"
    assert seen_of(replace(outcome, status="found"), words("en")) == ""


def test_the_smallest_visible_effect_lies_beyond_what_is_tolerated(record: ProbeRecord) -> None:
    """5 points tolerated and 6.7 more that are told: a measure of 7 is not seen, one of 11.7 is."""
    fairness = record.probes[1]
    one = replace(fairness.measures[0], unit="points", null=5.0, mde=6.7, worse="above")
    said = seen_of(replace(fairness, measures=(one,)), words("en"))
    assert said.startswith("smallest visible 11.7 points")
    both = replace(fairness, measures=(replace(one, null=0.0, worse="both"),))
    assert seen_of(both, words("en")).startswith("smallest visible 6.7 points")


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


def measured(low: float, high: float, *, p: float | None = 0.5, null: float = 0.0, unit: Unit = "points") -> Measure:
    found = Estimate((low + high) / 2, low, high, 0.95, 100, 90, "clusters resampled")
    return Measure("lost score", found, unit, "", null=null, mde=1.5, p=p, status="not_detected")


APART = {
    "corrected": (measured(0.3, 2.0, p=0.02), "alone it would be told apart, among 3 measures", "在 3 项度量中则不能"),
    "tested": (measured(0.3, 2.0, p=0.08), "the interval would tell it apart, the test does not", "检验则不能"),
    "against": (measured(0.3, 2.0, null=1.0), "compared with 1.0 points, not with 0", "与 1.0 分 比较，而非与 0 比较"),
    "harmless": (measured(-2.0, -0.3), "it lies on the side where nothing is wrong", "偏向无问题的一侧"),
}


@pytest.mark.parametrize("why", APART)
def test_an_interval_that_leaves_out_zero_says_why_nothing_was_detected(record: ProbeRecord, why: str) -> None:
    measure, *said = APART[why]
    calm = [replace(measured(-1.0, 1.0), name=name) for name in ("one", "two")]
    outcome = replace(record.probes[1], measures=(*calm, measure))
    for lang, text in zip(("en", "zh"), said, strict=True):
        (line,) = probe_lines(replace(record, probes=(outcome,)), words(lang))
        assert sum(text in one.seen for one in line.measures) == 1, line.measures
        assert line.seen.endswith((": 1", "1 项")), line.seen  # the headline counts them: the measure itself may not be shown
    (line,) = probe_lines(replace(record, probes=(replace(outcome, measures=tuple(calm)),)), words("en"))
    assert line.seen == "smallest visible 1.5 points"
    assert {m.seen for m in line.measures} == {"smallest visible 1.5"}


def test_a_share_away_from_zero_says_what_it_is_compared_with(record: ProbeRecord) -> None:
    outcome = replace(record.probes[1], measures=(measured(0.41, 0.55, null=0.5, unit="share"),))
    (line,) = probe_lines(replace(record, probes=(outcome,)), words("en"))
    assert line.measures[0].seen.endswith("; compared with 50.0 %, not with 0")
    assert "compared" not in line.seen  # a share that leaves out 0 is nothing to wonder at
