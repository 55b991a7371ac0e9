"""A stream's columns as its models learn them: those of the key and those of events, prepared apart.

Shape legend: N events, K keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, kind_of
from detectors.errors import UnusableDataError
from synth.preparation import Preparation
from synth.streams.fields import NamedColumn, number_column, table_of
from synth.streams.histories import FloatArray, Histories, codes, microseconds, moments

LEAST_REPEATS = 20
"""Events that follow another of their key needed to say that a column never changes within a key."""


def after_column(name: str) -> str:
    """What another moment of an event is called, which is learned as seconds after the event's own."""
    return f"after:{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The source's columns, and how they are prepared and brought back."""

    schema: pa.Schema
    key: str
    time: str
    own: tuple[str, ...]
    """One value a key."""
    times: tuple[str, ...]
    """Other moments of events."""
    own_preparation: Preparation | None
    event_preparation: Preparation | None
    """None where there are no such columns."""

    def learned_own(self, histories: Histories) -> pa.Table:
        """(K,)."""
        if self.own_preparation is None:
            return pa.table({})
        begin = pa.array(histories.begin_K)
        return self.own_preparation.learned(histories.table.select(self.own).take(begin))

    def learned_events(self, histories: Histories) -> pa.Table:
        """(N,)."""
        if self.event_preparation is None:
            return pa.table({})
        return self.event_preparation.learned(event_columns(histories, self.event_names, self.times))

    @property
    def event_names(self) -> list[str]:
        """Source columns of events, in order."""
        return [name for name in self.schema.names if name not in (self.key, self.time, *self.own)]

    def restored_own(self, learned: pa.Table, *, seed: int, first_row: int) -> dict[str, pa.ChunkedArray]:
        """Source columns by name, a row for each entity."""
        if self.own_preparation is None:
            return {}
        table = self.own_preparation.restored(learned, seed=seed, first_row=first_row)
        return {name: table[name] for name in table.column_names}

    def restored_events(
        self, learned: pa.Table, time_us_N: np.ndarray[tuple[int], np.dtype[np.int64]], *, seed: int, first_row: int
    ) -> dict[str, pa.ChunkedArray | pa.Array]:
        """Source columns by name, a row for each event."""
        if self.event_preparation is None:
            return {}
        table = self.event_preparation.restored(learned, seed=seed, first_row=first_row)
        found: dict[str, pa.ChunkedArray | pa.Array] = {}
        for name in self.event_names:
            if name not in self.times:
                found[name] = table[name]
                continue
            after_N = table[after_column(name)].to_numpy().astype(np.float64)
            moment_us_N = time_us_N + np.round(np.nan_to_num(after_N) * 1e6).astype(np.int64)
            found[name] = moments(moment_us_N, self.schema.field(name).type, np.isnan(after_N))
        return found


def columns_of(
    histories: Histories, schema: pa.Schema, *, key: str, time: str, label: str | None, seed: int
) -> Columns:
    """Look at every column. Raises UnusableDataError where one cannot be learned or none can."""
    names = [name for name in schema.names if name not in (key, time)]
    own = tuple(name for name in names if _never_changes(histories, name))
    owned = histories.table.select(own).take(pa.array(histories.begin_K))
    own, own_preparation = _learnable(own, owned, label, seed)
    fields = histories.table.schema
    events = [name for name in names if name not in own]
    times = tuple(name for name in events if kind_of(fields.field(name)) is Kind.TIME)
    return Columns(
        schema=schema,
        key=key,
        time=time,
        own=own,
        times=times,
        own_preparation=own_preparation,
        event_preparation=_preparation(event_columns(histories, events, times), events, label, seed),
    )


def event_columns(histories: Histories, names: Sequence[str], times: Sequence[str]) -> pa.Table:
    """Columns of events as they are prepared: other moments as seconds after the event."""
    table, columns = histories.table, list[NamedColumn]()
    for name in names:
        if name in times:
            columns.append(number_column(after_column(name), _seconds_after(histories, name)))
        else:
            columns.append((table.schema.field(name), table[name]))
    return table_of(columns)


def _learnable(
    own: tuple[str, ...], owned: pa.Table, label: str | None, seed: int
) -> tuple[tuple[str, ...], Preparation | None]:
    """The keys' own columns and their preparation; none where nothing of them can be learned (an e-mail address and no
    more): they are then made anew for each event, as all that is never learned."""
    try:
        return own, _preparation(owned, own, label, seed)
    except UnusableDataError:
        return (), None


def _preparation(table: pa.Table, names: Sequence[str], label: str | None, seed: int) -> Preparation | None:
    if not names:
        return None
    return Preparation.fit(table, label=label if label in names else None, seed=seed)


def _never_changes(histories: Histories, name: str) -> bool:
    """Whether every key has one value of a column, which has several."""
    code_N = codes(histories.table[name])
    later_N = ~histories.first_N
    changes_N = np.diff(code_N, prepend=-1) != 0
    return bool(later_N.sum() >= LEAST_REPEATS and code_N.max() > 0 and not (changes_N & later_N).any())


def _seconds_after(histories: Histories, name: str) -> FloatArray:
    column = histories.table[name]
    known_N = column.is_valid().to_numpy()
    moment_us_N = np.zeros(len(known_N), dtype=np.int64)
    moment_us_N[known_N] = microseconds(column.drop_null())
    return np.where(known_N, (moment_us_N - histories.time_us_N) / 1e6, np.nan)
