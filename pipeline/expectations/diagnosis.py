"""What most likely happened, from which questions failed: the reasons people read first.

A shift of units moves all quantiles by one factor; two columns that changed places fit each other's bounds better than
their own; a stretch sent twice has every row an even number of times. What is explained so is not listed again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from pipeline.expectations.asked import What
from pipeline.expectations.column_measures import ColumnView, moved_share
from pipeline.expectations.document import Severity, Verdict
from pipeline.expectations.judge import Judged
from pipeline.expectations.moments import number_text, share_text
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window
from pipeline.expectations.words import reason_of

_LEAST_FACTOR = 2.5
_SAME_FACTOR, _NEAR_POWER = 4.0, 2.0
"""How far apart the factors of a column's quantiles may be and still be one factor; how near a power of ten is it."""
_PLACES = frozenset({What.LIMITS, What.QUANTILE, What.UNSEEN, What.MOVED, What.LENGTHS, What.ZEROS, What.TRUE})
"""What fails where a column holds another's values."""


@dataclass(slots=True)
class _Found:
    reasons: list[str] = field(default_factory=list)
    explained: set[str] = field(default_factory=set)
    """Names of questions."""


def reasons(judged: Sequence[Judged], window: Window, suite: Suite) -> tuple[str, ...]:
    """One line for each fault, the gravest first; empty where nothing that counts failed."""
    failed = _failed(judged)
    found = _diagnosed(judged, failed, window, suite)
    order = sorted(failed, key=lambda j: (j.verdict is not Verdict.ERROR, j.asked.what is not What.MISSING))
    return tuple(found.reasons + [reason_of(j) for j in order if j.asked.name not in found.explained])


def explained(judged: Sequence[Judged], window: Window, suite: Suite) -> frozenset[str]:
    """The names of the failed questions that a fault explains: an absent column, swapped ones, another unit, a stretch
    sent twice, a clock that stands still."""
    return frozenset(_diagnosed(judged, _failed(judged), window, suite).explained)


def _failed(judged: Sequence[Judged]) -> list[Judged]:
    return [j for j in judged if j.failed and j.asked.severity is Severity.CRITICAL]


def _diagnosed(judged: Sequence[Judged], failed: Sequence[Judged], window: Window, suite: Suite) -> _Found:
    found = _Found()
    _absent(failed, found)
    _swapped(judged, failed, window, suite, found)
    _units(judged, failed, found)
    _sent_twice(failed, found)
    _clock(failed, found)
    return found


def _absent(failed: Sequence[Judged], found: _Found) -> None:
    """A column that is not there: one line, not one for each of its expectations."""
    columns = dict.fromkeys(j.asked.column for j in failed if j.measured.error and j.asked.column is not None)
    for column in columns:
        own = [j for j in failed if j.asked.column == column and j.measured.error]
        found.reasons.append(reason_of(own[0]))
        found.explained |= {j.asked.name for j in own}


def _swapped(judged: Sequence[Judged], failed: Sequence[Judged], window: Window, suite: Suite, found: _Found) -> None:
    odd = {j.asked.column for j in failed if j.asked.what in _PLACES}
    columns = dict.fromkeys(j.asked.column for j in judged if j.asked.column is not None)
    pairs = [
        (one, other)
        for one, other in combinations(columns, 2)
        if odd & {one, other}
        and (_change_places(judged, one, other) or _names_change_places(window, suite, one, other))
    ]
    fits_many = {name for pair in pairs for name in pair if sum(name in p for p in pairs) > 1}
    for one, other in pairs:
        if not fits_many & {one, other}:  # else they are merely alike
            found.reasons.append(f"{one} and {other}: look swapped, each holds the values that the other had")
            found.explained |= {j.asked.name for j in failed if j.asked.column in (one, other)}
    for j in failed:
        if j.asked.what is What.RELATION and j.measured.says and _turned_round(j):
            pair = f"{j.asked.smaller} and {j.asked.larger}"
            seen = f"{j.asked.smaller} is the smaller one in {share_text(j.measured.value)} of the rows"
            found.reasons.append(f"{pair}: look swapped, {seen}, which used to be {_between(j)}")
            found.explained.add(j.asked.name)


def _change_places(judged: Sequence[Judged], one: str, other: str) -> bool:
    """Whether each column's quantiles lie nearer to the other's bounds than to its own."""
    quantiles = {
        name: {j.asked.probability: j for j in judged if j.asked.column == name and j.asked.what is What.QUANTILE}
        for name in (one, other)
    }
    if not quantiles[one] or not quantiles[other]:
        return False
    return _nearer(quantiles[one], quantiles[other]) and _nearer(quantiles[other], quantiles[one])


