"""Which partition a key's events go to: Kafka's default partitioner, over whole columns.

The bytes hashed are the value as text in UTF-8; several columns are joined by an ASCII unit separator, and a null is
no text at all. Producers of Java and kafka-python that key records by the same text choose the same partition.

Shape legend: B rows.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.compiled import compiled

Int64Array = npt.NDArray[np.int64]
SEPARATOR = "\x1f"
_TEXT = pa.large_string()
SEED, MULTIPLIER = 0x9747B28C, 0x5BD1E995
_MASK = 0xFFFFFFFF


def partitions_of(batch: pa.RecordBatch, key: tuple[str, ...], partitions: int) -> Int64Array:
    """Shape (B,): the partition of each row, out of so many."""
    texts = [pc.fill_null(batch.column(name).cast(_TEXT), pa.scalar("", _TEXT)) for name in key]
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, pa.scalar(SEPARATOR, _TEXT))
    return partitions_of_texts(joined, partitions)


def partitions_of_texts(texts: pa.LargeStringArray, partitions: int) -> Int64Array:
    """Shape (B,): the partition of each key, none of which is null."""
    out_B = np.zeros(len(texts), np.int64)
    if not len(texts):
        return out_B
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(texts) + 1, texts.offset * 8)
    data_bytes = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    _hash(data_bytes, bounds, partitions, out_B)
    return out_B


@compiled
def _hash(data_bytes: npt.NDArray[np.uint8], bounds: Int64Array, partitions: int, out_B: Int64Array) -> None:
    """MurmurHash2 (Appleby 2008), 32 bits, with Kafka's seed; arithmetic in 64 bits, cut to 32 after every product.
    `bounds` (B + 1,) says where each key begins in the bytes."""
    for i in range(len(out_B)):
        start, stop = bounds[i], bounds[i + 1]
        length = stop - start
        h = (SEED ^ length) & _MASK
        whole = start + length // 4 * 4
        for at in range(start, whole, 4):
            k = np.int64(data_bytes[at]) | np.int64(data_bytes[at + 1]) << 8
            k |= np.int64(data_bytes[at + 2]) << 16 | np.int64(data_bytes[at + 3]) << 24
            k = (k * MULTIPLIER) & _MASK
            k = ((k ^ (k >> 24)) * MULTIPLIER) & _MASK
            h = ((h * MULTIPLIER) & _MASK) ^ k
        rest = stop - whole
        if rest > 2:
            h ^= np.int64(data_bytes[whole + 2]) << 16
        if rest > 1:
            h ^= np.int64(data_bytes[whole + 1]) << 8
        if rest > 0:
            h = ((h ^ np.int64(data_bytes[whole])) * MULTIPLIER) & _MASK
        h = ((h ^ (h >> 13)) * MULTIPLIER) & _MASK
        out_B[i] = ((h ^ (h >> 15)) & 0x7FFFFFFF) % partitions
