"""Arrow columns ↔ tensors: the one encoding that every detector here trains and scores on.

The feature columns of a table (role feature, a kind that can be scored) become continuous inputs and categorical
parts; `channels/` holds one file per way a column can behave. Everything per batch is an Arrow or NumPy kernel over
a whole column, and those let go of the interpreter lock: no Python per row.

Shape legend: B rows, I inputs and P parts of all columns, K classes of a part, F columns. Arrays are column-major
as Arrow is: one row of an array is one input or part of the whole batch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.channels.base import Channel, CodeArray, Float32Array, Part, Rows
from detectors.channels.cycles import CycleChannel
from detectors.channels.levels import VOCABULARY_LIMIT, LevelsChannel
from detectors.channels.numeric import NumericChannel
from detectors.columns import Kind, feature_fields, kind_of
from detectors.errors import IncompatibleArtifactError, UnusableDataError

CHANNELS: tuple[type[Channel], ...] = (NumericChannel, LevelsChannel, CycleChannel)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as arrays; rows in the order of `FeatureCodec.parts` and its inputs."""

    inputs_IB: Float32Array
    """What a model looks at: standardised numbers (clipped at ±1e30 only), missing flags, cycles' waves."""
    codes_PB: CodeArray
    classes_PB: CodeArray
    extra_PB: Float32Array

    def columns(self, start: int, stop: int) -> "Encoded":
        """The rows `start` to `stop` of the batch, as views."""
        at = slice(start, stop)
        return Encoded(self.inputs_IB[:, at], self.codes_PB[:, at], self.classes_PB[:, at], self.extra_PB[:, at])


class FeatureCodec:
    """The fitted encoding of a table's feature columns.

    Columns it was not fitted on are ignored, absent ones are encoded as missing; a column of another Arrow type is
    cast where Arrow can, else UnusableDataError names it.
    """

    def __init__(self, channels: Sequence[Channel], *, rows: int) -> None:
        self.channels = tuple(channels)
        self.rows = rows
        """Training rows."""
        self.names = tuple(channel.column for channel in self.channels)
        self.parts: tuple[Part, ...] = tuple(part for channel in self.channels for part in channel.parts)
        self.column_of_part: npt.NDArray[np.int64] = _owners(len(c.parts) for c in self.channels)
        self.column_of_input: npt.NDArray[np.int64] = _owners(c.input_count for c in self.channels)

    @property
    def input_count(self) -> int:
        """I, the number of continuous inputs."""
        return len(self.column_of_input)

    @classmethod
    def fit(cls, table: pa.Table, *, vocabulary_limit: int = VOCABULARY_LIMIT) -> "FeatureCodec":
        """Learn the encoding of `table`'s feature columns.

        Raises UnusableDataError where there is nothing to learn: no rows, no feature columns, or all of them null.
        """
        fields = feature_fields(table.schema)
        if not fields:
            raise UnusableDataError("no column has the role feature: give it to the columns that should be scored")
        if table.num_rows == 0:
            raise UnusableDataError("the table has no rows: archive some events first, or widen the time range")
        if all(table[field.name].null_count == table.num_rows for field in fields):
            names = ", ".join(field.name for field in fields)
            raise UnusableDataError(f"every value of every feature is null ({names}): check the columns' paths")
        channels = [_fit_channel(field, _flat(table[field.name]), vocabulary_limit) for field in fields]
        return cls(channels, rows=table.num_rows)

    def encode(self, batch: pa.RecordBatch | pa.Table) -> Encoded:
        """Encode every row; the batch is not changed."""
        B = batch.num_rows
        encoded = Encoded(
            np.zeros((self.input_count, B), dtype=np.float32),
            np.zeros((len(self.parts), B), dtype=np.int16),
            np.zeros((len(self.parts), B), dtype=np.int16),
            np.zeros((len(self.parts), B), dtype=np.float32),
        )
        for channel, rows in self._rows(encoded):
            values = column_of(batch, channel.column)
            try:
                channel.write(values, rows)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise UnusableDataError(
                    f"column {channel.column!r} arrived as {values.type if values is not None else None}, which is not "
                    f"what the model was trained on ({error}): fix the stream's column or train again"
                ) from error
        return encoded

    def decode(self, encoded: Encoded) -> pa.Table:
        """The columns that `encode` read, as far as the encoding keeps them (see each channel's `read`)."""
        return pa.table({channel.column: channel.read(rows) for channel, rows in self._rows(encoded)})

    def _rows(self, encoded: Encoded) -> Iterable[tuple[Channel, Rows]]:
        first_input = first_part = 0
        for channel in self.channels:
            inputs = slice(first_input, first_input + channel.input_count)
            parts = slice(first_part, first_part + len(channel.parts))
            first_input, first_part = inputs.stop, parts.stop
            yield (
                channel,
                Rows(
                    encoded.inputs_IB[inputs],
                    encoded.codes_PB[parts],
                    encoded.classes_PB[parts],
                    encoded.extra_PB[parts],
                ),
            )

    def document(self) -> dict[str, Any]:
        """The fitted encoding as JSON, bounded by the vocabulary's limit."""
        columns = [{"column": c.column, "way": c.way, **c.document()} for c in self.channels]
        return {"rows": self.rows, "columns": columns}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "FeatureCodec":
        """The encoding that `document` described."""
        ways: dict[str, Any] = {channel.way: channel for channel in CHANNELS}
        channels = []
        for entry in document["columns"]:
            settings = dict(entry)
            column, way = settings.pop("column"), settings.pop("way")
            if way not in ways:
                raise IncompatibleArtifactError(f"document.json encodes {column!r} as {way!r}, unknown here: upgrade")
            channels.append(ways[way](column, **settings))
        return cls(channels, rows=document["rows"])


def column_of(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array | None:
    """A column as one array; None where the batch has no such column (or two, and nothing says which)."""
    at = batch.schema.get_field_index(name)
    return None if at < 0 else _flat(batch.column(at))


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _fit_channel(field: pa.Field, values: pa.Array, vocabulary_limit: int) -> Channel:
    kind = kind_of(field)
    if kind is Kind.NUMERIC:
        return NumericChannel.fit(field.name, values)
    if kind is Kind.TIME:
        return CycleChannel.fit(field.name, values)
    return LevelsChannel.fit(field.name, values, limit=vocabulary_limit)


def _owners(counts: Iterable[int]) -> npt.NDArray[np.int64]:
    repeats = np.fromiter(counts, dtype=np.int64)
    return np.repeat(np.arange(len(repeats)), repeats)
