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
    order_FB = np.argsort(-contributions_FB, axis=0, kind="stable")[:top]
    arrays = [_typed(channel, column_of(batch, channel.column)) for channel in codec.channels]
    marginals = [channel.marginal() for channel in codec.channels]
    first_part = np.searchsorted(codec.column_of_part, np.arange(len(codec.names)))
    found = []
    for b in range(batch.num_rows):
        row = []
        for f in order_FB[:, b]:
            channel = codec.channels[f]
            outlook = marginals[f]
            if chances is not None:
                at = range(first_part[f], first_part[f] + len(channel.parts))
                outlook = channel.outlook([chances[p][: codec.parts[p].classes, b].astype(np.float64) for p in at])
            actual = arrays[f]
            value = None if actual is None else actual[b].as_py()
            row.append(_reason(channel, outlook, value, float(contributions_FB[f, b])))
        found.append(tuple(row))
    return found


def _reason(channel: Channel, outlook: Outlook, value: Any, nats: float) -> Reason:
    return Reason(
        column=channel.column,
        contribution_nats=nats,
        actual=channel.shown(value),
        expected=outlook.expected,
        low=outlook.low,
        high=outlook.high,
        note=channel.note(value),
    )


def _typed(channel: Channel, values: pa.Array | None) -> pa.Array | None:
    return None if values is None else pc.cast(values, channel.arrow_type, safe=False)
