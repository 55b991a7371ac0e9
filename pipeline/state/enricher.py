"""All enrichments of one stream for one partition, and how far they have come.

The state at a position depends on the partition's rows before it alone, never on how they were batched, on a model or
on what was committed. So `position` says everything: where it equals a committed offset, the state is that offset's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from detectors.base import Tensors
from detectors.enrichment import Enrichment
from detectors.errors import IncompatibleArtifactError
from pipeline.kafka.port import Int64Array
from pipeline.state.recipe import Recipe

FORMAT = 1
NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of an enricher's state, to be written while the original moves on."""

    position: int
    tensors: Tensors
    document: dict[str, Any]


class Enricher:
    """One partition's state. Not for several threads at once; `advance` lets go of the interpreter lock."""

    def __init__(self, recipe: Recipe, *, position: int = 0, parts: Sequence[Enrichment] | None = None) -> None:
        """Empty at `position`, the offset of the first row it will see, unless `parts` are restored ones."""
        self._recipe = recipe
        self._parts = tuple(parts) if parts is not None else recipe.fresh()
        self.position = position
        """The next offset; `NOWHERE` while rows are being taken in, and after that failed."""
        self.lost = False
        """Whether events are missing from what the state remembers: the log no longer held them."""
        self._since_ms: int | None = None
        self._newest_ms: int | None = None

    @property
    def warming_up(self) -> bool:
        """Whether the state has seen less event time, without a gap, than the recipe remembers."""
        if self._since_ms is None or self._newest_ms is None:
            return self._recipe.horizon_ms > 0
        return self._newest_ms - self._since_ms < self._recipe.horizon_ms

    def advance(self, batch: pa.RecordBatch, times_ms: Int64Array, *, next_offset: int) -> pa.RecordBatch:
        """The rows with their derived columns; the state moves past them, to `next_offset`."""
        self.position = NOWHERE
        if batch.num_rows:
            self._since_ms = int(times_ms.min()) if self._since_ms is None else self._since_ms
            newest = int(times_ms.max())
            self._newest_ms = newest if self._newest_ms is None else max(self._newest_ms, newest)
        for part in self._parts:
            batch = part.advance(batch, times_ms)
        self.position = next_offset
        return batch

    def interrupted(self, position: int) -> None:
        """Events before `position` are gone unread: the state goes on without them, and warms up anew."""
        self.position, self.lost = position, True
        self._since_ms = self._newest_ms = None

    def snapshot(self) -> Snapshot:
        """A copy of everything. Raises ValueError in the middle of an `advance` that failed."""
        if self.position == NOWHERE:
            raise ValueError("the state is not at an offset: recover it first")
        tensors, documents = Tensors(), []
        for number, part in enumerate(self._parts):
            arrays, document = part.snapshot()
            tensors |= {f"{number}/{name}": array for name, array in arrays.items()}
            documents.append(document)
        document = {
            "format": FORMAT,
            "recipe": self._recipe.digest,
            "position": self.position,
            "lost": self.lost,
            "since_ms": self._since_ms,
            "newest_ms": self._newest_ms,
            "parts": documents,
        }
        return Snapshot(position=self.position, tensors=tensors, document=document)

    @classmethod
    def restore(cls, recipe: Recipe, tensors: Tensors, document: dict[str, Any]) -> "Enricher":
        """The enricher that `snapshot` copied. Raises IncompatibleArtifactError for another recipe or version."""
        if document.get("format") != FORMAT or document.get("recipe") != recipe.digest:
            raise IncompatibleArtifactError("the snapshot was made with other settings: it is not used")
        parts = []
        for number, (empty, inner) in enumerate(zip(recipe.fresh(), document["parts"], strict=True)):
            prefix = f"{number}/"
            arrays = {name.removeprefix(prefix): a for name, a in tensors.items() if name.startswith(prefix)}
            parts.append(type(empty).restore(arrays, inner))
        made = cls(recipe, position=int(document["position"]), parts=parts)
        made.lost, made._since_ms, made._newest_ms = document["lost"], document["since_ms"], document["newest_ms"]
        return made
