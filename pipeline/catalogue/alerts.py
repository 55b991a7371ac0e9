"""The catalogue's part on alerts: recorded with the offsets they were read up to, listed, counted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, or_, select

from pipeline.catalogue.alert_tables import AlertRow, ConsumerOffsetRow
from pipeline.catalogue.connected import Connected, begins_with, table_of, upsert
from pipeline.catalogue.service_entries import AlertEntry, Place
from pipeline.errors import ConfigError

ALERTS = table_of(AlertRow)
COUNTED_KINDS = ("anomaly", "storm")
"""What a budget of alerts counts; silence and rejects speak of the stream, not of its events."""


class AlertRecords(Connected):
    """What is asked about recorded alerts. Ids may be given by their beginning."""

    def record_alerts(self, entries: Sequence[AlertEntry], offsets: Mapping[Place, int], consumer: str) -> None:
        """Write alerts and where their reader goes on, in one transaction.

        A higher revision replaces a lower one and never the other way round; offsets never go back. So whoever reads
        a part again, or still reads what another has taken over, changes nothing.
        """
        newest: dict[str, AlertEntry] = {}
        for entry in entries:
            if entry.alert_id not in newest or newest[entry.alert_id].revision < entry.revision:
                newest[entry.alert_id] = entry
        changed = [column.name for column in ALERTS.columns if not column.primary_key]
        # In one order everywhere, so that two recorders cannot wait for each other.
        rows = [asdict(newest[alert_id]) for alert_id in sorted(newest)]
        places = [
            {**place._asdict(), "consumer": consumer, "next_offset": offset}
            for place, offset in sorted(offsets.items())
        ]
        with self._writing() as connection:
            upsert(connection, AlertRow, rows, changed=changed, where_higher="revision")
            upsert(connection, ConsumerOffsetRow, places, changed=["next_offset"], where_higher="next_offset")

    def consumer_offsets(self, consumer: str, topic: str) -> dict[Place, int]:
        """Where a consumer goes on in a topic of this name, for every topic id it has read."""
        mine = (ConsumerOffsetRow.consumer == consumer, ConsumerOffsetRow.topic == topic)
        row = ConsumerOffsetRow
        query = select(row.topic, row.topic_id, row.partition, row.next_offset).where(*mine)
        with self._reading() as connection:
            return {Place(r.topic, r.topic_id, r.partition): r.next_offset for r in connection.execute(query)}

    def alert(self, prefix: str) -> AlertEntry:
        """One alert, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        found = self.alerts_beginning(prefix)
        if len(found) != 1:
            fit = "no recorded alert has" if not found else "several recorded alerts have"
            raise ConfigError(
                f"{fit} an id that begins with {prefix!r}: `eddyline alerts STREAM --recorded` shows them, and "
                "`eddyline record` is what writes them down"
            )
        return found[0]

    def alerts_beginning(self, prefix: str) -> list[AlertEntry]:
        """The alerts whose id begins so; at most two, which says that there are several."""
        return self._alerts(select(ALERTS).where(begins_with(AlertRow.alert_id, prefix)).limit(2))

    def alerts(
        self,
        stream: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = 100,
        *,
        cause: str | None = None,
    ) -> list[AlertEntry]:
        """Alerts as they last stood, the newest published first: since ≤ published < until."""
        query = select(ALERTS).order_by(AlertRow.published_ms.desc(), AlertRow.alert_id).limit(limit)
        if stream is not None:
            query = query.where(AlertRow.stream == stream)
        if cause is not None:
            query = query.where(AlertRow.cause == cause)
        if since_ms is not None:
            query = query.where(AlertRow.published_ms >= since_ms)
        if until_ms is not None:
            query = query.where(AlertRow.published_ms < until_ms)
        return self._alerts(query)

    def alert_counts(self, stream: str, model_id: str, since_ms: int, until_ms: int) -> int:
        """How many of a model's alerts a budget counts, begun in since ≤ time < until; shadows are none."""
        query = select(func.count()).where(
            AlertRow.stream == stream,
            AlertRow.model_id == model_id,
            AlertRow.started_ms >= since_ms,
            AlertRow.started_ms < until_ms,
            AlertRow.shadow.is_(False),
            or_(*(AlertRow.kind == kind for kind in COUNTED_KINDS)),
        )
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _alerts(self, query: Any) -> list[AlertEntry]:
        with self._reading() as connection:
            return [AlertEntry(**row) for row in connection.execute(query).mappings()]
