"""References to things of which there are many (terminals, addresses), learned by when the key used them last.

A customer goes back to the shop of yesterday, a host scans one address after another: what is typical is the pattern of
returns, not the name. An event's reference is learned as its place in the key's list of references, latest first
(Mattson et al. 1970, LRU stack distance), or as new.

Shape legend: N events, K keys, E entities being drawn, S places of the list.
"""

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled
from synth.streams.histories import FloatArray, Int64Array

NEW = -1
"""The rank of a reference that the key has not used before."""
PLACES = 64
"""Places remembered; whatever was used before those has rank `PLACES`."""


@compiled
def recency_ranks(  # noqa: D103 (the wrapper below says what it does)
    level_N: Int64Array, begin_K: Int64Array, count_K: Int64Array, levels: int, places: int
) -> tuple[Int64Array, Int64Array]:
    rank_N = np.empty(level_N.shape[0], dtype=np.int64)
    distinct_N = np.empty(level_N.shape[0], dtype=np.int64)
    used_by = np.full(levels, -1, dtype=np.int64)
    recent_S = np.empty(places, dtype=np.int64)
    for k in range(begin_K.shape[0]):
        held, distinct = 0, 0
        for n in range(begin_K[k], begin_K[k] + count_K[k]):
            level = level_N[n]
            distinct_N[n] = distinct
            place = 0
            while place < held and recent_S[place] != level:
                place += 1
            if place < held:
                rank_N[n] = place
            elif used_by[level] == k:
                rank_N[n] = places
            else:
                rank_N[n] = -1
                distinct += 1
                used_by[level] = k
            if place == held and held < places:
                held += 1
            for s in range(min(place, held - 1), 0, -1):
                recent_S[s] = recent_S[s - 1]
            recent_S[0] = level
    return rank_N, distinct_N


def ranks_of(
    level_N: Int64Array, begin_K: Int64Array, count_K: Int64Array, *, places: int = PLACES
) -> tuple[Int64Array, Int64Array]:
    """Each event's rank, and how many different references its key used before it."""
    levels = int(level_N.max()) + 1 if len(level_N) else 0
    return recency_ranks(level_N, begin_K, count_K, levels, places)


class RecentLevels:
    """The lists of entities that are being drawn; entity i is row i, those that end first come last."""

    def __init__(self, entities: int, *, places: int = PLACES) -> None:
        self.recent_ES: npt.NDArray[np.int32] = np.full((entities, places), NEW, dtype=np.int32)
        self.distinct_E: Int64Array = np.zeros(entities, dtype=np.int64)
        """How many different ones each has used."""

    def recalled(self, rank_E: FloatArray) -> Int64Array:
        """The levels that ranks of the first entities stand for; `NEW` where they stand for none yet used."""
        recent_ES = self.recent_ES[: len(rank_E)]
        place_E = np.clip(np.nan_to_num(rank_E, nan=NEW), NEW, recent_ES.shape[1] - 1).astype(np.int64)
        level_E = recent_ES[np.arange(len(rank_E)), np.maximum(place_E, 0)].astype(np.int64)
        return np.where(place_E < 0, NEW, level_E)

    def use(self, level_E: Int64Array) -> None:
        """The first entities have used these: each comes to the front of its list."""
        recent_ES = self.recent_ES[: len(level_E)]
        at_ES = recent_ES == level_E[:, None]
        known_E = at_ES.any(axis=1)
        place_E = np.where(known_E, at_ES.argmax(axis=1), recent_ES.shape[1] - 1)
        later_ES = np.arange(1, recent_ES.shape[1]) <= place_E[:, None]
        recent_ES[:, 1:] = np.where(later_ES, recent_ES[:, :-1], recent_ES[:, 1:])
        recent_ES[:, 0] = level_E
        self.distinct_E[: len(level_E)] += ~known_E
