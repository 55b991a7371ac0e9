"""Rows and spans as people type them."""

import pytest

from pipeline.errors import ConfigError
from pipeline.synthesis.quantities import row_count, span_seconds, span_text


@pytest.mark.parametrize("text", ["1e6", "1_000_000", "1M", "1000000", "1,000,000", "1000k", " 1m "])
def test_a_million_however_it_is_written(text: str) -> None:
    assert row_count(text) == 1_000_000


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "many", "", "1e", "0.0001k", "nan", "inf", "1e30", "1 000"])
def test_what_is_no_number_of_rows_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match="--rows"):
        row_count(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("300", 300), ("300s", 300), ("5m", 300), ("1.5h", 5_400), ("1d", 86_400)]
)
def test_a_span_has_a_unit(text: str, seconds: float) -> None:
    assert span_seconds(text) == seconds


@pytest.mark.parametrize("text", ["0", "-5m", "5 weeks", "", "m"])
def test_what_is_no_span_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        span_seconds(text)


def test_a_span_is_said_in_the_unit_that_fits() -> None:
    assert [span_text(s) for s in (5, 300, 7_200)] == ["5 s", "5.0 min", "2.0 h"]
