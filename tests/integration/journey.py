"""A person's way from a file of events to alerts, each step a command as it would be typed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from bench.real_data import RealStream
from pipeline.kafka.port import Block, TopicPartition
from tests.integration.service import Service, eventually

PARTITIONS = 3
COMMAND_SECONDS = 240
Place = tuple[int, int]
"""Partition and offset."""
Edit = Callable[[dict[str, Any]], None]
"""What a person changes in the spec that was guessed."""


def run(folder: Path, *command: str) -> str:
    """Run `eddyline …` in a folder to its end and return what it printed; fails where it did not succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.commands.main", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
        env={k: v for k, v in os.environ.items() if not k.startswith("EDDYLINE_")} | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"eddyline {' '.join(command)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@dataclass
class Journey:
    """A stream taken from its file to its alerts, and what was seen on the way."""

    service: Service
    data: RealStream
    printed: dict[str, str] = field(default_factory=dict)
    """By command."""
    seen_first: dict[TopicPartition, int] = field(default_factory=dict)
    """Where each partition of the topic ended when the model was trained."""

    def step(self, *command: str) -> str:
        """Run a command and remember what it said."""
        self.printed[command[0]] = run(self.service.folder, *command)
        return self.printed[command[0]]

    def go(self, first: Path, rest: Path) -> None:
        """From the spec to alerts on what came after the model was trained."""
        name = self.service.stream
        self.step("check")
        self.step("topics", "create", "--partitions", str(PARTITIONS))
        archiver = self.service.start("archive")
        self.step("replay", str(first), "--stream", name)
        self._stop_when_archived(archiver, self.data.first.num_rows)
        self.seen_first = self._ends()
        self.step("train", name)
        self.step("backtest", name, "--output", "backtest")
        scorer, archiver = self.service.start("score", name), self.service.start("archive", name)
        self.step("replay", str(rest), "--stream", name)
        total = self.data.first.num_rows + self.data.rest.num_rows
        eventually("everything is scored", lambda: self.service.committed() == total, seconds=180)
        self._stop_when_archived(archiver, self.data.rest.num_rows)
        scorer.terminate()
        assert scorer.wait(60) == 0
        self.step("status")

    def _stop_when_archived(self, archiver: "subprocess.Popen[bytes]", rows: int) -> None:
        def archived() -> bool:
            assert archiver.poll() is None, self.service.logs()
            beats = [beat.state for beat in catalogue.workers() if beat.role == "archive"]
            return any(state["lag"] == 0 and state["events"] == rows for state in beats)

        catalogue = self.service.catalogue()
        eventually("the archiver has read everything", archived)
        catalogue.close()
        archiver.terminate()
        assert archiver.wait(60) == 0

    def _ends(self) -> dict[TopicPartition, int]:
        admin = self.service.broker.admin()
        ends = admin.latest_offsets([TopicPartition(self.service.spec.topic, p) for p in range(PARTITIONS)])
        admin.close()
        return dict(ends)

    @cached_property
    def events(self) -> dict[Place, dict[str, Any]]:
        """Every event of the topic."""
        found: dict[Place, dict[str, Any]] = {}

        def keep(block: Block) -> None:
            for offset, value in zip(block.offsets, block.values, strict=True):
                found[block.source.partition, int(offset)] = json.loads(value or b"")

        partitions = [TopicPartition(self.service.spec.topic, p) for p in range(PARTITIONS)]
        self.service.broker.read_all(partitions, keep, timeout_seconds=60)
        return found

    @cached_property
    def scores(self) -> list[tuple[Place, float]]:
        """Every score, repeats included."""
        found = []
        for _, value in self.service.read(self.service.spec.scores_topic, PARTITIONS):
            assert value is not None
            with pa.ipc.open_stream(value) as reader:
                table = reader.read_all()
            partition = int(table.schema.metadata[b"eddyline.partition"])
            places = [(partition, offset) for offset in table["offset"].to_pylist()]
            found += list(zip(places, table["score_nats"].to_pylist(), strict=True))
        return found

    def is_later(self, place: Place) -> bool:
        """Whether an event came after the model was trained."""
        return place[1] >= self.seen_first[TopicPartition(self.service.spec.topic, place[0])]


def begin(folder: Path, bootstrap: str, data: RealStream, stream: str, edit: Edit) -> Journey:
    """Infer a spec from the stream's file, edit it, and go the whole way."""
    folder.mkdir()
    first, rest = data.write(folder)
    said = run(folder, "init", "--from", str(first), "--stream", stream)
    document = yaml.safe_load((folder / "streams" / f"{stream}.yaml").read_text())
    edit(document)
    journey = Journey(service=Service(folder, bootstrap, stream, document), data=data, printed={"init": said})
    try:
        journey.go(first, rest)
    finally:
        journey.service.stop()
    return journey
