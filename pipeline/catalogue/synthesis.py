"""The catalogue's part on synthetic data: generators, requests to them, datasets. Lineage is in their links."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, select, update

from pipeline.catalogue.connected import Connected, begins_with
from pipeline.catalogue.entries import DatasetEntry, DatasetStatus, GeneratorEntry, RequestEntry, RequestStatus
from pipeline.catalogue.tables import DatasetRow, GenerationRequestRow, GeneratorRow
from pipeline.errors import ConfigError

MOST_LISTED = 1_000


class SynthesisRecords(Connected):
    """What is asked about synthetic data. Ids may be given by their beginning."""

    def add_generator(self, entry: GeneratorEntry) -> None:
        """Remember a generator. Adding it again changes nothing: its id is its content."""
        values = asdict(entry)
        self._put(GeneratorRow, {"generator_id": values.pop("generator_id")}, values)

    def generators(self, stream: str | None = None, limit: int = MOST_LISTED) -> list[GeneratorEntry]:
        """A stream's generators, or all, newest first."""
        rows = self._newest(GeneratorRow, GeneratorRow.created_ms, GeneratorRow.stream, stream, limit)
        return [GeneratorEntry(**row) for row in rows]

    def generator(self, generator_id: str) -> GeneratorEntry:
        """One generator, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        return GeneratorEntry(**self._one(GeneratorRow, GeneratorRow.generator_id, generator_id, "generator"))

    def put_dataset(self, entry: DatasetEntry) -> None:
        """Remember a dataset, or what is now known of it."""
        values = asdict(entry)
        self._put(DatasetRow, {"dataset_id": values.pop("dataset_id")}, values)

    def set_dataset_status(self, dataset_id: str, status: DatasetStatus, reason: str) -> None:
        """Say where a dataset stands now, and why."""
        change = update(DatasetRow).where(DatasetRow.dataset_id == dataset_id)
        with self._writing() as connection:
            connection.execute(change.values(status=status.value, reason=reason))

    def datasets(self, stream: str | None = None, limit: int = MOST_LISTED) -> list[DatasetEntry]:
        """A stream's datasets, or all, newest first."""
        rows = self._newest(DatasetRow, DatasetRow.created_ms, DatasetRow.stream, stream, limit)
        return [DatasetEntry(**row) for row in rows]

    def dataset(self, dataset_id: str) -> DatasetEntry:
        """One dataset, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        return DatasetEntry(**self._one(DatasetRow, DatasetRow.dataset_id, dataset_id, "dataset"))

    def known_dataset(self, dataset_id: str) -> DatasetEntry | None:
        """The dataset of exactly this id, if it is known."""
        with self._reading() as connection:
            query = select(DatasetRow.__table__).where(DatasetRow.dataset_id == dataset_id)
            row = connection.execute(query).mappings().first()
        return None if row is None else DatasetEntry(**row)

    def begin_request(self, entry: RequestEntry) -> RequestEntry:
        """Write a request down. What came before it for the same dataset and never ended is marked interrupted, and
        is its parent where it names none. Raises ConfigError for a parent that is not known."""
        mine = GenerationRequestRow.dataset_id == entry.dataset_id
        parent = entry.parent_id
        if parent is not None:
            parent = self.request(parent).request_id
        with self._writing() as connection:
            before = select(GenerationRequestRow.request_id).where(mine)
            before = before.order_by(GenerationRequestRow.asked_ms.desc(), GenerationRequestRow.request_id).limit(1)
            parent = parent or connection.execute(before).scalar_one_or_none()
            unended = update(GenerationRequestRow).where(
                mine, GenerationRequestRow.status == RequestStatus.RUNNING.value
            )
            connection.execute(unended.values(status=RequestStatus.INTERRUPTED.value))
            values = asdict(entry) | {"parent_id": parent}
            connection.execute(insert(GenerationRequestRow).values(values))
        return RequestEntry(**values)

    def end_request(self, request_id: str, status: RequestStatus, *, reason: str, now_ms: int) -> None:
        """Say what came of a request."""
        change = update(GenerationRequestRow).where(GenerationRequestRow.request_id == request_id)
        with self._writing() as connection:
            connection.execute(change.values(status=status.value, reason=reason, ended_ms=now_ms))

    def requests(self, stream: str | None = None) -> list[RequestEntry]:
        """A stream's requests, or all, newest first."""
        asked = GenerationRequestRow.asked_ms
        rows = self._newest(GenerationRequestRow, asked, GenerationRequestRow.stream, stream, MOST_LISTED)
        return [RequestEntry(**row) for row in rows]

    def request(self, request_id: str) -> RequestEntry:
        """One request, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        found = self._one(GenerationRequestRow, GenerationRequestRow.request_id, request_id, "request")
        return RequestEntry(**found)

    def requests_for(self, dataset_id: str) -> list[RequestEntry]:
        """The requests that a dataset came from, newest first."""
        query = select(GenerationRequestRow.__table__).where(GenerationRequestRow.dataset_id == dataset_id)
        query = query.order_by(GenerationRequestRow.asked_ms.desc())
        with self._reading() as connection:
            return [RequestEntry(**row) for row in connection.execute(query).mappings()]

    def _newest(self, table: Any, moment: Any, column: Any, stream: str | None, limit: int) -> list[Mapping[str, Any]]:
        query = select(table.__table__).order_by(moment.desc()).limit(limit)
        if stream is not None:
            query = query.where(column == stream)
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _one(self, table: Any, column: Any, wanted: str, noun: str) -> Mapping[str, Any]:
        query = select(table.__table__).where(begins_with(column, wanted)).limit(3)
        with self._reading() as connection:
            found = [dict(row) for row in connection.execute(query).mappings()]
        if len(found) != 1:
            fit = f"no {noun} has" if not found else f"several {noun}s have"
            where = "requests" if noun == "request" else "list"
            raise ConfigError(f"{fit} an id that begins with {wanted!r}: `eddyline synth {where}` shows them")
        return found[0]
