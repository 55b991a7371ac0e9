"""What is expected of all rows of a window: volume, times, order, copies, keys, relations between columns."""

from itertools import combinations

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, roles_of
from pipeline.expectations.asked import Asked, What
from pipeline.expectations.inference.parts import Reference
from pipeline.expectations.inference.rounding import down, up
from pipeline.expectations.row_measures import whole_hours
from pipeline.expectations.suite import (
    ONE_DAY,
    ONE_WEEK,
    Between,
    ColumnSuite,
    Hours,
    KeysSuite,
    Relation,
    RowsSuite,
    ShareBetween,
)
from pipeline.expectations.tolerance import Scale, hourly_bounds
from pipeline.expectations.window import Window

_WIDTHS = {What.BACKWARDS: 0.01, What.STANDING: 0.02, What.COPIES: 0.01, What.LARGEST_KEY: 0.05}
_LEAST_DAYS, _LEAST_WEEKS = 4, 3
_MONDAY = 96
_MOST_RELATIONS = 20


def rows_suite(reference: Reference) -> tuple[RowsSuite, dict[str, str]]:
    """Expectations on rows, and a comment for each."""
    entries: dict[str, Between | Hours] = {}
    comments: dict[str, str] = {}
    for name, what in (("backwards", What.BACKWARDS), ("standing", What.STANDING), ("copies", What.COPIES)):
        entry = _share_at_most(reference, what)
        if entry is not None:
            entries[name], comments[name] = entry
    for name, what in (("per_hour", What.PER_HOUR), ("freshness_seconds", What.FRESHNESS), ("lag_seconds", What.LAG)):
        found = _figure(reference, what)
        if found is not None:
            entries[name], comments[name] = found
    doubled = reference.bounds(_asked(What.DOUBLED), Scale.PLAIN, least_width=0.0)
    if doubled is not None:
        entries["doubled_minutes"] = Between(most=up(max(0.0, doubled[0].most), 2))
    hours = _hours(reference)
    if hours is not None:
        entries["by_hour"] = hours
    return RowsSuite.model_validate(entries), comments


def keys_suite(reference: Reference) -> tuple[KeysSuite, dict[str, str]]:
    """Expectations on keys, and a comment for each."""
    entries: dict[str, Between] = {}
    comments: dict[str, str] = {}
    found = reference.bounds(_asked(What.KEYS), Scale.POSITIVE, least_width=1.25)
    if found is not None:
        entries["per_hour"] = Between(least=down(found[0].least, 3), most=up(found[0].most, 3))
        comments["per_hour"] = f"{found[1]:,.4g} in the middle window"
    largest = _share_at_most(reference, What.LARGEST_KEY)
    if largest is not None:
        entries["largest"], comments["largest"] = largest
    return KeysSuite.model_validate(entries), comments


def relations(reference: Reference, columns: dict[str, ColumnSuite]) -> tuple[Relation, ...]:
    """Which of two numbers is the smaller one, of columns that could change places without their own expectations
    noticing."""
    numeric = [name for name, entries in columns.items() if entries.quantiles and _plain_number(reference, name)]
    found = []
    for one, other in combinations(numeric, 2):
        if not (_fits(columns[one], columns[other]) and _fits(columns[other], columns[one])):
            continue
        asked = Asked(name="", entry="", column=None, what=What.RELATION, smaller=one, larger=other)
        seen = reference.bounds(asked, Scale.SHARE, least_width=0.02)
        if seen is not None and abs(seen[1] - 0.5) > 0.05 and not seen[0].least <= 1.0 - seen[1] <= seen[0].most:
            least, most = down(seen[0].least, 2), up(seen[0].most, 2)
            found.append((abs(seen[1] - 0.5), Relation(smaller=one, larger=other, least=least, most=min(1.0, most))))
    return tuple(relation for _, relation in sorted(found, key=lambda pair: -pair[0])[:_MOST_RELATIONS])


def _plain_number(reference: Reference, name: str) -> bool:
    field = reference.whole.field(name)
    number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    return bool(number) and reference.whole.kind(name) is Kind.NUMERIC and Role.PERSONAL not in roles_of(field)


def _fits(one: ColumnSuite, other: ColumnSuite) -> bool:
    """Whether the other column's typical values would pass as this one's."""
    if one.quantiles is None or other.quantiles is None:
        return False
    middle = {p: (low + high) / 2 for p, (low, high) in other.quantiles.at.items()}
    return all(low <= middle.get(p, low) <= high for p, (low, high) in one.quantiles.at.items())


def _asked(what: What) -> Asked:
    return Asked(name="", entry="", column=None, what=what)


def _share_at_most(reference: Reference, what: What) -> tuple[ShareBetween, str] | None:
    found = reference.bounds(_asked(what), Scale.SHARE, least_width=_WIDTHS[what])
    if found is None:
        return None
    return ShareBetween(most=min(1.0, up(found[0].most, 2))), f"seen {found[1]:.2g}"


def _figure(reference: Reference, what: What) -> tuple[Between, str] | None:
    answers = [answer.value for answer in reference.answers(_asked(what)) if np.isfinite(answer.value)]
    if not answers:
        return None
    scale = Scale.POSITIVE if min(answers) > 0 else Scale.PLAIN
    ratio = {What.PER_HOUR: 1.25, What.FRESHNESS: 3.0, What.LAG: 3.0}[what]
    width = ratio if scale is Scale.POSITIVE else (ratio - 1) * float(np.median(answers))
    found = reference.bounds(_asked(what), scale, least_width=width)
    if found is None:
        return None
    seen = f"{found[1]:,.4g} in the middle window"
    if what is What.PER_HOUR:
        return Between(least=max(0.0, down(found[0].least, 3)), most=up(found[0].most, 3)), seen
    most = max(min(found[0].most, 5.0 * max(answers)), 60.0)
    if what is What.FRESHNESS:
        most = max(most, 1.5 * _longest_gap_seconds(reference.whole))
    return Between(most=up(most, 2)), seen


def _longest_gap_seconds(window: Window) -> float:
    if window.times_ms is None or len(window.times_ms) < 2:
        return 0.0
    return float(np.diff(np.sort(window.times_ms)).max()) / 1000


def _hours(reference: Reference) -> Hours | None:
    """Rows by hour of the week where there are weeks enough, else by hour of the day, else nothing."""
    whole = reference.whole
    if whole.times_ms is None or not len(whole.times_ms):
        return None
    watched = [hour for window in reference.windows for hour in whole_hours(window)]
    span = len(watched)
    cycle = ONE_WEEK if span >= _LEAST_WEEKS * ONE_WEEK else ONE_DAY
    if span < _LEAST_DAYS * ONE_DAY:
        return None
    first = (min(watched) - _MONDAY) // cycle
    counts = np.full(((max(watched) - _MONDAY) // cycle - first + 1, cycle), np.nan)
    for hour in watched:
        counts[(hour - _MONDAY) // cycle - first, (hour - _MONDAY) % cycle] = whole.hourly.get(hour, 0)
    least, most = hourly_bounds(counts, chance=reference.chance)
    shift = 0 if cycle == ONE_WEEK else _MONDAY % ONE_DAY
    rolled = [np.roll(side, shift) for side in (least, most)]
    return Hours(least=tuple(down(float(v), 3) for v in rolled[0]), most=tuple(up(float(v), 3) for v in rolled[1]))
