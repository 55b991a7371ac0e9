"""The arrays that say which slot of the state a key has; `kernel.py` reads and writes them.

Shape legend: K slots, T places of the table.
"""

import numpy as np

from detectors.context.hashing import UInt64Array
from detectors.context.kernel import FREE, USED, Int32Array, Int64Array, fill, walk_oldest_first


class KeyTable:
    """The arrays of a table for up to `capacity` keys."""

    def __init__(self, capacity: int) -> None:
        places = 16
        while places < 2 * capacity:
            places *= 2
        self.places_T: Int32Array = np.full(places, FREE, dtype=np.int32)
        self.hashes_K: UInt64Array = np.zeros(capacity, dtype=np.uint64)
        self.links_K2: Int32Array = np.full((capacity, 2), FREE, dtype=np.int32)
        """Of each key, the slot of the next older and of the next newer one."""
        self.ends: Int64Array = np.array([0, FREE, FREE], dtype=np.int64)
        """Keys held, slot of the oldest, slot of the newest."""

    @property
    def used(self) -> int:
        """Keys held."""
        return int(self.ends[USED])

    @property
    def capacity(self) -> int:
        """Keys that there is room for."""
        return len(self.hashes_K)

    def slots_oldest_first(self) -> Int64Array:
        """The slots of all keys held, from the one seen longest ago to the newest."""
        return walk_oldest_first(self.links_K2, self.ends)

    @classmethod
    def of(cls, hashes: UInt64Array, capacity: int) -> "KeyTable":
        """A table that holds `hashes`, oldest first, in slots 0, 1, …"""
        table = cls(capacity)
        fill(hashes, table.places_T, table.hashes_K, table.links_K2, table.ends)
        return table
