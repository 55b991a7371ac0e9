"""How keyed streams are learned."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Settings of `StreamGenerator`; the defaults are those measured in docs/decisions/0021-event-streams.md."""

    longest_piece: int = 256
    """Events of a key drawn one after another. Longer histories are drawn as pieces side by side: each knows its time,
    pace and entity, but not the last event of the piece before it."""
    most_events: int = 1_000_000
    """Events learned from; of longer tables, whole histories drawn at random."""
    reference_levels: int = 2_000
    """A column of names with more levels than this is learned by recency (`recency.py`) instead of by name."""
    events_a_level: int = 25
    """So is one of more than `few_levels` that has fewer events a level than this: too few to learn each name from."""
    few_levels: int = 100
    least_level_keys: int = 2
    """A name learned by recency is given out again only if so many keys use it."""
    entity_share: float = 0.25
    """Of the time budget, for the model of the entities; the rest is for the events."""
