"""Cron expressions mean what they mean in Unix, in UTC, and the gaps between fires are the true ones."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scheduling.cron import Cron
from pipeline.scheduling.fires import FiresTrigger, Grid, newest_first

NOON = round(datetime(2026, 3, 18, 12, tzinfo=UTC).timestamp() * 1000)  # a Wednesday


def said(fire_ms: int | None) -> str | None:
    return None if fire_ms is None else datetime.fromtimestamp(fire_ms / 1000, UTC).strftime("%a %d %b %Y %H:%M")


@pytest.mark.parametrize(
    ("text", "after", "before"),
    [
        ("*/15 * * * *", "Wed 18 Mar 2026 12:15", "Wed 18 Mar 2026 11:45"),
        ("30 2 * * *", "Thu 19 Mar 2026 02:30", "Wed 18 Mar 2026 02:30"),
        ("0 3 * * 0", "Sun 22 Mar 2026 03:00", "Sun 15 Mar 2026 03:00"),
        ("0 3 * * 7", "Sun 22 Mar 2026 03:00", "Sun 15 Mar 2026 03:00"),
        ("0 3 * * mon-fri", "Thu 19 Mar 2026 03:00", "Wed 18 Mar 2026 03:00"),
        ("0 3 * * sat-sun", "Sat 21 Mar 2026 03:00", "Sun 15 Mar 2026 03:00"),
        ("0 0 1 * mon", "Mon 23 Mar 2026 00:00", "Mon 16 Mar 2026 00:00"),
        ("0 0 31 * *", "Tue 31 Mar 2026 00:00", "Sat 31 Jan 2026 00:00"),
        ("0 0 29 feb *", "Tue 29 Feb 2028 00:00", "Thu 29 Feb 2024 00:00"),
        ("0 0 30 2 *", None, None),
    ],
)
def test_fires_are_those_of_unix(text: str, after: str | None, before: str | None) -> None:
    cron = Cron.parse(text)
    assert (said(cron.after(NOON)), said(cron.before(NOON))) == (after, before)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("* * * *", "4 fields"),
        ("61 * * * *", "minute .*0 to 59"),
        ("* * * * 8", "day of the week .*sun to sat"),
        ("5-1 * * * *", "runs backwards"),
        ("*/0 * * * *", "step"),
        ("@daily", "five"),
        ("* * * foo *", "jan to dec"),
        ("², * * * *", "minute"),
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        Cron.parse(text)


def fields() -> st.SearchStrategy[str]:
    """Expressions that restrict one kind of day at most, which is where cron and APScheduler mean the same."""
    minute = st.sampled_from(["*", "0", "*/7", "5,50", "10-20/3"])
    hour = st.sampled_from(["*", "3", "*/5", "0,23"])
    day, month = st.sampled_from(["*", "1", "31", "*/10", "28-31"]), st.sampled_from(["*", "2", "*/3", "feb"])
    return st.builds(lambda *parts: " ".join([*parts, "*"]), minute, hour, day, month)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(fields(), st.integers(0, 3 * 366 * 86_400))
def test_fires_agree_with_apscheduler_where_it_means_the_same(text: str, seconds: int) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=1)
    theirs = CronTrigger.from_crontab(text, timezone="UTC").get_next_fire_time(None, now)
    ours = FiresTrigger(Cron.parse(text)).get_next_fire_time(None, now)
    assert ours == theirs


@settings(max_examples=20, derandomize=True, deadline=None)
@given(fields(), st.integers(0, 366 * 86_400))
def test_the_least_gap_is_never_undercut(text: str, seconds: int) -> None:
    cron = Cron.parse(text)
    gap = cron.least_gap_ms()
    start = NOON + seconds * 1000
    fires = []
    for _ in range(50):
        following = cron.after(start)
        if following is None:
            break
        fires.append(following)
        assert cron.before(following + 1) == following
        start = following
    assert (gap is None) == (not fires)
    assert all(later - earlier >= (gap or 0) for earlier, later in pairwise(fires))


@pytest.mark.parametrize(
    ("text", "hours"),
    [("0 * * * *", 1.0), ("0 1,23 * * *", 2.0), ("0 0 * * mon", 168.0), ("0 0 28,1 * *", 24.0), ("0 0 30 2 *", None)],
)
def test_the_least_gap_looks_over_nights_and_months(text: str, hours: float | None) -> None:
    gap = Cron.parse(text).least_gap_ms()
    assert gap == (None if hours is None else hours * 3_600_000)


def test_intervals_lie_on_one_grid_whoever_asks() -> None:
    grid = Grid(7_000)
    assert grid.after(0) == 7_000
    assert grid.after(6_999) == 7_000
    assert grid.after(7_000) == 14_000
    assert (grid.before(7_000), grid.before(7_001)) == (0, 7_000)
    assert list(newest_first(grid, after_ms=7_000, until_ms=28_000)) == [28_000, 21_000, 14_000]
