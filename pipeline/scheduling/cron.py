"""Cron expressions: five fields in UTC, read as cron(8) and crontab(5) of Unix do.

Day of the week is 0 to 7 with 0 and 7 for Sunday (APScheduler's own reading begins with Monday), and where both days
are restricted either of them is enough (APScheduler's asks for both): so the fields are read here.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

MINUTE_MS = 60_000
DAY_MS = 86_400_000
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CYCLE = (date(2000, 1, 1), 28 * 365 + 7)
"""Every pairing of a date and a day of the week comes within 28 years."""
_HORIZON_DAYS = 9 * 366
"""A 29 February is at most eight years away."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first: int = 0
    """The number of the first name."""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of the week", 0, 7, _DAYS, 0),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """When a cron expression fires. Times are milliseconds since the epoch, UTC."""

    minutes_of_day: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""
    either_day: bool
    """Whether one of the two kinds of day is enough."""

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """An expression. Raises ValueError that says which field is wrong, and how to write it."""
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(
                f"{text!r} has {len(parts)} fields: write five, minute, hour, day of the month, month and day of the "
                "week, as in '30 2 * * *' for 02:30 UTC every day"
            )
        minutes, hours, days, months, weekdays = (
            _values(part, field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        return cls(
            minutes_of_day=tuple(hour * 60 + minute for hour in sorted(hours) for minute in sorted(minutes)),
            days=frozenset(days),
            months=frozenset(months),
            weekdays=frozenset(day % 7 for day in weekdays),
            either_day=not parts[2].startswith("*") and not parts[4].startswith("*"),
        )

    def after(self, moment_ms: int) -> int | None:
        """The first fire after a moment; None where it never fires."""
        day, minute = _split(moment_ms)
        place = bisect_right(self.minutes_of_day, minute)
        for ahead in range(_HORIZON_DAYS):
            found = day + timedelta(days=ahead)
            if self._on(found) and place < len(self.minutes_of_day):
                return _moment(found, self.minutes_of_day[place])
            place = 0
        return None

    def before(self, moment_ms: int) -> int | None:
        """The last fire before a moment; None where it never fires."""
        day, minute = _split(moment_ms - 1)
        place = bisect_right(self.minutes_of_day, minute)
        for back in range(_HORIZON_DAYS):
            found = day - timedelta(days=back)
            if self._on(found) and place > 0:
                return _moment(found, self.minutes_of_day[place - 1])
            place = len(self.minutes_of_day)
        return None

    def least_gap_ms(self) -> int | None:
        """The shortest time between two fires; None where it never fires."""
        start, count = _CYCLE
        on = [day for day in range(count) if self._on(start + timedelta(days=day))]
        if not on:
            return None
        times = self.minutes_of_day
        within = [later - earlier for earlier, later in pairwise(times)]
        overnight = min(later - earlier for earlier, later in pairwise(on)) * 1440
        return min([*within, overnight - times[-1] + times[0]]) * MINUTE_MS

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


def _values(text: str, field: _Field) -> set[int]:
    """The numbers that one field names."""
    found: set[int] = set()
    for item in text.lower().split(","):
        span, _, step = item.partition("/")
        if "/" in item and (not step.isdecimal() or int(step) == 0):
            raise ValueError(f"{field.name} {text!r}: the step after / must be a number from 1, as in */15")
        found |= set(range(*_span(span, field, text, open_ended="/" in item), int(step or 1)))
    return found


def _span(span: str, field: _Field, text: str, *, open_ended: bool) -> tuple[int, int]:
    """The first number of a range, and the one after its last."""
    if span == "*":
        return field.low, (7 if field.names is _DAYS else field.high + 1)
    first, dash, last = span.partition("-")
    low = _number(first, field, text)
    high = _number(last, field, text) if dash else (field.high if open_ended else low)
    if field.names is _DAYS and dash and high == 0:
        high = 7  # to Sunday
    if high < low:
        raise ValueError(f"{field.name} {text!r}: {span} runs backwards: write it as two, with a comma between")
    return low, high + 1


def _number(word: str, field: _Field, text: str) -> int:
    if word in field.names:
        return field.names.index(word) + field.first
    if not (word.isascii() and word.isdecimal()) or not field.low <= int(word) <= field.high:
        named = f" or {field.names[0]} to {field.names[-1]}" if field.names else ""
        raise ValueError(
            f"{field.name} {text!r}: {word!r} is none: write numbers from {field.low} to {field.high}{named}"
        )
    return int(word)


def _split(moment_ms: int) -> tuple[date, int]:
    moment = datetime.fromtimestamp(moment_ms // 1000, UTC)
    return moment.date(), moment.hour * 60 + moment.minute


def _moment(day: date, minute: int) -> int:
    return (day - date(1970, 1, 1)).days * DAY_MS + minute * MINUTE_MS
