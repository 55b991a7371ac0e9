"""The command line of `scripts/kafka`: start, stop and find Apache Kafka brokers on this machine.

Standard output carries only what a program would read (an address, an `export` line); the rest goes to standard error.
Several brokers may run at once: each has its port and its data folder. Which ones run is kept as links, one per port,
in a folder of this user's in the system's temporary folder.
"""

import argparse
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from kafka_install import KafkaScriptError
from kafka_instance import Instance, answers, discard, free_port, is_running, load_instance, port_is_free, start, stop

DEFAULT_PORT = 9092
BOOTSTRAP_VARIABLE = "EDDYLINE_KAFKA_BOOTSTRAP"
NOT_RUNNING = 3
EPILOG = f"""\
examples:
  scripts/kafka start                     a broker on 127.0.0.1:{DEFAULT_PORT}; data in a temporary folder
  scripts/kafka start --port 0            another one, on any free port; prints its address
  scripts/kafka start --data /tmp/d       keeps its data through stop and start, on the same port
  eval "$(scripts/kafka env)"             sets {BOOTSTRAP_VARIABLE} for the tests
  scripts/kafka stop --all

Where {BOOTSTRAP_VARIABLE} is set, start, status and env without --port and --data use that broker
and start none. Needs java (17 or newer) and, the first time, mvn.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit status is 0, or 3 where nothing runs, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(
        prog="scripts/kafka",
        description="Apache Kafka for tests and for trying things out, without Docker.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--port", type=int, help=f"listen there ({DEFAULT_PORT} by default); 0 takes any free port")
    parser.add_argument("--data", type=Path, help="data folder, kept when the broker stops; a temporary one by default")
    parser.add_argument("--kill", action="store_true", help="stop: end it at once (SIGKILL), keeping its data")
    parser.add_argument("--all", action="store_true", help="stop: every broker that this script started")
    options = parser.parse_args(arguments)
    try:
        return COMMANDS[options.command](options)
    except KafkaScriptError as error:
        _tell(f"error: {error}")
        return 1


def _start(options: argparse.Namespace) -> int:
    if (given := _given_bootstrap(options)) is not None:
        if not _given_answers(given):
            raise KafkaScriptError(
                f"{BOOTSTRAP_VARIABLE}={given} does not answer: start that broker, or unset the variable"
            )
        _tell(f"using the broker at {given} ({BOOTSTRAP_VARIABLE})")
        return _say(given)
    wanted = _wanted(options)
    if is_running(wanted):
        _tell(f"already running, data in {wanted.data}")
        return _say(wanted.bootstrap)
    if not port_is_free(wanted.port):
        raise KafkaScriptError(
            f"port {wanted.port} is taken by another program: name one with --port, 0 takes any free one"
        )
    if not port_is_free(wanted.controller_port):
        wanted = replace(wanted, controller_port=free_port())
    running = start(wanted)
    link = _registry() / str(running.port)
    link.unlink(missing_ok=True)
    link.symlink_to(running.data)
    _tell(f"Apache Kafka is up (process {running.pid}), data in {running.data}")
    return _say(running.bootstrap)


def _wanted(options: argparse.Namespace) -> Instance:
    """The broker that the options mean: the one there is, or one to be made."""
    port = DEFAULT_PORT if options.port is None else options.port
    if options.data is not None:
        data = options.data.resolve()
        known = load_instance(data)
        if known is None:
            port = port or free_port()
            return Instance(data=str(data), port=port, controller_port=free_port())
        if options.port in (None, 0, known.port):
            return known
        if is_running(known):
            raise KafkaScriptError(
                f"{data} is in use by the broker on port {known.port}: stop it, or take another folder"
            )
        return replace(known, port=port)
    port = port or free_port()
    known = _registered(port)
    if known is not None:
        return known
    data = _registry().parent / f"data-{port}-{uuid.uuid4().hex[:8]}"
    return Instance(data=str(data), port=port, controller_port=free_port(), temporary=True)


def _stop(options: argparse.Namespace) -> int:
    stopped = 0
    for instance in _meant(options):
        was_running = is_running(instance)
        stop(instance, kill=options.kill)
        if not options.kill:
            (_registry() / str(instance.port)).unlink(missing_ok=True)
            if instance.temporary:
                discard(instance)
        if was_running:
            stopped += 1
            _tell(f"stopped the broker on {instance.bootstrap}")
    if not stopped:
        _tell("no broker runs there")
    return 0


def _status(options: argparse.Namespace) -> int:
    if (given := _given_bootstrap(options)) is not None:
        up = _given_answers(given)
        _say(f"{given}  {'answers' if up else 'does not answer'}  ({BOOTSTRAP_VARIABLE})")
        return 0 if up else NOT_RUNNING
    running = [instance for instance in _meant(options, every=True) if is_running(instance)]
    for instance in running:
        state = "answers" if answers("127.0.0.1", instance.port) else "does not answer (yet)"
        _say(f"{instance.bootstrap}  {state}  process {instance.pid}  data {instance.data}")
    if not running:
        _tell("no broker runs; scripts/kafka start starts one")
    return 0 if running else NOT_RUNNING


def _env(options: argparse.Namespace) -> int:
    given = _given_bootstrap(options)
    running = [] if given else [i for i in _meant(options, every=True) if is_running(i)]
    if not given and not running:
        _tell("no broker runs; scripts/kafka start starts one")
        return NOT_RUNNING
    return _say(f"export {BOOTSTRAP_VARIABLE}={given or running[0].bootstrap}")


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "start": _start,
    "stop": _stop,
    "status": _status,
    "env": _env,
}


def _given_bootstrap(options: argparse.Namespace) -> str | None:
    if options.port is not None or options.data is not None:
        return None
    return os.environ.get(BOOTSTRAP_VARIABLE) or None


def _given_answers(given: str) -> bool:
    addresses = [address.strip().rpartition(":") for address in given.split(",")]
    return any(port.isdigit() and answers(host.strip("[]"), int(port)) for host, _, port in addresses)


def _registry() -> Path:
    """The folder of links, one per port, to the data folders of this user's brokers."""
    folder = Path(tempfile.gettempdir()) / f"eddyline-kafka-{os.getuid()}" / "instances"
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    if folder.parent.stat().st_uid != os.getuid():
        raise KafkaScriptError(f"{folder.parent} belongs to another user: set TMPDIR to a folder of yours")
    folder.mkdir(mode=0o700, exist_ok=True)
    for link in folder.iterdir():
        if link.is_symlink() and not link.exists():  # its data folder was removed
            link.unlink(missing_ok=True)
    return folder


def _registered(port: int) -> Instance | None:
    link = _registry() / str(port)
    instance = load_instance(link.resolve()) if link.is_symlink() else None
    if instance is None or instance.port != port:
        return None
    return instance


def _meant(options: argparse.Namespace, *, every: bool = False) -> list[Instance]:
    """The brokers that --data, --port or --all name; without any, the default one, or `every` one."""
    if options.data is not None:
        known = load_instance(options.data.resolve())
        return [] if known is None else [known]
    ports = [options.port] if options.port is not None else [DEFAULT_PORT]
    if options.port is None and (options.all or every):
        ports = sorted(int(link.name) for link in _registry().iterdir() if link.name.isdigit())
    return [instance for instance in map(_registered, ports) if instance is not None]


def _say(text: str) -> int:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
