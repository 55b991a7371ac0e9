"""What a quality report says of rows that are there twice. Exact ones always; near ones where that is quick."""

from typing import Any

from pipeline.config import StreamSpec
from pipeline.duplicates.find import MOST_ROWS, FindOptions, find_in_archive, find_in_dataset
from pipeline.duplicates.near import NearOptions
from pipeline.lake.lake import Lake

NEAR_ROWS = 200_000
"""With more, `eddyline duplicates` and the job `find_duplicates` look for near ones."""


def archive_slot(spec: StreamSpec, lake: Lake, *, start_ms: int, end_ms: int) -> dict[str, Any] | None:
    """Of a window of the archive; None where it has no rows, or too many to look at together."""
    rows = sum(part.rows for part in lake.contents(spec.stream, start_ms=start_ms, end_ms=end_ms))
    if not 0 < rows <= MOST_ROWS:
        return None
    return find_in_archive(spec, lake, start_ms=start_ms, end_ms=end_ms, options=_options(rows)).slot()


def dataset_slot(lake: Lake, stream: str, dataset_id: str) -> dict[str, Any] | None:
    """Of a published dataset; None where it has too many rows to look at together."""
    rows = lake.synthetic_reader(stream, dataset_id).rows
    if rows > MOST_ROWS:
        return None
    shown = find_in_dataset(lake, stream, dataset_id, options=_options(rows)).slot()
    return {name: value for name, value in shown.items() if name != "left_out_of_training"}


def _options(rows: int) -> FindOptions:
    return FindOptions(near=NearOptions() if rows <= NEAR_ROWS else None)
