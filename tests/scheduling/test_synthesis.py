"""Generators and datasets as jobs: the same for the same fire, refused with reasons, whole through a killed leader."""

import json
import time
import typing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.columns import Kind, Role, make_field
from pipeline.catalogue import Catalogue, WithdrawalEntry
from pipeline.clock import ManualClock
from pipeline.commands.context import Context
from pipeline.commands.synth_generate import generator_named
from pipeline.config import Settings, StreamSpec
from pipeline.errors import ConfigError, LeaseLostError, UnavailableError
from pipeline.jobs.scheduled_synthesis import generate_dataset, seed_of, train_generator
from pipeline.lake import Lake
from pipeline.lineage.edges import edge
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.scheduling.arguments import Model
from pipeline.scheduling.job import JobContext, RunStatus
from pipeline.synthesis.parts import PartFolder
from pipeline.synthesis.requests import CHUNK_ROWS, CHUNKS_A_PART, GenerationRequest
from pipeline.synthesis.verify import verify
from synth.registry import GENERATORS
from tests.pipeline.lake.test_reader import write
from tests.scheduling.service import service, until

HOUR_MS = 3_600_000
FIRE_MS = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
NUMBERS = 6
"""Numeric columns: with as many of them, rows that are drawn anew are no near copies of others."""


def spec_of(numbers: int) -> dict[str, Any]:
    columns = [{"name": f"n{number}", "kind": "numeric", "roles": ["feature"]} for number in range(numbers)]
    country = {"name": "country", "kind": "categorical", "roles": ["feature"]}
    return {"stream": "s", "topic": "s", "columns": [*columns, country], "budget": {"alerts_per_day": 5}}


QUICK = {"model": "independent", "window_days": 1.0}


def archive(folder: Path, *, numbers: int = NUMBERS, rows: int = 4_000) -> Lake:
    """Independent columns over the day before the fire, and a row at the fire itself."""
    lake, rng = Lake(folder / "lake"), np.random.default_rng(1)
    times = np.linspace(FIRE_MS - 20 * HOUR_MS, FIRE_MS, rows).astype(np.int64)
    fields = [make_field(f"n{number}", Kind.NUMERIC, {Role.FEATURE}) for number in range(numbers)]
    columns: dict[str, Any] = {field.name: rng.normal(size=rows) for field in fields}
    columns["country"] = rng.choice(["BR", "PT", "DE"], rows).tolist()
    fields.append(make_field("country", Kind.CATEGORICAL, {Role.FEATURE}))
    write(lake, times.tolist(), columns=columns, fields=fields)
    return lake


