"""What asks for a retraining besides the schedule: drift, a new schema, a champion that was taken back.

Asked for, not done: a run is queued, and whoever leads trains. Between two that were asked for like this,
`retraining.least_hours_between` passes, so that a stream that keeps drifting is not trained on all day.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from pipeline.catalogue.service_entries import JobRunEntry
from pipeline.config import JobKind, StreamSpec
from pipeline.errors import ModelError
from pipeline.lake.ledger import schema_hash
from pipeline.model_store import Bundle
from pipeline.state.fitting import check_fits

MS_PER_HOUR = 3_600_000


class Origin(StrEnum):
    """Why a retraining was asked for; the origin of its run."""

    DRIFT = "drift"
    SCHEMA_CHANGE = "schema change"
    ROLLBACK = "rollback"


class RunsCatalogue(Protocol):
    """The part of the catalogue that queues runs."""

    def request_run(
        self, stream: str, kind: str, arguments: dict[str, object], *, origin: str, now_ms: int, job: str | None = None
    ) -> str:
        """Ask for a run; its id."""

    def runs(
        self, stream: str | None = None, job: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[JobRunEntry]:
        """Runs, the newest fire first."""


class SchemaLedger(Protocol):
    """What the archive knows of the schemas it was written with."""

    def schemas(self) -> Mapping[int, pa.Schema]:
        """Every schema version there was."""


def ask_for_retraining(
    catalogue: RunsCatalogue, spec: StreamSpec, *, origin: Origin, reason: str, now_ms: int
) -> str | None:
    """Queue a training; its run's id. None where the spec does not want it, or one was asked for not long ago."""
    wanted = {
        Origin.DRIFT: spec.retraining.on_drift,
        Origin.SCHEMA_CHANGE: spec.retraining.on_schema_change,
        Origin.ROLLBACK: True,
    }
    kind = JobKind.TRAIN_DETECTOR.value
    if not wanted[origin]:
        return None
    asked = [run for run in catalogue.runs(spec.stream, job=kind) if run.origin in tuple(Origin)]
    newest_ms = max((run.fire_ms for run in asked), default=None)
    if newest_ms is not None and now_ms - newest_ms < spec.retraining.least_hours_between * MS_PER_HOUR:
        return None
    return catalogue.request_run(spec.stream, kind, {"reason": reason}, origin=origin.value, now_ms=now_ms)


def schema_change(spec: StreamSpec, ledger: SchemaLedger, champion: Bundle) -> str:
    """What the champion does not know of the stream as it now is and is archived; empty where it knows all of it."""
    try:
        check_fits(champion, spec)
    except ModelError as error:
        return str(error)
    current = spec.schema()
    learned = pa.schema(list(champion.schema)[: len(current)])  # derived columns follow those of the stream
    if schema_hash(current) == schema_hash(learned):
        return ""
    if schema_hash(current) not in {schema_hash(schema) for schema in ledger.schemas().values()}:
        return ""
    new, gone = _apart(set(current.names), set(learned.names)), _apart(set(learned.names), set(current.names))
    told = [f"new columns: {new}"] * bool(new) + [f"columns that are gone: {gone}"] * bool(gone)
    return "the stream's schema has changed since the champion was trained; " + (
        ", ".join(told) or "columns have other types or roles"
    )


def _apart(names: set[str], others: set[str]) -> str:
    return ", ".join(sorted(names - others))
