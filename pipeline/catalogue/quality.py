"""The catalogue's part on data quality: the verdicts of runs of expectations and of checks of drift."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, select

from pipeline.catalogue.connected import Connected, begins_with, fitted, table_of
from pipeline.catalogue.service_entries import QualityEntry
from pipeline.catalogue.service_tables import QualityRow
from pipeline.errors import ConfigError

QUALITY = table_of(QualityRow)


class QualityRecords(Connected):
    """What is asked about verdicts. Ids may be given by their beginning."""

    def add_quality(self, entry: QualityEntry) -> None:
        """Write a verdict down."""
        with self._writing() as connection:
            connection.execute(insert(QUALITY).values(fitted(QUALITY, asdict(entry))))

    def quality_results(
        self, stream: str | None = None, subject: str | None = None, limit: int = 200
    ) -> list[QualityEntry]:
        """Verdicts, newest first."""
        query = select(QUALITY).order_by(QualityRow.created_ms.desc(), QualityRow.result_id).limit(limit)
        if stream is not None:
            query = query.where(QualityRow.stream == stream)
        if subject is not None:
            query = query.where(QualityRow.subject == subject)
        return self._results(query)

    def quality_result(self, prefix: str) -> QualityEntry:
        """One verdict, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        found = self._results(select(QUALITY).where(begins_with(QualityRow.result_id, prefix)).limit(2))
        if len(found) != 1:
            fit = "no quality result has" if not found else "several quality results have"
            raise ConfigError(f"{fit} an id that begins with {prefix!r}: `eddyline quality show STREAM` shows them")
        return found[0]

    def _results(self, query: Any) -> list[QualityEntry]:
        with self._reading() as connection:
            return [QualityEntry(**row) for row in connection.execute(query).mappings()]
