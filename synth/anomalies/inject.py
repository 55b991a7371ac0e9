"""Labelled anomalies in a table: as many rows as before, the truth about each of them beside it.

Rows that a collective anomaly adds take the place of as many rows left alone, drawn at random, and the identifiers of
those (duplicates keep their own), so that tables keep their length and identifiers stay unique over chunks. Relations
that hold in the table may be broken in labelled rows: that is what makes some of them anomalous.

Shape legend: N rows asked for, M rows after injection, C columns.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, make_field, names_with_role
from detectors.errors import UnusableDataError
from detectors.injection import AnomalyKind, Family, Injected, Plan, inject
from synth.anomalies.canonical import Canonical, canonical, canonical_schema
from synth.anomalies.request import AnomalyRequest, families_of
from synth.preparation import with_kinds
from synth.preparation.frame import BoolArray, IntArray

TRUTH_FIELDS: tuple[pa.Field, ...] = (
    make_field("_anomaly", Kind.BOOLEAN, [Role.LABEL]),
    make_field("_anomaly_kind", Kind.CATEGORICAL, [Role.LABEL]),
    make_field("_anomaly_family", Kind.CATEGORICAL, [Role.LABEL]),
    make_field("_anomaly_severity", Kind.NUMERIC, [Role.LABEL]),
    pa.field("_anomaly_columns", pa.list_(pa.string())),
    make_field("_anomaly_event", Kind.CATEGORICAL, [Role.LABEL], arrow_type=pa.int64()),
)
"""The columns put behind a table's own; in rows left alone `_anomaly` is false, the list empty, the rest null."""

LEAST_PLACED = 0.5
"""Of its share: a family that finds less is left out where the whole is short."""
LEAST_TOTAL = 0.95
_LEAST_ROWS: dict[AnomalyKind, int] = dict.fromkeys(AnomalyKind, 3) | {
    AnomalyKind.POINT: 1,
    AnomalyKind.CONTEXTUAL: 2,
    AnomalyKind.COLLECTIVE: 5,
    AnomalyKind.DRIFT: 10,
}
"""Fewer rows are no anomaly of the kind."""


def refuse_impossible(
    schema: pa.Schema, request: AnomalyRequest, *, label: str | None = None, ordered: bool | None = None
) -> None:
    """Raise ImpossibleConditionsError, before anything is generated, for families that tables of a schema cannot show.

    `ordered` says whether rows follow one another as they stand; without it, they do where there is a time column.
    """
    empty = with_kinds(pa.Table.from_batches([], schema=schema), label=label)
    known = canonical_schema(empty.schema, label=label)
    families_of(request, known, ordered=_ordered(known, ordered))


def with_anomalies(
    table: pa.Table,
    request: AnomalyRequest,
    *,
    seed: int,
    first_event: int = 0,
    label: str | None = None,
    ordered: bool | None = None,
) -> pa.Table:
    """The table with anomalies in it, and `TRUTH_FIELDS` behind its columns; as many rows as before.

    Rows left alone are the table's own, value for value; in others `_anomaly_columns` names what differs (the key and
    the time for rows that a collective anomaly put there). Events are numbered from `first_event`: give the next chunk
    `next_event` of this one. Few rows show a family only now and then, so that shares hold over many chunks. Where a
    family finds no place (no dependency to break, no level that is rare) the others get its share. The same table,
    request and seed give the same rows.

    Raises ImpossibleConditionsError where the schema cannot show a family, UnusableDataError where the table has a
    column of the truth's names already.
    """
    taken = next((f.name for f in TRUTH_FIELDS if f.name in table.column_names), None)
    if taken is not None:
        raise UnusableDataError(f"the table has a column {taken!r} already: drop it, or give a table without anomalies")
    source = canonical(table, label=label)
    families = families_of(request, source.table.schema, ordered=_ordered(source.table.schema, ordered))
    families = _for_rows(families, table.num_rows, seed)
    if not families or not table.num_rows:
        return _labelled(table, _Truth.none(table.num_rows))
    injected = _injected(source.table, families, seed)
    kept_M = _kept(injected, table.num_rows, seed)
    made, differs_MC = _rebuilt(table, source, injected, kept_M)
    truth = _truth(table, injected, kept_M, differs_MC, first_event)
    return _labelled(made, truth)


def next_event(table: pa.Table, first_event: int = 0) -> int:
    """The number after the last event of a table made by `with_anomalies`."""
    last = pc.max(table["_anomaly_event"]).as_py()
    return first_event if last is None else int(last) + 1


def _injected(table: pa.Table, families: tuple[Family, ...], seed: int) -> Injected:
    """The anomalies; where families find no place (no level is rare, say), the others get their share."""
    injected = inject(table, Plan(families=families), seed=seed)
    placed = [float(injected.truth.of(at).sum()) for at in range(len(families))]
    wanted = [family.share * table.num_rows for family in families]
    found = [f for f, have, want in zip(families, placed, wanted, strict=True) if have >= LEAST_PLACED * want]
    if sum(placed) >= LEAST_TOTAL * sum(wanted) or not found or len(found) == len(families):
        return injected
    more = sum(family.share for family in families) / sum(family.share for family in found)
    raised = tuple(replace(family, share=min(0.5, family.share * more)) for family in found)
    return inject(table, Plan(families=raised), seed=seed)


def _ordered(schema: pa.Schema, stated: bool | None) -> bool:
    return bool(names_with_role(schema, Role.TIME)) if stated is None else stated


def _for_rows(families: tuple[Family, ...], rows: int, seed: int) -> tuple[Family, ...]:
    """Families that so few rows can show: each with as many rows as it needs at least, as often as its share says."""
    lot = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, 7]).random(len(families))
    found = []
    for family, chance in zip(families, lot.tolist(), strict=True):
        least = _LEAST_ROWS[family.kind]
        if family.share * rows >= least:
            found.append(family)
        elif chance < family.share * rows / least and least <= 0.5 * rows:
            found.append(replace(family, share=least / rows))
    return tuple(found)


