"""Arrow columns → 64-bit hashes, the same on every machine and in every process.

Strings are hashed over their UTF-8 bytes (FNV-1a), everything else over 64 bits; both end in the finaliser of
splitmix64 (Steele, Lea, Flood 2014), so that every bit of the result depends on every bit of the value. A null is a
value of its own. Two values meet in one hash with a chance of 2⁻⁶⁴ a pair: about 3·10⁻⁸ among a million keys. The hash
is not keyed, so someone who chooses key values can make two of them meet on purpose.

Shape legend: B rows of a batch.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.compiled import compiled, inlined
from detectors.errors import UnusableDataError

UInt64Array = npt.NDArray[np.uint64]

SEED = np.uint64(0x9E3779B97F4A7C15)
FNV_BASIS = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
NULL = np.uint64(0xD6E8FEB86659FD93)
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
SHIFT_30, SHIFT_27, SHIFT_31 = SHIFTS


def hash_columns(columns: Sequence[pa.Array], rows: int) -> UInt64Array:
    """One hash a row over the columns together, (B,); their order counts. Raises UnusableDataError for a type that
    cannot be a key or a category (lists, structs)."""
    hashes_B = np.full(rows, SEED, dtype=np.uint64)
    for column in columns:
        nulls_B = _nulls(column)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            _fold_strings(*_string_buffers(column), nulls_B, hashes_B)
        else:
            _fold_words(_words(column), nulls_B, hashes_B)
    return hashes_B


def _nulls(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which rows are null, (B,), or nothing where none is."""
    if not column.null_count:
        return np.zeros(0, dtype=np.bool_)
    nulls_B: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return nulls_B


def _string_buffers(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    offset_type = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, content = column.buffers()
    if offsets is None or not len(column):
        return np.zeros(len(column) + 1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=offset_type)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(content, dtype=np.uint8) if content is not None else np.zeros(0, dtype=np.uint8)
    return ends.astype(np.int64), data


def _words(column: pa.Array) -> UInt64Array:
    """The values as 64 bits each."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    elif pa.types.is_floating(column.type):
        # adding zero makes −0.0 the same key as 0.0
        column = pc.add(column.cast(pa.float64()), 0.0)
    elif pa.types.is_integer(column.type):
        column = column.cast(pa.int64(), safe=False)
    else:
        raise UnusableDataError(f"a column of Arrow type {column.type} cannot be a key or a category: choose another")
    if column.null_count:
        column = pc.fill_null(column, 0)
    words_B: UInt64Array = column.to_numpy(zero_copy_only=False).view(np.uint64)
    return words_B


@inlined
def mix(word: np.uint64) -> np.uint64:
    """The finaliser of splitmix64: a bijection of 64 bits without visible pattern."""
    word = (word ^ (word >> SHIFT_30)) * MIX_1
    word = (word ^ (word >> SHIFT_27)) * MIX_2
    return word ^ (word >> SHIFT_31)


@compiled
def _fold_words(words_B: UInt64Array, nulls_B: npt.NDArray[np.bool_], hashes_B: UInt64Array) -> None:
    for i in range(len(hashes_B)):
        word = NULL if len(nulls_B) and nulls_B[i] else mix(words_B[i] + SEED)
        hashes_B[i] = mix(hashes_B[i] * FNV_PRIME ^ word)


@compiled
def _fold_strings(
    ends: npt.NDArray[np.int64],
    content: npt.NDArray[np.uint8],
    nulls_B: npt.NDArray[np.bool_],
    hashes_B: UInt64Array,
) -> None:
    for i in range(len(hashes_B)):
        word = NULL
        if not (len(nulls_B) and nulls_B[i]):
            word = FNV_BASIS
            for at in range(ends[i], ends[i + 1]):
                word = (word ^ np.uint64(content[at])) * FNV_PRIME
            word = mix(word)
        hashes_B[i] = mix(hashes_B[i] * FNV_PRIME ^ word)
