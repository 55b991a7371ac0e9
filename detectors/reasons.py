"""Contributions → reasons: what was expected, what was seen, in the user's units. For flagged rows only.

Shape legend: B rows, F columns, P parts, K classes of one part.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.base import FloatArray, Reason
from detectors.channels.base import Channel, Outlook
from detectors.features import FeatureCodec, column_of

Chances = Sequence[npt.NDArray[np.float32]]
"""For each part the probability of its classes, (K or more, B)."""


def column_sums(values_PB: npt.NDArray[Any], owner_P: npt.NDArray[np.int64], columns: int) -> FloatArray:
    """Sum the rows that belong to one column, (F, B); columns that own none get 0."""
    sums_FB: FloatArray = np.zeros((columns, values_PB.shape[1]))
    np.add.at(sums_FB, owner_P, values_PB)
    return sums_FB


def reasons(
    codec: FeatureCodec, batch: pa.RecordBatch, contributions_FB: FloatArray, chances: Chances | None, *, top: int
) -> list[tuple[Reason, ...]]:
    """For each row the `top` columns by contribution, largest first.

    Without `chances` the expected values are those of the training rows as a whole.
    """
    order_TB = np.argsort(-contributions_FB, axis=0, kind="stable")[:top]
    first_part = np.searchsorted(codec.column_of_part, np.arange(len(codec.names)))
    found: list[list[Reason | None]] = [[None] * len(order_TB) for _ in range(batch.num_rows)]
    for f in np.unique(order_TB):
        channel = codec.channels[f]
        places, rows = np.nonzero(order_TB == f)
        parts = range(first_part[f], first_part[f] + len(channel.parts))
        if chances is None or not parts:
            outlooks = [channel.marginal()] * len(rows)
        else:
            outlooks = channel.outlooks([chances[p][: codec.parts[p].classes, rows] for p in parts])
        values = _values(channel, column_of(batch, channel.column), rows)
        notes = {value: channel.note(value) for value in set(values)}
        nats = contributions_FB[f, rows].tolist()
        for place, row, outlook, value, amount in zip(places, rows, outlooks, values, nats, strict=True):
            found[row][place] = _reason(channel, outlook, value, amount, notes[value])
    return [tuple(reason for reason in row if reason is not None) for row in found]


def _reason(channel: Channel, outlook: Outlook, value: Any, nats: float, note: str) -> Reason:
    return Reason(
        column=channel.column,
        contribution_nats=nats,
        actual=channel.shown(value),
        expected=outlook.expected,
        low=outlook.low,
        high=outlook.high,
        note=note,
    )


def _values(channel: Channel, values: pa.Array | None, rows: npt.NDArray[np.intp]) -> list[Any]:
    if values is None:
        return [None] * len(rows)
    chosen: list[Any] = pc.cast(values.take(pa.array(rows)), channel.arrow_type, safe=False).to_pylist()
    return chosen
