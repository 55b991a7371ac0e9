"""The detector port: fit on a table, score rows in nats, explain the few rows that were flagged.

A detector scores, a threshold decides (`thresholds.py`). High is anomalous. Arrow tables in, arrays out.

Shape legend: B rows of a batch, F feature columns.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
Tensors = dict[str, npt.NDArray[Any]]
"""Named arrays of a fitted detector, as written to safetensors."""
Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a short text, a few times a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One feature's part in a row's score, in the user's own units."""

    column: str
    contribution_nats: float
    """What this feature added to the row's score; a row's contributions add up to its score."""
    actual: float | str | bool | None
    """The value seen; a time as ISO 8601; None where it was missing."""
    expected: float | str | bool | None
    """The value the model held most likely for this row."""
    low: float | None = None
    """Lower end of the plausible range (numeric features only)."""
    high: float | None = None
    """Upper end of the plausible range (numeric features only)."""
    note: str = ""
    """What numbers cannot say: 'never seen in training', 'missing'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """What a fit did, for the record that goes with the model."""

    rows: int
    seconds: float
    epochs: int
    stopped_because: str
    figures: dict[str, float]
    """Named figures of the fit, e.g. held-out nats a row."""


class Detector(ABC):
    """A scorer of rows.

    Promises, tested for every detector by `contract.py`: input is not mutated; the same seed gives the same
    scores; a saved and loaded detector scores the same; a row's score does not depend on its neighbours or their
    order; missing values and unseen categories have a finite score; columns beyond those trained on are ignored
    and absent ones are scored as missing; scores are finite.
    """

    name: ClassVar[str]
    """The name used in stream specs; unique in `registry.DETECTORS`."""
    version: ClassVar[int]
    """Raised whenever saved state changes meaning; other versions are refused on load."""
    windowed: ClassVar[bool] = False
    """Whether it reads columns of kind window, which a stream has that asks for `windows`, in place of all others."""

    @abstractmethod
    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Learn from the feature columns of `table`, in its row order (oldest first).

        Raises UnusableDataError where there is nothing to learn (no rows, no feature columns, all null).
        """

    @abstractmethod
    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """Anomaly score of each row in nats, shape (B,); higher is more anomalous."""

    @abstractmethod
    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """For each row the `top` features with the largest contributions, largest first."""

    @abstractmethod
    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything a fitted detector is: arrays, and a JSON-able dictionary."""

    @classmethod
    @abstractmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described, ready to score on `device`."""

    @property
    @abstractmethod
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
