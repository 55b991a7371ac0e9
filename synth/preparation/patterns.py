"""Identifiers of one shape (UUIDs, hexadecimal digests, letters and digits in fixed places): new ones of that shape.

Every place of the shape has an alphabet; a place where all training values agree keeps its character. New values begin
with combinations that no training value begins with, so that none is a training value, and a permutation of the row
number makes them differ from each other; once all are used up, a further number is written behind. Values are not kept.

Shape legend: N rows, P places, F places that are free, L leads.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import BoolArray, Draw, Frame, IntArray, MadeAnew, number_of, with_missing

LONGEST = 128
MOST_LEADS = 4_096
LEAST_ROOM = 100
"""Times the values of training: how many a shape should have."""
_MANY_ROWS = 200
_MOST_NUMBERS = 2**31
"""Values that the permutation tells apart: products of two of them still fit 63 bits."""
ALPHABETS = (
    "0123456789",
    "0123456789abcdef",
    "0123456789ABCDEF",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
)

ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern(MadeAnew):
    """Texts of P places each."""

    name: ClassVar[str] = "pattern"
    column: str
    alphabets: tuple[str, ...]
    """P; one character where the place is fixed."""
    leads: tuple[int, ...]
    """L; combinations of the first free places that training values do not begin with, as numbers; empty if none."""
    lead_places: int
    missing_share: float

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """A text for each row, by its place in the dataset."""
        missing = draw.shares(f"{self.column} missing") < self.missing_share
        return with_missing(self.texts(draw, draw.numbers()), missing)

    def texts(self, draw: Draw, numbers_N: npt.NDArray[np.uint64]) -> pa.Array:
        """The texts of the rows with these numbers, (N,)."""
        free = [at for at, alphabet in enumerate(self.alphabets) if len(alphabet) > 1]
        numbered, spread = self._numbered(free)
        leads = max(len(self.leads), 1)
        capacity = leads * spread
        round_N, turn_N = np.divmod(numbers_N.astype(np.int64), capacity)
        turn_N = _permuted(turn_N, capacity, self.column)
        lead_N, rest_N = np.divmod(turn_N, spread)
        places_NP = self._filled(draw, numbers_N)
        if self.leads:
            _write(places_NP, free[: self.lead_places], self.alphabets, np.array(self.leads)[lead_N])
        _write(places_NP, numbered, self.alphabets, rest_N)
        texts = pa.array(places_NP.view(f"S{len(self.alphabets)}").ravel()).cast(pa.string())
        if not (round_N > 0).any():
            return texts
        behind = pc.if_else(pa.array(round_N > 0), pc.cast(pa.array(round_N), pa.string()), "")
        return pc.binary_join_element_wise(texts, behind, "")

    def _numbered(self, free: list[int]) -> tuple[list[int], int]:
        """The last free places, as many as a permutation can count, and how many values they have."""
        most = _MOST_NUMBERS // max(len(self.leads), 1)
        places: list[int] = []
        spread = 1
        for at in reversed(free[self.lead_places :]):
            if spread * len(self.alphabets[at]) > most:
                break
            spread *= len(self.alphabets[at])
            places.insert(0, at)
        return places, spread

    def _filled(self, draw: Draw, numbers_N: npt.NDArray[np.uint64]) -> ByteArray:
        """Every place from its alphabet at random, (N, P)."""
        places_NP = np.empty((len(numbers_N), len(self.alphabets)), dtype=np.uint8)
        drawn, word_N = -1, numbers_N
        for at, alphabet in enumerate(self.alphabets):
            letters = np.frombuffer(alphabet.encode("ascii"), dtype=np.uint8)
            if len(letters) == 1:
                places_NP[:, at] = letters[0]
                continue
            if at // 4 != drawn:
                drawn, word_N = at // 4, draw.words(f"{self.column} {at // 4}", numbers_N)
            byte_N = (word_N >> np.uint64(16 * (at % 4))) & np.uint64(0xFFFF)
            places_NP[:, at] = letters[(byte_N % np.uint64(len(letters))).astype(np.int64)]
        return places_NP

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def pattern_of(column: str, array: pa.Array, *, seed: int) -> Pattern | None:
    """The rule for a column whose texts all have one length and can be told by places; None for others."""
    places_NP = places_of(array.drop_null())
    if places_NP is None:
        return None
    alphabets = _roomy(tuple(_alphabet(place_N) for place_N in places_NP.T), len(places_NP))
    if not any(len(alphabet) > 1 for alphabet in alphabets):
        return None
    leads, count = _leads(places_NP, alphabets, seed)
    share = array.null_count / len(array)
    return Pattern(column=column, alphabets=alphabets, leads=leads, lead_places=count, missing_share=share)


def places_of(present: pa.Array) -> ByteArray | None:
    """The characters of ASCII texts that all have one length, (N, P); None where they do not."""
    if not len(present):
        return None
    least, greatest = pc.min_max(pc.binary_length(present)).values()
    length = greatest.as_py()
    if least.as_py() != length or not 0 < length <= LONGEST:
        return None
    joined = np.frombuffer("".join(present.to_pylist()).encode("utf-8"), dtype=np.uint8)
    return joined.reshape(len(present), length) if (joined < 128).all() and (joined > 0).all() else None


def _alphabet(place_N: ByteArray) -> str:
    """The smallest alphabet that has all of a place's characters; those themselves where many rows show few of them."""
    seen = {chr(c) for c in np.unique(place_N).tolist()}
    alphabet = next((alphabet for alphabet in ALPHABETS if seen <= set(alphabet)), None)
    if alphabet is None or len(seen) == 1 or (2 * len(seen) <= len(alphabet) and len(place_N) >= _MANY_ROWS):
        return "".join(sorted(seen))
    return alphabet


