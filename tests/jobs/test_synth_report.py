"""A dataset's page, from request through the real gates: self-contained, with lineage, beside the manifest."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.jobs.synth_report import write_report
from pipeline.synthesis.gates import judge
from pipeline.synthesis.split import Halves
from tests.pipeline.synthesis.making import Workshop, drawn

REAL = Halves(train=drawn(800, seed=1), held_out=drawn(200, seed=2))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


def test_a_judged_dataset_has_a_page_that_needs_nothing_else(shop: Workshop) -> None:
    shop.source |= {"fingerprint": "f00d", "file": "payments.parquet"}
    made = shop.make(shop.request(rows=950, seed=7), judged_by=judge)
    page, data = write_report(made.places, bundle=shop.bundle(), real=REAL)
    assert page.parent == data.parent == made.places.about
    text = page.read_text(encoding="utf-8")
    assert made.places.dataset_id in text
    assert "f00d" in text
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text), "asks the network for nothing"
    assert json.loads(data.read_text(encoding="utf-8"))["verdict"]["passed"] is made.judged.passed


def test_a_dataset_that_was_never_measured_or_is_gone_is_said(shop: Workshop, tmp_path: Path) -> None:
    made = shop.make(shop.request(rows=300))
    with pytest.raises(ConfigError, match="has no measurements to report on"):
        write_report(made.places, bundle=shop.bundle(), real=REAL, output=tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
