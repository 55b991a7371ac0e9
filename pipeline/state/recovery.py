"""A partition's state at its committed offset: the newest snapshot not ahead of it, and the rows since, replayed.

The replay reads the partition itself, outside the consumer group, through the same intake as scoring, and writes
nothing. Where the log no longer holds all of it, the state goes on from what there is, marked as such.
"""

from collections.abc import Callable, Iterable, Mapping

import structlog

from pipeline.intake import Intake
from pipeline.kafka.port import Block, Broker, TopicPartition
from pipeline.state.enricher import NOWHERE, Enricher

log = structlog.get_logger(__name__)

READ_TIMEOUT_SECONDS = 30.0
Parts = Callable[[Block], Iterable[tuple[Block, bool]]]
"""A block in pieces, each with whether it must be passed over undecoded because it kills the process."""


def whole(block: Block) -> Iterable[tuple[Block, bool]]:
    """A block as one piece, nothing suspected."""
    return ((block, False),)


def replay(
    enrichers: Mapping[TopicPartition, Enricher],
    offsets: Mapping[TopicPartition, int],
    *,
    broker: Broker,
    intake: Intake,
    parts: Parts = whole,
    go_on: Callable[[], bool] = lambda: True,
) -> int | None:
    """Move each state up to its offset. Returns the rows replayed; None where `go_on` ended it early, which leaves the
    states somewhere on the way. Raises BrokerUnavailableError, or EddylineError when the log cannot be read."""
    behind = {source: e for source, e in enrichers.items() if e.position < offsets[source]}
    if not behind:
        return 0
    _pass_over_what_is_gone(behind, offsets, broker)
    rows = 0

    def take(block: Block) -> None:
        nonlocal rows
        enricher = behind[block.source]
        for piece, poison in parts(block):
            taken = intake.refuse(piece) if poison else intake.take(piece)
            enricher.advance(taken.batch, taken.time_ms, next_offset=piece.next_offset)
            rows += taken.batch.num_rows

    ranges = {source: (e.position, offsets[source]) for source, e in behind.items()}
    if not broker.read_ranges(ranges, take, timeout_seconds=READ_TIMEOUT_SECONDS, go_on=go_on):
        return None
    for source, enricher in behind.items():
        enricher.position = offsets[source]  # what lies between is no record: markers, compacted ones
    return rows


def _pass_over_what_is_gone(
    enrichers: Mapping[TopicPartition, Enricher], offsets: Mapping[TopicPartition, int], broker: Broker
) -> None:
    admin = broker.admin()
    try:
        first = admin.earliest_offsets(list(enrichers))
    finally:
        admin.close()
    for source, enricher in enrichers.items():
        held_from = min(first.get(source, 0), offsets[source])
        if enricher.position < held_from:
            log.warning(
                "the log no longer holds all that the state should remember: it warms up from what there is",
                topic=source.topic,
                partition=source.partition,
                wanted=enricher.position,
                held_from=held_from,
            )
            enricher.interrupted(held_from)


def is_usable(enricher: Enricher, offset: int) -> bool:
    """Whether a state in memory can be moved to an offset, or is there."""
    return enricher.position != NOWHERE and enricher.position <= offset
