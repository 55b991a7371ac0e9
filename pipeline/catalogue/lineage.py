"""The catalogue's part on lineage: what came from what, and what was withdrawn."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import select

from pipeline.catalogue.connected import Connected, begins_with, table_of, upsert
from pipeline.catalogue.service_entries import LineageEdge, WithdrawalEntry
from pipeline.catalogue.service_tables import LineageRow, WithdrawalRow

EDGES = table_of(LineageRow)
WITHDRAWALS = table_of(WithdrawalRow)
NODE_KINDS = ("window", "model", "evaluation", "generator", "dataset", "report", "request")
MOST_FOUND = 50


class LineageRecords(Connected):
    """What is asked about lineage."""

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Remember edges. One that is known stays as it is."""
        rows = {(edge.parent_kind, edge.parent_id, edge.child_kind, edge.child_id): asdict(edge) for edge in edges}
        with self._writing() as connection:
            upsert(connection, LineageRow, [rows[key] for key in sorted(rows)])

    def parents(self, kind: str, id: str) -> list[LineageEdge]:
        """The edges that lead to something, oldest first."""
        return self._edges(LineageRow.child_kind == kind, LineageRow.child_id == id)

    def children(self, kind: str, id: str) -> list[LineageEdge]:
        """The edges that lead away from something, oldest first."""
        return self._edges(LineageRow.parent_kind == kind, LineageRow.parent_id == id)

    def edges_from(self, kind: str, stream: str) -> list[LineageEdge]:
        """The edges of a stream that lead away from things of a kind, oldest first: from all of its windows, say."""
        return self._edges(LineageRow.stream == stream, LineageRow.parent_kind == kind)

    def find_node(self, prefix: str) -> list[tuple[str, str]]:
        """Kinds and ids of what is in an edge and begins with a prefix, the first few by kind and id."""
        ends = (
            (LineageRow.parent_kind, LineageRow.parent_id),
            (LineageRow.child_kind, LineageRow.child_id),
        )
        found: set[tuple[str, str]] = set()
        with self._reading() as connection:
            for kind, id in ends:
                for wanted in NODE_KINDS:  # one at a time, for then every question is one stretch of an index
                    query = select(kind, id).where(kind == wanted, begins_with(id, prefix)).order_by(id)
                    found |= {(row[0], row[1]) for row in connection.execute(query.distinct().limit(MOST_FOUND))}
        return sorted(found)

    def add_withdrawals(self, entries: Sequence[WithdrawalEntry]) -> None:
        """Mark things withdrawn. What is withdrawn already keeps its first reason."""
        rows = {(entry.kind, entry.id): asdict(entry) for entry in entries}
        with self._writing() as connection:
            upsert(connection, WithdrawalRow, [rows[key] for key in sorted(rows)])

    def withdrawals(self, stream: str | None = None) -> list[WithdrawalEntry]:
        """What was withdrawn of a stream, or of all, newest first."""
        query = select(WITHDRAWALS)
        if stream is not None:
            query = query.where(WithdrawalRow.stream == stream)
        query = query.order_by(WithdrawalRow.withdrawn_ms.desc(), WithdrawalRow.kind, WithdrawalRow.id)
        with self._reading() as connection:
            return [WithdrawalEntry(**row) for row in connection.execute(query).mappings()]

    def is_withdrawn(self, kind: str, id: str) -> bool:
        """Whether something must not be used any more."""
        query = select(WithdrawalRow.kind).where(WithdrawalRow.kind == kind, WithdrawalRow.id == id)
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def _edges(self, *conditions: Any) -> list[LineageEdge]:
        order = (LineageRow.made_ms, LineageRow.parent_kind, LineageRow.parent_id, LineageRow.child_kind)
        query = select(EDGES).where(*conditions).order_by(*order, LineageRow.child_id)
        with self._reading() as connection:
            return [LineageEdge(**row) for row in connection.execute(query).mappings()]
