"""The catalogue's part on the life of models: evaluations, decisions, and the schemas of streams."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, insert, select

from pipeline.catalogue.connected import Connected, begins_with, fitted, table_of, upsert
from pipeline.catalogue.service_entries import DecisionEntry, EvaluationEntry, SchemaVersionEntry
from pipeline.catalogue.service_tables import DecisionRow, EvaluationRow, SchemaVersionRow
from pipeline.catalogue.tables import ChampionRow, ModelRow
from pipeline.errors import ConfigError, ModelError

DECISIONS = table_of(DecisionRow)
EVALUATIONS = table_of(EvaluationRow)
MOST_EVALUATIONS = 1_000


class LifecycleRecords(Connected):
    """What is asked about evaluations and decisions. Ids may be given by their beginning."""

    def champion(self, stream: str) -> str | None:
        """The id of the model in service; None where none was ever promoted. One index look-up."""
        with self._reading() as connection:
            return newest_champion(connection, stream)

    def set_champion(self, stream: str, model_id: str, reason: str, now_ms: int) -> None:
        """Put a model into service. Raises ModelError for a model that is not this stream's."""
        with self._writing() as connection:
            self._alone_on(connection, f"champion of {stream}")
            _promote(connection, stream, model_id, reason, now_ms)

    def decide(self, entry: DecisionEntry, *, champion: str | None = None) -> bool:
        """Write a decision down and, where `champion` is given, put it into service, in one transaction.

        False, and nothing written, where a champion is given and the one in service is no longer `entry.before_id`.
        Raises ModelError for a champion that is not this stream's.
        """
        with self._writing() as connection:
            self._alone_on(connection, f"champion of {entry.stream}")
            if champion is not None:
                if newest_champion(connection, entry.stream) != entry.before_id:
                    return False
                _promote(connection, entry.stream, champion, entry.reason, entry.decided_ms)
            connection.execute(insert(DECISIONS).values(fitted(DECISIONS, asdict(entry))))
        return True

    def decisions(self, stream: str, limit: int = 100) -> list[DecisionEntry]:
        """A stream's decisions, newest first."""
        query = select(DECISIONS).where(DecisionRow.stream == stream)
        query = query.order_by(DecisionRow.decided_ms.desc(), DecisionRow.decision_id).limit(limit)
        with self._reading() as connection:
            return [DecisionEntry(**row) for row in connection.execute(query).mappings()]

    def add_evaluation(self, entry: EvaluationEntry) -> None:
        """Remember figures. Adding them again changes nothing."""
        with self._writing() as connection:
            upsert(connection, EvaluationRow, [asdict(entry)])

    def evaluations(self, stream: str, model_id: str | None = None) -> list[EvaluationEntry]:
        """A stream's evaluations, or those of one of its models, newest first."""
        query = select(EVALUATIONS).where(EvaluationRow.stream == stream)
        if model_id is not None:
            query = query.where(EvaluationRow.model_id == model_id)
        newest_first = (EvaluationRow.created_ms.desc(), EvaluationRow.evaluation_id)
        return self._evaluations(query.order_by(*newest_first).limit(MOST_EVALUATIONS))

    def evaluation(self, prefix: str) -> EvaluationEntry:
        """One evaluation, by its id or the beginning of it. Raises ConfigError where none or several fit."""
        found = self._evaluations(select(EVALUATIONS).where(begins_with(EvaluationRow.evaluation_id, prefix)).limit(2))
        if len(found) != 1:
            fit = "no evaluation has" if not found else "several evaluations have"
            raise ConfigError(f"{fit} an id that begins with {prefix!r}: `eddyline models history STREAM` shows them")
        return found[0]

    def put_schema_version(self, entry: SchemaVersionEntry) -> None:
        """Remember a version of a stream's schema. When it was first seen stays."""
        with self._writing() as connection:
            upsert(connection, SchemaVersionRow, [asdict(entry)])

    def schema_versions(self, stream: str) -> list[SchemaVersionEntry]:
        """The versions of a stream's schema, oldest first."""
        query = select(table_of(SchemaVersionRow)).where(SchemaVersionRow.stream == stream)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(SchemaVersionRow.version)).mappings()
            return [SchemaVersionEntry(**row) for row in rows]

    def _evaluations(self, query: Any) -> list[EvaluationEntry]:
        with self._reading() as connection:
            return [EvaluationEntry(**row) for row in connection.execute(query).mappings()]


def newest_champion(connection: Connection, stream: str) -> str | None:
    """The id of the model in service."""
    newest = select(ChampionRow.model_id).where(ChampionRow.stream == stream).order_by(ChampionRow.id.desc())
    return connection.execute(newest.limit(1)).scalar_one_or_none()


def _promote(connection: Connection, stream: str, model_id: str, reason: str, now_ms: int) -> None:
    owner = connection.execute(select(ModelRow.stream).where(ModelRow.model_id == model_id)).scalar()
    if owner != stream:
        whose = "is not in the catalogue" if owner is None else f"was trained for stream {owner}"
        raise ModelError(f"model {model_id} {whose}: `eddyline models list {stream}` shows those of {stream}")
    row = {"stream": stream, "model_id": model_id, "reason": reason, "since_ms": now_ms}
    connection.execute(insert(ChampionRow).values(row))
