"""Live recall by family of anomaly, with intervals, and whether it fell by more than chance.

Intervals are Wilson's score intervals (1927); falls are told by Newcombe's hybrid score interval of a difference of
two shares (1998, method 10), built of those. Canaries of one stretch share its rows and are not quite independent:
both are a little too narrow, which the high confidence of a fall makes up for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Protocol

from pipeline.catalogue import CanaryCount

HOUR_MS = 3_600_000
RECENT_MS = 24 * HOUR_MS
BEFORE_MS = 7 * 24 * HOUR_MS
"""What the last day is held against."""
Z_95, Z_FALL = 1.959964, 3.290527
"""Of 95 %, and of 99.9 %: looked at every few minutes, by family."""


class CanaryCatalogue(Protocol):
    """The part of the catalogue that is asked."""

    def canary_counts(self, stream: str, since_ms: int, model_id: str | None = None) -> list[CanaryCount]:
        """A stream's counts of the hours since a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyRecall:
    """How much of one family was caught, with its 95 % interval."""

    family: str
    injected: int
    caught: int
    low: float
    high: float

    @property
    def recall(self) -> float:
        """The share caught; 0 where none were put in."""
        return self.caught / self.injected if self.injected else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """A family that is caught less than it was, beyond noise."""

    family: str
    before: float
    now: float
    since: str
    """`model`: since the model before; `day`: since the days before, by the same model."""

    @property
    def words(self) -> str:
        """For people."""
        than = "the model before" if self.since == "model" else "the week before"
        return f"{self.family} is caught {self.now:.0%} of the time, {self.before:.0%} with {than}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRecall:
    """A stream's recall over the last day, of one model."""

    model_id: str | None
    families: tuple[FamilyRecall, ...] = ()
    falls: tuple[Fall, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON, for `eddyline status --json` and the quality report."""
        families = [{**asdict(family), "recall": family.recall} for family in self.families]
        return {"model": self.model_id, "families": families, "fallen": [fall.words for fall in self.falls]}


def wilson(caught: int, injected: int, *, z: float = Z_95) -> tuple[float, float]:
    """The ends of the score interval of a share; 0 to 1 where nothing was put in."""
    if injected <= 0:
        return 0.0, 1.0
    share, extra = caught / injected, z * z / injected
    centre = share + extra / 2
    half = z * sqrt(share * (1 - share) / injected + extra / (4 * injected))
    low = (centre - half) / (1 + extra) if caught > 0 else 0.0
    return low, (centre + half) / (1 + extra) if caught < injected else 1.0


def has_fallen(before: tuple[int, int], now: tuple[int, int], *, z: float = Z_FALL) -> bool:
    """Whether a share (caught, injected) is lower than it was, beyond noise."""
    if not before[1] or not now[1]:
        return False
    p_before, p_now = before[0] / before[1], now[0] / now[1]
    low_before, _ = wilson(*before, z=z)
    _, high_now = wilson(*now, z=z)
    upper = p_now - p_before + sqrt((high_now - p_now) ** 2 + (p_before - low_before) ** 2)
    return upper < 0.0


def live_recall(catalogue: CanaryCatalogue, stream: str, model_id: str | None, *, now_ms: int) -> LiveRecall:
    """The recall of a model (the champion) over the last day. Raises CatalogueUnavailableError."""
    counts = catalogue.canary_counts(stream, now_ms - RECENT_MS - BEFORE_MS)
    recent_from = now_ms - RECENT_MS
    mine = [count for count in counts if count.model_id == model_id]
    recent = _sums(count for count in mine if count.hour_ms >= recent_from)
    falls = [
        *_falls(_sums(_model_before(counts, mine)), _sums(mine), "model"),
        *_falls(_sums(count for count in mine if count.hour_ms < recent_from), recent, "day"),
    ]
    return LiveRecall(
        model_id=model_id,
        families=tuple(_recall(family, *recent[family]) for family in sorted(recent)),
        falls=tuple(falls),
    )


def _model_before(counts: Sequence[CanaryCount], mine: Sequence[CanaryCount]) -> list[CanaryCount]:
    """The counts of the model that was counted last before this one was first."""
    first = min((count.hour_ms for count in mine), default=0)
    others = [c for c in counts if c.hour_ms <= first and (not mine or c.model_id != mine[0].model_id)]
    newest = max(others, key=lambda count: count.hour_ms, default=None)
    return [] if newest is None or not mine else [c for c in others if c.model_id == newest.model_id]


def _sums(counts: Iterable[CanaryCount]) -> dict[str, tuple[int, int]]:
    """By family: caught and injected."""
    found: dict[str, tuple[int, int]] = {}
    for count in counts:
        caught, injected = found.get(count.family, (0, 0))
        found[count.family] = caught + count.caught, injected + count.injected
    return found


def _falls(before: dict[str, tuple[int, int]], now: dict[str, tuple[int, int]], since: str) -> list[Fall]:
    return [
        Fall(
            family=family,
            before=before[family][0] / before[family][1],
            now=now[family][0] / now[family][1],
            since=since,
        )
        for family in sorted(before.keys() & now.keys())
        if has_fallen(before[family], now[family])
    ]


def _recall(family: str, caught: int, injected: int) -> FamilyRecall:
    low, high = wilson(caught, injected)
    return FamilyRecall(family=family, injected=injected, caught=caught, low=low, high=high)
