"""Topics, offsets and group members through kafka-python's admin client."""

from collections.abc import Sequence

from kafka import KafkaAdminClient
from kafka import TopicPartition as ClientPartition
from kafka import errors as client_errors
from kafka.admin import MemberToRemove, NewTopic, OffsetSpec

from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python.connection import Options, translated
from pipeline.kafka.port import Committed, TopicInfo, TopicPartition, TopicRequest

REQUEST_TIMEOUT_MS = 8_000


class KafkaPythonAdmin:
    """Implements `pipeline.kafka.port.Admin`."""

    def __init__(self, settings: KafkaSettings, options: Options) -> None:
        self._settings = settings
        with translated(settings):
            self._client = KafkaAdminClient(**options, request_timeout_ms=REQUEST_TIMEOUT_MS)

    def describe(self, topics: Sequence[str]) -> dict[str, TopicInfo]:
        """The topics that exist among those named."""
        with translated(self._settings):
            described = self._client.describe_topics(list(topics)) if topics else []
        return {
            str(t["name"]): TopicInfo(name=str(t["name"]), topic_id=str(t["topic_id"]), partitions=len(t["partitions"]))
            for t in described
            if t["error_code"] == 0
        }

    def create(self, topics: Sequence[TopicRequest]) -> list[str]:
        """Create those that do not exist; returns the names created."""
        existing = self.describe([t.name for t in topics])
        missing = [t for t in topics if t.name not in existing]
        created = []
        for topic in missing:
            new = NewTopic(
                topic.name, topic.partitions, topic.replication_factor, topic_configs=dict(topic.configs or {})
            )
            with translated(self._settings):
                try:
                    self._client.create_topics([new])
                except client_errors.TopicAlreadyExistsError:
                    continue  # another process was faster
            created.append(topic.name)
        if created:
            with translated(self._settings):
                self._client.wait_for_topics(created)
        return created

    def grow(self, topic: str, partitions: int) -> None:
        """Raise a topic's partition count; does nothing where it already has as many."""
        info = self.describe([topic]).get(topic)
        if info is None or info.partitions >= partitions:
            return
        with translated(self._settings):
            try:
                self._client.create_partitions({topic: partitions})
            except client_errors.InvalidPartitionsError:
                return  # another process was faster

    def latest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks, open transactions included."""
        return self._offsets(partitions, OffsetSpec.LATEST)

    def earliest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offsets still held."""
        return self._offsets(partitions, OffsetSpec.EARLIEST)

    def _offsets(self, partitions: Sequence[TopicPartition], which: OffsetSpec) -> dict[TopicPartition, int]:
        specs = {ClientPartition(*p): which for p in partitions}
        with translated(self._settings):
            found = self._client.list_partition_offsets(specs) if specs else {}
        return {TopicPartition(p.topic, p.partition): int(at.offset) for p, at in found.items()}

    def group_offsets(self, group: str) -> dict[TopicPartition, Committed]:
        """What a group has committed; empty for a group that does not exist."""
        with translated(self._settings):
            try:
                found = self._client.list_group_offsets(group)
            except client_errors.GroupIdNotFoundError:
                return {}
        offsets = found.get(group, found)
        return {
            TopicPartition(p.topic, p.partition): Committed(int(at.offset), at.metadata or "")
            for p, at in offsets.items()
            if at.offset >= 0
        }

    def static_members(self, group: str) -> list[str]:
        """The instance ids of a group's static members, dead ones not yet timed out included."""
        with translated(self._settings):
            try:
                described = self._client.describe_groups([group])
            except client_errors.GroupIdNotFoundError:
                return []
        members = described[group]["members"] if group in described else []
        return [str(m["group_instance_id"]) for m in members if m.get("group_instance_id")]

    def remove_static_members(self, group: str, instance_ids: Sequence[str]) -> None:
        """Make static members leave, so that their partitions are handed out again at once."""
        if not instance_ids:
            return
        members = [MemberToRemove(group_instance_id=i, reason="scaled down") for i in instance_ids]
        with translated(self._settings):
            try:
                self._client.remove_group_members(group, members)
            except (client_errors.GroupIdNotFoundError, client_errors.UnknownMemberIdError):
                return  # already gone, which is what was asked

    def delete(self, topics: Sequence[str]) -> None:
        """Delete topics; those that do not exist are passed over."""
        existing = sorted(self.describe(topics))
        if existing:
            with translated(self._settings):
                self._client.delete_topics(existing)

    def close(self) -> None:
        """Close connections."""
        self._client.close()
