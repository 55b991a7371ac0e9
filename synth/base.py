"""The generator port: fit on a table, then make as many rows like it as are asked for.

Arrow tables in, Arrow tables out; a column's kind and roles travel as Arrow field metadata, as everywhere. What comes
out has the columns, types, order and metadata of what went in. A generator makes one chunk at a time; `chunks.py` makes
datasets of any length from them in constant memory.

Shape legend: N rows of the training table.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import pyarrow as pa

from detectors.base import Tensors
from synth.conditions import Conditions

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and a short text, a few times a second at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """What a fit did, for the record that goes with the model."""

    rows: int
    seconds: float
    cpu_seconds: float
    epochs: float
    steps: int
    stopped_because: str
    resumed: bool
    """Whether it went on from a checkpoint."""
    figures: dict[str, float]
    """Named figures, e.g. `held_out_nats` (a row), `independent_nats` (the same for independent columns)."""
    notes: tuple[str, ...] = ()
    """What was found in the data and done about it: relations kept, columns replaced, levels merged."""


class Checkpoint(Protocol):
    """Where a fit puts down what it needs to go on after a kill; files are the pipeline's business."""

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """What was saved last, whole; None where nothing was."""

    def save(self, tensors: Tensors, document: dict[str, Any]) -> None:
        """Replace what was saved, at once or not at all."""

    def clear(self) -> None:
        """The fit ended: forget."""


class Generator(ABC):
    """Learns a table and makes rows like it.

    Promises, tested for every generator by `contract.py`: the table is not mutated; the same seed gives the same rows
    (per device, thread count and library versions); a saved and loaded generator gives the same rows; a fit that was
    killed and resumed ends where it would have ended; columns, types, order and metadata are the table's; integers stay
    integers, bounds hold, missing values are as frequent as they were; conditions hold in every row; rare values of the
    table are not handed out again; memory does not depend on N beyond the tokens.
    """

    name: ClassVar[str]
    """Unique in `registry.GENERATORS`; what `--model` takes."""
    version: ClassVar[int]
    """Raised whenever saved state changes meaning; other versions are refused on load."""

    def __init__(self, *, seed: int = 0, time_budget_seconds: float = 300.0, device: str = "cpu") -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device

    @abstractmethod
    def fit(
        self,
        table: pa.Table,
        *,
        label: str | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> FitReport:
        """Learn every column of `table` that can be learned; `label` names the class column, which is never merged,
        dropped or derived.

        Raises UnusableDataError where there is nothing to learn: no rows or one, no columns, all of them null, a label
        that is not a column.
        """

    @abstractmethod
    def sample(self, rows: int, *, seed: int, conditions: Conditions | None = None, first_row: int = 0) -> pa.Table:
        """`rows` new rows. `first_row` is how many rows of the dataset come before them: identifiers go on from there.

        Raises ImpossibleConditionsError for conditions that (almost) no row fits, NotFittedError before `fit`.
        """

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """The schema of the training table, which every sample has."""

    @abstractmethod
    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Everything a fitted generator is: arrays, and a JSON-able dictionary."""

    @classmethod
    @abstractmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The generator that `state` described."""
