"""Identifiers that count: plain integers, or a prefix and a number. New ones go on behind the greatest.

Shape legend: N rows.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import Draw, Frame, MadeAnew, with_missing

_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d{1,18})$", re.DOTALL)
LARGEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(MadeAnew):
    """`prefix` and a number that grows by `step` a row from `start`."""

    name: ClassVar[str] = "sequence"
    column: str
    start: int
    step: int
    prefix: str | None
    """None for integer columns."""
    width: int
    """Zeros are written before shorter numbers."""
    missing_share: float

    def restored(self, frame: Frame, draw: Draw) -> pa.Array:
        """One number for each row, by its place in the dataset."""
        numbers = pa.array(self.start + draw.numbers().astype(np.int64) * self.step)
        missing = draw.shares(f"{self.column} missing") < self.missing_share
        if self.prefix is None:
            return with_missing(numbers, missing)
        texts = pc.utf8_lpad(pc.cast(numbers, pa.string()), width=self.width, padding="0")
        return with_missing(pc.binary_join_element_wise(self.prefix, texts, ""), missing)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def integer_sequence(column: str, array: pa.Array) -> Sequence:
    """The rule that goes on behind the greatest integer, by the usual step; behind the least where there is no room."""
    values = np.sort(array.drop_null().to_numpy(zero_copy_only=False))
    start, step = _next(values)
    return Sequence(
        column=column, start=start, step=step, prefix=None, width=0, missing_share=array.null_count / max(len(array), 1)
    )


def text_sequence(column: str, array: pa.Array) -> Sequence | None:
    """The rule for texts that are one prefix and a number each, where the numbers are as good as consecutive."""
    present = array.drop_null()
    if not len(present):
        return None
    found = _NUMBERED.match(present[0].as_py())
    if found is None or not pc.all(pc.starts_with(present, found["prefix"])).as_py():
        return None
    prefix = found["prefix"]
    digits = pc.utf8_slice_codeunits(present, start=len(prefix))
    if not pc.all(pc.match_substring_regex(digits, "^[0-9]{1,18}$")).as_py():
        return None
    values = np.sort(pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False))
    if not dense(values):
        return None
    width = int(pc.min(pc.utf8_length(digits)).as_py())
    start, step = _next(values)
    share = array.null_count / len(array)
    return Sequence(column=column, start=start, step=step, prefix=prefix, width=width, missing_share=share)


def dense(sorted_values: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    """Whether distinct numbers lie so close that they must have been counted: in all, half of the numbers between."""
    if len(sorted_values) < 2:
        return True
    gaps = np.diff(sorted_values)
    step = max(int(np.median(gaps)), 1)
    return bool((gaps > 0).all() and float(sorted_values[-1]) - float(sorted_values[0]) <= 2.0 * step * len(gaps))


def _next(sorted_values: np.ndarray[Any, np.dtype[np.int64]]) -> tuple[int, int]:
    least, greatest = int(sorted_values[0]), int(sorted_values[-1])
    step = max(int(np.median(np.diff(sorted_values))), 1) if len(sorted_values) > 1 else 1
    if greatest > LARGEST:
        return least - 1, -1
    return greatest + step, step if step < 2**20 else 1
