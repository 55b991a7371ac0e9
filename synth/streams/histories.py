"""The events of a keyed stream, grouped: each key's events side by side, in order of time.

Shape legend: N events, K keys.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.errors import UnusableDataError

BoolArray = npt.NDArray[np.bool_]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """A stream's events by key and then by time; events at one moment keep the order they came in."""

    table: pa.Table
    """The events in that order, without those that lack a key or a time."""
    time_us_N: Int64Array
    """Microseconds since 1970, UTC."""
    key_N: Int64Array
    """Of each event its key's number, 0 to K - 1, in order of the keys' values."""
    begin_K: Int64Array
    """Where each key's events begin."""
    count_K: Int64Array
    """How many each has, one at least."""
    left_out: int
    """Events without a key or a time."""

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return len(self.count_K)

    @property
    def position_N(self) -> Int64Array:
        """Of each event how many of its key come before it."""
        position_N: Int64Array = np.arange(len(self.key_N)) - self.begin_K[self.key_N]
        return position_N

    @property
    def first_N(self) -> BoolArray:
        """Which events are their key's first."""
        first_N: BoolArray = np.zeros(len(self.key_N), dtype=np.bool_)
        first_N[self.begin_K] = True
        return first_N

    @property
    def gap_us_N(self) -> Int64Array:
        """Microseconds since the event before of the same key; 0 for first events."""
        gap_N: Int64Array = np.diff(self.time_us_N, prepend=self.time_us_N[:1])
        gap_N[self.begin_K] = 0
        return gap_N

    @property
    def first_us_K(self) -> Int64Array:
        """When each key was seen first."""
        return self.time_us_N[self.begin_K]

    @property
    def last_us_K(self) -> Int64Array:
        """When each key was seen last."""
        last_us_K: Int64Array = self.time_us_N[self.begin_K + self.count_K - 1]
        return last_us_K

    def of_keys(self, chosen_K: BoolArray) -> "Histories":
        """The histories of some of the keys, one at least."""
        return histories_in_order(self.table.filter(pa.array(chosen_K[self.key_N])), self, chosen_K)


def histories_in_order(table: pa.Table, whole: Histories, chosen_K: BoolArray) -> Histories:
    """Histories of the chosen keys of `whole`, whose events `table` holds in the same order."""
    count_K = whole.count_K[chosen_K]
    return Histories(
        table=table,
        time_us_N=whole.time_us_N[chosen_K[whole.key_N]],
        key_N=np.repeat(np.arange(len(count_K)), count_K),
        begin_K=np.cumsum(count_K) - count_K,
        count_K=count_K,
        left_out=whole.left_out,
    )


def histories_of(table: pa.Table, *, key: str, time: str) -> Histories:
    """The events of `table` grouped by `key` and ordered by `time`.

    Raises UnusableDataError where a column is absent, times are not timestamps or dates, or no event has both.
    """
    for name in (key, time):
        if name not in table.column_names:
            raise UnusableDataError(f"there is no column {name!r}: name one of {', '.join(table.column_names)}")
    kind = table.schema.field(time).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise UnusableDataError(f"{time!r} is {kind}, not a time: cast it to a timestamp first")
    whole = table.filter(pc.and_(pc.is_valid(table[key]), pc.is_valid(table[time])))
    if whole.num_rows == 0:
        raise UnusableDataError(f"no event has both a {key!r} and a {time!r}: look at those columns")
    time_us_N = microseconds(whole[time])
    key_N = codes(whole[key])
    order_N = np.lexsort((time_us_N, key_N))
    count_K = np.bincount(key_N)
    return Histories(
        table=whole.take(pa.array(order_N)).combine_chunks(),
        time_us_N=time_us_N[order_N],
        key_N=key_N[order_N],
        begin_K=np.cumsum(count_K) - count_K,
        count_K=count_K,
        left_out=table.num_rows - whole.num_rows,
    )


def microseconds(times: pa.ChunkedArray) -> Int64Array:
    """Moments as microseconds since 1970; finer parts are cut off. Nothing may be missing."""
    unit = pa.timestamp("us", tz=getattr(times.type, "tz", None))
    return np.asarray(times.cast(unit, safe=False).cast(pa.int64()).to_numpy(), dtype=np.int64)


def moments(time_us_N: Int64Array, arrow_type: pa.DataType, missing_N: BoolArray | None = None) -> pa.Array:
    """Microseconds since 1970 as times of a type."""
    unit = pa.timestamp("us", tz=getattr(arrow_type, "tz", None))
    return pa.array(time_us_N, mask=missing_N).cast(unit).cast(arrow_type, safe=False)


def codes(column: pa.ChunkedArray) -> Int64Array:
    """Values as numbers from 0, in order of the values, missing ones last."""
    plain = column
    if pa.types.is_dictionary(column.type):
        plain = column.cast(column.type.value_type)
    if pa.types.is_boolean(plain.type):
        plain = plain.cast(pa.int8())
    if pa.types.is_null(plain.type):
        return np.zeros(len(plain), dtype=np.int64)
    ranks = pc.rank(plain.combine_chunks(), tiebreaker="dense")
    return np.asarray(ranks.to_numpy(), dtype=np.int64) - 1
