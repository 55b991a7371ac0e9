"""The keyed state right before a stretch: the newest snapshot that scorers wrote, read and never written.

A stretch begins where a snapshot stands, so its events meet exactly the state that the scorer scored them with. Where
too little came since the newest, the one held from before is gone on with.
"""

from dataclasses import dataclass

from pipeline.config import StreamSpec
from pipeline.kafka.port import TopicPartition
from pipeline.lake import Lake
from pipeline.state.enricher import Enricher, Snapshot
from pipeline.state.recipe import Recipe, recipe_of
from pipeline.state.snapshots import SnapshotStore


@dataclass(frozen=True, slots=True)
class PastState:
    """A state that copies are made of."""

    recipe: Recipe
    snapshot: Snapshot

    def copy(self) -> Enricher:
        """A new enricher with this state."""
        return Enricher.restore(self.recipe, self.snapshot.tensors, self.snapshot.document)


class Pasts:
    """The states of one stream's partitions. One state a partition is in memory at a time."""

    def __init__(self, spec: StreamSpec, recipe: Recipe, lake: Lake) -> None:
        self._recipe = recipe
        self._store = SnapshotStore(lake.state(spec.stream), recipe)
        self._held: dict[TopicPartition, tuple[str, PastState]] = {}

    @classmethod
    def of(cls, spec: StreamSpec, lake: Lake) -> "Pasts | None":
        """None for a stream without context and windows of its own."""
        recipe = recipe_of(spec)
        return None if recipe is None else cls(spec, recipe, lake)

    def before(
        self, partition: TopicPartition, topic_id: str, *, first: int, end: int, least: int
    ) -> tuple[int, PastState] | None:
        """A state at `first` or after it with `least` records behind it, and its offset; None where there is none."""
        topic, held = self._held.get(partition, ("", None))
        if held is not None and (topic != topic_id or held.snapshot.position < first):
            held = None
        newest = self._store.newest(topic_id, partition.partition, not_after=end - least)
        if newest is not None and newest.position >= first and not _is_there(held, newest.position):
            held = PastState(self._recipe, newest.snapshot())
        elif held is None:
            young = self._store.newest(topic_id, partition.partition, not_after=end)
            held = PastState(self._recipe, young.snapshot()) if young is not None and young.position >= first else None
        if held is None:
            self._held.pop(partition, None)
            return None
        self._held[partition] = topic_id, held
        at = held.snapshot.position
        return (at, held) if at + least <= end else None


def _is_there(held: PastState | None, position: int) -> bool:
    return held is not None and held.snapshot.position >= position
