"""Which rows a generator never sees: a fifth, by a seeded shuffle; of keyed streams a fifth of the keys.

Gates and reports hold synthetic rows against these, and against the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Role, names_with_role
from pipeline.synthesis.key_sample import key_draws

HELD_OUT_SHARE = 0.2
Mask = npt.NDArray[np.bool_]
LEAST_KEYS = 10
"""Fewer keys than this cannot be shared out; then the newest fifth of the rows is held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """Rows in the order of the source."""

    train: pa.Table
    held_out: pa.Table


def is_keyed_stream(schema: pa.Schema) -> bool:
    """Whether rows are events of entities: their order within a key means something."""
    return bool(names_with_role(schema, Role.KEY)) and bool(names_with_role(schema, Role.TIME))


def halves(table: pa.Table, *, seed: int) -> Halves:
    """The split of a table; the same rows and seed give the same one."""
    held_out = _held_out_keys(table, seed) if is_keyed_stream(table.schema) else _held_out_rows(table.num_rows, seed)
    return Halves(train=table.filter(pa.array(~held_out)), held_out=table.filter(pa.array(held_out)))


def _held_out_rows(rows: int, seed: int) -> Mask:
    mask = np.zeros(rows, np.bool_)
    mask[np.random.default_rng(seed).permutation(rows)[: max(1, round(rows * HELD_OUT_SHARE))]] = True
    return mask


def _held_out_keys(table: pa.Table, seed: int) -> Mask:
    draws = key_draws(table, names_with_role(table.schema, Role.KEY), seed + 1)
    values, counts = np.unique(draws, return_counts=True)
    if len(values) < LEAST_KEYS:
        return np.asarray(np.arange(table.num_rows) >= round(table.num_rows * (1.0 - HELD_OUT_SHARE)), np.bool_)
    enough = int(np.searchsorted(np.cumsum(counts), table.num_rows * HELD_OUT_SHARE))
    return np.asarray(draws <= values[min(enough, len(values) - 2)], np.bool_)
