"""What the archiver asks of the intake (`pipeline.intake.Intake`): a block in, valid rows and counted rejects out."""

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from pipeline.kafka.port import Block


class TakenRows(Protocol):
    """A block's valid rows, B of them, under the stream's schema."""

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows."""

    @property
    def offsets(self) -> Any:
        """Shape (B,), int64: offset of the record each row came from."""

    @property
    def rows(self) -> Any:
        """Shape (B,), int32: row within that record."""

    @property
    def append_ms(self) -> Any:
        """Shape (B,), int64."""

    @property
    def time_ms(self) -> Any:
        """Shape (B,), int64: event time, or append time where there is none."""

    @property
    def rejects(self) -> Sequence[object]:
        """Events that cannot be used; the scorer writes them to the dead-letter topic, the archiver counts them."""


class TakesBlocks(Protocol):
    """Decodes and checks blocks of one stream."""

    def take(self, block: Block) -> TakenRows:
        """The block as rows."""
