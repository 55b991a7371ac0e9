"""Finds the event that kills the process: what was under way when a worker died, kept in a small file.

A worker notes each batch before it decodes it and clears the note once it is committed. A note found at start is a
death. After three deaths at one offset the batch is cut down at every further death until a single record is left,
and that one goes to the dead-letter topic unread. The file survives the process, not the machine, and need not:
a machine's crash is not a record's fault. Where it cannot be written (disk full) scoring goes on without it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import structlog

from pipeline.kafka.port import TopicPartition

log = structlog.get_logger()

DEATHS_BEFORE_SUSPICION = 3
SHRINK_FACTOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A range of one partition in which something kills the process."""

    start: int
    end: int
    """Offset after the range."""
    limit: int
    """Records to attempt at once; 0 when the record at `start` is the culprit and must not be decoded."""


class _Note(TypedDict):
    start: int
    end: int
    records: int


class _Deaths(TypedDict):
    start: int
    end: int
    count: int
    limit: int | None


class CrashLedger:
    """One worker slot's file. `load` once at start; then `begin` and `done` around every batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deaths: dict[str, _Deaths] = {}
        self._writable = True

    def load(self) -> dict[TopicPartition, Suspect]:
        """Count what was under way at the last death, and say what to be careful with."""
        document = self._read()
        self._deaths = document["deaths"]
        for name, note in document["under_way"].items():
            self._count(name, note)
        self._write({})
        return {
            _parse(name): Suspect(start=d["start"], end=d["end"], limit=d["limit"])
            for name, d in self._deaths.items()
            if d["limit"] is not None
        }

    def _count(self, name: str, note: _Note) -> None:
        before = self._deaths.get(name)
        inside = before is not None and before["limit"] is not None and before["start"] <= note["start"] < before["end"]
        if before is not None and inside:
            smaller = 0 if note["records"] == 1 else max(1, note["records"] // SHRINK_FACTOR)
            self._deaths[name] = _Deaths(start=note["start"], end=before["end"], count=before["count"], limit=smaller)
            return
        same = before is not None and before["start"] == note["start"]
        count = before["count"] + 1 if before is not None and same else 1
        limit = None
        if count >= DEATHS_BEFORE_SUSPICION:
            limit = 0 if note["records"] == 1 else max(1, note["records"] // SHRINK_FACTOR)
        self._deaths[name] = _Deaths(start=note["start"], end=note["end"], count=count, limit=limit)

    def begin(self, ranges: Mapping[TopicPartition, tuple[int, int, int]]) -> None:
        """Note a batch: for each partition its first offset, the offset after it, and its number of records."""
        self._write({_name(p): _Note(start=s, end=e, records=n) for p, (s, e, n) in ranges.items()})

    def done(self, positions: Mapping[TopicPartition, int]) -> None:
        """The batch is committed: forget suspicions that lie behind the new positions."""
        for partition, position in positions.items():
            deaths = self._deaths.get(_name(partition))
            if deaths is not None and position >= deaths["end"]:
                del self._deaths[_name(partition)]
        self._write({})

    def _read(self) -> "_Document":
        try:
            document = json.loads(self._path.read_text())
        except (OSError, json.JSONDecodeError):
            return _Document(under_way={}, deaths={})  # never written, or cut short by the machine's crash
        return _Document(under_way=document["under_way"], deaths=document["deaths"])

    def _write(self, under_way: dict[str, _Note]) -> None:
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"under_way": under_way, "deaths": self._deaths}))
            os.replace(temporary, self._path)
            self._writable = True
        except OSError as error:
            if self._writable:
                log.warning("a deadly event could not be found while this file cannot be written", error=str(error))
            self._writable = False


class _Document(TypedDict):
    under_way: dict[str, _Note]
    deaths: dict[str, _Deaths]


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}:{partition.partition}"


def _parse(name: str) -> TopicPartition:
    topic, _, partition = name.rpartition(":")
    return TopicPartition(topic, int(partition))
