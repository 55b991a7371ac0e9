"""What the other columns make plausible in a number's place, in the user's units.

The relations view predicts a column of the matrix from all the others; the 5–95 % range of its training residuals
around the prediction is the plausible range, held within what training showed. Columns of few values, names and times
keep the VAE's outlook, which gives a level rather than a number between levels.

Shape legend: B rows, D columns of the matrix, F columns of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detectors.base import FloatArray, Reason, Tensors
from detectors.blend.matrix import Matrix
from detectors.blend.views import Relations
from detectors.channels.numeric import NumericChannel
from detectors.features import Encoded

LOOK = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Expected:
    """Residual ranges of the columns that are numbers with many values."""

    matrix: Matrix
    residuals_2D: FloatArray
    """5 % and 95 % quantiles of training residuals, in deviations."""
    bounds_2D: FloatArray
    """Smallest and largest standardised training value."""

    @classmethod
    @torch.no_grad()
    def fit(cls, matrix: Matrix, relations: Relations, encoded: Encoded) -> "Expected":
        """From training rows."""
        z_DB = torch.from_numpy(matrix.of(encoded))
        if not len(z_DB):
            return cls(matrix, np.zeros((2, 0)), np.zeros((2, 0)))
        residuals = relations.residuals(z_DB).numpy()
        bounds = np.stack([z_DB.numpy().min(axis=1), z_DB.numpy().max(axis=1)])
        return cls(matrix, np.quantile(residuals, LOOK, axis=1), bounds.astype(np.float64))

    @torch.no_grad()
    def improve(
        self, found: Sequence[tuple[Reason, ...]], relations: Relations, z_DB: Tensor
    ) -> list[tuple[Reason, ...]]:
        """The same reasons with numbers' expected values and ranges from the relations."""
        places = self._places()
        if not places:
            return list(found)
        predicted_DB = (z_DB - relations.residuals(z_DB)).cpu().numpy()
        return [
            tuple(self._improved(reason, places, predicted_DB[:, b]) for reason in row) for b, row in enumerate(found)
        ]

    def _improved(
        self, reason: Reason, places: dict[str, tuple[int, NumericChannel]], at_D: npt.NDArray[np.float32]
    ) -> Reason:
        if reason.column not in places:
            return reason
        d, channel = places[reason.column]
        predicted = float(at_D[d])
        low, high = self.residuals_2D[:, d]
        return replace(
            reason,
            expected=self._in_units(predicted, d, channel),
            low=self._in_units(predicted + low, d, channel),
            high=self._in_units(predicted + high, d, channel),
        )

    def _in_units(self, z: float, d: int, channel: NumericChannel) -> float:
        held = min(max(z, self.bounds_2D[0, d]), self.bounds_2D[1, d])
        u = held * float(self.matrix.deviation_D[d]) + float(self.matrix.mean_D[d])
        value = u * channel.scale + channel.center
        return float(round(value)) if channel.integer and abs(value) < 1e15 else float(f"{value:.6g}")

    def _places(self) -> dict[str, tuple[int, NumericChannel]]:
        """Columns of the table that are numbers with many values: their place in the matrix and their channel."""
        codec, places, first = self.matrix.codec, {}, 0
        at = {int(source): d for d, source in enumerate(self.matrix.source_D)}
        for channel in codec.channels:
            if isinstance(channel, NumericChannel) and not len(channel.values) and first in at:
                places[channel.column] = (at[first], channel)
            first += channel.input_count
        return places

    def state(self) -> Tensors:
        """As named arrays."""
        return {"residuals_2D": self.residuals_2D, "bounds_2D": self.bounds_2D}

    @classmethod
    def from_state(cls, matrix: Matrix, tensors: Tensors) -> "Expected":
        """What `state` described."""
        return cls(matrix, tensors["residuals_2D"], tensors["bounds_2D"])
