"""Goes through rows once and finds those that are there twice. Memory: about 60 bytes a row, and a frame of rows for
near duplicates.

Shape legend: N rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.duplicates.content import ContentColumns, Mask, UInt64Array, content_hashes, id_hashes
from pipeline.duplicates.frame import Frame, FrameMaker
from pipeline.duplicates.near import LEAST_COLUMNS, NearOptions, NearRows, chance, near_rows
from pipeline.duplicates.repeats import Int64Array, Repeats, repeats

NEAR_ROWS = 1_000_000
"""Near duplicates are looked for among so many rows that follow each other."""
SYSTEM = ("_partition", "_offset", "_row", "_time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was found among N rows, in the order they came."""

    rows: int
    by_id: Repeats | None
    other_content: int
    by_content: Repeats
    near: NearRows | None
    """Places in the order of all rows."""
    chance_rows: int
    chance_exact_rows: int
    near_columns: tuple[str, ...]
    """What `near.differs` counts."""
    places: dict[str, Int64Array]
    """Partition, offset, row of the record and time of each row of an archive, each (N,); empty for other rows."""

    def exact(self) -> Mask:
        """Which rows repeat an earlier one exactly, (N,)."""
        found = self.by_content.mask(self.rows)
        return found | self.by_id.mask(self.rows) if self.by_id is not None else found


def look(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, near: NearOptions | None, seed: int = 0) -> Looked:
    """Go through batches with the columns of a schema, and, of an archive, `SYSTEM`; oldest rows first. `near` None
    looks for exact duplicates only."""
    columns = ContentColumns.of(schema)
    hashes = _Hashes(columns)
    enough = near is not None and len(columns.content) >= LEAST_COLUMNS
    found = _Near(FrameMaker(schema, columns), near, seed) if enough and near is not None else None
    for batch in batches:
        hashes.take(batch)
        if found is not None:
            found.take(batch)
    ids, known, contents, places = hashes.all()
    by_id = repeats(ids, known) if columns.id else None
    by_content = repeats(contents)
    other = 0
    if by_id is not None:
        other = int((contents[by_id.rows] != contents[by_id.first]).sum())
        by_content = by_content.without(by_id.mask(len(contents)))
    looked = Looked(
        rows=len(contents),
        by_id=by_id,
        other_content=other,
        by_content=by_content,
        near=found.all() if found is not None else None,
        chance_rows=found.chance_rows if found is not None else 0,
        chance_exact_rows=found.chance_exact_rows if found is not None else 0,
        near_columns=found.maker.columns if found is not None else (),
        places=places,
    )
    if looked.near is not None:
        exact = looked.exact()
        looked.near.earlier[exact], looked.near.differs[exact] = -1, -1
    return looked


class _Hashes:
    """Hashes and places of rows, collected."""

    def __init__(self, columns: ContentColumns) -> None:
        self._columns = columns
        self._ids: list[UInt64Array] = []
        self._known: list[Mask] = []
        self._contents: list[UInt64Array] = []
        self._places: dict[str, list[Int64Array]] = {name: [] for name in SYSTEM}

    def take(self, batch: pa.RecordBatch) -> None:
        self._contents.append(content_hashes(batch, self._columns))
        if self._columns.id:
            ids, known = id_hashes(batch, self._columns)
            self._ids.append(ids)
            self._known.append(known)
        for name in SYSTEM:
            if name in batch.schema.names:
                values = batch[name].cast(pa.int64()).to_numpy(zero_copy_only=False)
                kind = np.int32 if name in ("_partition", "_row") else np.int64
                self._places[name].append(np.asarray(values, kind))

    def all(self) -> tuple[UInt64Array, Mask, UInt64Array, dict[str, Int64Array]]:
        """Ids, which rows have one, contents, and places."""
        none = np.empty(0, np.uint64)
        return (
            np.concatenate([none, *self._ids]),
            np.concatenate([np.empty(0, np.bool_), *self._known]),
            np.concatenate([none, *self._contents]),
            {name: np.concatenate(parts) for name, parts in self._places.items() if parts},
        )


class _Near:
    """Near duplicates of rows that come batch by batch, looked for frame by frame."""

    def __init__(self, maker: FrameMaker, options: NearOptions, seed: int) -> None:
        self.maker, self._options, self._seed = maker, options, seed
        self.chance_rows = self.chance_exact_rows = self._exact_rows = 0
        self._rows = 0
        self._earlier: list[Int64Array] = []
        self._differs: list[Int64Array] = []

    def take(self, batch: pa.RecordBatch) -> None:
        for part in _parts(batch, NEAR_ROWS - self.maker.rows):
            self.maker.take(part)
            if self.maker.rows >= NEAR_ROWS:
                self._look(self.maker.frame())

    def all(self) -> NearRows:
        """Of every row taken."""
        if self.maker.rows:
            self._look(self.maker.frame())
        none = np.empty(0, np.int64)
        return NearRows(
            np.concatenate([none, *self._earlier]), np.concatenate([none, *self._differs]), self._exact_rows
        )

    def _look(self, frame: Frame) -> None:
        found = near_rows(frame, self._options)
        by_chance = chance(frame, self._options, seed=self._seed)
        self.chance_rows += int((by_chance.earlier >= 0).sum())
        self.chance_exact_rows += by_chance.exact_rows
        self._exact_rows += found.exact_rows
        self._earlier.append(np.where(found.earlier >= 0, found.earlier + self._rows, -1))
        self._differs.append(found.differs)
        self._rows += frame.rows


def _parts(batch: pa.RecordBatch, first: int) -> Iterator[pa.RecordBatch]:
    """The batch in two where a frame ends within it, so that frames do not depend on how rows are batched."""
    yield batch.slice(0, first)
    if batch.num_rows > first:
        yield batch.slice(first)
