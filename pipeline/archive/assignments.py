"""What the group took away and gave, noted from whatever thread the client tells it on."""

import threading

from pipeline.kafka.port import TopicPartition


class Assignments:
    """A `RebalanceListener` that only takes notes: the archiver's own thread acts on them after the poll."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revoked: set[TopicPartition] = set()
        self.joined = False
        """The group has given us partitions."""

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """From now on nothing of these is committed."""
        with self._lock:
            self._revoked |= partitions

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """What is assigned and not open is opened after the poll."""
        self.joined = True

    def is_revoked(self, partition: TopicPartition) -> bool:
        """True between a revocation and `take_revoked`."""
        with self._lock:
            return partition in self._revoked

    def take_revoked(self) -> set[TopicPartition]:
        """What was revoked since the last call."""
        with self._lock:
            revoked, self._revoked = self._revoked, set()
            return revoked