def _kept(injected: Injected, rows: int, seed: int) -> IntArray:
    """The rows that stay, in order, (N,): all labelled ones, and of the others as many as there is room for."""
    labelled = injected.truth.labels_N
    free = np.flatnonzero(~labelled)
    over = len(labelled) - rows
    generator = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, 11])
    stays = np.ones(len(labelled), dtype=np.bool_)
    stays[generator.permutation(free)[:over]] = False
    return np.flatnonzero(stays).astype(np.int64)


def _rebuilt(table: pa.Table, source: Canonical, injected: Injected, kept_M: IntArray) -> tuple[pa.Table, BoolArray]:
    """The source's own rows and types with what was changed written into them, and which values differ, (N, C)."""
    origin_N = source.order_N[injected.source_N[kept_M]]
    added_N = injected.added_N[kept_M]
    made = table.take(pa.array(origin_N))
    affected_NC = injected.truth.affected_NC[kept_M]
    clock = names_with_role(source.table.schema, Role.TIME)
    differs_NC = np.zeros(affected_NC.shape, dtype=np.bool_)
    for c, name in enumerate(table.column_names):
        changed_N = affected_NC[:, c] & (~added_N | (name in clock))
        rows = np.flatnonzero(changed_N)
        if len(rows):
            new = source.back(name, injected.table[name].take(pa.array(kept_M[rows])).combine_chunks())
            old = made[name].combine_chunks()
            made = made.set_column(c, table.schema.field(c), _put(old, rows, new))
            differs_NC[rows, c] = _unlike(old.take(pa.array(rows)), new)
        differs_NC[added_N, c] |= affected_NC[added_N, c]
    return _renamed(made, table, source, injected, kept_M), differs_NC


def _put(old: pa.Array, rows: IntArray, new: pa.Array) -> pa.Array:
    index = np.arange(len(old))
    index[rows] = len(old) + np.arange(len(new))
    return pa.chunked_array([old, new]).take(pa.array(index)).combine_chunks()


def _unlike(old: pa.Array, new: pa.Array) -> BoolArray:
    if pa.types.is_dictionary(old.type):
        old, new = old.cast(old.type.value_type), new.cast(new.type.value_type)
    same = pc.equal(old.cast(pa.float32()), new.cast(pa.float32())) if old.type == pa.float16() else pc.equal(old, new)
    both_null = pc.and_(old.is_null(), new.is_null())
    return ~np.asarray(pc.fill_null(same, both_null).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _renamed(made: pa.Table, table: pa.Table, source: Canonical, injected: Injected, kept_M: IntArray) -> pa.Table:
    """Added rows with the identifiers of the rows whose place they took; duplicates keep theirs."""
    families = injected.truth.families
    family_N = injected.truth.family_N[kept_M]
    doubles = np.array([family.way == "duplicate" for family in families])
    renamed = np.flatnonzero(injected.added_N[kept_M] & ~doubles[family_N])
    gone = np.setdiff1d(np.arange(len(injected.source_N)), kept_M)
    places = source.order_N[injected.source_N[gone[: len(renamed)]]]
    for name in names_with_role(source.table.schema, Role.ID):
        c = table.column_names.index(name)
        new = table[name].take(pa.array(places)).combine_chunks()
        made = made.set_column(c, table.schema.field(c), _put(made[name].combine_chunks(), renamed, new))
    return made


@dataclass(frozen=True, slots=True)
class _Truth:
    """The truth about N rows."""

    family_N: IntArray
    """−1 for rows left alone."""
    families: tuple[Family, ...]
    severity_N: np.ndarray[tuple[int], np.dtype[np.float64]]
    event_N: IntArray
    columns: list[list[str]]

    @classmethod
    def none(cls, rows: int) -> "_Truth":
        """Nothing was changed."""
        nothing = np.full(rows, -1, dtype=np.int64)
        return cls(nothing, (), np.zeros(rows), nothing, [[] for _ in range(rows)])


def _truth(table: pa.Table, injected: Injected, kept_M: IntArray, differs_NC: BoolArray, first_event: int) -> _Truth:
    """Rows in which nothing differs after all (a value that its type rounds back) are rows left alone."""
    truth = injected.truth
    family_N = np.where(differs_NC.any(axis=1), truth.family_N[kept_M], -1).astype(np.int64)
    event_N = truth.event_N[kept_M].copy()
    there = family_N >= 0
    _, number = np.unique(event_N[there], return_inverse=True)
    event_N[there] = first_event + number
    names = np.array(table.column_names, dtype=object)
    columns = [names[row].tolist() if some else [] for row, some in zip(differs_NC, there, strict=True)]
    return _Truth(family_N, truth.families, truth.severity_N[kept_M], event_N, columns)


def _labelled(table: pa.Table, truth: _Truth) -> pa.Table:
    there = truth.family_N >= 0
    kinds = np.array([*(family.kind.value for family in truth.families), None], dtype=object)
    names = np.array([*(family.name for family in truth.families), None], dtype=object)
    arrays = [
        pa.array(there),
        pa.array(kinds[truth.family_N], pa.string()),
        pa.array(names[truth.family_N], pa.string()),
        pa.array(truth.severity_N, pa.float64(), mask=~there),
        pa.array(truth.columns, pa.list_(pa.string())),
        pa.array(truth.event_N, pa.int64(), mask=~there),
    ]
    for field, array in zip(TRUTH_FIELDS, arrays, strict=True):
        table = table.append_column(field, array)
    return table
