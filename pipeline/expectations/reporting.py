"""What a quality report looks at, read and judged: a window of the archive, or one synthetic dataset.

Where a stream has no suite yet, one is inferred from the archive before the window, and written down.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, kind_of
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.expectations.build import About
from pipeline.expectations.document import QualityDocument, Subject
from pipeline.expectations.inference import infer
from pipeline.expectations.of_dataset import dataset_suite
from pipeline.expectations.profile import profile_of, profile_path, read_profile, write_profile
from pipeline.expectations.run import validated_window
from pipeline.expectations.suite import Suite
from pipeline.expectations.suite_file import usable_suite, write_suite
from pipeline.expectations.window import MOST_CELLS, Window, archive_rows, table_window
from pipeline.synthesis.columns import TRUTH_PREFIX
from pipeline.synthesis.manifest import read_manifest

if TYPE_CHECKING:
    from pipeline.lake import Lake

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A stream's suite and where it came from."""

    suite: Suite
    path: Path
    new: bool = False
    """Whether it was inferred just now."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report should know of it."""
        if not self.new:
            return ()
        return (f"expectations were inferred just now and written to {self.path.name}: read them",)


def known_suite(
    spec: StreamSpec, lake: "Lake", path: Path, *, before_ms: int, end_ms: int, reference_days: float, now_ms: int
) -> Known:
    """The suite; inferred from the archive before `before_ms`, or, where that is too short, before `end_ms`.

    Raises ConfigError where the file has errors, or nothing is archived that could be inferred from.
    """
    suite = usable_suite(path, spec)
    if suite is not None:
        return Known(suite=suite, path=path)
    return infer_suite(spec, lake, path, ends_ms=(before_ms, end_ms), days=reference_days, now_ms=now_ms)


def infer_suite(
    spec: StreamSpec, lake: "Lake", path: Path, *, ends_ms: tuple[int, int], days: float, now_ms: int
) -> Known:
    """Infer, keep what people changed in the file there is, and write suite and reference profile.

    Of the two ends the first is taken where the archive before it has two windows' length, else the second.
    """
    contents = lake.contents(spec.stream, end_ms=ends_ms[1])
    if not contents:
        raise ConfigError(
            f"nothing of stream {spec.stream!r} is archived to infer expectations from: run `eddyline archive` while "
            "events arrive, then this again"
        )
    first = min(part.first_ms for part in contents)
    window_ms = round(spec.quality.window_hours * 3_600_000)
    end = ends_ms[0] if ends_ms[0] - first >= 2 * window_ms else ends_ms[1]
    start, end = _whole_hours(max(first, end - round(days * DAY_MS)), end)
    window = archive_rows(lake, spec.stream, spec.schema(), start_ms=start, end_ms=end)
    before = usable_suite(path, spec)
    hours = spec.quality.window_hours
    inferred = infer(window, stream=spec.stream, window_hours=hours, now_ms=now_ms, before=before)
    write_profile(profile_path(lake.metadata, spec.stream), profile_of(window))
    write_suite(path, inferred.suite, inferred.comments)
    return Known(suite=inferred.suite, path=path, new=True)


