"""Rows that were all sent within seconds, as a file without a clock is: their order stands for time."""

import pyarrow as pa

from pipeline.expectations.inference import infer
from pipeline.expectations.window import Window, table_window
from tests.pipeline.expectations.making import orders, reasons_for


def sent_at_once(table: pa.Table) -> Window:
    now_us = 1_767_571_200_000_000
    moments = pa.array([now_us + 2_000 * row for row in range(table.num_rows)]).cast(pa.timestamp("us", "UTC"))
    table = table.set_column(table.schema.get_field_index("at"), table.schema.field("at"), moments)
    return table_window(table, table.schema, time="at")


def test_expectations_are_inferred_and_what_follows_passes() -> None:
    window = sent_at_once(orders(2.0, seed=1))
    suite = infer(window, stream="orders", window_hours=24.0, now_ms=0).suite
    assert suite.columns["amount"].missing is not None
    assert reasons_for(sent_at_once(orders(2.0, seed=2)), suite) == ()
