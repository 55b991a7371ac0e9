"""Takes a batch apart where something in it is suspected of killing the process (see `ledger.py`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.kafka.port import Block, TopicPartition
from pipeline.scoring.ledger import Suspect
from pipeline.scoring.poller import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a batch to be scored and committed by itself."""

    batch: Batch
    poison: bool = False
    """Its one record is the culprit: dead-letter it without decoding."""

    def ranges(self) -> dict[TopicPartition, tuple[int, int, int]]:
        """For the ledger: first offset, offset after, and records of each partition."""
        ranges: dict[TopicPartition, tuple[int, int, int]] = {}
        for block in self.batch.blocks:
            start, _, records = ranges.get(block.source, (int(block.offsets[0]), 0, 0))
            ranges[block.source] = (start, block.next_offset, records + len(block))
        return ranges


class Caution:
    """Which ranges are suspect, until they have been passed."""

    def __init__(self, suspects: Mapping[TopicPartition, Suspect]) -> None:
        self._suspects = dict(suspects)

    def parts(self, batch: Batch) -> Iterator[Part]:
        """The whole batch where nothing is suspected; else each suspect partition alone, in small pieces."""
        suspects = {b.source for b in batch.blocks} & self._suspects.keys()
        if not suspects:
            yield Part(batch=batch)
            return
        calm = tuple(b for b in batch.blocks if b.source not in suspects)
        if calm:
            yield Part(batch=_with(batch, calm))
        for block in batch.blocks:
            if block.source in suspects:
                yield from self._pieces(batch, block)

    def _pieces(self, batch: Batch, block: Block) -> Iterator[Part]:
        start = 0
        while start < len(block):
            suspect = self._suspects.get(block.source)
            first = int(block.offsets[start])
            if suspect is None or first >= suspect.end:
                yield Part(batch=_with(batch, (block.cut(start, len(block)),)))
                return
            poison = suspect.limit == 0 and first == suspect.start
            stop = min(len(block), start + max(1, suspect.limit))
            yield Part(batch=_with(batch, (block.cut(start, stop),)), poison=poison)
            start = stop

    def passed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Forget suspects that lie behind these positions."""
        for partition, position in positions.items():
            suspect = self._suspects.get(partition)
            if suspect is not None and (position >= suspect.end or (suspect.limit == 0 and position > suspect.start)):
                del self._suspects[partition]


def _with(batch: Batch, blocks: tuple[Block, ...]) -> Batch:
    return Batch(blocks=blocks, group=batch.group, epoch=batch.epoch, bytes=batch.bytes)
