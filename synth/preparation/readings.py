"""Moments written as text, as files that were once CSV have them: read as moments, written back to the letter.

ISO 8601 with one way of writing in the whole column: a date, or date and time with `T` or a space between, any number
of digits of seconds, and nothing, `Z` or an offset behind. Where offsets differ, the commonest is written in every row.
"""

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import KIND_KEY, Kind, kind_of
from synth.preparation.plain import is_text

_ISO = (
    r"^(?P<date>\d{4}-\d\d-\d\d)(?:(?P<between>[T ])(?P<clock>\d\d:\d\d(?::\d\d)?)(?P<digits>\.\d{1,6})?"
    r"(?P<offset>Z|[+-]\d\d:\d\d)?)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a column of texts writes its moments."""

    between: str
    """Between date and time; empty for dates."""
    clock_length: int
    """5 with minutes, 8 with seconds."""
    digits: int
    """Behind the point of the seconds."""
    offset: str

    @property
    def arrow_type(self) -> pa.DataType:
        """What the moments are read as: local ones, as they are written."""
        return pa.timestamp("us") if self.between else pa.date32()

    def read(self, texts: pa.Array) -> pa.Array:
        """Texts as moments, by the clock of the column's offset."""
        if not self.between:
            return texts.cast(pa.date32())
        if not self.offset:
            return texts.cast(pa.timestamp("us"))
        moments = pc.cast(texts, pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return pc.cast(pc.add(moments, self._offset_microseconds()), pa.timestamp("us"))

    def tried(self, texts: pa.Array) -> pa.Array | None:
        """As `read`; None where a text is no moment after all (a thirteenth month)."""
        try:
            return self.read(texts)
        except pa.ArrowInvalid:
            return None

    def written(self, moments: pa.Array) -> pa.Array:
        """Moments as texts."""
        texts = pc.cast(moments, pa.string())
        if not self.between:
            return texts
        head = pc.utf8_slice_codeunits(texts, 0, 10)
        clock = pc.utf8_slice_codeunits(texts, 11, 11 + self.clock_length)
        point = pc.utf8_slice_codeunits(texts, 19, 20 + self.digits) if self.digits else ""
        return pc.binary_join_element_wise(head, self.between, clock, point, self.offset, "")

    def _offset_microseconds(self) -> int:
        if self.offset == "Z":
            return 0
        minutes = int(self.offset[1:3]) * 60 + int(self.offset[4:6])
        return (-1 if self.offset[0] == "-" else 1) * minutes * 60_000_000

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def readings_of(table: pa.Table, *, label: str | None) -> tuple[dict[str, Reading], list[str]]:
    """The columns of texts that are all moments, and what is said of them; none whose kind is stated otherwise."""
    found: dict[str, Reading] = {}
    notes = []
    for field in table.schema:
        if not is_text(field.type) or field.name == label or kind_of(field) not in (None, Kind.TEXT, Kind.TIME):
            continue
        texts = table[field.name].combine_chunks().cast(pa.string())
        reading = _reading_of(texts)
        moments = None if reading is None else reading.tried(texts)
        if reading is None or moments is None:
            continue
        found[field.name] = reading
        same = reading.written(moments).equals(texts)
        notes.append(f"{field.name}: moments written as text" + ("" if same else f", all with {reading.offset} now"))
    return found, notes


def read_table(table: pa.Table, readings: dict[str, Reading]) -> pa.Table:
    """The table with those columns as moments; kinds and roles in the metadata stay, but for the kind of texts."""
    for name, reading in readings.items():
        if name not in table.column_names or not is_text(table.schema.field(name).type):
            continue
        at = table.schema.get_field_index(name)
        metadata = {k: v for k, v in (table.schema.field(at).metadata or {}).items() if k != KIND_KEY}
        moments = reading.read(table[name].combine_chunks().cast(pa.string()))
        table = table.set_column(at, pa.field(name, reading.arrow_type, metadata=metadata or None), moments)
    return table


def _reading_of(texts: pa.Array) -> Reading | None:
    present = texts.drop_null()
    if len(present) < 2:
        return None
    parts = pc.extract_regex(present, _ISO)
    if parts.null_count:
        return None
    ways = {name: _commonest(pc.struct_field(parts, [name])) for name in ("between", "offset")}
    lengths = {name: pc.utf8_length(pc.struct_field(parts, [name])) for name in ("clock", "digits")}
    fixed = {name: length.unique().to_pylist() for name, length in lengths.items()}
    mixed = len(ways["offset"]) > 1 and "" in ways["offset"]
    if mixed or any(len(values) > 1 for values in (*fixed.values(), ways["between"])):
        return None
    between, offset = ways["between"][0], ways["offset"][0]
    return Reading(
        between=between, clock_length=fixed["clock"][0], digits=max(0, fixed["digits"][0] - 1), offset=offset
    )


def _commonest(texts: pa.Array) -> list[str]:
    """The distinct texts, the most frequent first."""
    counted = sorted(texts.value_counts().to_pylist(), key=lambda entry: (-entry["counts"], entry["values"]))
    return [entry["values"] for entry in counted]
