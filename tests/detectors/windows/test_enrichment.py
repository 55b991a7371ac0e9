"""Windows hold what their key's metrics did, step by step, however the stream is cut into batches."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.columns import Kind, Role, feature_fields, make_field, window_fields
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from detectors.windows.enrichment import WindowEnrichment, windows_of
from detectors.windows.settings import WindowOrigin, WindowSettings, window_settings_defaults

SCHEMA = pa.schema(
    [
        make_field("host", Kind.CATEGORICAL, [Role.KEY]),
        make_field("cpu", Kind.NUMERIC, [Role.FEATURE]),
        make_field("disk", Kind.NUMERIC, [Role.FEATURE, Role.PERSONAL]),
    ]
)
L = 8
Row = tuple[int, str | None, float | None, float | None]
"""Time in milliseconds, host, cpu, disk."""
ROWS = st.lists(
    st.tuples(
        st.integers(0, 30_000),
        st.sampled_from(["a", "b", "c", "d", None]),
        st.one_of(st.none(), st.integers(-9, 9).map(float)),
        st.one_of(st.none(), st.integers(-9, 9).map(float)),
    ),
    max_size=40,
)


def make(**changes: Any) -> WindowEnrichment:
    base: dict[str, Any] = {"key": ("host",), "length": L, "metrics": ("cpu", "disk")}
    return WindowEnrichment(WindowSettings(**{**base, **changes}), SCHEMA)


def batch_of(rows: list[Row]) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    columns = [pa.array([row[i] for row in rows], type=SCHEMA.field(i - 1).type) for i in (1, 2, 3)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA), np.array([row[0] for row in rows], dtype=np.int64)


def windows(enrichment: WindowEnrichment, rows: list[Row]) -> npt.NDArray[np.float32]:
    """(rows, 2, L)"""
    enriched = enrichment.advance(*batch_of(rows))
    return np.stack([windows_of(enriched[name], L, len(rows)) for name in ("cpu.window", "disk.window")], axis=1)


def by_definition(rows: list[Row], step_ms: float | None) -> npt.NDArray[np.float32]:
    """What the module's head says, a step at a time, without bounds on memory."""
    past: dict[str | None, dict[int, list[float]]] = {}
    out = np.full((len(rows), 2, L), np.nan, dtype=np.float32)
    for i, (time, host, *values) in enumerate(rows):
        steps = past.setdefault(host, {})
        newest = max(steps, default=None)
        step = math.floor(time / step_ms) if step_ms else (newest or 0) + 1
        step = step if newest is None else max(step, newest)
        slot = steps.setdefault(step, [math.nan, math.nan])
        for m, value in enumerate(values):
            slot[m] = slot[m] if value is None else value
        for j in range(L):
            out[i, :, L - 1 - j] = steps.get(step - j, [math.nan, math.nan])
    return out


@pytest.mark.parametrize("step_seconds", [None, 1.0, 0.7])
@settings(max_examples=40, derandomize=True, deadline=None)
@given(rows=ROWS)
def test_windows_are_what_the_definition_says(step_seconds: float | None, rows: list[Row]) -> None:
    expected = by_definition(rows, None if step_seconds is None else step_seconds * 1000.0)
    np.testing.assert_array_equal(windows(make(step_seconds=step_seconds), rows), expected)


@pytest.mark.parametrize("step_seconds", [None, 1.0])
@settings(max_examples=40, derandomize=True, deadline=None)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_values_do_not_depend_on_the_split_nor_on_a_restart(
    step_seconds: float | None, rows: list[Row], cuts: list[int]
) -> None:
    whole = windows(make(step_seconds=step_seconds, max_keys=2), rows)
    enrichment, parts = make(step_seconds=step_seconds, max_keys=2), []
    borders = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for start, stop in pairwise(borders):
        parts.append(windows(enrichment, rows[start:stop]))
        enrichment = WindowEnrichment.restore(*enrichment.snapshot())
    if parts:
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_two_rows_of_a_step_meet_and_a_missing_value_erases_nothing() -> None:
    got = windows(make(step_seconds=1.0), [(100, "a", 1.0, None), (900, "a", None, 5.0), (950, "a", 2.0, None)])
    assert got[1, :, -1].tolist() == [1.0, 5.0]
    assert got[2, :, -1].tolist() == [2.0, 5.0]
    assert np.isnan(got[2, :, :-1]).all()


