"""Rules keep what people do not want from them, and nothing else."""

from typing import Any

import pytest

from detectors.base import Reason
from pipeline.errors import ConfigError
from tests.alerts.builders import Run, make_engine, make_spec, observe, reason, row


def suppressed(where: dict[str, object], until: str | None = None, *, seconds: float = 0.0, **event: Any) -> bool:
    spec = make_spec(suppress=[{"name": "known", "where": where, "until": until}])
    staged = observe(make_engine(spec), [row(1, seconds, **event)])
    assert len(staged.alerts) == 1 - staged.suppressed
    return staged.suppressed == 1


@pytest.mark.parametrize(
    ("stated", "actual", "is_same"),
    [
        ("SE", "SE", True),
        ("SE", "NO", False),
        ("1", 1, False),
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        (True, 1, False),
        (0, None, False),
    ],
)
def test_a_rule_matches_values_without_conversions(stated: object, actual: object, is_same: bool) -> None:
    assert suppressed({"country": stated}, country=actual) is is_same


def test_every_stated_value_must_match() -> None:
    assert suppressed({"country": "SE", "customer": "ada"})
    assert not suppressed({"country": "SE", "customer": "bob"})


def test_a_rule_ends_when_it_says_in_event_time() -> None:
    until = "1970-01-01T01:00:00+00:00"
    assert suppressed({"country": "SE"}, until, seconds=3600)
    assert not suppressed({"country": "SE"}, until, seconds=3601)
    assert suppressed({"country": "SE"}, "1970-01-01T01:00:00", seconds=3600), "UTC where nothing is said"


def test_a_rule_with_no_moment_to_end_at_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'known'.*2026-05-01"):
        make_engine(make_spec(suppress=[{"name": "known", "where": {"country": "SE"}, "until": "next week"}]))


def test_a_suppressed_row_neither_opens_nor_extends_an_alert() -> None:
    spec = make_spec(group_gap_seconds=60, suppress=[{"name": "known", "where": {"country": "XX"}}])
    run = Run.of(make_engine(spec))
    run.feed([row(1, 0), row(2, 50, country="XX"), row(3, 100)])
    assert len({a.id for a in run.alerts}) == 2


def kept(*reasons: Reason, nats: float = 25.0) -> tuple[str, ...] | None:
    """The columns shown for a row (None: no alert), at a threshold of 10 nats and a least deviation of 5 in amount."""
    staged = observe(make_engine(make_spec(minimum_deviation={"amount": 5.0})), [row(1, 0, nats=nats, reasons=reasons)])
    assert staged.below_minimum == 1 - len(staged.alerts)
    return tuple(r.column for r in staged.alerts[0].reasons) if staged.alerts else None


SMALL = reason("amount", nats=20.0, actual=42.0, expected=40.0)


def test_a_row_that_only_deviates_too_little_is_not_alerted() -> None:
    assert kept(SMALL) is None


def test_a_row_whose_other_columns_carry_it_alone_is_alerted_without_the_small_one() -> None:
    assert kept(SMALL, reason("country", nats=12.0, actual="BR", expected="SE"), nats=32.0) == ("country",)


def test_a_row_whose_other_columns_would_not_have_passed_is_not_alerted() -> None:
    assert kept(SMALL, reason("country", nats=3.0, actual="BR", expected="SE"), nats=23.0) is None


def test_a_deviation_of_exactly_the_minimum_counts() -> None:
    assert kept(reason("amount", actual=45.0, expected=40.0)) == ("amount",)


@pytest.mark.parametrize(("actual", "expected"), [(None, 40.0), (42.0, None), (True, 40.0), ("42", 40.0)])
def test_what_cannot_be_subtracted_is_never_too_small(actual: object, expected: object) -> None:
    assert kept(reason("amount", actual=actual, expected=expected)) == ("amount",)


def test_columns_without_a_minimum_and_rows_without_reasons_are_left_alone() -> None:
    assert kept(reason("fee", actual=1.0, expected=1.0)) == ("fee",)
    assert kept() == ()
