"""Every row is sent on once, with where it came from, to where its key or its home is; what is bad is said once."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import CodecFormat
from pipeline.deadletters import parse_dead_letter
from pipeline.intake import Intake
from pipeline.kafka.port import Block, OutRecord
from pipeline.repartition.mover import Moved, Mover
from pipeline.repartition.partitioner import partitions_of
from pipeline.repartition.plan import downstream, hops_of
from pipeline.repartition.rows import MAX_RECORD_BYTES, merged_by_time
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe
from tests.repartition.streams import CUSTOMER, SHOP, TERMINAL, block, event, json_block, make_spec

PARTITIONS = 3
SPEC = make_spec(TERMINAL, CUSTOMER)


def split_of(blocks: Sequence[Block], *, poison: bool = False) -> Moved:
    mover = Mover(hops_of(SPEC)[0], None)
    mover.target_partitions = PARTITIONS
    return mover.move(blocks, poison=poison)


def events_of(moved: Moved, topic: str) -> dict[int, list[OutRecord]]:
    found: dict[int, list[OutRecord]] = {}
    for record in moved.records:
        if record.topic == topic:
            assert record.partition is not None
            found.setdefault(record.partition, []).append(record)
    return found


def table_of(records: Sequence[OutRecord]) -> pa.Table:
    return pa.concat_tables(pa.ipc.open_stream(record.value).read_all() for record in records)


def places(table: pa.Table, partition: int | None = None) -> list[tuple[int, int]]:
    source = table["_source_partition"].to_pylist() if partition is None else [partition] * table.num_rows
    return list(zip(source, table["_source_offset"].to_pylist(), strict=True))


def test_a_split_sends_every_event_to_its_keys_partition_in_order() -> None:
    moved = split_of([json_block(0, range(0, 200, 2), first=50), json_block(1, range(1, 200, 2))])
    seen = []
    for partition, records in events_of(moved, "eddyline.pay.by.terminal").items():
        table = table_of(records)
        [batch] = table.combine_chunks().to_batches()
        assert set(partitions_of(batch, ("terminal",), PARTITIONS).tolist()) == {partition}
        for source in (0, 1):
            offsets = [offset for p, offset in places(table) if p == source]
            assert offsets == sorted(offsets), "a partition's own order is kept"
        times = table["when"].to_pylist()
        assert times == sorted(times), "partitions are merged by time"
        seen += places(table)
    assert sorted(seen) == [(0, n) for n in range(50, 150)] + [(1, n) for n in range(100)]
    assert moved.events == 200
    assert {source.partition: at for source, at in moved.positions.items()} == {0: 150, 1: 100}


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.lists(st.lists(st.integers(0, 50), max_size=12), max_size=4))
def test_merging_keeps_each_partitions_order(times: list[list[int]]) -> None:
    arrays = [np.array(t, np.int64) for t in times]
    order = merged_by_time(arrays)
    owner = np.repeat(np.arange(len(times)), [len(t) for t in times])
    assert sorted(order.tolist()) == list(range(len(owner)))
    for number in range(len(times)):
        mine = order[owner[order] == number] if len(order) else order
        assert (np.diff(mine) > 0).all()


def test_what_cannot_be_used_is_a_dead_letter_and_nothing_else() -> None:
    good, future = json.dumps(event(1)).encode(), json.dumps(event(2, when="2099-01-01T00:00:00Z")).encode()
    missing = json.dumps(event(3, amount=None)).encode()
    moved = split_of([block(2, [good, b"no event", future, None, missing])])
    letters = [r for r in moved.records if r.topic == SPEC.dead_letters_topic]
    parsed = [parse_dead_letter(r.key, r.value, r.headers) for r in letters]
    assert [(p.topic, p.partition, p.offset) for p in parsed] == [("payments", 2, n) for n in (1, 2, 3, 4)]
    assert [p.reason.value for p in parsed] == ["malformed", "future_time", "tombstone", "missing_value"]
    assert moved.events == 1
    assert list(moved.seen.values()) == [5]


def test_poison_is_refused_unread() -> None:
    moved = split_of([json_block(0, [1])], poison=True)
    assert [r.topic for r in moved.records] == [SPEC.dead_letters_topic]


def test_an_event_that_no_record_holds_is_a_dead_letter() -> None:
    wide = json.dumps(event(1, shop="x" * (MAX_RECORD_BYTES + 1))).encode()
    moved = split_of([block(0, [json.dumps(event(0)).encode(), wide]), json_block(1, [5])])
    [letter] = [r for r in moved.records if r.topic == SPEC.dead_letters_topic]
    assert parse_dead_letter(letter.key, letter.value, letter.headers).offset == 1
    rows = [
        place
        for records in events_of(moved, "eddyline.pay.by.terminal").values()
        for place in places(table_of(records))
    ]
    assert sorted(rows) == [(0, 0), (1, 0)]
    assert moved.events == 2


def test_records_stay_below_the_brokers_limit() -> None:
    moved = split_of([json_block(0, range(300), shop="x" * 20_000)])
    records = [r for r in moved.records if r.topic == "eddyline.pay.by.terminal"]
    assert max(len(r.value or b"") for r in records) <= MAX_RECORD_BYTES
    assert sum(pa.ipc.open_stream(r.value).read_all().num_rows for r in records) == 300


@pytest.mark.parametrize("contexts", [(TERMINAL,), (TERMINAL, SHOP, CUSTOMER)], ids=["one key", "two keys"])
def test_rows_go_home_with_all_derived_columns(contexts: tuple[object, ...]) -> None:
    spec = make_spec(*contexts)  # type: ignore[arg-type]
    blocks = [json_block(p, range(p, 300, 3)) for p in range(3)]
    for hop in hops_of(spec):
        blocks = through(hop, blocks)
    seen = downstream(spec)
    taken = [(b.source.partition, Intake(seen).take(b)) for b in blocks]
    assert not any(t.rejects or t.unknown_fields for _, t in taken)
    rows = [place for p, t in taken for place in places(pa.Table.from_batches([t.batch]), p)]
    assert rows == [(p, n) for p in range(3) for n in range(100)], "home, in order, once"
    for _, t in taken:
        derived = [c for c in t.batch.schema.names if c.startswith(("terminal.", "shop+country."))]
        assert all(t.batch[name].null_count < t.batch.num_rows for name in derived)
        assert len(derived) == len(seen.columns) - 9


def through(hop: object, blocks: list[Block]) -> list[Block]:
    """What one hop makes of a topic, as the blocks of the next, moved in two batches."""
    from pipeline.repartition.plan import Hop

    assert isinstance(hop, Hop)
    states: dict[int, Enricher] = {}

    def enrich(block: Block, taken: object) -> pa.RecordBatch:
        state = states.setdefault(block.source.partition, Enricher(Recipe.of(hop.reads)))
        return state.advance(taken.batch, taken.time_ms, next_offset=block.next_offset)  # type: ignore[attr-defined]

    mover = Mover(hop, None if hop.is_split else enrich)
    mover.target_partitions = PARTITIONS
    out: dict[int, list[bytes]] = {}
    for halves in ([b.cut(0, len(b) // 2) for b in blocks], [b.cut(len(b) // 2, len(b)) for b in blocks]):
        moved = mover.move([b for b in halves if len(b)], poison=False)
        for partition, records in events_of(moved, hop.target).items():
            out.setdefault(partition, []).extend(r.value for r in records if r.value is not None)
    return [block(p, values, topic=hop.target) for p, values in sorted(out.items())]


def test_arrow_rows_keep_their_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.codecs.registry import make_codec

    columns = tuple(c.model_copy(update={"path": None}) for c in SPEC.columns)
    spec = SPEC.model_copy(update={"format": CodecFormat.ARROW, "columns": columns})
    batch = Intake(SPEC).take(json_block(0, range(10))).batch
    values = make_codec(spec).encode(pa.Table.from_batches([batch]), rows_per_record=4)
    mover = Mover(hops_of(spec)[0], None)
    moved = mover.move([block(0, values)], poison=False)
    table = table_of([r for r in moved.records if r.topic == "eddyline.pay.by.terminal"])
    rows = list(zip(table["_source_offset"].to_pylist(), table["_source_row"].to_pylist(), strict=True))
    assert sorted(rows) == [(n // 4, n % 4) for n in range(10)]


def test_an_event_without_a_time_is_dated_by_when_it_was_appended() -> None:
    moved = split_of([json_block(0, [1, 2], when=None)])
    table = table_of([r for r in moved.records if r.topic == "eddyline.pay.by.terminal"])
    assert table["when"].to_pylist() == table["_source_time"].to_pylist()
