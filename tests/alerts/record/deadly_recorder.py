"""A recorder as a process of its own that kills itself, as `kill -9` would.

`python -m tests.alerts.record.deadly_recorder BOOTSTRAP DATABASE STREAM before|after COUNT` dies right before, or right
after, its COUNTth transaction.
"""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

from pipeline.alerts.record import Recorder, group_name, recorder
from pipeline.catalogue import AlertEntry, Catalogue, Place
from pipeline.clock import SystemClock
from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python import KafkaPythonBroker
from tests.alerts.notify.builders import SPEC

SMALL_BATCH = 25


class Deadly(Catalogue):
    """Kills the process around one of its transactions."""

    when: str
    count: int

    def record_alerts(self, entries: Sequence[AlertEntry], offsets: Mapping[Place, int], consumer: str) -> None:
        """Write, and die."""
        is_last = next(self._done) == self.count
        if is_last and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().record_alerts(entries, offsets, consumer)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)

    _done = itertools.count(1)


def main() -> None:
    """Record until dead."""
    bootstrap, url, stream, when, count = sys.argv[1:]
    recorder.BATCH_RECORDS = SMALL_BATCH
    catalogue = Deadly(Catalogue.open(url)._engine)
    catalogue.when, catalogue.count = when, int(count)
    spec = SPEC.model_copy(update={"stream": stream})
    source = KafkaPythonBroker(KafkaSettings(bootstrap=(bootstrap,))).source(group=group_name(stream))
    Recorder(spec, source, catalogue, clock=SystemClock()).run(threading.Event())


if __name__ == "__main__":
    main()
