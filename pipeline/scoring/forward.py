"""The hot half of a batch: decode and score, one beside the other.

Blocks are decoded by a thread of their own while the rows before them are scored; both let go of the interpreter lock.
Rows of several blocks, keys and partitions share a forward pass; only a batch larger than `FORWARD_ROWS` takes more.
Shape legend: B rows of one block piece.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Reason
from pipeline.intake import Intake, Taken
from pipeline.kafka.port import Block
from pipeline.model_store import Bundle

FORWARD_ROWS = 16_384
PIECE_BYTES = 1024 * 1024
"""A block of more is decoded in pieces, so that scoring need not wait for all of it."""
REASONS_PER_EVENT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaggedRow:
    """A row that passed the threshold."""

    row: int
    """Index among its piece's rows."""
    reasons: tuple[Reason, ...]
    event: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPiece:
    """One piece of a block, decoded and scored. B rows."""

    block: Block
    taken: Taken
    scores_B: FloatArray
    tail_B: FloatArray
    flags_B: npt.NDArray[np.bool_]
    flagged: list[FlaggedRow]


class Forward:
    """Decodes and scores blocks of one stream. For one scoring thread."""

    def __init__(self, intake: Intake, labels: frozenset[str]) -> None:
        self._intake = intake
        self._labels = labels
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eddyline-decode")

    def run(self, blocks: Sequence[Block], bundle: Bundle, *, poison: bool) -> Iterator[ScoredPiece]:
        """Every piece of every block, in order. With `poison` records are refused instead of decoded."""
        waiting: list[tuple[Block, Taken]] = []
        rows = 0
        for block, taken in self._taken(blocks, poison=poison):
            waiting.append((block, taken))
            rows += taken.batch.num_rows
            if rows >= FORWARD_ROWS:
                yield from self._scored(waiting, bundle)
                waiting, rows = [], 0
        if waiting:
            yield from self._scored(waiting, bundle)

    def _taken(self, blocks: Sequence[Block], *, poison: bool) -> Iterator[tuple[Block, Taken]]:
        pieces = [piece for block in blocks for piece in _pieces(block)]
        if poison or len(pieces) == 1:
            take = self._intake.refuse if poison else self._intake.take
            yield from ((piece, take(piece)) for piece in pieces)
            return
        futures = [self._decoder.submit(self._intake.take, piece) for piece in pieces]
        for piece, future in zip(pieces, futures, strict=True):
            yield piece, future.result()

    def _scored(self, waiting: Sequence[tuple[Block, Taken]], bundle: Bundle) -> Iterator[ScoredPiece]:
        """One forward pass over all of them."""
        batches = [taken.batch for _, taken in waiting]
        batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        scores = bundle.detector.score(batch)
        tail = bundle.threshold.tail_probability(scores)
        flags = bundle.threshold.flags(scores)
        at = np.flatnonzero(flags)
        reasons, events = self._explained(batch, at, bundle)
        start = 0
        for block, taken in waiting:
            end = start + taken.batch.num_rows
            low, high = np.searchsorted(at, (start, end))
            yield ScoredPiece(
                block=block,
                taken=taken,
                scores_B=scores[start:end],
                tail_B=tail[start:end],
                flags_B=flags[start:end],
                flagged=[
                    FlaggedRow(row=int(at[i]) - start, reasons=reasons[i], event=events[i]) for i in range(low, high)
                ],
            )
            start = end

    def _explained(
        self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64], bundle: Bundle
    ) -> tuple[list[tuple[Reason, ...]], list[dict[str, Any]]]:
        """Reasons and plain values of the flagged rows; labels are left out."""
        if not len(rows):
            return [], []
        flagged = batch.take(pa.array(rows))
        shown = flagged.select([n for n in flagged.schema.names if n not in self._labels])
        return bundle.detector.explain(flagged, top=REASONS_PER_EVENT), [_plain(e) for e in shown.to_pylist()]

    def close(self) -> None:
        """End the decoding thread."""
        self._decoder.shutdown(wait=False)


def _pieces(block: Block) -> Iterator[Block]:
    """The block, cut where it has more than `PIECE_BYTES`."""
    sizes = np.fromiter((len(v) if v is not None else 0 for v in block.values), np.int64, len(block))
    if sizes.sum() <= PIECE_BYTES:
        yield block
        return
    owner = np.cumsum(sizes) // PIECE_BYTES
    starts = [0, *(np.flatnonzero(np.diff(owner)) + 1).tolist()]
    for start, stop in zip(starts, [*starts[1:], len(block)], strict=True):
        yield block.cut(start, stop)


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """Times as ISO 8601, everything else as it is."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in event.items()}
