"""Errors of the pipeline, split by what the caller does next. Bad events are values (`DeadLetter`), not errors.

EddylineError
├── ConfigError            fix a setting or a spec, then start again (exit status 2)
├── UnavailableError       something outside is away: retry with back-off, then say so
│   ├── BrokerUnavailableError
│   ├── StorageUnavailableError      disk full, lake unreachable
│   └── CatalogueUnavailableError
├── LeaseLostError         another process leads now: publish nothing, stop
├── FencedError            another worker took this slot over: exit, do not restart
├── TransactionAbortedError  the transaction did not happen: seek back and do it again
├── DataGapError           events were lost before they were read: recorded, page someone
├── TooManyRejectsError    the stream no longer fits its spec: pause, page someone
├── UnreadableAlertError   a record of an alerts topic is no alert: count it, say where it lies, go on
└── ModelError             a bundle cannot be used: keep the champion in service
"""

from collections.abc import Sequence
from typing import NamedTuple


class EddylineError(Exception):
    """Base of everything the pipeline raises on purpose. The message ends with what to do next."""


class ConfigError(EddylineError):
    """A setting or a stream spec is wrong."""


class UnavailableError(EddylineError):
    """Something outside this process does not answer."""


class BrokerUnavailableError(UnavailableError):
    """No Kafka broker answers at the address given, or it answers no longer."""


class StorageUnavailableError(UnavailableError):
    """The lake cannot be written or read: disk full, permissions, unreachable store."""


class CatalogueUnavailableError(UnavailableError):
    """The catalogue's database does not answer or is of another version."""


class FencedError(EddylineError):
    """Another process uses this worker slot's identity; this one must stop and stay stopped."""


class TransactionAbortedError(EddylineError):
    """A transaction was aborted; nothing of it is visible and its events must be read again."""


class Gap(NamedTuple):
    """Offsets of one partition that were never read: from `expected` up to, not including, `available`."""

    topic: str
    partition: int
    expected: int
    available: int


class DataGapError(EddylineError):
    """Events between a committed offset and the first one available are gone."""

    def __init__(self, gaps: Sequence[Gap]) -> None:
        self.gaps = tuple(gaps)
        lost = "; ".join(f"{g.topic}[{g.partition}] {g.expected}..{g.available}" for g in self.gaps)
        super().__init__(
            f"events were deleted before they were read (offsets {lost}): raise the topic's retention or add workers"
        )


class TooManyRejectsError(EddylineError):
    """A stream rejects more of its events than its spec allows."""


class UnreadableAlertError(EddylineError):
    """A record of an alerts topic is not an alert of a version this one reads."""


class ModelError(EddylineError):
    """A model bundle is missing, altered or incompatible."""


class LeaseLostError(EddylineError):
    """Another process leads now: what this one was about to publish is dropped, and it must stop."""
