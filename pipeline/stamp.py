"""What a replayed record's Kafka timestamp says."""

from enum import StrEnum


class Stamp(StrEnum):
    """What a record's Kafka timestamp says."""

    SENT = "sent"
    """When it was sent. Latencies are true, and retention counts from now."""
    EVENT = "event"
    """When the event happened. Brokers delete records older than the topic's retention."""
