"""The hot half of a batch: decode and score, one beside the other.

Blocks are decoded by a thread of their own while the rows before them are scored; both let go of the interpreter lock.
Rows of several blocks, keys and partitions share a forward pass; only a batch larger than `FORWARD_ROWS` takes more.
Shape legend: B rows of one block piece.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
ENRICHED_AHEAD = 4
"""Pieces whose derived columns (windows are wide) may wait to be scored."""
Enrich = Callable[[Block, Taken], pa.RecordBatch]
"""The rows of a piece with the columns they derive from those before them in their partition."""


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
    """Without derived columns, which are let go of once they are scored."""
    scores_B: FloatArray
    tail_B: FloatArray
    flags_B: npt.NDArray[np.bool_]
    flagged: list[FlaggedRow]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A piece decoded, and the batch that is to be scored."""

    block: Block
    taken: Taken
    batch: pa.RecordBatch


class Forward:
    """Decodes, enriches and scores blocks of one stream. For one scoring thread.

    Whichever thread decodes also enriches: pieces pass through it one by one, in order.
    """

    def __init__(self, intake: Intake, shown: Sequence[str], enrich: Enrich | None = None) -> None:
        self._intake = intake
        self._shown = list(shown)
        """The columns that alerts show of an event: its own, without labels."""
        self._enrich = enrich
        self._decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="eddyline-decode")

    def run(self, blocks: Sequence[Block], bundle: Bundle, *, poison: bool) -> Iterator[ScoredPiece]:
        """Every piece of every block, in order. With `poison` records are refused instead of decoded."""
        waiting: list[_Ready] = []
        rows = 0
        for ready in self._taken(blocks, poison=poison):
            waiting.append(ready)
            rows += ready.batch.num_rows
            if rows >= FORWARD_ROWS:
                yield from self._scored(waiting, bundle)
                waiting, rows = [], 0
        if waiting:
            yield from self._scored(waiting, bundle)

    def _taken(self, blocks: Sequence[Block], *, poison: bool) -> Iterator[_Ready]:
        pieces = [piece for block in blocks for piece in _pieces(block)]
        if poison or len(pieces) == 1:
            yield from (self._take(piece, poison=poison) for piece in pieces)
            return
        ahead = len(pieces) if self._enrich is None else ENRICHED_AHEAD
        futures = deque(self._decoder.submit(self._take, piece) for piece in pieces[:ahead])
        for piece in pieces[ahead:]:
            yield futures.popleft().result()
            futures.append(self._decoder.submit(self._take, piece))
        while futures:
            yield futures.popleft().result()

    def _take(self, piece: Block, *, poison: bool = False) -> _Ready:
        taken = self._intake.refuse(piece) if poison else self._intake.take(piece)
        return _Ready(piece, taken, taken.batch if self._enrich is None else self._enrich(piece, taken))

    def _scored(self, waiting: Sequence[_Ready], bundle: Bundle) -> Iterator[ScoredPiece]:
        """One forward pass over all of them."""
        batches = [ready.batch for ready in waiting]
        batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        scores = bundle.detector.score(batch)
        tail = bundle.threshold.tail_probability(scores)
        flags = bundle.threshold.flags(scores)
        at = np.flatnonzero(flags)
        reasons, events = self._explained(batch, at, bundle)
        start = 0
        for ready in waiting:
            end = start + ready.batch.num_rows
            low, high = np.searchsorted(at, (start, end))
            yield ScoredPiece(
                block=ready.block,
                taken=ready.taken,
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
        shown = flagged.select(self._shown)
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
