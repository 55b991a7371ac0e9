"""What a generator learns from: a window of a stream's archive, or a file; read once to train, and once more, proved to
be the same rows, whenever made rows are held against it.

No copy of observed rows is kept with a generator, so that what retention deletes is gone. `document` says which files
and which window it was, and the fingerprint of the rows that came of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.columns import Role, names_with_role
from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates.rows import DuplicateRows, duplicate_rows
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile, conform
from pipeline.jobs.row_sample import RowSample
from pipeline.lake.lake import Lake
from pipeline.lake.reader import ArchiveReader, footer_of, row_groups
from pipeline.lineage.windows import Span, WindowRef, archive_window, file_window
from pipeline.synthesis.columns import Roles, described, usable_label
from pipeline.synthesis.fingerprint import fingerprint
from pipeline.synthesis.key_sample import KeySample
from pipeline.synthesis.parts import file_sha256
from pipeline.synthesis.split import is_keyed_stream

DEFAULT_MOST_ROWS = 200_000
LEAST_ROWS = 100
WINDOW_ROWS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRequest:
    """Which rows to learn from. The same request and files give the same rows."""

    name: str
    """Of the stream, or what a file's data is called."""
    file: str | None = None
    """A Parquet or CSV file; None for the stream's archive."""
    start_ms: int | None = None
    end_ms: int | None = None
    most_rows: int = DEFAULT_MOST_ROWS
    seed: int = 0
    roles: Roles = field(default_factory=Roles)
    without: tuple[Span, ...] = ()
    """Times of the archive that were withdrawn: nothing is learned from them."""
    duplicates: DuplicatePolicy | None = None
    """Which rows that are there twice in an archive are left out; the stream's own policy where None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """Rows with kinds and roles in their fields' metadata, in order of time (of the file, for a file)."""

    table: pa.Table
    label: str | None
    """The column with classes, where there is one that can be learned."""
    document: dict[str, Any]
    """Where they came from; JSON."""


def read_source(request: SourceRequest, *, lake: Lake, spec: StreamSpec | None) -> SourceRows:
    """Read the rows asked for. `spec` is the stream's, or the one that a file follows.

    Raises ConfigError where there are none, too few, none with a value, or where a role names no column.
    """
    if request.file is not None:
        found = _of_file(Path(request.file), request.name, spec)
    elif spec is not None:
        found = _of_archive(request, lake, spec)
    else:
        raise ConfigError(f"no stream is called {request.name!r}, and no file either: name one of them")
    table, offered = _sampled(found.batches, found.schema, request)
    table = described(table, request.roles, guess_personal=spec is None)
    _refuse_hopeless(table, request.name)
    label = usable_label(table, request.roles)
    document = {
        "name": request.name,
        "file": request.file,
        "files": found.files,
        "window": found.window,
        "rows": table.num_rows,
        "rows_offered": offered,
        "most_rows": request.most_rows,
        "seed": request.seed,
        "roles": request.roles.document(),
        "spec": spec.model_dump(mode="json") if spec is not None else None,
        "fingerprint": fingerprint(table),
        "without": [list(span) for span in request.without],
        "duplicates": found.duplicates,
        "lineage": found.ref.document(),
    }
    return SourceRows(table=table, label=label, document=document)


def read_again(document: dict[str, Any], *, lake: Lake) -> pa.Table:
    """The rows that `read_source` described, exactly. Raises ConfigError where they are no longer to be had."""
    window = document["window"] or {}
    spec = StreamSpec.model_validate(document["spec"]) if document["spec"] is not None else None
    request = SourceRequest(
        name=document["name"],
        file=document["file"],
        start_ms=window.get("start_ms"),
        end_ms=window.get("end_ms"),
        most_rows=document["most_rows"],
        seed=document["seed"],
        roles=Roles.from_document(document["roles"]),
        without=tuple((low, high) for low, high in document.get("without", [])),
        duplicates=DuplicatePolicy((document.get("duplicates") or {}).get("policy", DuplicatePolicy.KEEP)),
    )
    try:
        found = read_source(request, lake=_Only(lake, document), spec=spec)
    except ConfigError as error:
        raise ConfigError(f"the rows that the generator learned from cannot be read again: {error}") from error
    if found.document["fingerprint"] != document["fingerprint"]:
        where = document["file"] or f"the archive of {document['name']}"
        raise ConfigError(
            f"{where} no longer gives the rows that the generator learned from, so what it makes cannot be measured "
            "against them: restore the files, or train again with `eddyline synth train`"
        )
    return found.table