def _whole_hours(start_ms: int, end_ms: int) -> tuple[int, int]:
    """The span without the parts of hours at its ends, so that every window cut from it has all its hours whole."""
    start, end = -(-start_ms // HOUR_MS) * HOUR_MS, end_ms - end_ms % HOUR_MS
    return (start, end) if start < end else (start_ms, end_ms)


def archive_report(
    spec: StreamSpec, lake: "Lake", known: Known, *, start_ms: int, end_ms: int, result_id: str, clock: Clock
) -> QualityDocument:
    """The document of a window of the archive: start ≤ time < end."""
    window = archive_rows(lake, spec.stream, spec.schema(), start_ms=start_ms, end_ms=end_ms)
    profiles = read_profile(profile_path(lake.metadata, spec.stream))
    about = _about(spec, known, Subject.ARCHIVE, "", result_id, clock, known.notes)
    return validated_window(window, known.suite, about, profiles=profiles)


def dataset_report(
    spec: StreamSpec, lake: "Lake", known: Known, dataset_id: str, *, result_id: str, clock: Clock
) -> QualityDocument:
    """The document of a published dataset; rows with injected anomalies are left out, they are odd on purpose.

    Raises ConfigError where there is no such dataset.
    """
    window, left_out = _dataset_window(spec, lake, dataset_id)
    request = read_manifest(lake.places(spec.stream, dataset_id)).get("request", {})
    conditioned = bool(request.get("where") or request.get("balance"))
    columns = [name for name in window.table.column_names if name in window.schema.names]
    replaced = [name for name in columns if _is_replaced(window, name)]
    keys = _keys(spec, window)
    suite = dataset_suite(known.suite, columns=columns, replaced=replaced, conditioned=conditioned, keys=keys)
    notes = list(known.notes)
    if keys is not None:
        notes.append(f"rows of {keys:,} keys: shares are given the room of so few independent draws")
    if left_out:
        notes.append(f"{left_out:,} rows with injected anomalies are left out")
    if conditioned:
        notes.append("made under conditions: only types, missing shares and impossible values are asked")
    profiles = read_profile(profile_path(lake.metadata, spec.stream))
    about = _about(spec, known, Subject.DATASET, dataset_id, result_id, clock, tuple(notes))
    return validated_window(window, suite, about, profiles=profiles)


def result_id_of(run_id: str, subject: str) -> str:
    """The id of a run's result: the same when the run is done again."""
    return hashlib.sha256(f"{run_id}/{subject}".encode()).hexdigest()[:32]


def _is_replaced(window: Window, name: str) -> bool:
    field = window.schema.field(name)
    if kind_of(field) is Kind.TEXT:
        return True  # generators learn no free text, they put placeholders in its place
    roles = {role.encode() for role in (Role.ID, Role.KEY, Role.PERSONAL)}
    return bool(roles & set((field.metadata or {}).get(b"eddyline.roles", b"").split(b",")))


def _keys(spec: StreamSpec, window: Window) -> int | None:
    """How many keys the dataset has; None where the stream has none, or the dataset lacks its columns."""
    names = spec.columns_with(Role.KEY)
    if not names or not set(names) <= set(window.table.column_names) or not window.looked_at:
        return None
    return int(window.table.group_by(list(names)).aggregate([]).num_rows)


def _dataset_window(spec: StreamSpec, lake: "Lake", dataset_id: str) -> tuple[Window, int]:
    """The dataset's own columns as a window without times, evenly thinned where it is large; and rows left out."""
    reader = lake.synthetic_reader(spec.stream, dataset_id)
    one_in = max(1, -(-reader.rows * len(reader.schema) // MOST_CELLS))
    own = [name for name in reader.schema.names if not name.startswith("_")]
    batches, at, left_out = [], 0, 0
    for batch in reader.batches():
        places = np.arange(-at % one_in, batch.num_rows, one_in)
        at += batch.num_rows
        taken = batch if one_in == 1 else batch.take(pa.array(places))
        if TRUTH_PREFIX in taken.schema.names:
            ordinary = pc.invert(pc.fill_null(taken[TRUTH_PREFIX], False))
            left_out += int(pc.sum(pc.invert(ordinary)).as_py() or 0)
            taken = taken.filter(ordinary)
        batches.append(taken.select(own))
    table = pa.Table.from_batches(batches, pa.schema([reader.schema.field(name) for name in own]))
    return table_window(table, spec.schema()), left_out


def _about(
    spec: StreamSpec,
    known: Known,
    subject: Subject,
    subject_id: str,
    result_id: str,
    clock: Clock,
    notes: tuple[str, ...],
) -> About:
    return About(
        stream=spec.stream,
        subject=subject,
        subject_id=subject_id,
        result_id=result_id,
        created_ms=clock.now_ms(),
        suite_file=known.path.name,
        key_columns=spec.columns_with(Role.KEY),
        personal=spec.columns_with(Role.PERSONAL),
        notes=notes,
    )
