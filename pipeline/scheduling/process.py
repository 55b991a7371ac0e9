"""The scheduler's process: settings checked, metrics and health served, then the loop.

Run by `eddyline schedule`, or as `python -m pipeline.scheduling.process`. Exit status: 0 stopped, 1 failed, 2 wrong
settings.
"""

import argparse
import os
import random
import sys
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import make_url

from pipeline.clock import SystemClock
from pipeline.commands.context import Context
from pipeline.commands.stopping import stop_on_signal
from pipeline.config import MetricsSettings, ServicePorts, environment_secret
from pipeline.errors import ConfigError, EddylineError
from pipeline.health import HealthServer
from pipeline.logs import configure_logs
from pipeline.scheduling.beat import SchedulerBeat
from pipeline.scheduling.lease import LeaseTerms
from pipeline.scheduling.metrics import ScheduleCollector
from pipeline.scheduling.plan import planned
from pipeline.scheduling.problems import refuse_problems
from pipeline.scheduling.runner import ProcessRunner, RunFiles
from pipeline.scheduling.service import Scheduler
from pipeline.scheduling.standing import Standing
from pipeline.scheduling.tally import Tally
from pipeline.yaml_files import load_files

log = structlog.get_logger()

STUCK_SECONDS = 120.0
"""A loop that does not come by for this long hangs."""


def run_scheduler(config: Path | None, stop: threading.Event, *, slot: int = 0, registry: str | None = None) -> None:
    """Schedule until `stop` is set. Raises ConfigError for schedules that cannot be kept, and where the port of metrics
    is taken; CatalogueUnavailableError where the catalogue does not answer at the start."""
    loaded = load_files(config)
    if registry is None:
        refuse_problems(loaded)
    context, clock = Context.of(loaded), SystemClock()
    settings, jobs = context.settings, planned(context.specs.values())
    catalogue = context.catalogue()
    tally, standing, streams = Tally(), Standing(looped=clock.monotonic()), tuple(context.specs)
    for name, spec in context.specs.items():
        catalogue.register_stream(spec.model_dump(mode="json"), name)
    scheduler = Scheduler(
        catalogue=catalogue,
        jobs=jobs,
        streams=streams,
        runner=ProcessRunner(
            files=RunFiles(context.lake().metadata), config=config, secrets=secrets_of(context), registry=registry
        ),
        terms=LeaseTerms(holder=holder_name(context, slot), seconds=settings.scheduler.lease_seconds),
        clock=clock,
        rng=random.Random(uuid.uuid4().int),  # noqa: S311 - instances that failed together must not try again together
        most_jobs=settings.scheduler.most_jobs,
        beat=SchedulerBeat(catalogue, streams, instance=context.instance, slot=slot, clock=clock, tally=tally),
        tally=tally,
        standing=standing,
    )
    metrics = CollectorRegistry()
    metrics.register(ScheduleCollector(standing, tally, jobs, clock))
    health = serve_health(settings.metrics, metrics, standing, clock, slot=slot)
    try:
        scheduler.run(stop)
    finally:
        health.close()
        catalogue.close()


def serve_health(
    settings: MetricsSettings, metrics: CollectorRegistry, standing: Standing, clock: SystemClock, *, slot: int
) -> HealthServer:
    """Metrics; alive while the loop comes by; ready, as leader or standby, while the catalogue answers."""

    def alive() -> dict[str, str]:
        silent = clock.monotonic() - standing.looped
        return {"scheduler": f"its loop hangs since {silent:.0f} s"} if silent > STUCK_SECONDS else {}

    def ready() -> dict[str, str]:
        return alive() | ({"scheduler": standing.waiting} if standing.waiting else {})

    port = settings.port_of(ServicePorts.SCHEDULE, slot)
    return HealthServer(host=settings.host, port=port, registry=metrics, alive=alive, ready=ready)


def holder_name(context: Context, slot: int) -> str:
    """Names this process among all that ever held the lease."""
    return f"{context.instance}.{slot}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def secrets_of(context: Context) -> tuple[str, ...]:
    """What must not be seen in a record: the secrets that settings and specs name."""
    kafka = context.settings.kafka
    variables = [kafka.password_env, *(hook.secret_env for s in context.specs.values() for hook in s.notify)]
    found = [_secret(name) for name in variables if name is not None]
    found += [context.masking_key.decode("utf-8", "replace")] if context.masking_key else []
    password = make_url(context.settings.catalogue).password
    return tuple(secret for secret in [*found, str(password or "")] if secret)


def _secret(variable: str) -> str:
    try:
        return environment_secret(variable).decode("utf-8", "replace")
    except ConfigError:
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Schedule until SIGTERM."""
    parser = argparse.ArgumentParser(description="One instance of the scheduler, as `eddyline schedule` runs it.")
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--registry", default=None)
    options = parser.parse_args(arguments)
    configure_logs()
    try:
        with stop_on_signal() as stop:
            run_scheduler(options.config, stop, slot=options.slot, registry=options.registry)
    except EddylineError as error:
        log.error("the scheduler could not run", reason=str(error), kind=type(error).__name__)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
