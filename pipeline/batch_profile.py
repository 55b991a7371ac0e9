"""What a stream's events usually lack, column by column: kept in the model's bundle, held against the newest events.

Made at training: bounds from the rows fitted on, and how often rows break them from the rows held out, on average and
in the worst stretch of them. A stretch of recent rows is called faulty only where so many rows are marked as

- an exact binomial bound allows once in a million stretches, at the higher of the worst stretch's share and the upper
  99.9% bound of the average (Clopper and Pearson 1934), and
- a least share, below which a fault would matter to nobody.

Rows are not independent; that is why the worst stretch stands in for the average. It fails where the held-out rows
were themselves bad: what was usual then is usual after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from detectors.columns import Kind
from pipeline.batch_faults import ColumnBounds, Fault

FORMAT = 1
SHORT, LONG = 256, 4_096
"""Rows of the stretches that are judged."""
STRETCHES = (LONG, SHORT)
LEAST_SHARE = {SHORT: 0.08, LONG: 0.02}
LEAST_STALLED = 0.5
"""A clock that stands still does so for most events; a few late ones do not make it one."""
ALPHA = 1e-6
CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How often rows show one fault when all is well."""

    rows: int = 0
    """Looked at; 0 where nobody looked."""
    marked: int = 0
    highest: float = 0.0
    """The greatest share of any `SHORT` consecutive rows."""
    highest_long: float = 0.0
    """The same of `LONG`."""

    @property
    def share(self) -> float:
        """Of all rows looked at."""
        return self.marked / self.rows if self.rows else 0.0

    def limit(self, rows: int, fault: Fault) -> int:
        """Marked rows among `rows` (one of `STRETCHES`) beyond which they are faulty; `rows` where they never are."""
        highest = self.highest if rows == SHORT else self.highest_long
        least = LEAST_STALLED if fault is Fault.STALLED else LEAST_SHARE[rows]
        return max(_limit(rows, max(highest, _upper(self.marked, self.rows))), int(np.ceil(least * rows)))

    @property
    def words(self) -> str:
        """The usual share, for people; empty where nobody looked."""
        return share_text(self.share) if self.rows else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProfile:
    """The bounds of every column that is judged, and how often each fault is usual."""

    columns: Mapping[str, ColumnBounds]
    usual: Mapping[tuple[str, Fault], Usual]
    """By column (empty for faults of the stream) and fault."""

    def usual_of(self, column: str, fault: Fault) -> Usual:
        """How often a fault is usual; never, where nobody looked."""
        return self.usual.get((column, fault), Usual())

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "columns": [_column_document(column) for column in self.columns.values()],
            "usual": [
                {"column": name, "fault": fault.value, **{field: getattr(usual, field) for field in _USUAL}}
                for (name, fault), usual in self.usual.items()
            ],
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "BatchProfile":
        """What `document` described. Raises ValueError for another format."""
        if document.get("format") != FORMAT:
            raise ValueError(f"a profile of format {document.get('format')!r}, this version reads {FORMAT}")
        return cls(
            columns={entry["name"]: _column(entry) for entry in document["columns"]},
            usual={
                (entry["column"], Fault(entry["fault"])): Usual(**{field: entry[field] for field in _USUAL})
                for entry in document["usual"]
            },
        )


_USUAL = ("rows", "marked", "highest", "highest_long")


def share_text(share: float) -> str:
    """A share for people: 31%, 0.2%, under 0.1%."""
    if 0.0 < share < 0.001:
        return "under 0.1%"
    return f"{share:.0%}" if share >= 0.1 or share == 0.0 else f"{share:.1%}"


def _column_document(column: ColumnBounds) -> dict[str, Any]:
    levels = None if column.levels is None else sorted(column.levels, key=str)
    return {"name": column.name, "kind": column.kind.value, "low": column.low, "high": column.high, "levels": levels}


def _column(entry: dict[str, Any]) -> ColumnBounds:
    levels = None if entry["levels"] is None else frozenset(entry["levels"])
    return ColumnBounds(
        name=entry["name"], kind=Kind(entry["kind"]), low=entry["low"], high=entry["high"], levels=levels
    )


@lru_cache(maxsize=4_096)
def _upper(marked: int, rows: int) -> float:
    """The upper bound of a share of which so many were seen."""
    from scipy.special import betaincinv

    if marked >= rows:
        return float(rows > 0)
    return float(betaincinv(marked + 1, rows - marked, CONFIDENCE))


@lru_cache(maxsize=4_096)
def _limit(rows: int, share: float) -> int:
    from scipy.special import bdtrc

    if share >= 1.0:
        return rows
    beyond = bdtrc(np.arange(rows, dtype=np.float64), rows, share)  # the chance of more than so many
    rare = beyond <= ALPHA
    return int(np.argmax(rare)) if rare.any() else rows
