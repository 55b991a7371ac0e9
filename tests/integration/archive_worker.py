"""An archiver as a process of its own, to be killed.

`python -m tests.integration.archive_worker LAKE BOOTSTRAP TOPIC [STEP COUNT]` says `begun` once it has a partition.
SIGTERM drains it. With STEP it kills itself, as `kill -9` would, right after doing that step the COUNTth time.
"""

import itertools
import os
import signal
import sys
import threading
from typing import Any

from pipeline.archive import Archiver, Progress
from pipeline.archive.open_file import OpenParquet
from pipeline.clock import SystemClock
from pipeline.config import ArchiveSpec, KafkaSettings, Settings, StreamSpec
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.kafka_python.source import KafkaPythonSource
from pipeline.lake import Lake
from tests.pipeline.archive.bench import NumberIntake, number_spec


def spec_for(topic: str) -> StreamSpec:
    """Files so small that closing them takes much of the time, and deaths fall between all its steps."""
    return number_spec(ArchiveSpec(roll_rows=60, roll_seconds=0.1)).model_copy(update={"topic": topic, "stream": topic})


def archiver_for(lake: Lake, bootstrap: str, topic: str, said: list[Progress]) -> Archiver:
    """An archiver of numbers on Apache Kafka; what it beats is appended to `said`."""
    settings = Settings(instance="killed", kafka=KafkaSettings(bootstrap=(bootstrap,)))
    spec = spec_for(topic)
    return Archiver(
        settings,
        spec,
        KafkaPythonBroker(settings.kafka),
        lake,
        SystemClock(),
        intake=NumberIntake(spec.schema()),
        on_beat=said.append,
    )


STEPS: dict[str, tuple[Any, str]] = {
    "written": (OpenParquet, "write"),
    "finished": (OpenParquet, "finish"),
    "committed": (KafkaPythonSource, "commit"),
    "renamed": (os, "rename"),
}
"""The steps of closing a file, in order: where each is done."""


def die_after(step: str, count: int) -> None:
    """Kill this process once a step was done `count` times."""
    owner, name = STEPS[step]
    original, done = getattr(owner, name), itertools.count(1)

    def deadly(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if next(done) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def main() -> None:
    """Run until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    lake, bootstrap, topic, *death = sys.argv[1:]
    if death:
        die_after(death[0], int(death[1]))
    said: list[Progress] = []
    archiver = archiver_for(Lake(lake), bootstrap, topic, said)
    archiver.open()
    while not (said and said[-1].partitions) and not stop.is_set():
        archiver.turn()
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    while not stop.is_set():
        archiver.turn()
    archiver.drain()
    archiver.close()


if __name__ == "__main__":
    main()
