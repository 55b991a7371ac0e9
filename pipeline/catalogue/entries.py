"""What the catalogue takes and gives. Times are milliseconds since the epoch, UTC."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model as the catalogue knows it; its files lie in the model store."""

    model_id: str
    stream: str
    detector: str
    created_ms: int
    threshold_nats: float
    facts: dict[str, Any]
    champion: bool
    """In service now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionEntry:
    """One promotion."""

    stream: str
    model_id: str
    reason: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerBeat:
    """What one worker says of itself for one stream, every few seconds."""

    worker_id: str
    """The same after every restart of its slot."""
    role: str
    """score, archive, notify or repartition."""
    stream: str
    host: str
    pid: int
    slot: int
    started_ms: int
    seen_ms: int
    state: dict[str, Any]
    """Counters and the last error; each role has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorEntry:
    """One generator as the catalogue knows it; its files lie in the generator store."""

    generator_id: str
    stream: str
    model: str
    created_ms: int
    source: dict[str, Any]
    """Which rows it learned from: window, files and their hashes."""
    facts: dict[str, Any]


class DatasetStatus(StrEnum):
    """Where a synthetic dataset stands."""

    PUBLISHED = "published"
    """Its gates passed: readers see it."""
    FAILED = "failed"
    """A gate refused it: kept for inspection, never read."""
    WITHDRAWN = "withdrawn"
    """Taken back by a person: kept, no longer read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """One synthetic dataset as the catalogue knows it."""

    dataset_id: str
    stream: str
    generator_id: str
    status: str
    """One of DatasetStatus."""
    rows: int
    size_bytes: int
    created_ms: int
    manifest_sha256: str
    reason: str
    """Why it failed or was withdrawn; empty for one that is published."""
    verdict: dict[str, Any]


class RequestStatus(StrEnum):
    """What came of a request."""

    RUNNING = "running"
    """Being worked on, or its process died: the next one for the same dataset says which."""
    INTERRUPTED = "interrupted"
    """It was found unended by the request that went on with its dataset."""
    PUBLISHED = "published"
    """Its dataset is published."""
    FAILED = "failed"
    """Its dataset did not pass the gates."""
    ERROR = "error"
    """It ended with an error; `reason` says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEntry:
    """One request to a generator."""

    request_id: str
    stream: str
    generator_id: str
    parent_id: str | None
    """The request that this one goes on from: named by the person, or the one before for the same dataset."""
    dataset_id: str
    status: str
    """One of RequestStatus."""
    asked_ms: int
    ended_ms: int | None
    asked: dict[str, Any]
    """The request itself."""
    reason: str
