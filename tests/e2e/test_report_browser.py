"""The report in a real browser, offline: search, filters, the theme switch, no script errors, nothing of the data runs."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.golden import frozen_run

from veridical.report.html import report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--virtual-time-budget=3000"),
)


class Dom(HTMLParser):
    """The rows and groups of findings of a dumped page, each with whether it is hidden, and the attributes of <html>."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, bool]] = []
        self.groups: dict[str, bool] = {}
        self.root: dict[str, str | None] = {}
        self.by_id: dict[str, dict[str, str | None]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        hidden = "hidden" in found
        if tag == "html":
            self.root = found
        elif tag == "details" and "data-check" in found:
            self.groups[str(found["data-check"])] = hidden
        elif tag == "article" and found.get("class") == "row":
            self.rows.append((next(reversed(self.groups)), hidden))
        if found.get("id"):
            self.by_id[str(found["id"])] = found

    @property
    def visible(self) -> list[str]:
        return [check for check, hidden in self.rows if not hidden and not self.groups[check]]


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "No Chromium is installed, so the report was not tried in a browser; install it with: apt-get install chromium"
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report(frozen_run.write_run(tmp_path_factory.mktemp("browser") / "run"))


def dumped(browser: str, page: Path, profile: Path, *, fragment: str = "") -> tuple[Dom, str]:
    """The page's DOM after its scripts ran."""
    command = [browser, *QUIET, "--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri() + fragment], capture_output=True, timeout=120, check=True)
    console = "\n".join(line for line in done.stderr.decode("utf-8", "replace").splitlines() if "CONSOLE" in line)
    assert not console, console
    text = done.stdout.decode("utf-8", "replace")
    return Dom(text), text


def test_without_a_filter_every_row_is_shown_and_no_script_fails(browser: str, page: Path, tmp_path: Path) -> None:
    dom, text = dumped(browser, page, tmp_path)
    assert len(dom.visible) == len(dom.rows) == 6
    assert "hidden" not in dom.by_id["filter"]
    assert "6 of 6 rows shown" in text
    assert "data-error" not in dom.root
    assert "<img" not in text  # the hostile texts stay texts


@pytest.mark.parametrize(
    ("fragment", "visible"),
    [
        ("#q=slow%20QUIET", ["train_test_overlap", "label_errors"]),
        ("#q=nowhere-at-all", []),
        ("#check=label_words", ["label_words"]),
        ("#split=train", ["label_words", "label_errors"]),
        ("#q=quiet&split=test", ["train_test_overlap"]),
        ("#q=%E5%89%8D%E8%A8%80", ["train_test_overlap"]),
        ("#q=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", []),
    ],
)
def test_the_filter_in_the_address_is_applied(
    browser: str, page: Path, tmp_path: Path, fragment: str, visible: list[str]
) -> None:
    dom, text = dumped(browser, page, tmp_path, fragment=fragment)
    assert dom.visible == visible
    assert f"{len(visible)} of 6 rows shown" in text
    assert "data-error" not in dom.root


def test_nothing_but_our_own_script_can_run(browser: str, page: Path, tmp_path: Path) -> None:
    """Even were markup to slip through, the policy refuses it: the same page with a script and a style added by force."""
    forced = tmp_path / "forced.html"
    attack = "<script>document.documentElement.dataset.broken = 'yes'</script>"
    forced.write_text(page.read_text(encoding="utf-8").replace("<footer>", attack + "<footer>"), encoding="utf-8")
    command = [browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", forced.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    text = done.stdout.decode("utf-8", "replace")
    assert attack.split(">")[1][:30] in text
    assert not re.search(r"<html[^>]*data-broken", text)
