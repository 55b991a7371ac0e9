"""Names that never depend on the model: what an alert is called, and what stands for an entity in stored state."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.alerts.model import AlertKind

ALERT_ID_BYTES = 16
KEY_HASH_BYTES = 16


def alert_id(*, kind: AlertKind, stream: str, topic_id: str, partition: int, offset: int, row: int) -> str:
    """32 hexadecimal digits that name an alert by its first event.

    The model is left out on purpose: a row scored again, or an episode that a model swap falls into, keeps its name.
    """
    parts = json.dumps([kind.value, stream, topic_id, partition, offset, row], ensure_ascii=True)
    return hashlib.blake2b(parts.encode(), digest_size=ALERT_ID_BYTES, person=b"eddyline.alert").hexdigest()


def key_hash(key: str | None, *, topic_id: str) -> str:
    """32 hexadecimal digits that stand for an entity; rows without a key share one of their own.

    Salted with the topic's incarnation, so that hashes of two topics cannot be joined. This hides keys from a glance,
    not from someone who can guess them all.
    """
    salt = hashlib.blake2b(topic_id.encode(), digest_size=16).digest()
    tagged = b"-" if key is None else b"k" + key.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(tagged, digest_size=KEY_HASH_BYTES, salt=salt, person=b"eddyline.key").hexdigest()


def entity_key(event: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """The entity that an event belongs to; several key columns are joined. None for a stream without keys."""
    if not columns:
        return None
    return " / ".join(_text(event.get(column)) for column in columns)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
