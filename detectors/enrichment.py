"""The enrichment port: columns that a row alone cannot show, made from what its key did before.

An enrichment is the state of one partition: it is handed that partition's rows in offset order, appends columns to
them, and remembers what later rows will need. A detector then scores enriched rows one by one, without state of its
own. Training, backtest and the live stream run the same code over the same rows, so they see the same values.

Shape legend: B rows of a batch.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import Tensors

Int64Array = npt.NDArray[np.int64]


class Enrichment(ABC):
    """State of one partition that data alone decides.

    Promises, tested for every enrichment: the values are the same whatever the micro-batch split, bit for bit; a
    restored snapshot goes on as the original would; the input is not mutated; a row's columns depend on rows of its
    own key alone and on the clock those rows carry; a negative time gap counts as zero; memory is bounded by the
    settings, whatever the keys.
    """

    name: ClassVar[str]
    """The name in snapshots and specs."""
    version: ClassVar[int]
    """Raised whenever a snapshot changes meaning; other versions are refused on restore."""

    @property
    @abstractmethod
    def fields(self) -> tuple[pa.Field, ...]:
        """The columns it appends, with kind and roles (feature) in their metadata."""

    @abstractmethod
    def advance(self, batch: pa.RecordBatch, times_ms: Int64Array) -> pa.RecordBatch:
        """`batch` with `fields` appended; the state moves past its rows. `times_ms` (B,) are the rows' event times."""

    @abstractmethod
    def snapshot(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything `restore` needs: arrays and a JSON-able dictionary, settings included. A copy, not a view."""

    @classmethod
    @abstractmethod
    def restore(cls, tensors: Tensors, document: dict[str, Any]) -> Self:
        """The enrichment that `snapshot` described. Raises IncompatibleArtifactError for another version."""