def _nearer(mine: Mapping[float, Judged], others: Mapping[float, Judged]) -> bool:
    shared = [p for p in mine if p in others and mine[p].measured.says]
    fits = [_outside(mine[p].measured.value, others[p]) == 0.0 for p in shared]
    away = [_outside(mine[p].measured.value, mine[p]) for p in shared]
    return bool(shared) and any(away) and sum(fits) >= 0.8 * len(fits)


def _outside(value: float, bounded: Judged) -> float:
    least, most = bounded.asked.least, bounded.asked.most
    return max(0.0, (least or 0.0) - value, value - (math.inf if most is None else most))


def _names_change_places(window: Window, suite: Suite, one: str, other: str) -> bool:
    known = {}
    for name in (one, other):
        entries = suite.columns.get(name)
        if entries is None or entries.levels is None or name not in window.table.column_names:
            return False
        known[name] = entries.levels.known
    own = crossed = 0.0
    for mine, theirs in ((one, other), (other, one)):
        levels, counts = ColumnView(window, mine).counts
        shares = dict(zip(levels, counts / max(1, counts.sum()), strict=True))
        own += moved_share(shares, known[mine])
        crossed += moved_share(shares, known[theirs])
    return crossed <= 0.5 * own


def _turned_round(j: Judged) -> bool:
    """Whether the relation holds again with its columns exchanged."""
    least, most = j.asked.least or 0.0, 1.0 if j.asked.most is None else j.asked.most
    return least <= 1.0 - j.measured.value <= most or (j.measured.value - 0.5) * ((least + most) / 2 - 0.5) < 0


def _between(j: Judged) -> str:
    least, most = j.asked.least or 0.0, 1.0 if j.asked.most is None else j.asked.most
    return f"{share_text(least)} to {share_text(most)}"


def _units(judged: Sequence[Judged], failed: Sequence[Judged], found: _Found) -> None:
    columns = dict.fromkeys(j.asked.column for j in failed if j.asked.what is What.QUANTILE)
    for column in columns:
        own = [j for j in judged if j.asked.column == column]
        factor = _factor(own)
        if factor is None or any(j.asked.name in found.explained for j in own):
            continue
        median = min((j for j in own if j.asked.what is What.QUANTILE), key=lambda j: abs(j.asked.probability - 0.5))
        times = (
            f"{number_text(_few_digits(factor))} times"
            if factor > 1
            else f"1/{number_text(_few_digits(1 / factor))} of"
        )
        found.reasons.append(
            f"{column}: values are about {times} what they were ({reason_of(median).partition(': ')[2]}): another unit?"
        )
        found.explained |= {j.asked.name for j in own if j.asked.what in _PLACES}


def _factor(own: Sequence[Judged]) -> float | None:
    """The one factor by which all quantiles moved that lie on one side of 0; None where there is none."""
    factors = []
    for j in own:
        least, most, value = j.asked.least, j.asked.most, j.measured.value
        if j.asked.what is What.QUANTILE and j.measured.says and least is not None and most is not None:
            if least * most > 0:
                factors.append(value / math.copysign(math.sqrt(least * most), most))
            elif least <= value <= most and value != 0.0:
                return None
    if not factors or min(factors) <= 0 or max(factors) > _SAME_FACTOR * min(factors):
        return None
    factor = math.exp(sum(math.log(f) for f in factors) / len(factors))
    return factor if max(factor, 1 / factor) >= _LEAST_FACTOR else None


def _few_digits(value: float) -> float:
    """A factor as people know it: the power of ten it is near, else one digit or two."""
    power = 10.0 ** round(math.log10(value))
    return power if max(value / power, power / value) < _NEAR_POWER else float(f"{value:.2g}")


def _sent_twice(failed: Sequence[Judged], found: _Found) -> None:
    for j in failed:
        if j.asked.what is What.DOUBLED and j.measured.says:
            rows = f"{j.measured.unexpected:,} rows" if j.measured.unexpected else "rows"
            found.reasons.append(f"rows: {j.measured.detail} was sent twice: each of its {rows} stands there two times")
            found.explained |= {x.asked.name for x in failed if x.asked.what in (What.DOUBLED, What.COPIES)}


def _clock(failed: Sequence[Judged], found: _Found) -> None:
    standing = next((j for j in failed if j.asked.what is What.STANDING and j.measured.says), None)
    if standing is not None:
        share, moment = share_text(standing.measured.value), standing.measured.detail
        found.reasons.append(f"clock: stands still, {share} of the rows, {moment}")
        found.explained |= {j.asked.name for j in failed if j.asked.what in (What.STANDING, What.BACKWARDS)}
