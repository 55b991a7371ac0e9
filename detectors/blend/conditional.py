"""Which column the others contradict: for explaining rows, never for scoring them.

The views of the score see a name by its rarity, so a usual name in the wrong company moves the score a little and the
wrong column: the one that changed is as likely as those it was taken from. Here names are one-hot columns beside the
numbers. A column's departure is the squared Mahalanobis distance of its block from what all other columns predict,
over its mean in training: from the precision matrix P it is (P z)ₖᵀ (Pₖₖ)⁻¹ (P z)ₖ (Lauritzen 1996, prop. 5.2).

Only linear relations between columns are known here; of names with many levels only the `MOST_LEVELS` most frequent.

Shape legend: B rows, D columns of the design, F columns of the table.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors
from detectors.blend.matrix import LIMIT
from detectors.design import Design
from detectors.features import Encoded, FeatureCodec

RIDGE = 0.01
MOST_LEVELS = 32
LEAST_DEVIATION = 1e-9
LEAST_USUAL = 1e-6


@dataclass(frozen=True, slots=True)
class Conditional:
    """Fitted means, deviations and precision of a design."""

    design: Design
    mean_D: FloatArray
    deviation_D: FloatArray
    precision_DD: FloatArray
    usual_F: FloatArray
    """Mean departure of each column in training."""

    @classmethod
    def fit(cls, codec: FeatureCodec, encoded: Encoded) -> Self:
        """From training rows, held at the limit."""
        design = Design.of(codec, most_levels=MOST_LEVELS)
        x_BD = design.matrix(encoded).astype(np.float64)
        mean_D, deviation_D = x_BD.mean(axis=0), x_BD.std(axis=0)
        deviation_D[deviation_D < LEAST_DEVIATION] = 1.0
        z_BD = ((x_BD - mean_D) / deviation_D).clip(-LIMIT, LIMIT)
        covariance = z_BD.T @ z_BD / max(len(z_BD), 1)
        precision = np.linalg.inv(covariance + RIDGE * np.eye(len(covariance)))
        bare = cls(design, mean_D, deviation_D, precision, np.ones(len(codec.names)))
        usual_F = np.maximum(bare.departures(encoded).mean(axis=1), LEAST_USUAL)
        return cls(design, mean_D, deviation_D, precision, usual_F)

    def departures(self, encoded: Encoded) -> FloatArray:
        """How far each column is from what the others predict, about 1 for ordinary rows, (F, B)."""
        z_BD = (self.design.matrix(encoded) - self.mean_D) / self.deviation_D
        beyond_BD = np.maximum(np.abs(z_BD) - LIMIT, 0.0)
        z_BD = np.clip(z_BD, -LIMIT, LIMIT) + np.sign(z_BD) * np.log1p(beyond_BD)
        pull_DB = self.precision_DD @ z_BD.T
        found_FB: FloatArray = np.zeros((len(self.usual_F), len(z_BD)))
        for f, block in self._blocks():
            inverse = np.linalg.inv(self.precision_DD[np.ix_(block, block)])
            found_FB[f] = np.einsum("ib,ij,jb->b", pull_DB[block], inverse, pull_DB[block])
        return found_FB / self.usual_F[:, None]

    def shares(self, encoded: Encoded) -> FloatArray:
        """Departures as shares of a row's sum, (F, B)."""
        departures_FB = self.departures(encoded) + LEAST_USUAL
        return np.asarray(departures_FB / departures_FB.sum(axis=0))

    def _blocks(self) -> list[tuple[int, npt.NDArray[np.intp]]]:
        owner_D = self.design.column_of_D
        return [(int(f), np.flatnonzero(owner_D == f)) for f in np.unique(owner_D)]

    def state(self) -> Tensors:
        """As named arrays."""
        names = ("mean_D", "deviation_D", "precision_DD", "usual_F")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, codec: FeatureCodec, tensors: Tensors) -> Self:
        """What `state` described."""
        design = Design.of(codec, most_levels=MOST_LEVELS)
        return cls(design, *(tensors[name] for name in ("mean_D", "deviation_D", "precision_DD", "usual_F")))
