"""What is known about an archive beyond its files: high-water marks, gaps, schema versions. Outlives retention.

Below `metadata/archive/<stream>/`: `<topic id>/p<partition>.json` (mark), `gaps/….json`, `schemas/v<N>.json`.
"""

import base64
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.lake.durable import create_atomic, read_json, to_json, write_atomic


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedGap:
    """Events that were never archived: offsets from `expected` up to, not including, `available`."""

    topic: str
    topic_id: str
    partition: int
    expected: int
    available: int
    noticed_ms: int
    reason: str


def schema_hash(schema: pa.Schema) -> str:
    """Names, types, kinds and roles of a stream's columns, as one hash: what changes it is a new schema version."""
    columns = [[f.name, str(f.type), sorted((f.metadata or {}).items())] for f in schema]
    return hashlib.sha256(repr(columns).encode()).hexdigest()


class ArchiveLedger:
    """The metadata of one stream's archive. Safe to use from several processes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def high_water(self, topic_id: str, partition: int) -> int | None:
        """The position after the last file published; None where none ever was."""
        document = read_json(self._mark(topic_id, partition))
        return None if document is None else int(document["next_offset"])

    def raise_high_water(self, topic_id: str, partition: int, next_offset: int, *, file: str) -> None:
        """Note a published file. A mark never sinks."""
        if (self.high_water(topic_id, partition) or -1) < next_offset:
            document = {"next_offset": next_offset, "file": file}
            write_atomic(self._mark(topic_id, partition), to_json(document))

    def record_gap(self, gap: RecordedGap) -> bool:
        """Write a gap down; False where it was known already."""
        name = f"{gap.topic_id}-p{gap.partition}-{gap.expected}-{gap.available}.json"
        return create_atomic(self._root / "gaps" / name, to_json(asdict(gap)))

    def gaps(self) -> list[RecordedGap]:
        """All gaps, oldest first."""
        documents = (read_json(path) for path in (self._root / "gaps").glob("*.json"))
        found = [RecordedGap(**document) for document in documents if document is not None]
        return sorted(found, key=lambda g: (g.noticed_ms, g.partition, g.expected))

    def schema_version(self, schema: pa.Schema) -> int:
        """The number of this schema, from 1, given out on first sight and never twice."""
        digest = schema_hash(schema)
        while True:
            known = self._schemas()
            for version, document in known.items():
                if document["sha256"] == digest:
                    return version
            version = max(known, default=0) + 1
            serialized = base64.b64encode(schema.serialize().to_pybytes()).decode()
            columns = {field.name: str(field.type) for field in schema}
            document = {"version": version, "sha256": digest, "columns": columns, "arrow": serialized}
            if create_atomic(self._root / "schemas" / f"v{version}.json", to_json(document)):
                return version

    def schemas(self) -> dict[int, pa.Schema]:
        """Every schema version there was."""
        return {
            version: pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["arrow"])))
            for version, document in self._schemas().items()
        }

    def schema_facts(self) -> dict[int, tuple[str, dict[str, str]]]:
        """Hash and columns, with their types, of every schema version there was."""
        return {version: (document["sha256"], document["columns"]) for version, document in self._schemas().items()}

    def _schemas(self) -> dict[int, dict[str, Any]]:
        documents = (read_json(path) for path in (self._root / "schemas").glob("v*.json"))
        return dict(sorted((int(d["version"]), d) for d in documents if d is not None))

    def _mark(self, topic_id: str, partition: int) -> Path:
        return self._root / topic_id / f"p{partition}.json"
