"""Apache Kafka for tests: one broker that a whole session shares, and brokers of a test's own to stop and start.

Where no broker can be had the tests that need one are skipped with the reason; with CI=true they fail instead.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.shared_state import shared_state

SCRIPT = Path(__file__).parent.parent / "scripts" / "kafka"
BOOTSTRAP_VARIABLE = "EDDYLINE_KAFKA_BOOTSTRAP"
# Fetching the jars for the first time is in it.
START_SECONDS = 660


class OwnKafka:
    """A broker that belongs to one test: the same port and data through every stop and start.

    `stop(kill=True)` is a power cut, `stop()` an orderly end. After `start()` returns the broker answers.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self.bootstrap = ""

    def start(self) -> None:
        """Start it, with the topics and the address it had before, if any."""
        self.bootstrap = run_script("start", "--data", str(self._data), *([] if self.bootstrap else ["--port", "0"]))

    def stop(self, *, kill: bool = False) -> None:
        """End its process and keep its data."""
        run_script("stop", "--data", str(self._data), *(["--kill"] if kill else []))


def run_script(*arguments: str) -> str:
    """What `scripts/kafka` said; skips the test (fails it with CI=true) with the reason where it could not."""
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    if done.returncode != 0:
        without_kafka(done.stderr.strip() or done.stdout.strip())
    return done.stdout.strip()


def without_kafka(reason: str) -> None:
    """There is no Kafka: skip, or fail where a run must be complete."""
    said = f"no Apache Kafka: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@contextmanager
def own_broker() -> Iterator[OwnKafka]:
    """A started broker on a port and a folder of its own, gone afterwards."""
    data = Path(tempfile.mkdtemp(prefix="eddyline-own-kafka-"))
    broker = OwnKafka(data)
    try:
        broker.start()
        yield broker
    finally:
        if broker.bootstrap:
            broker.stop(kill=True)
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def shared_broker(folder: Path) -> Iterator[str]:
    """The address of the session's broker: the one in the environment, or one started by the first who asks.

    Processes of one session that hand in the same `folder` share it; the last to leave stops it.
    """
    if os.environ.get(BOOTSTRAP_VARIABLE):
        run_script("status")
        yield os.environ[BOOTSTRAP_VARIABLE]
        return
    with shared_state(folder / "kafka.json") as state:
        if not state.get("users"):
            # Made by the script once it has what it needs; kept after a failed start, for the log in it.
            state["data"] = str(Path(tempfile.gettempdir()) / f"eddyline-shared-kafka-{uuid.uuid4().hex[:12]}")
            state["bootstrap"] = run_script("start", "--port", "0", "--data", str(state["data"]))
        state["users"] = int(state.get("users", 0)) + 1
        bootstrap, data = str(state["bootstrap"]), str(state["data"])
    try:
        yield bootstrap
    finally:
        with shared_state(folder / "kafka.json") as state:
            state["users"] = int(state["users"]) - 1
            if not state["users"]:
                run_script("stop", "--data", data)
                shutil.rmtree(data, ignore_errors=True)
