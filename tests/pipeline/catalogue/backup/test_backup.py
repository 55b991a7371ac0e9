"""A backup restores into either database with every row, or changes nothing."""

import gzip
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from pipeline.catalogue import Catalogue, Fence, GeneratorEntry
from pipeline.catalogue.backup import read_facts, restore
from pipeline.catalogue.database import connect, upgrade
from pipeline.catalogue.tables import Base
from pipeline.errors import ConfigError, LeaseLostError, StorageUnavailableError
from tests.pipeline.catalogue.test_catalogue import BEAT, stub
from tests.pipeline.catalogue.test_jobs import RUN
from tests.pipeline.catalogue.test_service_records import (
    ALERT,
    DECISION,
    EDGE,
    EVALUATION,
    FEEDBACK,
    PLACE,
    SCHEMA,
    VERDICT,
    WITHDRAWAL,
)
from tests.pipeline.catalogue.test_synthesis import DATASET, GENERATOR, request

ODD = "täxt \N{PILE OF POO} \\ \" \n\t'; DROP TABLE streams; --"


def fill(catalogue: Catalogue) -> None:
    """Something in every table, and what is hard to write down."""
    catalogue.register_stream({"topic": ODD, "nested": {"a": [1, 2.5, None, True]}}, "payments")
    for model in ("aa", "bb"):
        catalogue.add_model(stub(model, threshold=type("T", (), {"nats": 0.1 + 0.2})()))
    catalogue.set_champion("payments", "aa", ODD, 1)
    catalogue.decide(replace(DECISION, reason=ODD), champion="bb")
    catalogue.add_generator(GENERATOR)
    catalogue.put_dataset(DATASET)
    for request_id, parent in (("r3", None), ("r2", "r3"), ("r1", "r2")):  # parents sort behind their children
        catalogue.begin_request(request(request_id, parent_id=parent))
    catalogue.heartbeat(BEAT)
    catalogue.add_run(RUN)
    catalogue.pause_job("payments", "nightly", by="ada", now_ms=1)
    catalogue.record_alerts([ALERT, replace(ALERT, alert_id="a2", shadow=True)], {PLACE: 2**40}, "recorder")
    for _ in range(3):
        catalogue.add_feedback(FEEDBACK)
    catalogue.add_edges([EDGE])
    catalogue.count_canaries("payments", "aa", {"spike": (2, 1)}, 0)
    catalogue.add_evaluation(EVALUATION)
    catalogue.put_schema_version(SCHEMA)
    catalogue.add_quality(VERDICT)
    catalogue.add_withdrawals([WITHDRAWAL])
    assert catalogue.acquire_lease("scheduler", "a", 600.0) is not None
    assert all(catalogue.check().rows.values()), "a table without a row shows nothing"


def contents(catalogue: Catalogue) -> dict[str, list[Any]]:
    """Every row of every table but the leases."""
    with catalogue._reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for table in Base.metadata.sorted_tables
            if table.name != "leases"
        }


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    """Where it is restored."""
    return f"sqlite:///{tmp_path}/other.db"


def test_every_row_comes_back_in_either_database(
    catalogue: Catalogue, url: str, empty_url: str, tmp_path: Path
) -> None:
    """From each into SQLite, and from there back into what it came from."""
    fill(catalogue)
    before, file = contents(catalogue), tmp_path / "deep" / "backup.jsonl.gz"
    facts = catalogue.backup(file, now_ms=5)
    assert facts == read_facts(file)
    assert facts.rows["alerts"] == 2
    assert (file.stat().st_mode & 0o777, [p.name for p in file.parent.iterdir()]) == (0o600, [file.name])
    restore(empty_url, file)
    other = Catalogue.open(empty_url)
    assert contents(other) == before
    other.backup(file, now_ms=6)
    other.close()
    with pytest.raises(ConfigError, match=r"is not empty \(.*streams.*--yes"):
        restore(url, file)
    catalogue.register_stream({}, "made since")
    restore(url, file, is_replacing=True)
    assert contents(catalogue) == before
    assert catalogue.add_feedback(FEEDBACK) == 4, "counted on from what was restored"
    catalogue.set_champion("payments", "aa", "again", 9)
    assert catalogue.check().problems == ()


