"""Datasets of any length in constant memory: chunk by chunk, each seeded by its index, so that a resumed run agrees."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from synth.base import Generator
from synth.conditions import Conditions

CHUNK_ROWS = 65_536


def chunk_seed(seed: int, index: int) -> int:
    """The seed of one chunk, 63 bits."""
    return int(np.random.SeedSequence([seed & 0xFFFFFFFFFFFFFFFF, index]).generate_state(1, np.uint64)[0] >> 1)


def chunks(
    generator: Generator,
    rows: int,
    *,
    seed: int,
    conditions: Conditions | None = None,
    chunk_rows: int = CHUNK_ROWS,
    first_chunk: int = 0,
) -> Iterator[pa.Table]:
    """The chunks of a dataset of `rows` rows from `first_chunk` on; all of `chunk_rows` rows but the last.

    Rows depend on (seed, chunk index, chunk_rows), not on where a run began. `given` values are cut along.
    """
    for index in range(first_chunk, -(-rows // chunk_rows)):
        start = index * chunk_rows
        count = min(chunk_rows, rows - start)
        own = conditions
        if own is not None and own.given is not None:
            own = replace(own, given=own.given.slice(start, count))
        yield generator.sample(count, seed=chunk_seed(seed, index), conditions=own, first_row=start)
