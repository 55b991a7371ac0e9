"""What a scorer holds for one partition, and how it gets it back after a crash or a change of owner."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.alerts.engine import AlertEngine
from pipeline.alerts.rejects import RejectsWatch
from pipeline.alerts.silence import SilenceWatch
from pipeline.config import StreamSpec
from pipeline.kafka.port import Block, Broker, Committed, TopicPartition, TopicRequest
from pipeline.masking import Masker
from pipeline.scoring.batch_quality import BatchQuality, Columns

RESTORE_TIMEOUT_SECONDS = 30.0


@dataclass(slots=True, kw_only=True)
class PartitionState:
    """Everything of one partition that outlives a batch."""

    source: TopicPartition
    topic_id: str
    engine: AlertEngine
    rejects: RejectsWatch
    silence: SilenceWatch | None
    """Of the whole topic; held by whoever owns partition 0."""
    quality: BatchQuality
    """Begins anew with every assignment: the rows before it are not read again."""
    position: int
    """The next offset to be scored, and what an idle transaction commits again so that it is fenced."""
    watermark_ms: int | None = None
    """Newest event time seen."""
    seen: int = 0
    """Events since the share of rejects was last forgotten."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Rejects among them, by reason."""

    def committed(self) -> Committed:
        """The position as it is committed: with the topic's incarnation."""
        return Committed(self.position, self.topic_id)


def restore(
    spec: StreamSpec,
    broker: Broker,
    masker: Masker,
    starts: Mapping[TopicPartition, int],
    topic_id: str,
) -> dict[TopicPartition, PartitionState]:
    """The states of newly assigned partitions, their open episodes read back from the changelog.

    Restarts at the committed offsets: the changelog holds exactly what was committed with them.
    """
    states = {source: _fresh(spec, masker, source, topic_id, offset) for source, offset in starts.items()}
    entries: dict[int, list[tuple[bytes, bytes | None]]] = {s.partition: [] for s in states}

    def keep(block: Block) -> None:
        changes = zip(block.keys, block.values, strict=True)
        entries[block.source.partition].extend((k, v) for k, v in changes if k is not None)

    changelogs = [TopicPartition(spec.episodes_topic, s.partition) for s in states]
    broker.read_all(changelogs, keep, timeout_seconds=RESTORE_TIMEOUT_SECONDS)
    for source, state in states.items():
        changelog = entries[source.partition]
        state.engine.restore(changelog)
        state.rejects.restore(changelog)
        if state.silence is not None:
            state.silence.restore(changelog)
    return states


def _fresh(spec: StreamSpec, masker: Masker, source: TopicPartition, topic_id: str, offset: int) -> PartitionState:
    number = source.partition
    return PartitionState(
        source=source,
        topic_id=topic_id,
        engine=AlertEngine(spec, topic_id=topic_id, partition=number, masker=masker),
        rejects=RejectsWatch(spec, topic_id=topic_id, partition=number),
        silence=SilenceWatch(spec, topic_id=topic_id) if number == 0 else None,
        quality=BatchQuality(Columns(spec)),
        position=offset,
    )


def output_topics(spec: StreamSpec, partitions: int, *, replication_factor: int = 1) -> list[TopicRequest]:
    """The topics a stream's scorer writes to. Scores and episodes are partitioned as the source topic."""
    compacted = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
    return [
        TopicRequest(name=spec.alerts_topic, partitions=1, replication_factor=replication_factor),
        TopicRequest(name=spec.scores_topic, partitions=partitions, replication_factor=replication_factor),
        TopicRequest(name=spec.dead_letters_topic, partitions=1, replication_factor=replication_factor),
        TopicRequest(
            name=spec.episodes_topic, partitions=partitions, replication_factor=replication_factor, configs=compacted
        ),
    ]


def ensure_output_topics(spec: StreamSpec, broker: Broker, *, replication_factor: int = 1) -> list[str]:
    """Create what is missing and grow what the source has outgrown. Returns the names created; empty, too, while the
    source topic does not exist yet."""
    admin = broker.admin()
    try:
        source = admin.describe([spec.topic]).get(spec.topic)
        if source is None:
            return []
        created = admin.create(output_topics(spec, source.partitions, replication_factor=replication_factor))
        for topic in (spec.scores_topic, spec.episodes_topic):
            admin.grow(topic, source.partitions)
        return created
    finally:
        admin.close()
