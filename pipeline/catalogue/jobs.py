"""The catalogue's part on jobs: their state between leaders, and their runs."""

import uuid
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.catalogue.connected import Connected, begins_with, fitted, table_of, upsert
from pipeline.catalogue.service_entries import JobRunEntry, JobStateEntry
from pipeline.catalogue.service_tables import JobRunRow, JobStateRow
from pipeline.errors import ConfigError

RUNS = table_of(JobRunRow)


class JobRecords(Connected):
    """What is asked about jobs and their runs. Run ids may be given by their beginning."""

    def add_run(self, entry: JobRunEntry) -> bool:
        """Write a run down. False where this fire of this job is there already: each becomes one run."""
        with self._writing() as connection:
            self._alone_on(connection, f"runs of {entry.stream}")
            return _add(connection, entry)

    def take_run(self, run_id: str, *, epoch: int, host: str, pid: int, now_ms: int) -> bool:
        """Begin a queued run. False where it is not queued (any more)."""
        values = {"status": "running", "epoch": epoch, "host": host, "pid": pid, "started_ms": now_ms}
        with self._writing() as connection:
            change = _change(run_id, **values, ended_ms=None, progress=0.0, doing="")
            return bool(connection.execute(change.where(JobRunRow.status == "queued")).rowcount)

    def progress_run(self, run_id: str, *, progress: float, doing: str) -> None:
        """Say how far a running run is; nothing where it runs no longer."""
        with self._writing() as connection:
            change = _change(run_id, progress=progress, doing=doing)
            connection.execute(change.where(JobRunRow.status == "running"))

    def end_run(
        self, run_id: str, *, status: str, reason: str, result: dict[str, Any], last_lines: str = "", now_ms: int
    ) -> None:
        """Say how a run ended. A run that has ended stays as it ended."""
        values = {"status": status, "reason": reason, "result": result, "last_lines": last_lines, "ended_ms": now_ms}
        with self._writing() as connection:
            connection.execute(_change(run_id, **values).where(JobRunRow.status.in_(("queued", "running"))))

    def requeue_run(
        self, run_id: str, *, attempt: int, failures: int, not_before_ms: int, reason: str, last_lines: str
    ) -> None:
        """Queue a run again for another attempt. A run that has ended stays as it ended."""
        values = {"status": "queued", "attempt": attempt, "failures": failures, "not_before_ms": not_before_ms}
        with self._writing() as connection:
            change = _change(run_id, **values, reason=reason, last_lines=last_lines, pid=None, ended_ms=None)
            connection.execute(change.where(JobRunRow.status.in_(("queued", "running"))))

    def run(self, run_id_prefix: str) -> JobRunEntry:
        """One run, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        query = select(RUNS).where(begins_with(JobRunRow.run_id, run_id_prefix)).limit(2)
        found = self._runs(query)
        if len(found) != 1:
            fit = "no run has" if not found else "several runs have"
            raise ConfigError(
                f"{fit} an id that begins with {run_id_prefix!r}: `eddyline jobs history` shows the ids of runs"
            )
        return found[0]

    def runs(
        self, stream: str | None = None, job: str | None = None, status: str | None = None, limit: int = 100
    ) -> list[JobRunEntry]:
        """Runs, the newest fire first."""
        query = select(RUNS).order_by(JobRunRow.fire_ms.desc()).limit(limit)
        for column, value in ((JobRunRow.stream, stream), (JobRunRow.job, job), (JobRunRow.status, status)):
            if value is not None:
                query = query.where(column == value)
        return self._runs(query)

    def due_runs(self, now_ms: int) -> list[JobRunEntry]:
        """Queued runs that may begin now, the oldest fire first."""
        query = select(RUNS).where(JobRunRow.status == "queued", JobRunRow.not_before_ms <= now_ms)
        return self._runs(query.order_by(JobRunRow.fire_ms, JobRunRow.run_id))

    def running_runs(self) -> list[JobRunEntry]:
        """Runs that are said to be running, the oldest fire first."""
        query = select(RUNS).where(JobRunRow.status == "running")
        return self._runs(query.order_by(JobRunRow.fire_ms, JobRunRow.run_id))

    def request_run(
        self,
        stream: str,
        kind: str,
        arguments: dict[str, Any],
        *,
        origin: str,
        now_ms: int,
        job: str | None = None,
    ) -> str:
        """Queue a run that a person or another job asks for; its id. `job` names one of the spec's.

        While one of the same kind (of the same job, where one is named) is queued, that one's id: nobody trains twice
        for two people's impatience.
        """
        same = JobRunRow.job == job if job is not None else JobRunRow.kind == kind
        queued = select(JobRunRow.run_id).where(JobRunRow.status == "queued", JobRunRow.stream == stream, same)
        entry = JobRunEntry(
            run_id=uuid.uuid4().hex, stream=stream, job=job or kind, kind=kind, fire_ms=now_ms, origin=origin,
            arguments=arguments, not_before_ms=now_ms,
        )  # fmt: skip
        with self._writing() as connection:
            self._alone_on(connection, f"runs of {stream}")
            found = connection.execute(queued.order_by(JobRunRow.fire_ms).limit(1)).scalar_one_or_none()
            if found is not None:
                return found
            _add(connection, entry, is_moved=True)
        return entry.run_id

    def job_state(self, stream: str, job: str) -> JobStateEntry | None:
        """What is remembered of a job; None for one that no scheduler has seen."""
        found = [state for state in self.job_states(stream) if state.job == job]
        return found[0] if found else None

    def job_states(self, stream: str | None = None) -> list[JobStateEntry]:
        """What is remembered of jobs, by stream and name."""
        query = select(table_of(JobStateRow)).order_by(JobStateRow.stream, JobStateRow.job)
        if stream is not None:
            query = query.where(JobStateRow.stream == stream)
        with self._reading() as connection:
            return [JobStateEntry(**row) for row in connection.execute(query).mappings()]

    def put_job_state(self, entry: JobStateEntry) -> None:
        """Remember since when a job counts and which fire was its last. Whether it is paused stays as it is for one
        that is known: people pause jobs while a scheduler is at work."""
        with self._writing() as connection:
            upsert(connection, JobStateRow, [asdict(entry)], changed=["since_ms", "last_fire_ms"])

    def pause_job(self, stream: str, job: str, *, by: str, now_ms: int) -> None:
        """Let a job's fires pass until it is resumed."""
        row = {"stream": stream, "job": job, "paused": True, "paused_by": by, "since_ms": now_ms, "last_fire_ms": None}
        with self._writing() as connection:
            upsert(connection, JobStateRow, [row], changed=["paused", "paused_by"])

    def resume_job(self, stream: str, job: str, *, now_ms: int) -> None:
        """Let a job's fires count again, from now on."""
        mine = (JobStateRow.stream == stream, JobStateRow.job == job)
        with self._writing() as connection:
            connection.execute(update(JobStateRow).where(*mine).values(paused=False, paused_by="", since_ms=now_ms))

    def remove_job_state(self, stream: str, job: str) -> None:
        """Forget a job that is no longer in its stream's spec."""
        with self._writing() as connection:
            connection.execute(delete(JobStateRow).where(JobStateRow.stream == stream, JobStateRow.job == job))

    def _runs(self, query: Any) -> list[JobRunEntry]:
        with self._reading() as connection:
            return [JobRunEntry(**row) for row in connection.execute(query).mappings()]


def _add(connection: Connection, entry: JobRunEntry, *, is_moved: bool = False) -> bool:
    """Insert a run unless its fire is taken; with `is_moved` it takes the next free millisecond instead."""
    row = fitted(RUNS, asdict(entry))
    taken = select(JobRunRow.run_id).where(JobRunRow.stream == entry.stream, JobRunRow.job == entry.job)
    while connection.execute(taken.where(JobRunRow.fire_ms == row["fire_ms"])).first() is not None:
        if not is_moved:
            return False
        row["fire_ms"] += 1
    connection.execute(insert(JobRunRow).values(row))
    return True


def _change(run_id: str, **values: Any) -> Any:
    return update(JobRunRow).where(JobRunRow.run_id == run_id).values(fitted(RUNS, values))
