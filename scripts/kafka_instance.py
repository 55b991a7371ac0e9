"""One broker on this machine: its settings, its process, and how to tell that it answers.

A broker is its data folder: `instance.json` in it keeps the ports and the process, so that a start after a stop, or
after a kill, comes back on the same address with the same topics. Brokers listen on the loopback address only.
"""

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from dataclasses import asdict, dataclass
from pathlib import Path

from kafka_install import KafkaScriptError, java_program, kafka_jars

HOST = "127.0.0.1"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
# Below the ports that Linux gives to outgoing connections, so that a stopped broker finds its port free again.
FREE_PORTS = range(20_000, 32_000)

SERVER_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}/logs
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.min.session.timeout.ms=500
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.retention.check.interval.ms=5000
log.segment.delete.delay.ms=1000
log.cleaner.backoff.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""

LOGGING = """\
status=warn
appenders=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRefs=console
rootLogger.appenderRef.console.ref=console
"""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A broker's place and ports; `pid` 0 where it was stopped."""

    data: str
    port: int
    controller_port: int
    pid: int = 0
    temporary: bool = False
    """The data folder was made by the script, and goes with `stop`."""

    @property
    def bootstrap(self) -> str:
        """The address that clients take."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker said."""
        return Path(self.data) / "kafka.log"

    def save(self) -> None:
        """Write `instance.json`, whole or not at all."""
        path = Path(self.data) / "instance.json"
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(asdict(self)), encoding="utf-8")
        fresh.replace(path)


def load_instance(data: Path) -> Instance | None:
    """The broker of a data folder, or nothing where none was ever started."""
    try:
        return Instance(**json.loads((data / "instance.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as error:
        raise KafkaScriptError(
            f"{data}/instance.json is not ours or is damaged: remove {data} and start again"
        ) from error


def is_running(instance: Instance) -> bool:
    """Whether the process lives and is this broker, not another that was given its number since."""
    if instance.pid <= 0:
        return False
    proc = Path(f"/proc/{instance.pid}/cmdline")
    try:
        if Path("/proc/self").exists():
            said = proc.read_bytes().decode(errors="replace")
        else:
            listing = ["ps", "-o", "command=", "-p", str(instance.pid)]
            said = subprocess.run(listing, capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    return f"{instance.data}/server.properties" in said


def port_is_free(port: int) -> bool:
    """Whether a broker could listen there now (one that closed a moment ago does not stand in the way)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port at random, so that brokers started side by side rarely meet."""
    for port in random.sample(FREE_PORTS, 200):
        if port_is_free(port):
            return port
    raise KafkaScriptError(f"no free port between {FREE_PORTS.start} and {FREE_PORTS.stop}: name one with --port")


def answers(host: str, port: int, timeout_seconds: float = 2.0) -> bool:
    """Whether a broker there answers an ApiVersions request (key 18, version 0), the first thing any client asks."""
    correlation = 7
    request = struct.pack(">hhih", 18, 0, correlation, -1)
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            reply = b""
            while len(reply) < 8:
                part = connection.recv(8 - len(reply))
                if not part:
                    return False
                reply += part
    except OSError:
        return False
    return int(struct.unpack(">ii", reply)[1]) == correlation


def start(instance: Instance) -> Instance:
    """Format the storage where it is new, start the process, and wait until it answers."""
    data = Path(instance.data)
    java = [java_program(), "-cp", f"{kafka_jars()}/*", f"-Dlog4j2.configurationFile={data}/log4j2.properties"]
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    properties = data / "server.properties"
    text = SERVER_PROPERTIES.format(
        host=HOST, port=instance.port, controller_port=instance.controller_port, data=instance.data
    )
    properties.write_text(text, encoding="utf-8")
    if not (data / "logs" / "meta.properties").exists():
        _format(java, properties)
    with instance.log.open("ab") as log:
        process = subprocess.Popen(
            [java[0], "-Xmx1g", "-XX:+UseSerialGC", *java[1:], "kafka.Kafka", str(properties)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C meant for the tests must not reach the broker
        )
    running = Instance(**{**asdict(instance), "pid": process.pid})
    running.save()
    _wait_until_up(running, process)
    return running


def _format(java: list[str], properties: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    command = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KafkaScriptError(f"Kafka could not format {properties.parent}:\n{(done.stdout + done.stderr).strip()}")


def _wait_until_up(instance: Instance, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise KafkaScriptError(
                f"Kafka ended with status {process.returncode} at its start:\n{_last_words(instance)}"
            )
        if answers(HOST, instance.port):
            return
        time.sleep(0.05)
    stop(instance, kill=True)
    raise KafkaScriptError(f"Kafka did not answer within {START_SECONDS:.0f} s:\n{_last_words(instance)}")


def _last_words(instance: Instance) -> str:
    lines = instance.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-8:]) + f"\n(the whole in {instance.log})"


def stop(instance: Instance, *, kill: bool = False) -> None:
    """End the process: in order, which flushes its logs, or with SIGKILL, as a power cut would."""
    if is_running(instance):
        os.kill(instance.pid, signal.SIGKILL if kill else signal.SIGTERM)
        if not kill and not _gone(instance, STOP_SECONDS) and is_running(instance):
            os.kill(instance.pid, signal.SIGKILL)
        if not _gone(instance, STOP_SECONDS):
            raise KafkaScriptError(f"the broker on port {instance.port} (process {instance.pid}) does not end: kill it")
    if Path(instance.data).is_dir():
        Instance(**{**asdict(instance), "pid": 0}).save()


def _gone(instance: Instance, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    # A process that ends loses its name before it closes its sockets, so the port has to be free as well.
    while is_running(instance) or not port_is_free(instance.port):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def discard(instance: Instance) -> None:
    """Remove what a stopped broker kept."""
    shutil.rmtree(instance.data, ignore_errors=True)
