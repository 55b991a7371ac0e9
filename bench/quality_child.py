"""One full run of expectations over an archive of many rows, in a process of its own: `FOLDER ROWS COLUMNS run`."""

import json
import resource
import sys
import time
from pathlib import Path

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from detectors.columns import Kind, Role  # noqa: E402
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec  # noqa: E402
from pipeline.lake import Lake  # noqa: E402

START_MS, DAY_MS = 1_767_571_200_000, 86_400_000
STREAM = "wide"


def spec_of(columns: int) -> StreamSpec:
    """An id, a time, a key, and features: three in four numbers, the others names."""
    features = [
        ColumnSpec(
            name=f"c{n}",
            kind=Kind.CATEGORICAL if n % 4 == 3 else Kind.NUMERIC,
            roles=frozenset({Role.FEATURE}),
        )
        for n in range(columns - 3)
    ]
    own = [
        ColumnSpec(name="event", kind=Kind.TEXT, roles=frozenset({Role.ID})),
        ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME})),
        ColumnSpec(name="who", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
    ]
    return StreamSpec(stream=STREAM, topic=STREAM, columns=(*own, *features), budget=BudgetSpec(alerts_per_day=10))


def prepare(folder: Path, rows: int, columns: int) -> None:
    """Ten days of archive, one file a day, and a suite inferred from the first nine of them, thinned."""
    from pipeline.expectations.inference import infer
    from pipeline.expectations.suite_file import write_suite
    from pipeline.expectations.window import archive_rows

    spec, lake = spec_of(columns), Lake(folder / "lake")
    for day in range(9):
        _write_day(lake, spec, day, rows // 10, first=day * (rows // 10))
    _write_day(lake, spec, 9, rows, first=9 * (rows // 10))
    window = archive_rows(lake, STREAM, spec.schema(), start_ms=START_MS, end_ms=START_MS + 9 * DAY_MS)
    inferred = infer(window, stream=STREAM, window_hours=24.0, now_ms=START_MS)
    # the last day has ten times the rows of the others: what is timed is a run, not a failure
    rows_suite = inferred.suite.rows.model_copy(update={"per_hour": None, "by_hour": None})
    keys_suite = inferred.suite.keys.model_copy(update={"per_hour": None})
    suite = inferred.suite.model_copy(update={"rows": rows_suite, "keys": keys_suite})
    write_suite(folder / "suite.yaml", suite, inferred.comments)


def _write_day(lake: Lake, spec: StreamSpec, day: int, rows: int, *, first: int) -> None:
    rng = np.random.default_rng(day)
    times = START_MS + day * DAY_MS + np.sort(rng.integers(0, DAY_MS, rows))
    stamps = pa.array(times, pa.timestamp("ms", "UTC"))
    made: dict[str, pa.Array] = {
        "event": pa.array([f"e{first + n}" for n in range(rows)]),
        "at": stamps.cast(pa.timestamp("us", "UTC")),
        "who": pa.array(rng.integers(0, 5_000, rows).astype(str)),
    }
    names = np.array([f"level {n}" for n in range(12)])
    for column in spec.columns[3:]:
        number = int(column.name[1:])
        if column.kind is Kind.CATEGORICAL:
            made[column.name] = pa.array(names[np.minimum(rng.geometric(0.3, rows) - 1, 11)])
        else:
            made[column.name] = pa.array(rng.lognormal(number, 1.0, rows))
    system = {
        "_partition": pa.array(np.zeros(rows), pa.int32()),
        "_offset": pa.array(np.arange(first, first + rows)),
        "_row": pa.array(np.zeros(rows), pa.int32()),
        "_append_time": pa.array(times + 500, pa.timestamp("ms", "UTC")),
        "_time": stamps,
        "_schema_version": pa.array(np.ones(rows), pa.int32()),
    }
    path = lake.real(STREAM) / "topic" / f"date=2026-01-{5 + day:02}" / f"p0-{first}-{first + rows}.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({**made, **system}), path, row_group_size=100_000)


def timed(folder: Path, columns: int) -> None:
    """The run itself; one line of JSON."""
    from pipeline.expectations.build import About
    from pipeline.expectations.document import Subject
    from pipeline.expectations.run import validated_window
    from pipeline.expectations.suite_file import usable_suite
    from pipeline.expectations.window import archive_rows

    spec = spec_of(columns)
    suite = usable_suite(folder / "suite.yaml", spec)
    assert suite is not None
    imported = time.perf_counter()
    import great_expectations  # noqa: F401

    imports = time.perf_counter() - imported
    began = time.perf_counter()
    day = START_MS + 9 * DAY_MS
    window = archive_rows(Lake(folder / "lake"), STREAM, spec.schema(), start_ms=day, end_ms=day + DAY_MS)
    read = time.perf_counter() - began
    about = About(stream=STREAM, subject=Subject.ARCHIVE, result_id="0", created_ms=day)
    document = validated_window(window, suite, about)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "expectations": len(document.expectations),
        "verdict": document.verdict.value,
        "reasons": document.reasons,
        "wall": time.perf_counter() - BEGAN,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mebibytes": usage.ru_maxrss / 1024,
        "import": imports,
        "read": read,
        "judge": time.perf_counter() - began - read,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    root, row_count, column_count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if sys.argv[4] == "prepare":
        prepare(root, row_count, column_count)
    else:
        timed(root, column_count)