def test_skipped_steps_are_missing_and_a_late_row_does_not_turn_time_back() -> None:
    got = windows(make(step_seconds=1.0), [(0, "a", 1.0, 1.0), (3_000, "a", 4.0, 4.0), (1_000, "a", 9.0, 9.0)])
    np.testing.assert_array_equal(got[1, 0, -4:], [1.0, np.nan, np.nan, 4.0])
    np.testing.assert_array_equal(got[2, 0, -4:], [1.0, np.nan, np.nan, 9.0])


def test_the_key_seen_longest_ago_is_forgotten_and_comes_back_cold() -> None:
    enrichment = make(max_keys=2)
    got = windows(enrichment, [(0, "a", 1.0, 1.0), (0, "b", 2.0, 2.0), (0, "c", 3.0, 3.0), (0, "a", 4.0, 4.0)])
    assert np.isnan(got[3, 0, :-1]).all()
    assert enrichment.keys == 2


def test_memory_stays_within_its_bound() -> None:
    enrichment = make(max_keys=100)
    windows(enrichment, [(0, f"host-{n}", 1.0, 1.0) for n in range(5_000)])
    assert enrichment.keys == 100
    assert enrichment.nbytes < 100 * 2 * L * 4 + 20_000


def test_columns_say_what_they_are_and_row_detectors_leave_them_alone() -> None:
    enriched = make(step_seconds=300.0).advance(*batch_of([(0, "a", 1.0, 2.0)]))
    assert [field.name for field in window_fields(enriched.schema)] == ["cpu.window", "disk.window"]
    assert [field.name for field in feature_fields(enriched.schema)] == ["cpu", "disk"]
    origin = WindowOrigin.of(enriched.schema.field("cpu.window"))
    assert (origin.metric, origin.key, origin.step_seconds) == ("cpu", ("host",), 300.0)
    assert Role.PERSONAL.value.encode() in enriched.schema.field("disk.window").metadata[b"eddyline.roles"]


def test_wild_and_absent_values_are_held() -> None:
    batch, times = batch_of([(0, "a", math.inf, 1.0)])
    enriched = make().advance(batch.drop_columns(["disk"]), times)
    assert windows_of(enriched["cpu.window"], L, 1)[0, -1] == np.float32(1e30)
    assert np.isnan(windows_of(enriched["disk.window"], L, 1)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": ()}, "no key"),
        ({"key": ("rack",)}, "'rack' is not a column"),
        ({"metrics": ("host",)}, "not a number"),
        ({"metrics": ()}, "no metrics"),
        ({"metrics": ("cpu", "cpu")}, "twice"),
        ({"length": 3}, "8 to 2048"),
        ({"step_seconds": 0.0}, "step_seconds"),
        ({"max_keys": 0}, "max_keys"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_the_fix(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnusableDataError, match=message):
        make(**changes)


def test_another_version_of_a_snapshot_is_refused() -> None:
    tensors, document = make().snapshot()
    with pytest.raises(IncompatibleArtifactError, match="replay"):
        WindowEnrichment.restore(tensors, {**document, "version": 0})


def test_defaults_come_from_the_schema() -> None:
    made = window_settings_defaults(SCHEMA)
    assert (made.key, made.metrics) == (("host",), ("cpu", "disk"))
    with pytest.raises(UnusableDataError, match="no key"):
        window_settings_defaults(pa.schema([SCHEMA.field("cpu")]))
