"""What an Arrow IPC stream claims to hold, read from its metadata before anything is allocated for it.

A compressed buffer begins with the length it claims to unpack to, eight bytes that a sender chooses freely. Arrow
allocates what they say, so they are added up first. The layout is that of Arrow's `Message.fbs` and flatbuffers.
"""

import struct
from dataclasses import dataclass

import pyarrow as pa

_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_NOT_COMPRESSED = -1
"""A buffer in a compressed body that was left as it is."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What one message would unpack to."""

    rows: int
    unpacked_bytes: int


class _Table:
    """A flatbuffers table at a place in the metadata. Raises struct.error beyond its end."""

    def __init__(self, raw: bytes, at: int) -> None:
        self.raw = raw
        self.at = at
        self._vtable = at - struct.unpack_from("<i", raw, at)[0]
        if not 0 <= self._vtable < len(raw):
            raise struct.error("a vtable outside the metadata")

    def place(self, slot: int) -> int | None:
        """Where a field lies; None where it is left out."""
        size = struct.unpack_from("<H", self.raw, self._vtable)[0]
        entry = 4 + 2 * slot
        offset = struct.unpack_from("<H", self.raw, self._vtable + entry)[0] if entry < size else 0
        return self.at + offset if offset else None

    def table(self, slot: int) -> "_Table | None":
        """The table a field points at."""
        place = self.place(slot)
        return None if place is None else _Table(self.raw, place + struct.unpack_from("<I", self.raw, place)[0])

    def long(self, slot: int) -> int:
        """A 64-bit field, 0 by default."""
        place = self.place(slot)
        return 0 if place is None else int(struct.unpack_from("<q", self.raw, place)[0])

    def pairs(self, slot: int) -> list[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        place = self.place(slot)
        if place is None:
            return []
        start = place + struct.unpack_from("<I", self.raw, place)[0]
        count = struct.unpack_from("<I", self.raw, start)[0]
        if start + 4 + 16 * count > len(self.raw):
            raise struct.error("a vector beyond the metadata")
        numbers = struct.unpack_from(f"<{2 * count}q", self.raw, start + 4)
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def claims(message: pa.ipc.Message) -> Claims:
    """Rows and unpacked bytes a message claims. Raises struct.error where its metadata makes no sense."""
    raw = message.metadata.to_pybytes()
    root = _Table(raw, struct.unpack_from("<I", raw, 0)[0])
    kind_at = root.place(1)
    kind = raw[kind_at] if kind_at is not None else 0
    header = root.table(2)
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH) or header is None:
        return Claims(0, 0)
    batch = header.table(1) if kind == _DICTIONARY_BATCH else header
    if batch is None:
        return Claims(0, 0)
    rows = max([batch.long(0), *(length for length, _ in batch.pairs(1))])
    body = message.body
    compressed = batch.place(3) is not None
    return Claims(rows, sum(_unpacked(body, at, size, compressed) for at, size in batch.pairs(2)))


def _unpacked(body: pa.Buffer | None, at: int, size: int, compressed: bool) -> int:
    held = body.size if body is not None else 0
    if at < 0 or size < 0 or at + size > held:
        raise struct.error("a buffer outside the body")
    if body is None or not compressed or size < 8:
        return size
    claimed = int(struct.unpack("<q", body.slice(at, 8).to_pybytes())[0])
    return size if claimed == _NOT_COMPRESSED else claimed if claimed >= 0 else 2**63
