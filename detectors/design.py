"""The encoding as one plain matrix, for detectors that know numbers only.

Numbers as asinh of their standardised value, cycles as their waves, levels and truths as one-hot columns; a class
that training never showed is no column, so such a value is all zeros there and costs its fixed nats besides.

Shape legend: B rows, D columns of the design, P parts, F columns of the table.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.channels.base import Float32Array
from detectors.features import Encoded, FeatureCodec


@dataclass(frozen=True, slots=True)
class Design:
    """Which part's class each one-hot column of the matrix stands for; the columns before are the inputs."""

    codec: FeatureCodec
    part_of_onehot: npt.NDArray[np.int64]
    class_of_onehot: npt.NDArray[np.int64]
    column_of_D: npt.NDArray[np.int64]
    """The table's column that each column of the matrix belongs to."""

    @classmethod
    def of(cls, codec: FeatureCodec, *, most_levels: int | None = None) -> "Design":
        """The design of a fitted encoding; of each part all levels, or the most frequent of them."""
        pairs = [
            (p, int(k))
            for p, part in enumerate(codec.parts)
            if part.embedded
            for k in np.argsort(-part.counts_K, kind="stable")[:most_levels]
            if part.counts_K[k] > 0
        ]
        parts, classes = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        owners = np.concatenate([codec.column_of_input, codec.column_of_part[parts]])
        return cls(codec, parts, classes, owners)

    def matrix(self, encoded: Encoded) -> Float32Array:
        """The rows of a batch, (B, D)."""
        numbers_IB = np.arcsinh(encoded.inputs_IB)
        onehot = encoded.classes_PB[self.part_of_onehot] == self.class_of_onehot[:, None]
        return np.concatenate([numbers_IB, onehot.astype(np.float32)]).T

    def fixed_nats(self, encoded: Encoded) -> Float32Array:
        """Nats of what no matrix shows: values beyond the range, rare levels, classes never seen; (P, B)."""
        nats_PB = encoded.extra_PB.copy()
        for p, part in enumerate(self.codec.parts):
            unseen_K = part.unseen_nats_K.astype(np.float32)
            if unseen_K.any():
                nats_PB[p] += unseen_K[encoded.classes_PB[p]]
        return nats_PB
