"""The sentence a reader needs, in both languages and all formats; names from the disk can do no harm."""

import io
import json
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from veridical.core.comparison_record import (
    ComparedRun,
    ComparisonRecord,
    Difference,
    Discordance,
    NonInferiority,
    Pair,
    Selection,
    Stability,
)
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.report.comparison import markdown, page, summary, write
from veridical.report.comparison_view import p_text, pair_sentence, view
from veridical.report.html import sha256
from veridical.report.terminal import cells
from veridical.report.wording import words

EN, ZH = words("en"), words("zh")
SCRIPT = "<script>alert(1)</script>"


def share(value: float) -> Estimate:
    return Estimate(value, value - 0.02, value + 0.02, 0.95, 800, 700, "m")


def difference(value: float, low: float, high: float, *, p: float = 0.012, told: bool = True, mde: float = 1.3) -> Difference:
    band = Estimate(value, low, high, 0.95, 800, 700, "paired cluster bootstrap")
    return Difference(band, band, p, p, told, mde)


def pair(honest: Difference | None, *, first: int = 0, second: int = 1, verdict: str | None = None) -> Pair:
    judged = NonInferiority(1.0, "honest", 0.01, 0.4, verdict) if verdict else None
    return Pair(first, second, difference(1.5, 0.6, 2.4), honest, Discordance(20, 32, 0.13, independent=False), judged)


def record(*pairs: Pair, names: tuple[str, ...] = ("A", "B"), honest: tuple[float, ...] = (0.85, 0.862)) -> ComparisonRecord:
    runs = tuple(
        ComparedRun(name, f"runs/{name}", "linear", 0, 500, 3, share(value + 0.03), share(value))
        for name, value in zip(names, honest, strict=True)
    )
    k = len(runs)
    return ComparisonRecord(
        veridical="0.1.0", task="classification", metric="accuracy", terms="honest", level=0.95, seed=0, n=800, n_clusters=700,
        runs=runs, pairs=pairs, ranks=tuple(tuple(1 / k for _ in runs) for _ in runs),
        stability=(Stability("largest", 0.041, 500, 0.93, 0.97, (0.03, 0.97)),),
        selection=Selection(k, 1, 0.24, 0.6, 2, 0.6), notes=("Read on 700 of 800 rows.",),
    )  # fmt: skip


def test_the_sentence_a_reader_needs() -> None:
    told = record(pair(difference(1.2, 0.3, 2.1)))
    assert pair_sentence(told, told.pairs[0], EN) == "B is better than A by 1.2 [0.3, 2.1] points in honest terms (p = 0.012)."
    assert view(told, EN).sentences[-1] == (
        "With 2 looks at this test set, up to 0.6 points of the best of these scores may be luck."
    )
    assert pair_sentence(told, told.pairs[0], ZH) == "按真实口径，B 比 A 高 1.2 [0.3, 2.1] 分（p = 0.012）。"


def test_the_better_one_comes_first_whatever_the_order() -> None:
    told = record(pair(difference(-1.2, -2.1, -0.3)))
    assert pair_sentence(told, told.pairs[0], EN).startswith("A is better than B by 1.2 [0.3, 2.1] points")


def test_no_difference_says_what_could_have_been_seen() -> None:
    untold = record(pair(difference(0.2, -0.7, 1.1, p=0.61, told=False)))
    said = pair_sentence(untold, untold.pairs[0], EN)
    assert said == (
        "No difference between A and B can be told in honest terms: +0.2 [-0.7, +1.1] points (p = 0.61); "
        "smallest visible effect 1.3 points."
    )
    assert "分不出 A 与 B 的高下" in pair_sentence(untold, untold.pairs[0], ZH)
    assert "最小可检出 1.3 分" in pair_sentence(untold, untold.pairs[0], ZH)


@pytest.mark.parametrize(
    ("conflict", "said", "in_chinese"),
    [
        ("band", "widened to 0", "已放宽到零"),
        ("test", "p alone would tell them apart", "仅看 p 可以区分"),
        ("labels", "wrong labels may make as much", "错误的标签可能造成同样大的差别"),
    ],
)
def test_where_p_and_band_disagree_the_sentence_says_so(conflict: str, said: str, in_chinese: str) -> None:
    odd = record(pair(replace(difference(1.2, 0.0, 2.4, p=0.07, told=False), conflict=conflict)))
    assert said in pair_sentence(odd, odd.pairs[0], EN)
    assert in_chinese in pair_sentence(odd, odd.pairs[0], ZH)
    assert "a verdict needs both" in pair_sentence(odd, odd.pairs[0], EN)
    assert "at most 0.05 and the band leaves out 0" in view(odd, EN).about