class Desk:
    """Runs the jobs in this process."""

    def __init__(self, folder: Path, numbers: int = NUMBERS, *, catalogue: Catalogue | None = None) -> None:
        self.lake = archive(folder, numbers=numbers)
        self.catalogue = catalogue or Catalogue.open(f"sqlite:///{folder / 'c.db'}")
        self.spec = StreamSpec.model_validate(spec_of(numbers))
        self.settings = Settings(
            lake=str(folder / "lake"), models=str(folder / "models"), quality=str(folder / "quality")
        )
        self.told: list[str] = []

    def job(self, *, fire_ms: int = FIRE_MS, is_leader: bool = True) -> JobContext:
        def fence() -> None:
            if not is_leader:
                raise LeaseLostError("another leads")

        return JobContext(
            spec=self.spec,
            context=Context(settings=self.settings, specs={"s": self.spec}),
            catalogue=self.catalogue,
            clock=ManualClock(FIRE_MS + 10_000),
            run_id="r",
            report=lambda fraction, doing: self.told.append(doing),
            before_publishing=fence,
            fire_ms=fire_ms,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.catalogue.close()


def test_a_generator_learns_from_the_window_that_ends_at_the_fire(desk: Desk) -> None:
    first = train_generator(desk.job(), QUICK)
    again = train_generator(desk.job(), QUICK)
    assert first.status is RunStatus.SUCCEEDED
    [entry] = desk.catalogue.generators("s")
    assert entry.generator_id == first.result["generator_id"] == again.result["generator_id"]
    assert entry.source["window"] == {"start_ms": FIRE_MS - 24 * HOUR_MS, "end_ms": FIRE_MS}
    assert entry.source["rows"] == 3_999, "the event at the fire itself belongs to the next window"


def test_datasets_differ_from_fire_to_fire_and_agree_with_their_own_run_done_again(desk: Desk) -> None:
    train_generator(desk.job(), QUICK)
    first = generate_dataset(desk.job(), {"rows": 3_000})
    again = generate_dataset(desk.job(), {"rows": 3_000})
    other = generate_dataset(desk.job(fire_ms=FIRE_MS + HOUR_MS), {"rows": 3_000})
    assert first.status is RunStatus.SUCCEEDED, first.reason
    assert (first.result["made"], again.result["made"]) == (True, False)
    assert first.result["dataset_id"] == again.result["dataset_id"] != other.result["dataset_id"]
    assert desk.lake.synthetic_datasets("s") == sorted({first.result["dataset_id"], other.result["dataset_id"]})


def test_gates_that_fail_refuse_with_their_reasons(tmp_path: Path) -> None:
    desk = Desk(tmp_path, numbers=1)
    train_generator(desk.job(), QUICK)
    outcome = generate_dataset(desk.job(), {"rows": 3_000})
    assert outcome.status is RunStatus.REFUSED
    assert "near copies" in outcome.reason
    assert outcome.result["reasons"]
    assert desk.lake.synthetic_datasets("s") == []
    desk.catalogue.close()


def test_who_lost_the_lease_publishes_neither_generator_nor_dataset(desk: Desk) -> None:
    with pytest.raises(LeaseLostError):
        train_generator(desk.job(is_leader=False), QUICK)
    assert desk.catalogue.generators("s") == []
    train_generator(desk.job(), QUICK)
    with pytest.raises(LeaseLostError):
        generate_dataset(desk.job(is_leader=False), {"rows": 3_000})
    assert desk.lake.synthetic_datasets("s") == []


def test_a_dataset_that_another_process_holds_is_waited_for(desk: Desk) -> None:
    entry = train_generator(desk.job(), QUICK).result
    request = GenerationRequest(generator_id=entry["generator_id"], rows=3_000, seed=seed_of("s", FIRE_MS))
    held = PartFolder(desk.lake.places("s", request.dataset_id)).locked()
    with held, pytest.raises(UnavailableError, match="another process"):
        generate_dataset(desk.job(), {"rows": 3_000})


def test_without_a_generator_it_is_said_how_to_get_one(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="train_generator"):
        generate_dataset(desk.job(), {"rows": 10})


def test_the_newest_generator_that_is_not_withdrawn_makes_the_dataset(desk: Desk) -> None:
    older = train_generator(desk.job(), QUICK).result["generator_id"]
    newer = train_generator(desk.job(), {**QUICK, "seed": 1}).result["generator_id"]
    assert older != newer
    entry = desk.catalogue.generator(newer)
    desk.catalogue.add_generator(replace(entry, created_ms=entry.created_ms + 1))
    later = desk.job(fire_ms=entry.created_ms + 2)
    assert desk.catalogue.dataset(generate_dataset(later, {"rows": 3_000}).result["dataset_id"]).generator_id == newer
    assert generator_named(desk.catalogue, "s").generator_id == newer
    source = Node(NodeKind.WINDOW, "s:0-1:feed")  # withdrawn while the generator learned: it is not marked itself
    desk.catalogue.add_edges([edge(source, Node(NodeKind.GENERATOR, newer), stream="s", made_ms=1)])
    withdraw(desk.catalogue, source)
    assert desk.catalogue.dataset(generate_dataset(later, {"rows": 3_000}).result["dataset_id"]).generator_id == older
    assert generator_named(desk.catalogue, "s").generator_id == older
    assert generator_named(desk.catalogue, newer).generator_id == newer, "what is named is refused later, by name"
    withdraw(desk.catalogue, Node(NodeKind.GENERATOR, older))
    with pytest.raises(ConfigError, match=f"generator {newer} was withdrawn"):
        generate_dataset(later, {"rows": 3_000})
    with pytest.raises(ConfigError, match=f"generator {newer} was withdrawn"):
        generator_named(desk.catalogue, "s")


def withdraw(catalogue: Catalogue, node: Node) -> None:
    """Mark one thing."""
    catalogue.add_withdrawals([WithdrawalEntry(
        kind=node.kind, id=node.id, stream="s", because_kind=node.kind, because_id=node.id, reason="wrong",
        withdrawn_ms=1,
    )])  # fmt: skip


def test_every_model_there_is_may_be_asked_for() -> None:
    assert set(typing.get_args(Model)) == {generator.name for generator in GENERATORS}


def test_a_dataset_survives_the_kill_of_the_leader_that_made_it(tmp_path: Path, postgres_url: str) -> None:
    with service(tmp_path, postgres_url, [], spec=spec_of(NUMBERS)) as made:
        for _ in range(2):
            made.start(registry=None)
        desk = Desk(tmp_path, catalogue=made.catalogue)
        train_generator(desk.job(), QUICK)
        leader = made.leader()
        [standby] = [instance for instance in made.instances if instance is not leader]
        until(lambda: standby.said("scheduler started"), what="a standby")
        rows = CHUNK_ROWS * (CHUNKS_A_PART + 3)
        run_id = made.catalogue.request_run("s", "generate_dataset", {"rows": rows}, origin="a test", now_ms=FIRE_MS)
        kept = until(lambda: _inodes_of_parts(desk.lake), what="a complete part")
        leader.kill()
        assert made.status(run_id) == "running"
        assert len(_inodes_of_parts(desk.lake)) == 1, "it was killed after it had made all rows"
        assert desk.lake.synthetic_datasets("s") == []
        until(lambda: standby.said("leading"), what="another leader")
        until(lambda: made.status(run_id) in ("succeeded", "refused", "failed"), what="the end of the run")
        run = made.catalogue.run(run_id)
        assert (run.status, run.attempt) == ("succeeded", 2), run.reason
        [dataset_id] = desk.lake.synthetic_datasets("s")
        places = desk.lake.places("s", dataset_id)
        assert verify(places, known_sha256=None).problems == ()
        assert all((places.published / name).stat().st_ino == inode for name, inode in kept.items()), "parts are kept"
        assert sum(1 for _ in made.catalogue.datasets("s")) == 1
        assert run.result["rows"] == rows


def _inodes_of_parts(lake: Lake) -> dict[str, int]:
    """The complete parts of the dataset that is being made, each with its inode: a part made again has another."""
    found = list((lake.metadata / "synthetic" / "s").glob("*/progress.json"))
    names = [part["name"] for part in json.loads(found[0].read_text())["parts"]] if found else []
    paths = {name: list((lake.synthetic / "s").glob(f"_making/*/{name}")) for name in names}
    return {name: path.stat().st_ino for name, [path] in paths.items()}
