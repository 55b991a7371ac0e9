"""The catalogue's part on canaries: how many of each family a model caught, by the hour."""

from collections.abc import Mapping

from sqlalchemy import select

from pipeline.catalogue.alert_tables import CanaryRow
from pipeline.catalogue.connected import Connected, table_of, upsert
from pipeline.catalogue.service_entries import CanaryCount


class CanaryRecords(Connected):
    """What is asked about canaries."""

    def count_canaries(self, stream: str, model_id: str, counts: Mapping[str, tuple[int, int]], hour_ms: int) -> None:
        """Add to an hour's counts: by family, how many were injected and how many of them were caught."""
        rows = [
            {
                "stream": stream,
                "model_id": model_id,
                "family": family,
                "hour_ms": hour_ms,
                "injected": counts[family][0],
                "caught": counts[family][1],
            }
            for family in sorted(counts)
        ]
        with self._writing() as connection:
            upsert(connection, CanaryRow, rows, added=["injected", "caught"])

    def canary_counts(self, stream: str, since_ms: int, model_id: str | None = None) -> list[CanaryCount]:
        """A stream's counts of the hours since a moment, by hour, model and family."""
        query = select(table_of(CanaryRow)).where(CanaryRow.stream == stream, CanaryRow.hour_ms >= since_ms)
        if model_id is not None:
            query = query.where(CanaryRow.model_id == model_id)
        query = query.order_by(CanaryRow.hour_ms, CanaryRow.model_id, CanaryRow.family)
        with self._reading() as connection:
            return [CanaryCount(**row) for row in connection.execute(query).mappings()]
