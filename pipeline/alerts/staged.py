"""What a state machine would do for a batch, before the transaction that makes it true."""

from dataclasses import dataclass

from pipeline.alerts.model import Alert

Change = tuple[bytes, bytes | None]
"""One changelog record: its key, and its value or None for a tombstone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Records to produce in one transaction, and what was counted on the way. Hand it back to `commit` once that
    transaction is committed, or to `discard` when it is aborted."""

    alerts: tuple[Alert, ...] = ()
    """To the alerts topic, in this order."""
    changelog: tuple[Change, ...] = ()
    """To the episodes topic, same partition as the source."""
    opened: int = 0
    """Alerts published for the first time: what the false-alarm budget counts."""
    suppressed: int = 0
    """Flagged rows that a suppression rule matched."""
    below_minimum: int = 0
    """Flagged rows that deviate too little to alert."""
    judged_false: int = 0
    """Flagged rows kept quiet because people called an alert like them a false positive."""
    absorbed: int = 0
    """Flagged rows counted into a storm and not published singly."""
    shed: int = 0
    """Alerts resolved early because too many were open."""
    ticket: int = 0
    """Which staging this is; the state machine refuses any but its latest."""
