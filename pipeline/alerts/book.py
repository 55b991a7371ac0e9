"""The working state of one partition's alerts, and its committed image from which the working state can be remade.

The working state runs ahead of the image while a batch is staged. Accepting the batch's changes moves the image up;
rolling back remakes the working state from it, by the same code that restores after a crash.
"""

from collections import OrderedDict
from collections.abc import Iterable

from pipeline.alerts.changelog import (
    CLOCK,
    EPISODE,
    MEMBER,
    STORM,
    Slot,
    decode_episode,
    decode_slot,
    decode_value,
    encode_episode,
    encode_slot,
    encode_value,
)
from pipeline.alerts.episodes import Episode
from pipeline.alerts.staged import Change

BEGINNING_MS = -(2**62)
"""The clock before the first row."""


class Book:
    """Open episodes, storms and their members, and the partition's clock."""

    def __init__(self, topic_id: str) -> None:
        self._topic_id = topic_id
        self._image: dict[bytes, bytes] = {}
        self._dirty: dict[Slot, None] = {}
        self._stale: dict[bytes, None] = {}
        self._clear()

    def _clear(self) -> None:
        self.clock_ms = BEGINNING_MS
        self.episodes: OrderedDict[str, Episode] = OrderedDict()
        """By key hash, longest untouched first."""
        self.storms: dict[str, Episode] = {}
        """By cause."""
        self.members: dict[str, set[str]] = {}
        """Cause → hashes of the keys its storm stands for."""
        self.openings: dict[str, dict[str, int]] = {}
        """Cause → key hash → when it opened, for every open episode that may still help to make a storm."""

    def set_clock(self, clock_ms: int) -> None:
        """Move the clock."""
        self.clock_ms = clock_ms
        self._touch(CLOCK)

    def put_episode(self, episode: Episode) -> None:
        """Add or replace an episode; it becomes the newest."""
        if episode.slot not in self.episodes:
            self.openings.setdefault(episode.cause, {})[episode.slot] = episode.opened_seen_ms
        self.episodes[episode.slot] = episode
        self.episodes.move_to_end(episode.slot)
        self._touch(EPISODE, episode.slot)

    def drop_episode(self, episode: Episode) -> None:
        """Forget an episode."""
        del self.episodes[episode.slot]
        self.openings.get(episode.cause, {}).pop(episode.slot, None)
        self._touch(EPISODE, episode.slot)

    def put_storm(self, storm: Episode) -> None:
        """Add or replace a storm."""
        self.storms[storm.cause] = storm
        self.members.setdefault(storm.cause, set())
        self._touch(STORM, storm.cause)

    def add_member(self, cause: str, slot: str) -> None:
        """Count a key into a storm."""
        self.members[cause].add(slot)
        self._touch(MEMBER, cause, slot)

    def drop_storm(self, storm: Episode) -> None:
        """Forget a storm and its members."""
        del self.storms[storm.cause]
        self._touch(STORM, storm.cause)
        for slot in sorted(self.members.pop(storm.cause)):
            self._touch(MEMBER, storm.cause, slot)

    def changes(self) -> tuple[Change, ...]:
        """What differs from the image, one record per slot, tombstones for what is gone."""
        changed: list[Change] = [(key, None) for key in self._stale]
        for slot in self._dirty:
            key, value = encode_slot(slot), self._value(slot)
            if value != self._image.get(key):
                changed.append((key, value))
        return tuple(changed)

    def accept(self, changes: Iterable[Change]) -> None:
        """The changes are committed: they become the image."""
        for key, value in changes:
            if value is None:
                self._image.pop(key, None)
                self._stale.pop(key, None)
            else:
                self._image[key] = value
        self._dirty.clear()

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take the image from a changelog, oldest entry first. What an earlier incarnation of the topic left behind
        is not used, and tombstoned with the next changes. Raises ConfigError on records that cannot be read."""
        self._image, self._stale = {}, {}
        for key, value in entries:
            slot = decode_slot(key)
            if slot.kind not in (CLOCK, EPISODE, STORM, MEMBER):
                continue
            mine = slot.topic_id == self._topic_id
            if value is None:
                self._image.pop(key, None)
                self._stale.pop(key, None)
            elif mine:
                self._image[key] = value
            else:
                self._stale[key] = None
        self.roll_back()

    def roll_back(self) -> None:
        """Remake the working state from the image."""
        self._clear()
        self._dirty.clear()
        found: list[Episode] = []
        for key, value in self._image.items():
            slot = decode_slot(key)
            if slot.kind == CLOCK:
                self.clock_ms = decode_value(value)["clock_ms"]
            elif slot.kind == MEMBER:
                self.members.setdefault(slot.name[0], set()).add(slot.name[1])
            elif slot.kind == STORM:
                storm = decode_episode(value)
                self.storms[storm.cause] = storm
                self.members.setdefault(storm.cause, set())
            else:
                found.append(decode_episode(value))
        for episode in sorted(found, key=lambda e: e.order):
            self.episodes[episode.slot] = episode
            self.openings.setdefault(episode.cause, {})[episode.slot] = episode.opened_seen_ms

    def _touch(self, kind: str, *name: str) -> None:
        self._dirty[Slot(kind, self._topic_id, name)] = None

    def _value(self, slot: Slot) -> bytes | None:
        if slot.kind == CLOCK:
            return encode_value({"clock_ms": self.clock_ms})
        if slot.kind == MEMBER:
            return encode_value({}) if slot.name[1] in self.members.get(slot.name[0], ()) else None
        held = self.episodes if slot.kind == EPISODE else self.storms
        episode = held.get(slot.name[0])
        return None if episode is None else encode_episode(episode)
