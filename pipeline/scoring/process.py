"""One worker process: a scoring thread a stream, the champion watch, heartbeats, metrics and health.

Run by the supervisor as `python -m pipeline.scoring.process`. Exit status: 0 stopped, 1 failed (restart), 2 wrong
settings, 3 fenced by another worker (neither is restarted).
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from pipeline.clock import SystemClock
from pipeline.commands.context import Context, load
from pipeline.config import ServicePorts
from pipeline.errors import ConfigError, EddylineError, FencedError
from pipeline.feedback.watch import FeedbackWatch
from pipeline.health import HealthServer
from pipeline.logs import configure_logs
from pipeline.metrics import Metrics
from pipeline.scoring.champion import ChampionWatch
from pipeline.scoring.heartbeat import Heartbeat
from pipeline.scoring.ledger import CrashLedger
from pipeline.scoring.names import Identity
from pipeline.scoring.stream_worker import StreamWorker
from pipeline.scoring.supervisor import EXIT_CONFIG, EXIT_FENCED
from pipeline.state.fitting import check_fits
from pipeline.state.keeper import StateKeeper

log = structlog.get_logger()

WATCH_SECONDS = 0.2
SWITCH_INTERVAL_SECONDS = 0.001
"""Polling holds the interpreter; scoring asks for it back many times a batch and must not wait 5 ms each time."""


class WorkerProcess:
    """Everything one worker process runs. Also used in-process by the demo."""

    def __init__(
        self,
        context: Context,
        streams: Sequence[str],
        *,
        slot: int = 0,
        accept_rejects: bool = False,
    ) -> None:
        self._context = context
        self._clock = SystemClock()
        self._metrics = Metrics()
        identity = Identity(instance=context.instance, slot=slot)
        specs = [context.specs[name] for name in streams]
        self.champions = ChampionWatch(
            streams,
            context.catalogue(),
            context.model_store(),
            device=_device(specs[0].scoring.device),
            check=lambda stream, bundle: check_fits(bundle, context.specs[stream]),
        )
        self.feedback = FeedbackWatch(
            streams,
            context.catalogue(),
            on_rules=lambda stream, rules: self._metrics.stream(stream).feedback_rules.set(rules),
        )
        settings = context.settings
        brokers = [context.broker() for _ in specs]
        self.workers = [
            StreamWorker(
                spec,
                identity=identity,
                broker=broker,
                champions=self.champions,
                clock=self._clock,
                metrics=self._metrics.stream(spec.stream),
                masker=context.masker(spec),
                ledger=CrashLedger(_ledger_path(settings.lake, spec.stream, identity)),
                keeper=StateKeeper.of(spec, context.lake(), broker=broker, clock=self._clock),
                delivery=settings.kafka.delivery,
                replication_factor=settings.kafka.replication_factor,
                accept_rejects=accept_rejects,
                feedback=self.feedback,
            )
            for spec, broker in zip(specs, brokers, strict=True)
        ]
        self._heartbeat = Heartbeat(context.catalogue(), self.workers, self.champions, identity, self._clock)
        self._health = HealthServer(
            host=settings.metrics.host,
            port=settings.metrics.port_of(ServicePorts.SCORE, slot),
            registry=self._metrics.registry,
            alive=self._dead,
            ready=self._unready,
        )

    def _dead(self) -> dict[str, str]:
        return {w.spec.stream: str(w.failure) for w in self.workers if w.failure is not None}

    def _unready(self) -> dict[str, str]:
        waiting = {w.spec.stream: w.status.waiting or w.status.paused for w in self.workers}
        loading = {w.spec.stream: "joining its group" for w in self.workers if not w.status.joined}
        return self._dead() | loading | {s: why for s, why in waiting.items() if why}

    def start(self) -> None:
        """Load the champions and start every thread."""
        self.champions.check()
        self.champions.start()
        self.feedback.check()
        self.feedback.start()
        for worker in self.workers:
            worker.start()
        self._heartbeat.start()

    def run(self, stop: threading.Event) -> int:
        """Until stopped, orphaned, or until a stream fails. Returns the exit status."""
        parent = os.getppid()
        self.start()
        while not stop.wait(WATCH_SECONDS):
            if os.getppid() != parent:
                log.error("the supervisor is gone: stopping")
                break
            if any(worker.failure is not None for worker in self.workers):
                break
        return self.close()

    def close(self) -> int:
        """Finish the batches under way and stop. Returns the exit status."""
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            worker.join()
        self.champions.stop()
        self.feedback.stop()
        self._heartbeat.stop()
        self._health.close()
        return max((_status(worker.failure) for worker in self.workers), default=0)


def _status(failure: Exception | None) -> int:
    if failure is None:
        return 0
    if isinstance(failure, FencedError):
        return EXIT_FENCED
    return EXIT_CONFIG if isinstance(failure, ConfigError) else 1


def _ledger_path(lake: str, stream: str, identity: Identity) -> Path:
    return Path(lake) / "metadata" / "workers" / f"{stream}-{identity.instance}-{identity.slot}.json"


def _device(wanted: str) -> str:
    """`auto` is the GPU where there is one."""
    import torch

    torch.set_num_threads(1)  # polling and decoding need the other cores; more workers use more of them
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker slot until SIGTERM."""
    parser = argparse.ArgumentParser(description="One scoring worker; `eddyline score` starts these.")
    parser.add_argument("streams", nargs="+")
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--accept-rejects", action="store_true")
    options = parser.parse_args(arguments)
    configure_logs()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        process = WorkerProcess(
            load(options.config), options.streams, slot=options.slot, accept_rejects=options.accept_rejects
        )
        return process.run(stop)
    except EddylineError as error:
        log.error("worker could not run", error=str(error), kind=type(error).__name__)
        return _status(error)


if __name__ == "__main__":
    sys.exit(main())
