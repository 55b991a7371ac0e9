"""What the window detectors share: encoding, sampling of training rows, chunks, saved state.

Shape legend: B rows, F metrics, L steps.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import Detector, FloatArray, Reason
from detectors.errors import NotFittedError
from detectors.windows.frame import Frame, WindowCodec

CHUNK_ROWS = 512
"""Rows scored at once: few enough for a chunk's windows to stay near the core."""


class WindowDetector(Detector):
    """A detector that reads columns of kind window."""

    windowed: ClassVar[bool] = True

    def __init__(self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu") -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self._codec: WindowCodec | None = None

    def _fitted(self) -> WindowCodec:
        if self._codec is None:
            raise NotFittedError(f"{self.name} was neither fitted nor loaded: call fit or from_state first")
        return self._codec

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """The sum of the metrics' nats of each row, (B,)."""
        scores_B = np.zeros(batch.num_rows)
        for start, frame in self._frames(self._fitted(), batch):
            scores_B[start : start + len(frame.key_B)] = self._nats(frame).sum(axis=1)
        return scores_B

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` metrics by contribution: what was expected of the newest value, what the window shows."""
        codec = self._fitted()
        found: list[tuple[Reason, ...]] = []
        for start, frame in self._frames(codec, batch):
            found += self._reasons(frame, self._nats(frame), batch.slice(start, len(frame.key_B)), top)
        return found

    @abstractmethod
    def _nats(self, frame: Frame) -> FloatArray:
        """Each metric's part in each row's score, (B, F)."""

    @abstractmethod
    def _reasons(self, frame: Frame, nats_BF: FloatArray, batch: pa.RecordBatch, top: int) -> list[tuple[Reason, ...]]:
        """Reasons of a chunk's rows."""

    def _frames(
        self, codec: WindowCodec, batch: pa.RecordBatch | pa.Table, *, as_new: bool = False
    ) -> Iterator[tuple[int, Frame]]:
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            yield start, codec.frame(batch.slice(start, CHUNK_ROWS), as_new=as_new)

    def _settings(self, config: dict[str, Any]) -> dict[str, Any]:
        base = {"name": self.name, "version": self.version, "seed": self.seed, "config": config}
        return {**base, "time_budget_seconds": self.time_budget_seconds, "windows": self._fitted().document()}

    @property
    def feature_names(self) -> Sequence[str]:
        """The window columns this detector was fitted on, in order."""
        return self._fitted().columns


def sampled_rows(rows: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    """All row numbers, or `most` of them drawn at random, ascending."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def taken(table: pa.Table, rows: npt.NDArray[np.int64]) -> pa.Table:
    """Those rows of a table; all of them without a copy."""
    return table if len(rows) == table.num_rows else table.take(pa.array(rows))
