"""docs/alerts.md says what is so."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from pipeline.alerts.engine import MAX_OPEN, TICK_GRACE_MS
from pipeline.alerts.model import AlertKind, AlertStatus
from pipeline.alerts.notify.backoff import FIRST_SECONDS, LONGEST_SECONDS
from pipeline.alerts.notify.signature import sign
from pipeline.config import AlertSpec
from tests.alerts.builders import make_engine, make_spec

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_verifies_our_signature_and_refuses_others() -> None:
    names: dict[str, Callable[[bytes, str, bytes], bool]] = {}
    exec(compile(blocks("python")[0], "docs/alerts.md", "exec"), names)  # noqa: S102 - the page's own example
    is_from_eddyline = names["is_from_eddyline"]
    signature = sign(b"{}", secret=b"s", unix_seconds=int(time.time()))
    assert is_from_eddyline(b"{}", signature, b"s")
    assert not is_from_eddyline(b"{ }", signature, b"s")
    assert not is_from_eddyline(b"{}", signature, b"other")
    assert not is_from_eddyline(b"{}", sign(b"{}", secret=b"s", unix_seconds=1), b"s")
    assert not is_from_eddyline(b"{}", "", b"s")


def test_the_example_rules_can_be_used_and_every_rule_is_shown() -> None:
    rules = yaml.safe_load(blocks("yaml")[0])["alerts"]
    assert set(rules) == set(AlertSpec.model_fields)
    make_engine(make_spec(**rules))


def test_every_status_and_kind_is_explained_and_the_figures_are_the_codes() -> None:
    for word in [*AlertStatus, *AlertKind]:
        assert f"| `{word.value}` |" in PAGE
    assert f"{MAX_OPEN:,} open alerts" in PAGE
    assert (TICK_GRACE_MS, FIRST_SECONDS, LONGEST_SECONDS) == (5_000, 1.0, 60.0)
