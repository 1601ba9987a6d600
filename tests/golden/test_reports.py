"""Reports of a frozen run, compared with stored ones. To accept a change: VERIDICAL_REGENERATE=1 pytest tests/golden"""

import io
import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tests.golden import frozen_run

from veridical.core.errors import InputError, VeridicalError
from veridical.core.run_record import RunRecord
from veridical.report import html
from veridical.report.html import report, sha256
from veridical.report.terminal import cells, summary

EXPECTED = Path(__file__).parent / "expected"
REGENERATE = bool(os.environ.get("VERIDICAL_REGENERATE"))
CASES = {"frozen": frozen_run.record, **frozen_run.WORST_CASES}


def same_as_stored(name: str, text: str) -> None:
    path = EXPECTED / name
    if REGENERATE:
        EXPECTED.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.is_file(), f"{path} is not stored yet; run with VERIDICAL_REGENERATE=1"
    assert text == path.read_text(encoding="utf-8")


def printed(record: RunRecord, *, lang: str, width: int = 80, folder: Path | None = None, **console: str) -> str:
    out = io.StringIO()
    summary(record, lang=lang, console=Console(file=out, width=width, highlight=False, **console), folder=folder)
    return out.getvalue()


class Page(HTMLParser):
    """Elements with their attributes, the text outside script and style, and the inline scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self.text: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag if tag in self.inline else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.inline[self.inside] if self.inside else self.text).append(data)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return frozen_run.write_run(tmp_path / "run")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("format", ["html", "md"])
def test_the_file_is_as_stored(run: Path, lang: str, format: str) -> None:
    path = report(run, format=format, lang=lang)
    assert path == run / f"report.{format}"
    same_as_stored(f"report.{lang}.{format}", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("case", CASES)
def test_the_summary_is_as_stored(case: str, lang: str) -> None:
    same_as_stored(f"summary.{case}.{lang}.txt", printed(CASES[case](), lang=lang, folder=Path("runs/demo")))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("width", [60, 80])
def test_the_summary_fits_and_has_no_control_characters(case: str, lang: str, width: int) -> None:
    text = printed(CASES[case](), lang=lang, width=width)
    commands = [line for line in text.splitlines() if "veridical review" in line]
    assert all(cells(line) <= width for line in text.splitlines() if line not in commands)
    assert not [c for c in text if c in "\x1b\x07\u202e\u200b"]


def test_the_summary_needs_no_colour_and_no_unicode_terminal() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    summary(frozen_run.record(), lang="en", console=Console(file=out, width=80, no_color=True))
    out.seek(0)
    text = out.read()
    assert "reported 96.1 -> honest 85.3 [83.9, 86.6]" in text
    assert "=====" in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_not_detected_always_says_what_could_have_been_seen(run: Path, lang: str) -> None:
    said = {"en": r"not detected(?! \(visible from 0\.8 points up\))", "zh": r"未检出(?!（最小可检出 0\.8 分）)"}[lang]
    texts = [printed(frozen_run.record(), lang=lang, width=100)]
    texts += [
        "".join(Page(report(run, lang=lang).read_text(encoding="utf-8")).text),
        report(run, format="md", lang=lang).read_text(),
    ]
    for text in texts:
        assert ("not detected" if lang == "en" else "未检出") in text
        assert not re.search(said, text)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_score_under_a_contract_never_stands_without_its_name(tmp_path: Path, lang: str) -> None:
    run = frozen_run.write_run(tmp_path / "run", frozen_run.under_contract())
    figure = re.compile(r"81\.1")
    for text in (
        printed(frozen_run.under_contract(), lang=lang),
        report(run, format="md", lang=lang).read_text(encoding="utf-8"),
    ):
        assert [line for line in text.splitlines() if figure.search(line)]
        assert all("shop " in line for line in text.splitlines() if figure.search(line))
    page = report(run, lang=lang).read_text(encoding="utf-8")
    for at in figure.finditer(page):
        assert "shop &lt;script&gt;" in page[max(0, at.start() - 2500) : at.start()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_from_data_is_markup(tmp_path: Path, case: str, lang: str) -> None:
    run = frozen_run.write_run(tmp_path / "run", CASES[case]())
    text = report(run, lang=lang).read_text(encoding="utf-8")
    page = Page(text)
    for hostile in frozen_run.HOSTILE:
        body = text.replace(page.inline["style"][0], "").replace(page.inline["script"][0], "")
        body = body.replace("<style></style>", "").replace("<script></script>", "")
        assert hostile not in body, repr(hostile)
    assert len(page.inline["script"]) == 1
    assert len(page.inline["style"]) == 1
    assert not {tag for tag, _ in page.elements} & {"img", "iframe", "object", "embed", "link", "base", "i"}
    if case == "frozen":
        assert frozen_run.SCRIPT in "".join(page.text)  # shown as it is, as text
    for hostile in frozen_run.HOSTILE:
        assert hostile not in report(run, format="md", lang=lang).read_text(encoding="utf-8")


def test_the_policy_allows_only_our_own_style_and_script(run: Path) -> None:
    page = Page(report(run).read_text(encoding="utf-8"))
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'{sha256(page.inline['script'][0])}'"
    assert rules["style-src"] == f"'{sha256(page.inline['style'][0])}'"
    assert "unsafe" not in policy


def test_the_page_loads_nothing_and_carries_no_inline_handlers(run: Path) -> None:
    page = Page(report(run).read_text(encoding="utf-8"))
    for tag, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on") or name in {"src", "style", "srcset", "action"}}, (
            tag,
            attributes,
        )
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|https?:", "".join(page.inline["style"] + page.inline["script"]))


def test_every_id_and_label_a_reader_needs_is_there(run: Path) -> None:
    page = Page(report(run).read_text(encoding="utf-8"))
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in page.elements if tag == "a"]
    assert {str(link)[1:] for link in links} <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_found_nothing_and_could_not_look_never_look_alike(run: Path) -> None:
    text = report(run).read_text(encoding="utf-8").partition('id="checks"')[2]
    looks = {kind: re.search(rf'chip chip-{kind}">.*?</span>', text, re.DOTALL) for kind in ("found", "clean", "skipped")}
    assert len({match.group() for match in looks.values() if match}) == 3
    words = {re.sub(r"<.*?>", "", match.group().split(">", 1)[1]).strip() for match in looks.values() if match}
    assert words == {"found", "nothing found", "could not look"}


def test_both_sides_of_a_pair_are_shown_with_their_difference_marked(run: Path) -> None:
    text = report(run).read_text(encoding="utf-8")
    assert "<mark>but</mark>" in text
    assert "<mark>and</mark>" in text


def test_without_texts_rows_are_shown_by_id(tmp_path: Path) -> None:
    run = frozen_run.write_run(tmp_path / "run", texts=False)
    text = report(run).read_text(encoding="utf-8")
    assert "This run keeps no texts" in text
    assert "A quiet book" not in text
    assert "row with newlines" in text


def test_only_run_json_is_needed(tmp_path: Path) -> None:
    run = frozen_run.write_run(tmp_path / "run", texts=False, audit=False)
    (run / "predictions.parquet").unlink()
    (run / "edits.parquet").unlink()
    assert "No check found a row." in report(run).read_text(encoding="utf-8")


def test_a_huge_audit_stays_under_the_limit_and_500_rows_a_check(run: Path) -> None:
    ids = [f"r{k}" for k in range(1200)]
    texts = [f"第{k}条：" + "这家店的味道非常好，下次还会再来，强烈推荐给大家。" * 400 for k in range(1200)]
    none = pa.nulls(1200, pa.string())
    columns = {"id": ids, "split": ["test"] * 1200, "text": texts, "second": none, "label": ["pos"] * 1200}
    pq.write_table(pa.table(columns), run / "rows.parquet")
    checks = ("train_test_overlap", "label_words", "label_errors")
    found = {
        "row": ids * 3, "split": ["test"] * 3600, "check": [c for c in checks for _ in ids], "score": [0.5] * 3600,
        "reason": ["Near-equal."] * 3600, "evidence": [""] * 3600, "other_row": (ids[1:] + ids[:1]) * 3, "repair": [""] * 3600,
    }  # fmt: skip
    pq.write_table(pa.table(found), run / "findings.parquet")
    path = report(run, lang="zh")
    assert path.stat().st_size <= html.LARGEST
    assert path.read_text(encoding="utf-8").count('<article class="row"') == 1500


def test_what_cannot_be_drawn_is_refused_in_one_sentence(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        report(tmp_path)
    with pytest.raises(VeridicalError, match="Unknown format 'pdf'"):
        report(run, format="pdf")
    with pytest.raises(VeridicalError, match="Unknown language 'fr'"):
        report(run, lang="fr")
    (run / "rows.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match=r"rows\.parquet cannot be read"):
        report(run)
