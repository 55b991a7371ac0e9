"""What lists show of things in the catalogue: the newest few, of each what is shown, and how many more there are."""

from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, func, or_, select

from pipeline.catalogue.connected import Connected, table_of
from pipeline.catalogue.entries import RequestEntry
from pipeline.catalogue.lifecycle import newest_champion
from pipeline.catalogue.service_tables import DecisionRow, WithdrawalRow
from pipeline.catalogue.tables import Base, DatasetRow, GenerationRequestRow, GeneratorRow, ModelRow

One = TypeVar("One")
PRECISION = ("figures", "challenger", "average_precision", "value")
"""Where a decision's figures have the average precision of the model that it is about."""


class Listed(NamedTuple, Generic[One]):
    """The newest of something."""

    shown: list[One]
    more: int
    """That are not shown."""


class ListedModel(NamedTuple):
    """A model without its facts."""

    model_id: str
    detector: str
    created_ms: int
    threshold_nats: float
    champion: bool


class DecisionLine(NamedTuple):
    """A decision without its figures, but one."""

    model_id: str
    before_id: str | None
    kind: str
    decided_ms: int
    average_precision: float | None


class ListedDataset(NamedTuple):
    """A dataset without what its gates said."""

    dataset_id: str
    stream: str
    created_ms: int
    rows: int
    generator_id: str
    status: str
    reason: str


class ListedGenerator(NamedTuple):
    """A generator without its facts, and without the files that it learned from."""

    generator_id: str
    stream: str
    created_ms: int
    model: str
    rows: int
    """It learned from."""


class ListedRecords(Connected):
    """What lists ask. All newest first; of one stream, or of all."""

    def listed_models(self, stream: str, limit: int) -> Listed[ListedModel]:
        """A stream's newest models, and its champion behind them where that is older."""
        wanted = (ModelRow.model_id, ModelRow.detector, ModelRow.created_ms, ModelRow.threshold_nats)
        with self._reading() as connection:
            champion = newest_champion(connection, stream)
            rows = list(connection.execute(_newest_models(stream, limit, *wanted)))
            if champion is not None and champion not in {row.model_id for row in rows}:
                rows += connection.execute(select(*wanted).where(ModelRow.model_id == champion))
            total = _count(connection, ModelRow, ModelRow.stream == stream)
        shown = [ListedModel(**row._mapping, champion=row.model_id == champion) for row in rows]
        return Listed(shown, total - len(shown))

    def decisions_on_listed(self, stream: str, limit: int) -> list[DecisionLine]:
        """The decisions about the models of `listed_models`, oldest first."""
        newest = _newest_models(stream, limit, ModelRow.model_id)
        precision = DecisionRow.figures[PRECISION].as_float()
        columns = (DecisionRow.model_id, DecisionRow.before_id, DecisionRow.kind, DecisionRow.decided_ms, precision)
        with self._reading() as connection:
            champion = newest_champion(connection, stream)
            about: list[ColumnElement[bool]] = []
            for column in (DecisionRow.model_id, DecisionRow.before_id):
                about += [column.in_(newest), *([] if champion is None else [column == champion])]
            query = select(*columns).where(DecisionRow.stream == stream, DecisionRow.model_id.is_not(None), or_(*about))
            query = query.order_by(DecisionRow.decided_ms, DecisionRow.decision_id.desc())
            return [DecisionLine(*row) for row in connection.execute(query)]

    def listed_datasets(self, stream: str | None, limit: int) -> Listed[ListedDataset]:
        """Synthetic datasets."""
        columns = [getattr(DatasetRow, name) for name in ListedDataset._fields]
        rows, more = self._listed(DatasetRow, columns, DatasetRow.created_ms, stream, limit)
        return Listed([ListedDataset(*row) for row in rows], more)

    def listed_generators(self, stream: str | None, limit: int) -> Listed[ListedGenerator]:
        """Generators."""
        learned = GeneratorRow.source["rows"].as_integer()
        columns = [*(getattr(GeneratorRow, name) for name in ListedGenerator._fields[:-1]), learned]
        rows, more = self._listed(GeneratorRow, columns, GeneratorRow.created_ms, stream, limit)
        return Listed([ListedGenerator(*row) for row in rows], more)

    def listed_requests(self, stream: str | None, limit: int) -> Listed[RequestEntry]:
        """Requests to generators."""
        columns = list(table_of(GenerationRequestRow).columns)
        rows, more = self._listed(GenerationRequestRow, columns, GenerationRequestRow.asked_ms, stream, limit)
        return Listed([RequestEntry(**row._mapping) for row in rows], more)

    def dataset_ids(self, stream: str | None = None) -> set[str]:
        """The ids of all datasets there are."""
        return self._ids(DatasetRow.dataset_id, DatasetRow.stream, stream)

    def generator_streams(self) -> set[str]:
        """The streams, and names of data, that generators learned from."""
        return self._ids(GeneratorRow.stream, GeneratorRow.stream, None)

    def withdrawn_ids(self, kind: str, stream: str | None = None) -> set[str]:
        """The ids of all things of a kind that are marked as withdrawn."""
        return self._ids(WithdrawalRow.id, WithdrawalRow.stream, stream, WithdrawalRow.kind == kind)

    def _listed(
        self, table: Any, columns: list[Any], moment: Any, stream: str | None, limit: int
    ) -> tuple[list[Any], int]:
        conditions = [] if stream is None else [table.stream == stream]
        key = next(iter(table_of(table).primary_key.columns))
        query = select(*columns).where(*conditions).order_by(moment.desc(), key).limit(limit)
        with self._reading() as connection:
            rows = list(connection.execute(query))
            return rows, _count(connection, table, *conditions) - len(rows)

    def _ids(self, wanted: Any, of: Any, stream: str | None, *conditions: ColumnElement[bool]) -> set[str]:
        query = select(wanted).distinct().where(*conditions)
        if stream is not None:
            query = query.where(of == stream)
        with self._reading() as connection:
            return set(connection.execute(query).scalars())


def _newest_models(stream: str, limit: int, *columns: Any) -> Any:
    query = select(*columns).where(ModelRow.stream == stream)
    return query.order_by(ModelRow.created_ms.desc(), ModelRow.model_id).limit(limit)


def _count(connection: Connection, table: type[Base], *conditions: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(table_of(table)).where(*conditions)
    return int(connection.execute(query).scalar_one())
