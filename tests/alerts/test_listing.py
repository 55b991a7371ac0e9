"""Reading alerts back: as they stand, since when, and what comes next."""

import threading
from dataclasses import replace

import pytest

from pipeline.alerts.listing import follow, read_history, since_ms
from pipeline.alerts.model import Alert, AlertStatus
from pipeline.alerts.wire import encode_alert
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SPEC, append, make_alert, make_broker
from tests.fakes import MemoryBroker

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("15m", NOW_MS - 900_000),
        ("24h", NOW_MS - 86_400_000),
        ("7d", NOW_MS - 7 * 86_400_000),
        ("1970-01-02", 86_400_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01Z", 1000),
    ],
)
def test_since_is_a_span_or_a_moment(text: str, moment_ms: int) -> None:
    assert since_ms(text, now_ms=NOW_MS) == moment_ms


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5m", "5y"])
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="24h"):
        since_ms(text, now_ms=NOW_MS)


def test_the_history_holds_each_alert_once_as_it_now_stands() -> None:
    first, second = make_alert(1, published_ms=1), make_alert(2, published_ms=2)
    over = replace(first, revision=2, status=AlertStatus.RESOLVED, published_ms=3)
    broker = make_broker([first, second, over, first])
    append(broker, b"no alert")
    history = read_history(broker, SPEC)
    assert history.alerts == (second, over)
    assert history.unreadable == 1
    assert read_history(broker, SPEC, published_since_ms=3).alerts == (over,)


def test_a_stream_that_was_never_scored_has_no_alerts() -> None:
    assert read_history(MemoryBroker(), SPEC).alerts == ()


def test_following_goes_on_where_the_history_ended_and_leaves_no_offsets() -> None:
    broker = make_broker([make_alert(1), make_alert(2)])
    history = read_history(broker, SPEC)
    append(broker, encode_alert(make_alert(3)))
    stop, seen = threading.Event(), list[Alert]()

    def on_alert(alert: Alert) -> None:
        seen.append(alert)
        if len(seen) == 2:
            stop.set()
        else:
            append(broker, encode_alert(make_alert(4)))

    follow(broker.source(group="g"), SPEC, on_alert, stop, start=history.next_offsets)
    assert [a.first_offset for a in seen] == [3, 4]
    assert broker.groups["g"].offsets == {}
