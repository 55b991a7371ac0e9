"""Finds rows that are there twice, in a window of an archive and in synthetic datasets.

Exact duplicates are found among all rows of up to `MOST_ROWS`, near ones among rows at most a frame apart. A synthetic
dataset has no ids, so equal rows are counted by content; that some are is no fault where columns are few or coarse,
which is what the count by chance is for. Copies of *real* rows in a dataset are another matter: see `synth/privacy`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates.content import ContentColumns, Mask, UInt64Array, place_hashes
from pipeline.duplicates.looking import SYSTEM, Looked, look
from pipeline.duplicates.near import NearOptions, NearRows
from pipeline.duplicates.repeats import Int64Array, Repeats
from pipeline.duplicates.report import DuplicateReport, Example, Found, HourFound, NearFound
from pipeline.duplicates.rows import CONTENT, ID, NOTHING, told_by
from pipeline.errors import ConfigError
from pipeline.event_files import conform
from pipeline.lake.lake import Lake
from pipeline.lineage.windows import archive_window

MOST_ROWS = 12_000_000
MS_PER_HOUR = 3_600_000
MOST_HOURS = 200
EXAMPLES_EACH = 5
AGAIN_SECONDS = 60.0
"""Rows that differ in the event's time alone are taken for copies by training within so long of each other: later, the
same may well happen again (a customer buys the same at the same shop)."""
READ_ROWS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FindOptions:
    """How to look."""

    near: NearOptions | None = NearOptions()  # noqa: RUF009 - frozen
    """None looks for exact duplicates only."""
    seed: int = 0
    """Of the rows by chance."""


def find_in_archive(
    spec: StreamSpec,
    lake: Lake,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    options: FindOptions | None = None,
) -> DuplicateReport:
    """Of the window of a stream's archive with `start_ms` ≤ time < `end_ms`. Raises ConfigError where nothing, or too
    much, is archived there."""
    options = options or FindOptions()
    window = archive_window(lake, spec.stream, start_ms=start_ms, end_ms=end_ms)
    if not window.rows:
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived in that window: widen --from and --to")
    if window.rows > MOST_ROWS:
        raise ConfigError(
            f"that window has {window.rows:,} rows, and {MOST_ROWS:,} are looked at together at most: shorten it with "
            "--from and --to"
        )
    looked = _look(spec, lake, start_ms, end_ms, options)
    about = _About(spec.stream, "archive", window.id, window.start_ms, window.end_ms, ContentColumns.of(spec.schema()))
    return _report(about, looked, options, spec.retraining.duplicates)


def find_in_dataset(lake: Lake, stream: str, dataset_id: str, *, options: FindOptions | None = None) -> DuplicateReport:
    """Of a published synthetic dataset. Raises ConfigError where there is none of this id, or it has too many rows."""
    options = options or FindOptions()
    reader = lake.synthetic_reader(stream, dataset_id)
    if reader.rows > MOST_ROWS:
        raise ConfigError(f"dataset {dataset_id} has {reader.rows:,} rows; {MOST_ROWS:,} are looked at at most")
    looked = look(reader.batches(), reader.schema, near=options.near, seed=options.seed)
    about = _About(stream, "dataset", dataset_id, None, None, ContentColumns.of(reader.schema))
    return _report(about, looked, options, DuplicatePolicy.KEEP)


def near_places(spec: StreamSpec, lake: Lake | Any, *, start_ms: int | None, end_ms: int | None) -> list[UInt64Array]:
    """Where the rows of a window lie that are near an earlier one, as hashes of places."""
    looked = _look(spec, lake, start_ms, end_ms, FindOptions())
    if looked.near is None:
        return []
    at = np.flatnonzero(_near_copies(looked, ContentColumns.of(spec.schema())))
    partition, offset, row, time = (looked.places[name][at] for name in SYSTEM)
    return [place_hashes(partition, offset, row, time)] if len(at) else []


def _look(spec: StreamSpec, lake: Lake, start_ms: int | None, end_ms: int | None, options: FindOptions) -> Looked:
    batches = _archived(spec, lake, start_ms, end_ms)
    return look(batches, spec.schema(), near=options.near, seed=options.seed)


def _archived(spec: StreamSpec, lake: Lake, start_ms: int | None, end_ms: int | None) -> Iterator[pa.RecordBatch]:
    """The window's rows under the spec's schema, with where they lie; oldest first."""
    present = set(lake.columns(spec.stream))
    names = [column.name for column in spec.columns if column.name in present]
    found = lake.iterate_real(
        spec.stream, start_ms=start_ms, end_ms=end_ms, columns=[*names, *SYSTEM], window_rows=READ_ROWS
    )
    for batch in found:
        conformed = conform(batch.select(names), spec)
        fields = [*conformed.schema, *(batch.schema.field(name) for name in SYSTEM)]
        arrays = [*conformed.columns, *(batch[name] for name in SYSTEM)]
        yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


@dataclass(frozen=True, slots=True)
class _About:
    """What was looked at."""

    stream: str
    subject: str
    subject_id: str
    start_ms: int | None
    end_ms: int | None
    columns: ContentColumns


def _report(about: _About, looked: Looked, options: FindOptions, policy: DuplicatePolicy) -> DuplicateReport:
    exact = looked.exact()
    near = looked.near.earlier >= 0 if looked.near is not None else np.zeros(looked.rows, np.bool_)
    return DuplicateReport(
        stream=about.stream,
        subject=about.subject,
        subject_id=about.subject_id,
        start_ms=about.start_ms,
        end_ms=about.end_ms,
        rows=looked.rows,
        columns=about.columns,
        by_id=_found(looked.by_id, looked.rows) if looked.by_id is not None else None,
        other_content=looked.other_content,
        by_content=_found(looked.by_content, looked.rows),
        exact_rows=int(exact.sum()),
        near=_near_found(looked, options) if looked.near is not None else None,
        left_out_rows=_left_out(looked, about.columns, policy),
        hours=_hours(looked.places.get("_time"), exact, near),
        examples=tuple(_examples(looked)),
        notes=tuple(_notes(about.columns, looked, options)),
    )


def _found(repeated: Repeats, rows: int) -> Found:
    count = len(repeated.rows)
    return Found(rows=count, share=count / max(rows, 1), groups=repeated.groups, largest=repeated.largest)


def _near_found(looked: Looked, options: FindOptions) -> NearFound:
    near, asked = looked.near or _nothing(), options.near or NearOptions()
    rows = np.flatnonzero(near.earlier >= 0)
    repeated = Repeats(rows, near.earlier[rows])
    columns, counts = np.unique(near.differs[rows], return_counts=True)
    names = {int(c): looked.near_columns[c] if c >= 0 else "none" for c in columns}
    found = _found(repeated, looked.rows)
    return NearFound(
        rows=found.rows,
        share=found.share,
        groups=found.groups,
        largest=found.largest,
        chance_rows=looked.chance_rows,
        chance_exact_rows=looked.chance_exact_rows,
        differing={names[int(c)]: int(n) for c, n in zip(columns, counts, strict=True)},
        most_differing=asked.most_differing,
        tolerance=asked.tolerance,
    )


def _nothing() -> NearRows:
    return NearRows(np.empty(0, np.int64), np.empty(0, np.int64), 0)


def _near_copies(looked: Looked, columns: ContentColumns) -> Mask:
    """Near rows that training takes for copies, (N,)."""
    if looked.near is None:
        return np.zeros(looked.rows, np.bool_)
    found = np.asarray(looked.near.earlier >= 0, np.bool_)
    if columns.time in looked.near_columns and "_time" in looked.places:
        times = looked.places["_time"]
        at = np.flatnonzero(found & (looked.near.differs == looked.near_columns.index(columns.time)))
        apart_ms = np.abs(times[at] - times[looked.near.earlier[at]])
        found[at[apart_ms > AGAIN_SECONDS * 1000]] = False
    return found


def _left_out(looked: Looked, columns: ContentColumns, policy: DuplicatePolicy) -> int:
    if policy is DuplicatePolicy.KEEP:
        return 0
    told = told_by(columns)
    found = np.zeros(looked.rows, np.bool_)
    if told == ID and looked.by_id is not None:
        found |= looked.by_id.mask(looked.rows)
    elif told == CONTENT:
        found |= looked.by_content.mask(looked.rows)
    return int((found | _near_copies(looked, columns)).sum() if policy is DuplicatePolicy.NEAR else found.sum())


def _hours(times_ms: Int64Array | None, exact: Mask, near: Mask) -> tuple[HourFound, ...]:
    """The hours with the most duplicates, in order of time."""
    if times_ms is None or not (exact | near).any():
        return ()
    hours, inverse = np.unique(times_ms // MS_PER_HOUR, return_inverse=True)
    rows, exacts, nears = (
        np.bincount(inverse, weights=weights, minlength=len(hours)).astype(np.int64)
        for weights in (None, exact.astype(float), near.astype(float))
    )
    most = np.argsort(-(exacts + nears), kind="stable")[:MOST_HOURS]
    return tuple(
        HourFound(start_ms=int(hours[at]) * MS_PER_HOUR, rows=int(rows[at]), exact=int(exacts[at]), near=int(nears[at]))
        for at in np.sort(most)
        if exacts[at] + nears[at]
    )


def _examples(looked: Looked) -> Iterator[Example]:
    """A few of each sort, spread over the rows."""
    for how, repeated in (("id", looked.by_id), ("content", looked.by_content)):
        for at in _spread(len(repeated.rows)) if repeated is not None else ():
            row, earlier = repeated.rows[at], repeated.first[at]  # type: ignore[union-attr]
            yield Example(how=how, row=_place(looked, row), earlier=_place(looked, earlier))
    if looked.near is not None:
        rows = np.flatnonzero(looked.near.earlier >= 0)
        for at in _spread(len(rows)):
            column = int(looked.near.differs[rows[at]])
            yield Example(
                how="near",
                row=_place(looked, rows[at]),
                earlier=_place(looked, looked.near.earlier[rows[at]]),
                differs=looked.near_columns[column] if column >= 0 else None,
            )


def _spread(count: int) -> list[int]:
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, EXAMPLES_EACH))}) if count else []


def _place(looked: Looked, row: Any) -> dict[str, int]:
    if not looked.places:
        return {"row": int(row)}
    names = {"_partition": "partition", "_offset": "offset", "_row": "row", "_time": "time_ms"}
    return {shown: int(looked.places[name][row]) for name, shown in names.items()}


def _notes(columns: ContentColumns, looked: Looked, options: FindOptions) -> Iterator[str]:
    if told_by(columns) == NOTHING:
        yield "no column is an id and none is the event's time, so equal rows may well be different events"
    if options.near is not None and looked.near is None:
        yield f"{len(columns.content)} columns are too few to look for near duplicates in"
    if looked.other_content:
        yield f"{looked.other_content:,} rows have an id that was there before and other values: ids used twice?"
