"""Rows as standardised numbers, for views that measure distances: one column an input, one a set of names.

Numbers and cycles' waves are the codec's inputs, shifted and scaled to mean 0 and deviation 1 over training. Beyond
±`LIMIT` they grow with the logarithm: one wild value does not drown the others, and a flood far beyond anything seen
in training still ranks above what training had. Views are fitted to values held at the limit. A set of names becomes
how rare its level is, in nats: a single column whether it has two levels or thousands, and a level never seen is the
rarest. A column that is constant in training has no place here (the VAE view prices departures from it).

Shape legend: B rows, I inputs, P parts, D columns of the matrix.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors
from detectors.channels.base import Float32Array
from detectors.compiled import compiled
from detectors.errors import IncompatibleArtifactError
from detectors.features import Encoded, FeatureCodec

LIMIT = 4.0
LEAST_DEVIATION = 1e-9


@dataclass(frozen=True, slots=True)
class Matrix:
    """The fitted map from an encoding to (D, B)."""

    codec: FeatureCodec
    source_D: npt.NDArray[np.int64]
    """Input number, or inputs + part number, that each column is made of."""
    mean_D: FloatArray
    deviation_D: FloatArray

    @classmethod
    def fit(cls, codec: FeatureCodec, encoded: Encoded) -> "Matrix":
        """Means and deviations over training rows; values beyond ±1e6 scales are held there first."""
        raw_SB = _raw(codec, encoded)
        mean, deviation = raw_SB.mean(axis=1, dtype=np.float64), raw_SB.std(axis=1, dtype=np.float64)
        source = np.flatnonzero(deviation > LEAST_DEVIATION)
        return cls(codec, source, mean[source], deviation[source])

    @property
    def columns(self) -> npt.NDArray[np.int64]:
        """The table's column that each column of the matrix belongs to, (D,)."""
        return _owners(self.codec)[self.source_D]

    @property
    def plain_share(self) -> float:
        """Of the table's columns that vary, those that are here as they are: numbers and times, not rarities."""
        varying = set(self.columns.tolist())
        plain = set(self.columns[self.source_D < self.codec.input_count].tolist())
        return len(plain) / len(varying) if varying else 1.0

    def of(self, encoded: Encoded) -> Float32Array:
        """Standardised rows, (D, B); beyond ±`LIMIT` they grow with the logarithm."""
        z_DB = _raw(self.codec, encoded)
        if len(self.source_D) < len(z_DB):
            z_DB = z_DB[self.source_D]
        _standardise(z_DB, self.mean_D, self.deviation_D)
        return z_DB

    def state(self) -> Tensors:
        """As named arrays."""
        return {"source_D": self.source_D, "mean_D": self.mean_D, "deviation_D": self.deviation_D}

    @classmethod
    def from_state(cls, codec: FeatureCodec, tensors: Tensors) -> "Matrix":
        """The matrix that `state` described."""
        source = tensors["source_D"].astype(np.int64)
        if len(source) and source.max() >= len(_owners(codec)):
            raise IncompatibleArtifactError("weights.safetensors names inputs that document.json does not: train again")
        return cls(codec, source, tensors["mean_D"], tensors["deviation_D"])


@compiled
def _standardise(z_DB: Float32Array, mean_D: FloatArray, deviation_D: FloatArray) -> None:
    """In place, one pass."""
    limit, one = np.float32(LIMIT), np.float32(1.0)
    for d in range(z_DB.shape[0]):
        mean, scale = np.float32(mean_D[d]), np.float32(1.0 / deviation_D[d])
        row_B = z_DB[d]
        for i in range(len(row_B)):
            row_B[i] = (row_B[i] - mean) * scale
        for i in range(len(row_B)):
            z = row_B[i]
            if z > limit:
                row_B[i] = limit + np.log(one + (z - limit))
            elif z < -limit:
                row_B[i] = -limit - np.log(one - (z + limit))


HELD = np.float32(1e6)
"""Inputs are held within ± this before means are taken: sums of squares stay exact enough in double precision."""


def _raw(codec: FeatureCodec, encoded: Encoded) -> Float32Array:
    """Inputs, then each embedded part's rarity; parts the inputs show already are zeros. (I + P, B)."""
    B, embedded = encoded.inputs_IB.shape[1], [p for p, part in enumerate(codec.parts) if part.embedded]
    raw_SB = np.zeros((codec.input_count + len(codec.parts), B), dtype=np.float32)
    np.clip(encoded.inputs_IB, -HELD, HELD, out=raw_SB[: codec.input_count])
    for p in embedded:
        np.take(_rarity(codec, p), encoded.classes_PB[p], out=raw_SB[codec.input_count + p], mode="clip")
        raw_SB[codec.input_count + p] += encoded.extra_PB[p]
    return raw_SB


def _rarity(codec: FeatureCodec, part: int) -> Float32Array:
    """−log of each class's share of training rows, (K,); a class never seen has its fixed cost."""
    counts_K = codec.parts[part].counts_K
    total = max(float(counts_K.sum()), 1.0)
    seen_K = -np.log(np.maximum(counts_K, 1.0) / total)
    return np.where(counts_K > 0, seen_K, codec.parts[part].unseen_nats_K).astype(np.float32)


def _owners(codec: FeatureCodec) -> npt.NDArray[np.int64]:
    return np.concatenate([codec.column_of_input, codec.column_of_part])