def test_small_differences_keep_their_digits() -> None:
    fine = record(pair(difference(0.04, 0.01, 0.07, p=0.0004)))
    assert "by 0.04 [0.01, 0.07] points" in pair_sentence(fine, fine.pairs[0], EN)
    assert [p_text(p) for p in (0.0004, 0.0123, 0.5, 1.0)] == ["< 0.001", "= 0.012", "= 0.50", "= 1.00"]


def test_without_honest_terms_the_reported_ones_are_named() -> None:
    plain = replace(record(pair(None)), terms="reported")
    assert "as reported" in pair_sentence(plain, plain.pairs[0], EN)


def test_many_runs_are_told_against_the_best_and_the_correction_is_named() -> None:
    three = record(
        pair(difference(1.2, 0.3, 2.1)),
        pair(difference(0.1, -0.9, 1.1, told=False, p=0.8), second=2),
        pair(difference(-1.1, -2.0, -0.2), first=1, second=2),
        names=("A", "B", "C"),
        honest=(0.85, 0.862, 0.851),
    )
    sentences = view(three, EN).sentences
    assert len(sentences) == 3
    assert sentences[0].startswith("B is better than A")
    assert sentences[1].startswith("B is better than C")
    assert "corrected for 3 comparisons" in sentences[0]
    assert len(view(three, EN).pairs) == 1 + 3


@pytest.mark.parametrize("verdict", ["both", "second", "first", "neither"])
@pytest.mark.parametrize("said", [EN, ZH], ids=["en", "zh"])
def test_every_verdict_and_noise_has_words(verdict: str, said: object) -> None:
    full = replace(
        record(pair(difference(1.2, 0.3, 2.1), verdict=verdict)),
        stability=tuple(Stability(noise, 0.04, 500, 0.9, 0.9, (1.0, 0.0)) for noise in ("fitted", "largest", "reviewed")),
    )
    drawn = view(full, said)  # type: ignore[arg-type]
    assert len(drawn.details) == 2
    assert len(drawn.robust) == 4
    none = view(replace(full, stability=()), said)  # type: ignore[arg-type]
    assert len(none.robust) == 2
    assert not any("{" in text or "compare." in text for text in (*drawn.details, *drawn.robust, *none.robust, *drawn.sentences))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_the_page_stands_alone_and_names_do_no_harm() -> None:
    hostile = record(pair(difference(1.2, 0.3, 2.1)), names=(SCRIPT, "b\u202eevil|x"))
    for said, lang in ((EN, 'lang="en"'), (ZH, 'lang="zh-CN"')):
        text = page(hostile, said)
        assert "script" not in Tags(text).tags
        assert SCRIPT not in text
        assert "\u202e" not in text
        assert lang in text
        assert "default-src 'none'" in unescape(text)
        assert "http" not in text.replace("http-equiv", "")
        style = text.split("<style>")[1].split("</style>")[0]
        assert sha256(style) in unescape(text)
    shown = markdown(hostile, EN)
    assert "<script" not in shown
    assert "evil|x" not in shown


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_terminal_keeps_its_width(width: int, lang: str) -> None:
    out = io.StringIO()
    long = record(pair(difference(1.2, 0.3, 2.1)), names=("a-rather-long-name-of-a-run", "另一次运行"))
    summary(long, lang=lang, console=Console(file=out, width=width, highlight=False))
    assert "\x1b" not in out.getvalue()
    if width > 40:
        assert all(cells(line) <= min(width, 100) for line in out.getvalue().splitlines())


def test_formats_by_the_file_name(tmp_path: Path) -> None:
    told = record(pair(difference(1.2, 0.3, 2.1)))
    for name in ("c.json", "c.md", "c.html"):
        assert write(told, tmp_path / name, lang="zh").is_file()
    assert ComparisonRecord.from_json(json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))) == told
    assert "按真实口径" in (tmp_path / "c.md").read_text(encoding="utf-8")
    for name in ("c.txt", "c"):
        with pytest.raises(InputError, match=r"\.json, \.md or \.html"):
            write(told, tmp_path / name, lang="en")
    (tmp_path / "d.html").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write(told, tmp_path / "d.html", lang="en")
