"""What a correction may ask about a row: its score, and its columns as standardised numbers.

Numbers and times as the blend's matrix has them, names by how rare they were in training (`blend/matrix.py`).

Shape legend: B rows, F features: the score, then D columns of the matrix.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Tensors
from detectors.blend.matrix import Matrix
from detectors.channels.base import Float32Array
from detectors.features import FeatureCodec

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fitted encoding of rows."""

    codec: FeatureCodec
    matrix: Matrix

    @classmethod
    def fit(cls, table: pa.Table) -> Self:
        """From ordinary rows. Raises UnusableDataError as every detector does."""
        codec = FeatureCodec.fit(table)
        return cls(codec, Matrix.fit(codec, codec.encode(table)))

    def of(self, batch: pa.RecordBatch | pa.Table, scores_B: FloatArray) -> Float32Array:
        """The features of rows with these scores, (F, B)."""
        return np.concatenate([scores_B.astype(np.float32)[None], self.matrix.of(self.codec.encode(batch))])

    @property
    def owners(self) -> tuple[str, ...]:
        """The column of each feature but the first, which is the score."""
        return tuple(self.codec.names[f] for f in self.matrix.columns)

    def narrowed(self, features: IntArray) -> tuple["Evidence", IntArray]:
        """The evidence of those columns alone that own these features, and the new place of each old feature (0 where
        it has none): what is not asked about need not be encoded."""
        owners = np.array(["", *self.owners], dtype=object)
        kept = {str(owner) for owner in owners[features] if owner}
        channels = [channel for channel in self.codec.channels if channel.column in kept]
        codec = FeatureCodec(channels, rows=self.codec.rows)
        inside = np.flatnonzero(np.isin(owners[1:], sorted(kept)))
        places = {int(old): new for new, old in enumerate(_sources(self.codec, kept))}
        source_D = np.array([places[int(old)] for old in self.matrix.source_D[inside]], dtype=np.int64)
        matrix = Matrix(codec, source_D, self.matrix.mean_D[inside], self.matrix.deviation_D[inside])
        place_F = np.zeros(len(owners), np.int64)
        place_F[inside + 1] = np.arange(len(inside)) + 1
        return Evidence(codec, matrix), place_F

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Arrays, and JSON."""
        return self.matrix.state(), self.codec.document()

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any]) -> Self:
        """What `state` described."""
        codec = FeatureCodec.from_document(document)
        return cls(codec, Matrix.from_state(codec, tensors))


def _sources(codec: FeatureCodec, names: set[str]) -> list[int]:
    """The sources of a codec's matrix, inputs then parts, that belong to these columns, in order."""
    owners = np.concatenate([codec.column_of_input, codec.column_of_part])
    return [source for source, column in enumerate(owners) if codec.names[column] in names]
