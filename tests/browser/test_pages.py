"""Report pages in a real browser: they ask for nothing, everyone can use them, they fit a phone and print whole."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import PHONE, WIDE, Theme, opened, violations, wider_than_the_window
from tests.browser.pages import RUNS
from tests.browser.pdf import letters, page_texts

NAMES = ("quality", "index", "synthetic")
A4_PRINTABLE = (688, 1000)
"""Of a sheet with margins of 14 mm, in CSS pixels."""


@pytest.fixture(params=NAMES)
def file(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Path:
    """Each page in turn."""
    return pages[request.param]


@pytest.mark.parametrize(
    ("size", "theme"),
    [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light")],
    ids=["light", "dark", "phone"],
)
def test_it_asks_for_nothing_fits_and_anyone_can_use_it(
    browser: Browser, file: Path, size: tuple[int, int], theme: Theme
) -> None:
    with opened(browser, file, size=size, theme=theme) as found:
        found.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert wider_than_the_window(found.page) == []
        assert found.requests == [file.as_uri()]
        assert found.complaints == []
        assert violations(found.page) == []


def test_a_page_with_faults_would_be_caught(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    wide = (
        '<div style="width: 2000px; color: #bbb">pale</div><img src="http://127.0.0.1:9/x.png"><script>lost()</script>'
    )
    bad.write_text(f"<!doctype html><html><body>{wide}</body></html>")
    with opened(browser, bad, size=PHONE) as found:
        rules = {violation.split(":")[0] for violation in violations(found.page)}
        assert {"html-has-lang", "document-title", "image-alt", "color-contrast"} <= rules
        assert wider_than_the_window(found.page)
        assert len(found.requests) > 1
        assert any("lost" in complaint for complaint in found.complaints)


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_whole(browser: Browser, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name], size=A4_PRINTABLE) as found:
        found.page.emulate_media(media="print")
        assert wider_than_the_window(found.page) == []
        cut = found.page.evaluate(
            "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
            ".map((e) => e.getAttribute('aria-label') + ' ' + e.scrollWidth + ' in ' + e.clientWidth)"
        )
        assert cut == []
        texts = page_texts(found.page.pdf(format="A4", print_background=False))
        assert 1 <= len(texts) <= 12
        assert all(texts), "no sheet is empty"
        printed = "".join(texts)
        found.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        found.page.evaluate("document.querySelectorAll('.hidden').forEach((one) => one.remove())")
        words = letters_of(found.page.inner_text("main")) | letters_of(found.page.inner_text("header"))
        missing = {word for word in words if word not in printed}
        assert missing <= letters_of("All reports"), "links that lead nowhere on paper may be left out"
        assert len(words) > 60


def letters_of(text: str) -> set[str]:
    return {letters(word) for word in text.split()}


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_not_cut_by_the_end_of_a_sheet(browser: Browser, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name], size=A4_PRINTABLE) as found:
        found.page.emulate_media(media="print")
        apart = found.page.evaluate(
            "[...document.querySelectorAll('figure, .card')].every((e) => getComputedStyle(e).breakInside === 'avoid'"
            " && e.getBoundingClientRect().height < 1000)"
        )
        assert apart


@pytest.mark.parametrize("name", NAMES)
def test_the_keyboard_reaches_the_content(browser: Browser, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name]) as found:
        found.page.keyboard.press("Tab")
        skip = found.page.evaluate("document.activeElement.className")
        assert skip == "skip"
        assert found.page.locator(".skip").is_visible()
        found.page.keyboard.press("Enter")
        assert found.page.evaluate("document.querySelector(':target') !== null")


def test_folded_parts_open_by_key(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["quality"]) as found:
        details = found.page.locator("section[aria-labelledby=passed] details")
        assert not details.locator("table").is_visible()
        details.locator("summary").focus()
        found.page.keyboard.press("Enter")
        assert details.locator("table").is_visible()


def test_links_of_the_history_lead_to_earlier_reports(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["quality"]) as found:
        links = found.page.locator(".strip a")
        targets = [link.evaluate("(one) => one.href") for link in links.all()]
        assert len(targets) == 7, "eight are kept, this one is among them"
        assert all(Path(target.removeprefix("file://")).is_file() for target in targets)
        assert found.page.locator(".strip li").count() == RUNS + 1
        links.last.focus()
        found.page.keyboard.press("Enter")
        found.page.wait_for_url(targets[-1])
        assert "payments" in found.page.title()


def test_the_index_shows_one_stream_alone_and_leads_to_its_pages(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["index"]) as found:
        assert found.page.locator("section.stream:visible").count() == 2
        found.page.click("text=logins >> nth=0")
        assert found.page.locator("section.stream:visible").count() == 1
        targets = found.page.evaluate("[...document.querySelectorAll('.reports a')].map((one) => one.href)")
        assert len(targets) >= 12
        assert all(Path(target.removeprefix("file://")).is_file() for target in targets)
        found.page.click("section.stream:visible .reports a >> nth=0")
        assert re.search("logins: quality of a synthetic dataset", found.page.title())
        found.page.click("text=All reports")
        assert found.page.title() == "Data quality: all reports"