def test_a_leader_of_before_a_restore_leads_no_more(catalogue: Catalogue, url: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.jsonl.gz"
    catalogue.backup(file, now_ms=1)
    entry = catalogue.acquire_lease("scheduler", "a", 600.0)
    assert entry is not None
    restore(url, file, is_replacing=True)
    with pytest.raises(LeaseLostError):
        catalogue.fenced(Fence(name="scheduler", epoch=entry.epoch, holder="a")).check_fence()
    again = catalogue.acquire_lease("scheduler", "b", 600.0)
    assert again is not None
    assert again.epoch > entry.epoch, "no epoch twice"


def test_a_backup_sees_one_moment_while_others_write(catalogue: Catalogue, url: str, tmp_path: Path) -> None:
    """Each write adds an alert and its offset together; no backup may hold one without the other."""
    other, stop = Catalogue.open(url), threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            other.record_alerts([replace(ALERT, alert_id=f"a{number}")], {PLACE: number}, "recorder")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for number in range(3):
                file = tmp_path / f"{number}.jsonl.gz"
                catalogue.backup(file, now_ms=1)
        finally:
            stop.set()
            writing.result(timeout=60)
    for number in range(3):
        restored = f"sqlite:///{tmp_path}/{number}.db"
        restore(restored, tmp_path / f"{number}.jsonl.gz")
        found = Catalogue.open(restored)
        offset = found.consumer_offsets("recorder", PLACE.topic).get(PLACE, 0)
        assert len(found.alerts(limit=100_000)) == offset
        found.close()
    other.close()


def lines_of(file: Path) -> list[bytes]:
    return gzip.decompress(file.read_bytes()).splitlines(keepends=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup in good order."""
    folder = tmp_path_factory.mktemp("whole")
    catalogue = Catalogue.open(f"sqlite:///{folder}/eddyline.db")
    fill(catalogue)
    catalogue.backup(folder / "whole.jsonl.gz", now_ms=1)
    catalogue.close()
    return folder / "whole.jsonl.gz"


def refused(file: Path, tmp_path: Path, match: str) -> None:
    url = f"sqlite:///{tmp_path}/target.db"
    target = Catalogue.open(url)
    target.register_stream({}, "here before")
    with pytest.raises(ConfigError, match=match):
        restore(url, file, is_replacing=True)
    assert list(target.streams()) == ["here before"], "nothing was changed"
    target.close()


def test_a_file_cut_anywhere_is_refused(whole: Path, tmp_path: Path) -> None:
    data, cut = whole.read_bytes(), tmp_path / "cut.jsonl.gz"
    for length in (0, 5, len(data) // 2, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(ConfigError, match="no whole backup"):
            read_facts(cut)
    lines = lines_of(whole)
    for kept in (0, 1, len(lines) - 1):
        cut.write_bytes(gzip.compress(b"".join(lines[:kept])))
        with pytest.raises(ConfigError, match="no whole backup"):
            read_facts(cut)


def test_an_altered_file_is_refused_and_changes_nothing(whole: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered.jsonl.gz"
    lines = lines_of(whole)
    for number, line in enumerate(lines[:-1]):
        if line.startswith(b"["):
            altered.write_bytes(gzip.compress(b"".join([*lines[:number], *lines[number + 1 :]])))
            break
    refused(altered, tmp_path, "does not end as it was written")
    altered.write_bytes(whole.read_bytes()[:200] + b"\x00\x01" + whole.read_bytes()[202:])
    refused(altered, tmp_path, "no whole backup")
    altered.write_text("no backup at all")
    refused(altered, tmp_path, "no gzip file")
    refused(tmp_path / "missing.gz", tmp_path, "there is no backup")


def test_a_file_of_a_newer_version_is_refused(whole: Path, tmp_path: Path) -> None:
    lines = lines_of(whole)
    lines[0] = lines[0].replace(b'"revision":"0003"', b'"revision":"9999"')
    ending = json.loads(lines[-1]) | {"sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    newer = tmp_path / "newer.jsonl.gz"
    newer.write_bytes(gzip.compress(b"".join([*lines[:-1], json.dumps(ending).encode()])))
    refused(newer, tmp_path, "revision 9999, which this version does not know: upgrade")


def test_a_backup_of_an_older_version_is_brought_up_to_this_one(url: str, tmp_path: Path, whole: Path) -> None:
    """As version 0002 would have written it: its tables alone."""
    old = connect(f"sqlite:///{tmp_path}/old.db")
    with old.begin() as connection:
        upgrade(connection, "0002")
        tables = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    old.dispose()
    kept, table = list[bytes](), "streams"
    for line in lines_of(whole)[1:-1]:
        value = json.loads(line)
        table = value["table"] if isinstance(value, dict) else table
        if table in tables:
            kept.append(line)
    header = {"format": "eddyline-catalogue", "version": 1, "revision": "0002", "created_ms": 1}
    body = [json.dumps(header).encode() + b"\n", *kept]
    counts: dict[str, int] = {}
    for line in kept:
        value = json.loads(line)
        if isinstance(value, dict):
            table, counts[value["table"]] = value["table"], 0
        else:
            counts[table] += 1
    ending = {"rows": counts, "sha256": hashlib.sha256(b"".join(body)).hexdigest()}
    file = tmp_path / "old.jsonl.gz"
    file.write_bytes(gzip.compress(b"".join([*body, json.dumps(ending).encode()])))
    restore(url, file)
    catalogue = Catalogue.open(url)
    assert list(catalogue.streams()) == ["payments"]
    assert catalogue.generators() == [GENERATOR]
    assert catalogue.alerts() == []
    assert catalogue.check().problems == ()
    catalogue.close()


def test_a_place_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    catalogue = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    taken = tmp_path / "taken"
    taken.write_text("a file, no folder")
    with pytest.raises(StorageUnavailableError, match="taken"):
        catalogue.backup(taken / "backup.jsonl.gz", now_ms=1)
    assert taken.read_text() == "a file, no folder"
    catalogue.close()


def test_what_is_not_whole_is_said(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/eddyline.db"
    catalogue = Catalogue.open(url)
    catalogue.add_generator(GeneratorEntry(
        generator_id="g", stream="s", model="vae", created_ms=1, source={}, facts={}
    ))  # fmt: skip
    catalogue.put_dataset(replace(DATASET, generator_id="g"))
    assert catalogue.check().problems == ()
    plain = create_engine(url)
    with plain.begin() as connection:
        connection.execute(text("DELETE FROM generators"))
        connection.execute(text("DROP INDEX ix_alerts_stream_published"))
    plain.dispose()
    problems = " ".join(catalogue.check().problems)
    assert "a row of datasets leads to none of generators" in problems
    assert "ix_alerts_stream_published" in problems
    catalogue.close()
