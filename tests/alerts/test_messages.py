"""The line of an alert that people read first."""

import pytest

from detectors.base import Reason
from pipeline.alerts.messages import reason_text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (10.0, 95.0, "rate is 4,812, expected about 42 (10 to 95)"),
        (42.0, 42.0, "rate is 4,812, expected 42"),
        (None, None, "rate is 4,812, expected 42"),
    ],
)
def test_a_range_is_told_where_there_is_one(low: float | None, high: float | None, expected: str) -> None:
    reason = Reason(column="rate", contribution_nats=9.0, actual=4812.0, expected=42.0, low=low, high=high)
    assert reason_text(reason) == expected
