"""When a stream's events have stopped fitting its spec: the share of rejects, kept per partition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

JUDGED_EVENTS = 1_000
"""Fewer events than this are judged only when all of them are rejected."""
ALL_REJECTED_EVENTS = 100
FORGET_EVENTS = 20_000
"""Beyond this many events the counts are halved, so that old health does not hide a new fault."""


class Judged(Protocol):
    """What is remembered of one partition's events."""

    seen: int
    rejected: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TooMany:
    """What made a stream stop."""

    rejected: int
    of: int
    most_common: str

    def message(self, stream: str) -> str:
        """What happened and what to do."""
        return (
            f"paused: {self.rejected:,} of the last {self.of:,} events do not fit the spec, mostly {self.most_common}; "
            f"correct the spec or the producer and start again, or pass `--accept-rejects` to dead-letter them "
            f"(`eddyline deadletters list {stream}` shows earlier ones)"
        )


def too_many(state: Judged, events: int, reasons: Mapping[str, int], most_share: float) -> TooMany | None:
    """Count a batch's events (rejects included) and judge the partition."""
    state.seen += events
    for reason, count in reasons.items():
        state.rejected[reason] = state.rejected.get(reason, 0) + count
    rejected = sum(state.rejected.values())
    judged = state.seen >= JUDGED_EVENTS or (state.seen >= ALL_REJECTED_EVENTS and rejected == state.seen)
    if judged and rejected > most_share * state.seen:
        return TooMany(
            rejected=rejected, of=state.seen, most_common=max(state.rejected, key=lambda r: state.rejected[r])
        )
    if state.seen > FORGET_EVENTS:
        state.seen //= 2
        state.rejected = {reason: count // 2 for reason, count in state.rejected.items()}
    return None
