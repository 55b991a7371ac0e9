"""The topics of a repartition step: made before anything is read, and grown with the source topic."""

from pipeline.config import StreamSpec
from pipeline.kafka.port import Broker, TopicRequest
from pipeline.repartition.plan import downstream, hops_of

SEVEN_DAYS_MS = 7 * 24 * 3600 * 1000
CONFIGS = {"cleanup.policy": "delete", "retention.ms": str(SEVEN_DAYS_MS), "message.timestamp.type": "LogAppendTime"}
"""Of topics as they are made; what is set otherwise afterwards stays so."""


def step_topics(spec: StreamSpec) -> tuple[str, ...]:
    """The topics a stream's step writes to, the joined one last; none where its spec asks for no step."""
    if downstream(spec) is spec:
        return ()
    return tuple(hop.target for hop in hops_of(spec))


def ensure_step_topics(spec: StreamSpec, broker: Broker, *, replication_factor: int = 1) -> list[str]:
    """Create what is missing, with as many partitions as the source topic, dead letters too, and grow the joined topic
    where the source has outgrown it. The topics between are left as they are: growing one would send keys away from
    their state.

    Returns the names created; empty, too, while the source topic does not exist yet.
    """
    names = step_topics(spec)
    admin = broker.admin()
    try:
        source = admin.describe([spec.topic]).get(spec.topic)
        if source is None or not names:
            return []
        requests = [
            TopicRequest(
                name=name, partitions=source.partitions, replication_factor=replication_factor, configs=CONFIGS
            )
            for name in names
        ]
        requests.append(TopicRequest(name=spec.dead_letters_topic, partitions=1, replication_factor=replication_factor))
        created = admin.create(requests)
        admin.grow(names[-1], source.partitions)
        return created
    finally:
        admin.close()
