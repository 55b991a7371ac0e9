"""Which references go together: a customer's terminals lie near one another, a host talks to its own network.

For each level, the levels that the same keys use, by how many keys use both. Only pairs that several keys share are
kept, so that no single key's set can be read from the model, and at most `NEIGHBOURS` a level.

Shape legend: V levels, P pairs (key, level), M pairs (level, level), E entities.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from detectors.base import Tensors
from synth.streams.histories import BoolArray, FloatArray, Int64Array
from synth.streams.recency import NEW

NEIGHBOURS = 64
LEAST_KEYS = 2
"""Keys that must share a pair of levels, or use a level, before the model may say so."""
MOST_LEVELS_A_KEY = 100
"""A key that uses more (a scanner) counts with so many of them, drawn at random."""
TRIES = 6
SLICE = 2_048


@dataclass(frozen=True, slots=True)
class LevelPool:
    """What a new reference is drawn from."""

    keys_V: FloatArray
    """How many keys use each level; 0 for those that too few use, which are never drawn."""
    begin_V: Int64Array
    """Where each level's neighbours begin, V + 1 numbers."""
    neighbour_M: Int64Array
    keys_M: FloatArray
    """How many keys use both, summed from the first pair on."""

    def seeds(self, entities: int, rng: np.random.Generator) -> Int64Array:
        """The level around which each entity's set lies, by how many keys use it."""
        return _drawn(np.cumsum(self.keys_V), np.zeros(entities), np.full(entities, self.keys_V.sum()), rng)

    def new(self, seed_E: Int64Array, recent_ES: npt.NDArray[np.int32], rng: np.random.Generator) -> Int64Array:
        """For each entity a level near its seed that is not among those it used lately, if one is found."""
        level_E = seed_E.copy()
        for attempt in range(TRIES):
            used_E = (recent_ES == level_E[:, None]).any(axis=1)
            if not used_E.any():
                break
            level_E[used_E] = self._near(seed_E[used_E], rng, anywhere=attempt >= TRIES - 2)
        return level_E

    def _near(self, seed_E: Int64Array, rng: np.random.Generator, *, anywhere: bool) -> Int64Array:
        begin_E, end_E = self.begin_V[seed_E], self.begin_V[seed_E + 1]
        alone_E: BoolArray = (end_E == begin_E) | anywhere
        level_E = self.seeds(len(seed_E), rng)
        summed_M = np.concatenate([[0.0], self.keys_M])
        picked_E = _drawn(self.keys_M, summed_M[begin_E[~alone_E]], summed_M[end_E[~alone_E]], rng)
        level_E[~alone_E] = self.neighbour_M[picked_E]
        return level_E

    def tensors(self) -> Tensors:
        """Everything the pool is."""
        return {
            "keys": self.keys_V,
            "begin": self.begin_V,
            "neighbour": self.neighbour_M.astype(np.int32),
            "keys_of_pair": self.keys_M,
        }

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "LevelPool":
        """The pool that `tensors` described."""
        neighbour_M = tensors["neighbour"].astype(np.int64)
        return cls(tensors["keys"], tensors["begin"], neighbour_M, tensors["keys_of_pair"])


def pool_of(
    level_N: Int64Array, key_N: Int64Array, *, levels: int, seed: int, least_keys: int = LEAST_KEYS
) -> LevelPool:
    """The pool of a column whose events have these levels and keys; `NEW` is no level.

    Where no level is used by `least_keys` keys, all levels may be drawn: nothing else could be.
    """
    known_N = level_N != NEW
    pair_P = np.unique(np.stack([key_N[known_N], level_N[known_N]]), axis=1)
    keys_V = np.bincount(pair_P[1], minlength=levels).astype(np.float64)
    if (keys_V >= least_keys).any():
        keys_V[keys_V < least_keys] = 0.0
    key_P, level_P = _thinned(pair_P[:, keys_V[pair_P[1]] > 0], np.random.default_rng(seed))
    uses = sparse.csr_matrix((np.ones(len(key_P), dtype=np.int32), (key_P, level_P)), shape=(key_P.max() + 1, levels))
    begin_V, neighbour_M, keys_M = _neighbours(uses, least_keys)
    return LevelPool(keys_V, begin_V, neighbour_M, np.cumsum(keys_M, dtype=np.float64))


def _thinned(pair_P: Int64Array, rng: np.random.Generator) -> Int64Array:
    """At most `MOST_LEVELS_A_KEY` pairs a key."""
    order_P = np.lexsort((rng.random(pair_P.shape[1]), pair_P[0]))
    key_P = pair_P[0, order_P]
    place_P = np.arange(len(key_P)) - np.searchsorted(key_P, key_P)
    return pair_P[:, order_P[place_P < MOST_LEVELS_A_KEY]]


def _neighbours(uses: sparse.csr_matrix, least_keys: int) -> tuple[Int64Array, Int64Array, FloatArray]:
    """Of each level the levels most often used with it: where they begin, which, by how many keys."""
    by_level = uses.T.tocsr()
    counts, found, keys = [np.zeros(1, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for begin in range(0, uses.shape[1], SLICE):
        both = (by_level[begin : begin + SLICE] @ uses).tocoo()
        kept = (both.data >= least_keys) & (both.row + begin != both.col)
        row, column, shared = both.row[kept], both.col[kept], both.data[kept]
        order = np.lexsort((column, -shared, row))
        row, column, shared = row[order], column[order], shared[order]
        near = np.arange(len(row)) - np.searchsorted(row, row) < NEIGHBOURS
        counts.append(np.bincount(row[near], minlength=both.shape[0]).astype(np.int64))
        found.append(column[near].astype(np.int64))
        keys.append(shared[near].astype(np.float64))
    return np.cumsum(np.concatenate(counts)), np.concatenate(found), np.concatenate(keys)


def _drawn(summed_M: FloatArray, low_E: FloatArray, high_E: FloatArray, rng: np.random.Generator) -> Int64Array:
    """Places of a running sum, drawn by what each adds, between two values of the sum."""
    drawn_E = low_E + rng.random(len(low_E)) * (high_E - low_E)
    place_E = np.searchsorted(summed_M, drawn_E, side="right")
    return np.minimum(place_E, max(len(summed_M) - 1, 0)).astype(np.int64)
