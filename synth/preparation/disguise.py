"""Entities under pseudonyms: a personal column whose values come back is learned, but not by its values.

Every value has a rank among the keyed hashes of all, and the rank makes the pseudonym: values that were equal stay
equal, two values never share a pseudonym, and nothing of the value is left in it. Hashes are kept, values are not.
Whoever has both the model and its seed can find out whether a value that they guess was in the training table.

Shape legend: N rows, L levels.
"""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.fakes import MAIL, Fake, look_of
from synth.preparation.frame import Draw
from synth.preparation.patterns import Pattern, pattern_of
from synth.preparation.shapes import Shapes, shapes_of

Maker = Pattern | Shapes | Fake
_UNKNOWN_SPACE = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguise:
    """The pseudonyms of one column."""

    column: str
    seed: int
    hashes: tuple[int, ...]
    """L, ascending."""
    maker: Maker | None
    """What pseudonyms look like; None for whole numbers."""
    beyond: int
    """Whole numbers: no value of training was as great."""

    def disguised(self, array: pa.Array) -> pa.Array:
        """A plain column with every value replaced by its pseudonym; values that training lacked get one too."""
        encoded = pc.dictionary_encode(array)
        hashes_L = np.array([self._hash(v) for v in encoded.dictionary.to_pylist()], dtype=np.uint64)
        known = np.array(self.hashes, dtype=np.uint64)
        rank_L = np.searchsorted(known, hashes_L).astype(np.uint64)
        inside = np.minimum(rank_L, np.uint64(max(len(known) - 1, 0))).astype(np.int64)
        strange_L = known[inside] != hashes_L if len(known) else np.ones(len(hashes_L), dtype=np.bool_)
        number_L = np.where(strange_L, np.uint64(len(known)) + hashes_L % np.uint64(_UNKNOWN_SPACE), rank_L)
        return self._pseudonyms(number_L).take(encoded.indices)

    def pseudonym(self, value: Any) -> Any:
        """One value's pseudonym."""
        return self.disguised(pa.array([value], pa.string() if self.maker is not None else pa.int64()))[0].as_py()

    def _pseudonyms(self, number_L: np.ndarray[Any, np.dtype[np.uint64]]) -> pa.Array:
        if self.maker is None:
            return pa.array(self.beyond + number_L.astype(np.int64))
        return self.maker.texts(Draw(seed=self.seed, first_row=0, rows=len(number_L)), number_L)

    def _hash(self, value: Any) -> int:
        return keyed_hash(value, self.seed)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        maker = None if self.maker is None else {"rule": self.maker.name, **self.maker.document()}
        return {**asdict(self), "maker": maker}


def disguise_of(column: str, array: pa.Array, *, seed: int, least_rows: int) -> Disguise:
    """Pseudonyms for every value of a plain text or int64 column, in the shape of its values."""
    levels = array.drop_null().unique()
    hashes = tuple(sorted({keyed_hash(value, seed) for value in levels.to_pylist()}))
    if array.type == pa.int64():
        greatest = pc.max(levels).as_py()
        beyond = 0 if greatest is None else min(greatest, 2**61) + 1
        return Disguise(column=column, seed=seed, hashes=hashes, maker=None, beyond=beyond)
    levels = levels.sort()
    look = look_of(levels)
    maker: Maker | None = None
    if look != MAIL:
        maker = pattern_of(column, levels, seed=seed) or shapes_of(column, levels, seed=seed, least_rows=least_rows)
    if maker is None:
        pattern = Pattern(
            column=column, alphabets=("p", *["0123456789abcdef"] * 10), leads=(), lead_places=0, missing_share=0.0
        )
        maker = Fake(column=column, look=look, missing_share=0.0) if look == MAIL else pattern
    return Disguise(column=column, seed=seed, hashes=hashes, maker=maker, beyond=0)


def keyed_hash(value: Any, seed: int) -> int:
    """64 bits of a value that nobody without the seed can foretell."""
    key = hashlib.sha256(f"eddyline pseudonyms {seed}".encode()).digest()
    return int.from_bytes(hashlib.blake2b(str(value).encode(), key=key, digest_size=8).digest(), "big")
