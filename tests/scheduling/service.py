"""The scheduler as real processes: settings in a folder, instances that are started, stopped and killed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pipeline.catalogue import Catalogue
from tests.project.repository import ROOT

T = TypeVar("T")
SPEC: dict[str, Any] = {
    "stream": "payments",
    "topic": "payments",
    "columns": [{"name": "amount", "kind": "numeric", "roles": ["feature"]}],
    "budget": {"alerts_per_day": 5},
}


def until(found: Callable[[], T], *, seconds: float = 200.0, what: str = "") -> T:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        threading.Event().wait(0.05)
    raise AssertionError(f"not within {seconds} s: {what or found}")


class Instance:
    """One scheduler process and what it logs."""

    def __init__(self, config: Path, slot: int, registry: str | None) -> None:
        self.log = config.parent / f"scheduler-{slot}.log"
        more = [] if registry is None else ["--registry", registry]
        command = [sys.executable, "-m", "pipeline.scheduling.process", "--config", str(config), "--slot", str(slot)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen([*command, *more], stdout=output, stderr=output, cwd=ROOT)

    def said(self, event: str) -> list[dict[str, Any]]:
        """Log entries of one event."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [entry for line in lines if (entry := json.loads(line))["event"] == event]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        return self.process.wait(30)


class Service:
    """Settings and a catalogue, and the instances that run on them."""

    def __init__(
        self, folder: Path, url: str, schedule: list[dict[str, Any]], *, spec: dict[str, Any] = SPEC, **scheduler: Any
    ) -> None:
        self.folder, self.config = folder, folder / "eddyline.yaml"
        settings = {"catalogue": url, "streams": "streams", "metrics": {"port": 0}, "scheduler": scheduler}
        self.config.write_text(yaml.safe_dump(settings))
        (folder / "streams").mkdir()
        (folder / "streams" / "spec.yaml").write_text(yaml.safe_dump(spec | {"schedule": schedule}))
        self.catalogue = Catalogue.open(url)
        self.instances: list[Instance] = []

    def start(self, registry: str | None = "tests.scheduling.jobs:JOBS") -> Instance:
        instance = Instance(self.config, len(self.instances), registry)
        self.instances.append(instance)
        return instance

    @property
    def notes(self) -> Path:
        """Where the jobs of tests write."""
        return self.folder / "lake" / "metadata" / "test"

    def status(self, run_id: str) -> str:
        return self.catalogue.run(run_id).status

    def effects(self) -> list[tuple[str | None, int | None]]:
        return [(result.run_id, result.start_ms) for result in self.catalogue.quality_results(limit=10_000)]

    def leader(self) -> Instance:
        """The instance that leads."""

        def leading() -> Instance | None:
            lease = self.catalogue.lease("scheduler")
            if lease is None or not lease.holder or lease.left_ms < 0:
                return None
            pids = {str(one.process.pid): one for one in self.instances if one.process.poll() is None}
            return next((one for pid, one in pids.items() if f".{pid}." in lease.holder), None)

        found = until(leading, what="an instance that leads")
        assert found is not None
        return found


@contextmanager
def service(folder: Path, url: str, schedule: list[dict[str, Any]], **scheduler: Any) -> Iterator[Service]:
    """A service whose processes are gone afterwards."""
    made = Service(folder, url, schedule, **scheduler)
    try:
        yield made
    finally:
        for instance in made.instances:
            instance.kill()
        made.catalogue.close()