def _roomy(alphabets: tuple[str, ...], values: int) -> tuple[str, ...]:
    """Digits that all values share are free too where the others leave too few values to make."""
    if np.prod([float(len(alphabet)) for alphabet in alphabets]) >= LEAST_ROOM * values:
        return alphabets
    return tuple(ALPHABETS[0] if alphabet.isdecimal() else alphabet for alphabet in alphabets)


def _leads(places_NP: ByteArray, alphabets: tuple[str, ...], seed: int) -> tuple[tuple[int, ...], int]:
    """Unused combinations of the first free places: of as many places as leave most values to make."""
    free = [at for at, alphabet in enumerate(alphabets) if len(alphabet) > 1]
    left = float(np.prod([float(len(alphabets[at])) for at in free]))
    code_N: IntArray = np.zeros(len(places_NP), dtype=np.int64)
    space = 1
    best: tuple[float, tuple[int, ...], int] = (0.0, (), 0)
    generator = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, len(free)])
    for count, at in enumerate(free, start=1):
        size = len(alphabets[at])
        if space * size > 4_000_000:
            break
        space, left = space * size, left / size
        code_N = code_N * size + _digit(places_NP[:, at], alphabets[at])
        used: BoolArray = np.zeros(space, dtype=np.bool_)
        used[code_N] = True
        unused = np.flatnonzero(~used)
        taken = min(len(unused), MOST_LEADS)
        if taken * left > best[0]:
            chosen = np.sort(generator.choice(unused, taken, replace=False))
            best = (taken * left, tuple(int(v) for v in chosen), count)
    return best[1], best[2]


def _digit(place_N: ByteArray, alphabet: str) -> IntArray:
    table = np.zeros(128, dtype=np.int64)
    table[np.frombuffer(alphabet.encode("ascii"), dtype=np.uint8)] = np.arange(len(alphabet))
    return np.asarray(table[place_N], dtype=np.int64)


def _permuted(turn_N: IntArray, capacity: int, column: str) -> IntArray:
    """A permutation of 0 … capacity − 1: multiplication by a number that has no divisor in common with it.

    The same under every seed, since the chunks of one dataset have seeds of their own and must not meet.
    """
    factor = max(1, int(capacity * 0.618))
    while np.gcd(factor, capacity) != 1:
        factor += 1
    return np.asarray((turn_N * factor + number_of(column) % capacity) % capacity, dtype=np.int64)


def _write(places_NP: ByteArray, at: list[int], alphabets: tuple[str, ...], number_N: IntArray) -> None:
    """A number in the mixed base of some places, the last one changing fastest."""
    for place in reversed(at):
        letters = np.frombuffer(alphabets[place].encode("ascii"), dtype=np.uint8)
        number_N, digit_N = np.divmod(number_N, len(letters))
        places_NP[:, place] = letters[digit_N]
