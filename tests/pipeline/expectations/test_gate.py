"""The fast gate refuses a poisoned window with the column named, and says which rows break hard rules."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.quality_sets import DAY_MS
from pipeline.clock import ManualClock
from pipeline.expectations.gate import GateResult, check_window
from pipeline.expectations.rows import bad_rows
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import archive_rows
from pipeline.lake import Lake
from tests.pipeline.expectations.making import START_MS, archive, orders, orders_spec, orders_suite, without_some


def gate(folder: Path, table: pa.Table, suite: Suite | None) -> GateResult:
    lake = Lake(folder)
    archive(lake, table)
    start = START_MS + 10 * DAY_MS
    return check_window(orders_spec(), lake, start_ms=start, end_ms=start + DAY_MS, suite=suite, clock=ManualClock())


def test_a_clean_window_passes(tmp_path: Path) -> None:
    result = gate(tmp_path, orders(1.0, seed=4, first_day=10), orders_suite())
    assert (result.passed, result.reasons) == (True, ())
    assert result.document["subject"] == "gate"


def test_a_window_with_a_third_of_one_column_gone_is_refused_by_its_name(tmp_path: Path) -> None:
    poisoned = without_some(orders(1.0, seed=4, first_day=10), "amount", 0.3)
    result = gate(tmp_path, poisoned, orders_suite())
    assert not result.passed
    assert len(result.reasons) == 1
    assert result.reasons[0].startswith("amount: ")
    assert "missing" in result.reasons[0]
    assert result.document["verdict"] == "failed"
    assert result.document["expectations"][0]["name"] == "amount.missing"


def test_without_a_suite_the_window_passes_and_a_note_says_so(tmp_path: Path) -> None:
    result = gate(tmp_path, orders(1.0, seed=4, first_day=10), None)
    assert result.passed
    assert "eddyline quality run orders" in result.document["notes"][0]


def test_rows_that_break_hard_rules_are_told_apart() -> None:
    [batch] = orders(0.1, seed=4, first_day=10).combine_chunks().to_batches()
    amount = batch["amount"].to_numpy().copy()
    amount[[1, 2]] = [-5.0, 1e12]
    moments = batch["at"].cast(pa.int64()).to_numpy().copy()
    moments[3] = -1_000_000
    columns = {name: batch[name] for name in batch.schema.names}
    columns["amount"] = pa.array(amount, mask=np.arange(len(amount)) == 4)
    columns["at"] = pa.array(moments).cast(pa.timestamp("us", "UTC"))
    bad = bad_rows(pa.RecordBatch.from_pydict(columns), orders_suite())
    assert np.flatnonzero(bad).tolist() == [1, 2, 3, 4]


def test_a_large_window_is_thinned_by_whole_moments_and_counted_whole(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    table = orders(1.0, seed=4, first_day=10)
    archive(lake, pa.concat_tables([table, table]))
    start = START_MS + 10 * DAY_MS
    window = archive_rows(
        lake, "orders", orders_spec().schema(), start_ms=start, end_ms=start + DAY_MS, most_cells=10_000
    )
    assert window.rows == 6_000
    assert sum(window.hourly.values()) == 6_000
    assert 0 < window.looked_at < 3_000
    ids = window.table["order_id"].to_pylist()
    assert len(set(ids)) * 2 == len(ids)  # both copies of a row, or none


def scaled(factor: float) -> pa.Table:
    table = orders(1.0, seed=4, first_day=10)
    amount = pa.array(table["amount"].to_numpy() * factor)
    return table.set_column(table.schema.get_field_index("amount"), table.schema.field("amount"), amount)


def test_a_stream_that_moved_may_be_learned_anew_and_one_in_another_unit_may_not(tmp_path: Path) -> None:
    moved = gate(tmp_path / "moved", scaled(2.0), orders_suite())
    assert (moved.passed, moved.reasons) == (True, ())
    assert any(note.startswith("warning: amount") for note in moved.document["notes"])
    cents = gate(tmp_path / "cents", scaled(100.0), orders_suite())
    assert not cents.passed
    assert "another unit" in cents.reasons[0]


def test_a_window_is_not_blamed_for_the_time_before_the_archive_began(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    archive(lake, orders(1.0, seed=4, first_day=10))
    end = START_MS + 11 * DAY_MS
    result = check_window(
        orders_spec(), lake, start_ms=end - 28 * DAY_MS, end_ms=end, suite=orders_suite(), clock=ManualClock()
    )
    assert (result.passed, result.reasons) == (True, ())
    assert not [note for note in result.document["notes"] if note.startswith("warning")]
