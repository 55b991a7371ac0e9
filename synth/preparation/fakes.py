"""Stand-ins for what people are known by: made of words of ours and of addresses that no one has.

E-mail addresses end in `.example` (RFC 2606), IP addresses are of the blocks for benchmarks (198.18.0.0/15, RFC 2544)
and for documentation (2001:db8::/32, RFC 3849), names are two words of landscapes.

Shape legend: N rows.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import Draw, Frame, MadeAnew, with_missing
from synth.preparation.placeholders import WORDS

MAIL, IPV4, IPV6, NAME, PHONE = "mail", "IPv4", "IPv6", "name", "phone"
LOOKS: dict[str, re.Pattern[str]] = {
    MAIL: re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    IPV4: re.compile(r"(?:\d{1,3}\.){3}\d{1,3}"),
    IPV6: re.compile(r"(?=.*:.*:)[0-9A-Fa-f:.]{3,45}"),
    PHONE: re.compile(r"\+\d[\d ()./-]{6,18}\d"),
    NAME: re.compile(r"[^\W\d_][^\W\d_.'’-]*(?: [^\W\d_][^\W\d_.'’-]*){1,3}"),
}
MOST = 0.8
"""Share of a column's values that must look alike."""
_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fake(MadeAnew):
    """Addresses and names."""

    name: ClassVar[str] = "fake"
    column: str
    look: str
    missing_share: float

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """A text for each row, by its place in the dataset."""
        missing = draw.shares(f"{self.column} missing") < self.missing_share
        return with_missing(self.texts(draw, draw.numbers()), missing)

    def texts(self, draw: Draw, numbers_N: npt.NDArray[np.uint64]) -> pa.Array:
        """The texts of the rows with these numbers, (N,)."""
        bits_N = draw.words(f"{self.column} fake", numbers_N)
        number = pc.cast(pa.array(numbers_N), pa.string())
        if self.look == MAIL:
            return _joined(_word(bits_N, 0), ".", _word(bits_N, 6), number, "@", _word(bits_N, 12), ".example")
        if self.look == IPV4:
            places = [_text(bits_N >> np.uint64(shift) & np.uint64(255)) for shift in (8, 0)]
            return _joined(
                "198.", _text(np.uint64(18) + (bits_N >> np.uint64(16) & np.uint64(1))), ".", places[0], ".", places[1]
            )
        if self.look == IPV6:
            parts = [_hexadecimal(bits_N >> np.uint64(shift) & np.uint64(0xFFFF)) for shift in (32, 16, 0)]
            return _joined("2001:db8::", parts[0], ":", parts[1], ":", parts[2])
        return _joined(pc.utf8_capitalize(_word(bits_N, 0)), " ", pc.utf8_capitalize(_word(bits_N, 6)))

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def look_of(array: pa.Array) -> str | None:
    """What most of a column's texts look like; None where they look like nothing known."""
    values = array.drop_null().unique()[:_LOOKED_AT].to_pylist()
    if not values:
        return None
    for look, pattern in LOOKS.items():
        if sum(pattern.fullmatch(value) is not None for value in values) >= MOST * len(values):
            return look
    return None


def _word(bits_N: npt.NDArray[np.uint64], shift: int) -> pa.Array:
    places = (bits_N >> np.uint64(shift) & np.uint64(63)).astype(np.int64)
    return pa.array(WORDS).take(pa.array(places))


def _text(numbers_N: npt.NDArray[np.uint64]) -> pa.Array:
    return pc.cast(pa.array(numbers_N), pa.string())


def _hexadecimal(numbers_N: npt.NDArray[np.uint64]) -> pa.Array:
    digits = pa.array([f"{n:x}" for n in range(16)])
    places = [
        digits.take(pa.array((numbers_N >> np.uint64(shift) & np.uint64(15)).astype(np.int64)))
        for shift in (12, 8, 4, 0)
    ]
    return pc.binary_join_element_wise(*places, "")


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*[pa.scalar(p) if isinstance(p, str) else p for p in parts], "")
