"""One Chromium for the whole session, and the pages it opens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import started
from tests.browser.pages import quality_reports, synthetic_report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium."""
    with started() as found:
        yield found


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By name, the files: `quality` (the newest report of a folder of them), `index`, `synthetic`."""
    root = tmp_path_factory.mktemp("reports")
    quality = quality_reports(root)
    synthetic = tmp_path_factory.mktemp("synthetic") / "report.html"
    synthetic.write_text(synthetic_report(), encoding="utf-8")
    return {"quality": quality, "index": root / "index.html", "synthetic": synthetic}
