"""What the catalogue takes and gives. Times are milliseconds since the epoch, UTC."""

from dataclasses import dataclass
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
