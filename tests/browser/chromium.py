"""The distribution's Chromium for tests, and what a page is asked: what it loads, what it says, whether it fits.

Where there is no Chromium the tests that need it are skipped with the reason; with CI=true they fail instead.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

WIDE, PHONE = (1280, 900), (390, 844)
_DEADLINE_MS = 60_000
Theme = Literal["light", "dark"]


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without a window, for as long as the block lasts."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        without_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


def without_chromium() -> None:
    """There is no Chromium: skip, or fail where a run must be complete."""
    said = "no Chromium: install the distribution's package `chromium`"
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A page as a reader has it, with everything it asked for and complained about so far."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Browser, file: Path, *, size: tuple[int, int] = WIDE, theme: Theme = "light", offline: bool = True
) -> Iterator[Opened]:
    """A file opened as from a folder: no server, and no network where `offline`."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, offline=offline, locale="en-GB"
    )
    context.set_default_timeout(_DEADLINE_MS)
    try:
        found = Opened(page=context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
        found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
        found.page.goto(file.as_uri())
        yield found
    finally:
        context.close()


def violations(page: Page) -> list[str]:
    """What axe holds against a page: rule, why, and where."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {v['help']}: {node['target']} {node.get('failureSummary', '')}"
        for v in found
        for node in v["nodes"]
    ]


def wider_than_the_window(page: Page) -> list[str]:
    """Elements that stick out to the right, those within a part that scrolls by itself left out; none where it fits."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth > width) {
                return [...document.querySelectorAll('body *')]
                    .filter((e) => !e.parentElement.closest('.scroll') && e.getBoundingClientRect().right > width + 0.5)
                    .map((e) => e.tagName + '.' + e.getAttribute('class') + ' ' + e.getBoundingClientRect().right)
                    .concat(['page ' + document.documentElement.scrollWidth + ' in ' + width]);
            }
            return [];
        }"""
    )
    return found
