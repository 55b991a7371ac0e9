"""Records of the compacted episodes topic: small JSON, keyed by kind, topic incarnation and slot.

The last value of each key is the whole state; a tombstone forgets it. Entities appear in record keys as hashes; a
value holds the alert as it was published, masked in the same way.
"""

import json
from typing import Any, NamedTuple

import msgspec

from pipeline.alerts.episodes import Episode
from pipeline.alerts.wire import alert_document, alert_from_document
from pipeline.errors import ConfigError

STATE_VERSION = 1
CLOCK, EPISODE, STORM, MEMBER, WATCH = "clock", "episode", "storm", "member", "watch"


class Slot(NamedTuple):
    """What a changelog record is about."""

    kind: str
    topic_id: str
    name: tuple[str, ...] = ()
    """Empty for the clock; the key's hash; a storm's cause; a storm's cause and a member's hash; a watch's name."""


def encode_slot(slot: Slot) -> bytes:
    """The record key."""
    return json.dumps([slot.kind, slot.topic_id, *slot.name], ensure_ascii=False, separators=(",", ":")).encode()


def decode_slot(key: bytes) -> Slot:
    """The slot of a record key. Raises ConfigError where something else wrote to the topic."""
    try:
        parts = json.loads(key)
    except ValueError as error:
        raise _foreign(repr(key[:40])) from error
    if not isinstance(parts, list) or len(parts) < 2 or not all(isinstance(part, str) for part in parts):
        raise _foreign(repr(key[:40]))
    return Slot(parts[0], parts[1], tuple(parts[2:]))


def encode_value(fields: dict[str, Any]) -> bytes:
    """A record value: `fields` with the state's version."""
    return msgspec.json.encode({"v": STATE_VERSION, **fields})


def decode_value(value: bytes) -> dict[str, Any]:
    """A record value's fields. Raises ConfigError where a later version wrote it."""
    try:
        fields = msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise _foreign(repr(value[:40])) from error
    if not isinstance(fields, dict) or fields.get("v") != STATE_VERSION:
        raise ConfigError(
            "the episodes topic was written by another version of Eddyline: run that version, or delete the topic "
            "to start without open alerts"
        )
    return fields


def encode_episode(episode: Episode) -> bytes:
    """An open episode or storm."""
    fields = {name: getattr(episode, name) for name in (*_FIELDS, *_COUNTS)}
    return encode_value({"alert": alert_document(episode.alert), **fields})


def decode_episode(value: bytes) -> Episode:
    """What `encode_episode` wrote."""
    fields = decode_value(value)
    counts = {name: fields.get(name, 0) for name in _COUNTS}  # written since causes are known
    return Episode(alert=alert_from_document(fields["alert"]), **{name: fields[name] for name in _FIELDS}, **counts)


_FIELDS = (
    "slot",
    "cause",
    "first_row",
    "last_row",
    "opened_seen_ms",
    "last_seen_ms",
    "published_seen_ms",
    "last_append_ms",
)
_COUNTS = ("judged", "bad")


def _foreign(what: str) -> ConfigError:
    return ConfigError(f"the episodes topic holds a record that is not Eddyline's ({what}): find out what writes to it")
