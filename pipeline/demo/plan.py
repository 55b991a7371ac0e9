"""What a demo shows: the simulated payments, or a person's own file, cut into a history to learn and a live part."""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.columns import Role
from detectors.registry import detector_class
from pipeline.config import BudgetSpec, StreamSpec
from pipeline.demo.payments import MS_PER_DAY, SIMULATION_VERSION, START_MS, SimulationConfig, simulate, stream_spec
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile
from pipeline.records import times_ms

HISTORY_DAYS = 14.0
LIVE_DAYS = 3.0
LIVE_SHARE = 0.2
MOST_ROWS = 250_000
PLAN_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """One demo, ready to run."""

    title: str
    spec: StreamSpec
    history: pa.Table
    """To be archived and learned from, anomalies and all."""
    live: pa.Table
    """To be scored as it comes."""
    kind_column: str | None
    """Says what kind of anomaly a labelled event is; for the summary only."""
    source: dict[str, Any]
    """What the events come from, for the cache."""

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change whenever an archive or model made for another plan would not fit."""
        parts = {
            "plan": PLAN_VERSION,
            "eddyline": version("eddyline"),
            "detector": detector_class(self.spec.detector_name).version,
            "spec": self.spec.model_dump(),
            "history_rows": self.history.num_rows,
            "source": self.source,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=sorted).encode()).hexdigest()[:16]


def simulated_plan(config: SimulationConfig | None = None, *, history_days: float = HISTORY_DAYS) -> DemoPlan:
    """The simulated payment stream: two weeks to learn, the days after them live."""
    config = config or SimulationConfig(days=HISTORY_DAYS + LIVE_DAYS)
    events = simulate(config)
    cut_us = int((START_MS + history_days * MS_PER_DAY) * 1000)
    first_live = int(np.searchsorted(events["time"].cast(pa.int64()).to_numpy(), cut_us))
    return DemoPlan(
        title=f"simulated card payments: {config.customers:,} customers, {config.fraud_share:.1%} fraud of seven kinds",
        spec=stream_spec(),
        history=events.slice(0, first_live),
        live=events.slice(first_live),
        kind_column="fraud_kind",
        source={"simulation": SIMULATION_VERSION, "seed": config.seed, "customers": config.customers},
    )


def file_plan(path: Path, spec: StreamSpec, *, alerts_per_day: float | None = None) -> DemoPlan:
    """A person's own file under an inferred spec: its newest fifth live, what is before it to learn from.

    Raises ConfigError where the file is too small or not in order of time.
    """
    spec = _with_budget(spec, alerts_per_day)
    file = EventFile.open(path, spec)
    events = pa.Table.from_batches(file.batches(limit=MOST_ROWS), schema=file.schema)
    if events.num_rows < 1_000:
        raise ConfigError(f"{path} has {events.num_rows:,} events: a demo needs 1,000 at least")
    events = _in_order(events, spec)
    first_live = round(events.num_rows * (1.0 - LIVE_SHARE))
    stat = path.stat()
    return DemoPlan(
        title=f"{path.name}: {events.num_rows:,} events",
        spec=spec,
        history=events.slice(0, first_live),
        live=events.slice(first_live),
        kind_column=next(iter(spec.columns_with(Role.LABEL)[1:]), None),
        source={"file": path.name, "bytes": stat.st_size, "modified_ns": stat.st_mtime_ns},
    )


def _with_budget(spec: StreamSpec, alerts_per_day: float | None) -> StreamSpec:
    """A stream without event times has no days to count alerts in: its budget is a share of events."""
    if spec.column_with(Role.TIME) is None:
        return spec.model_copy(update={"budget": BudgetSpec(share_of_events=0.001)})
    if alerts_per_day is None:
        return spec
    return spec.model_copy(update={"budget": BudgetSpec(alerts_per_day=alerts_per_day)})


def _in_order(events: pa.Table, spec: StreamSpec) -> pa.Table:
    time = spec.column_with(Role.TIME)
    if time is None:
        return events
    times = times_ms(events.combine_chunks().to_batches()[0], time)
    if np.isnan(times).any():
        missing = int(np.isnan(times).sum())
        raise ConfigError(f"{missing:,} events have no {time!r}: name another column with --time, or mend the file")
    return events.take(pa.array(np.argsort(times, kind="stable")))
