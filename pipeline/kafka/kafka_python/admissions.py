"""Which assigned partitions may be read: those whose position was set on purpose since they were last assigned.

The client assigns on a thread of its own, at any moment, also while the polling thread sets positions. So every
assignment of a partition has a number, and a partition is admitted for that number only: one that is assigned again
meanwhile, or whose position could not be set, stays to be admitted.
"""

import itertools
import threading
from collections.abc import Iterable

from kafka import TopicPartition as ClientPartition


class Admissions:
    """Assignments and admissions of one consumer. For use from both of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._assigned: dict[ClientPartition, int] = {}
        self._admitted: dict[ClientPartition, int] = {}

    def assigned(self, partitions: Iterable[ClientPartition]) -> None:
        """These were assigned just now."""
        with self._lock:
            self._assigned |= {p: next(self._numbers) for p in partitions}

    def revoked(self, partitions: Iterable[ClientPartition]) -> None:
        """These are no longer ours."""
        with self._lock:
            for partition in partitions:
                self._assigned.pop(partition, None)
                self._admitted.pop(partition, None)

    def pending(self) -> dict[ClientPartition, int]:
        """What is to be admitted, with the number of its assignment."""
        with self._lock:
            return {p: n for p, n in self._assigned.items() if self._admitted.get(p) != n}

    def admit(self, pending: dict[ClientPartition, int]) -> set[ClientPartition]:
        """Admit these for the assignments they were pending for. Returns those still of that assignment."""
        with self._lock:
            still = {p for p, n in pending.items() if self._assigned.get(p) == n}
            self._admitted |= {p: pending[p] for p in still}
            return still

    def is_admitted(self, partition: ClientPartition) -> bool:
        """Whether it may be read."""
        with self._lock:
            number = self._assigned.get(partition)
            return number is not None and self._admitted.get(partition) == number

    def everything(self) -> list[ClientPartition]:
        """All that is assigned."""
        with self._lock:
            return list(self._assigned)