class _Only(Lake):
    """A lake that shows only the files that were there, where they all still are: later ones change nothing."""

    def __init__(self, lake: Lake, document: dict[str, Any]) -> None:
        super().__init__(lake.root)
        self._names = {entry["name"] for entry in document["files"]}

    def files(self, stream: str) -> list[Any]:
        """The files known, or all where some are gone (compacted, perhaps: the fingerprint decides)."""
        every = super().files(stream)
        known = [file for file in every if str(file.path.relative_to(self.real(stream))) in self._names]
        return known if len(known) == len(self._names) else every


@dataclass(frozen=True, slots=True)
class _Found:
    """Batches to be read, and where they come from."""

    batches: Iterator[pa.RecordBatch]
    schema: pa.Schema
    files: list[dict[str, Any]]
    window: dict[str, int] | None
    ref: WindowRef
    duplicates: dict[str, Any] | None = None


def _of_archive(request: SourceRequest, lake: Lake, spec: StreamSpec) -> _Found:
    files = lake.files(spec.stream)
    if not files:
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived: run `eddyline archive {spec.stream}` first")
    spans = {file.path: [(g.min_ms, g.max_ms) for g in row_groups(file.path, footer_of(file.path))] for file in files}
    newest = max((high for span in spans.values() for _, high in span), default=0) + 1
    start = min((low for span in spans.values() for low, _ in span), default=0)
    start, end = (start if request.start_ms is None else request.start_ms), request.end_ms or newest
    within = [file for file in files if any(low < end and high >= start for low, high in spans[file.path])]
    if not within:
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived in that window: widen --from and --to")
    names = [column.name for column in spec.columns]
    reader = ArchiveReader(within, spec.stream, None)
    batches = reader.batches(start_ms=start, end_ms=end, window_rows=WINDOW_ROWS)
    entries = [_entry(file.path, str(file.path.relative_to(lake.real(spec.stream)))) for file in within]
    present = [name for name in names if name in reader.schema.names]
    copies = duplicate_rows(spec, lake, start_ms=start, end_ms=end, policy=request.duplicates)
    kept = (_kept(batch, request.without, copies) for batch in batches)
    return _Found(
        (conform(batch.select(present), spec) for batch in kept),
        spec.schema(),
        entries,
        {"start_ms": start, "end_ms": end},
        archive_window(lake, spec.stream, start_ms=start, end_ms=end, without=request.without),
        copies.document(),
    )


def _kept(batch: pa.RecordBatch, without: tuple[Span, ...], copies: DuplicateRows) -> pa.RecordBatch:
    """The rows of an archive's batch that may be learned from."""
    partition, offset, row, time = (
        batch[name].cast(pa.int64()).to_numpy(zero_copy_only=False)
        for name in ("_partition", "_offset", "_row", "_time")
    )
    out = copies.mask(partition, offset, row, time)
    for low, high in without:
        out |= (time >= low) & (time < high)
    return batch.filter(pa.array(~out)) if out.any() else batch


def _of_file(path: Path, name: str, spec: StreamSpec | None) -> _Found:
    opened = EventFile.open(path, spec)
    doubled = sorted({name for name in opened.schema.names if opened.schema.names.count(name) > 1})
    if doubled:
        raise ConfigError(f"{path} has columns of the same name ({', '.join(doubled)}): rename them")
    schema = opened.schema if spec is not None else opened.schema.remove_metadata()
    plain = (batch.replace_schema_metadata(None) for batch in opened.batches())
    entry = _entry(path, path.name)
    ref = file_window(name, file=path.name, sha256=entry["sha256"], rows=opened.rows or 0)
    return _Found(plain, schema, [entry], None, ref)


def _entry(path: Path, name: str) -> dict[str, Any]:
    return {"name": name, "size_bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _sampled(batches: Iterator[pa.RecordBatch], schema: pa.Schema, request: SourceRequest) -> tuple[pa.Table, int]:
    """At most `most_rows` rows in their order, whole keys of keyed streams; and how many there were."""
    with_roles = request.roles.given_to(schema)
    if is_keyed_stream(with_roles):
        keyed = KeySample(request.most_rows, keys=names_with_role(with_roles, Role.KEY), seed=request.seed)
        for batch in batches:
            keyed.offer(batch)
        return keyed.table(schema), keyed.rows
    sample = RowSample(request.most_rows, seed=request.seed)
    for batch in batches:
        places = np.arange(sample.rows, sample.rows + batch.num_rows, dtype=np.int64)
        sample.offer(batch, places)
    return sample.table(schema), sample.rows


def _refuse_hopeless(table: pa.Table, name: str) -> None:
    """What no generator could learn from is said before one tries."""
    if table.num_rows < LEAST_ROWS:
        raise ConfigError(
            f"{name} has {table.num_rows:,} rows there, too few to learn from and to hold some back ({LEAST_ROWS} at "
            "least, some thousands are better): give a longer window or another file"
        )
    if all(column.null_count == table.num_rows for column in table.columns):
        raise ConfigError(f"every column of {name} is empty there: give rows that have values")
