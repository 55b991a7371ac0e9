"""Says of each flagged row whether the data around it are bad, or its behaviour is odd. See docs/alerts.md, "Cause".

A flagged row is bad data where most of what makes it strange is a fault that far more of the rows before it have than
is usual: of a column, where the row shows the fault itself, or of what a column is derived from, or of the stream as
a whole. Judged are the last 4,096 and the last 256 rows of its partition, itself included: that does not depend on how
rows are cut into batches. A fault must be spread over keys as it would be if it struck rows at random, else it is the
behaviour of those few keys; where there is one key only, or none, that cannot be told and counts as spread.

After a restart nothing is known of the rows before: the first 256 rows of a partition have no cause.

Shape legend: H rows held, B rows of a batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import Reason
from detectors.columns import Kind, Role
from detectors.context.hashing import hash_columns
from pipeline.alerts.model import Cause
from pipeline.batch_faults import OF_STREAM, BoolArray, Fault, late, repeated, said, stalled
from pipeline.batch_profile import SHORT, STRETCHES, BatchProfile, share_text
from pipeline.config import StreamSpec
from pipeline.kafka.port import Int64Array
from pipeline.scoring.forward import ScoredPiece
from pipeline.scoring.recent_rows import RecentRows, Rows

SPREAD = 0.5
"""Keys with marked rows, of those there would be if rows were marked at random, that make a fault the data's."""
MOST_OF = 0.5
"""Of what a row's reasons add to its score, that faults must explain."""
NO_PROFILE = "the model has no profile of usual data: train again"


@dataclass(frozen=True, slots=True)
class Blame:
    """Whether a flagged row is bad data, and why."""

    cause: Cause
    detail: str = ""


class Columns:
    """What of a stream's columns the judge needs to know."""

    def __init__(self, spec: StreamSpec) -> None:
        self.key = spec.columns_with(Role.KEY)
        self.id = spec.column_with(Role.ID)
        self.kept = [column.name for column in spec.columns if column.roles - {Role.LABEL}]
        self.late_ms = round(spec.scoring.late_seconds * 1000)
        self._timed = {column.name for column in spec.columns if column.kind is Kind.TIME}
        self._has_clock = spec.column_with(Role.TIME) is not None
        self._own = frozenset(column.name for column in spec.columns)

    def is_own(self, name: str) -> bool:
        """Whether events bring a column, in contrast to those derived here."""
        return name in self._own

    def sources(self, name: str) -> tuple[str, ...]:
        """The columns that a derived one comes from: those its name is made of, and the key."""
        rest = name.split(".", 1)[-1]
        made_of = (c for c in self._own if rest.startswith(f"{c}_") or rest.endswith(f"_{c}") or name == f"{c}.window")
        return tuple(dict.fromkeys([*sorted(made_of), *self.key]))

    def stream_faults(self, name: str) -> tuple[Fault, ...]:
        """The faults of the whole stream that make a column strange: the clock's, and whatever is derived."""
        if self.is_own(name) and name not in self._timed:
            return ()
        clock = (Fault.STALLED,) if self._has_clock else ()
        ids = (Fault.REPEATED,) if self.id is not None else ()
        return (Fault.REJECTED, *ids, Fault.LATE, *clock)


class BatchQuality:
    """The judge of one partition. State moves with every batch; a batch not committed must be followed by a new judge,
    as all states of a partition are after a rewind."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._recent = RecentRows(columns.kept)

    def observe(
        self, pieces: Sequence[ScoredPiece], newest_ms: Int64Array, profile: BatchProfile | None
    ) -> list[Blame]:
        """The blame of a batch's flagged rows, in their order; `newest_ms` has the newest time up to each row, (B,)."""
        flagged = [(start + row.row, row) for start, piece in _starts(pieces) for row in piece.flagged]
        if profile is None:
            self._recent = RecentRows(self._columns.kept)
            return [Blame(Cause.UNKNOWN, NO_PROFILE) for _ in flagged]
        before, held = self._recent.seen, self._recent.held
        for start, piece in _starts(pieces):
            self._recent.add(piece.block, piece.taken, newest_ms[start : start + piece.taken.batch.num_rows])
        blames = list[Blame]()
        if flagged:
            judge = _Judge(self._columns, profile, self._recent.joined())
            for row, found in flagged:
                seen = before + row + 1
                blames.append(judge.blame(held + row, found.reasons, found.event) if seen >= SHORT else _early(seen))
        self._recent.trim()
        return blames


def _early(seen: int) -> Blame:
    return Blame(Cause.UNKNOWN, f"only {seen:,} events of this partition were seen since the worker started")


def _starts(pieces: Iterable[ScoredPiece]) -> Iterable[tuple[int, ScoredPiece]]:
    """Each piece with the number of rows before it."""
    start = 0
    for piece in pieces:
        yield start, piece
        start += piece.taken.batch.num_rows


class _Judge:
    """Judges rows among those held; looks at each column and fault once at most, and only when a row asks for it."""

    def __init__(self, columns: Columns, profile: BatchProfile, rows: Rows) -> None:
        self._columns, self._profile, self._rows = columns, profile, rows
        self._marks: dict[tuple[str, Fault], BoolArray] = {}
        self._counts: dict[tuple[str, Fault], Int64Array] = {}
        self._keys: Int64Array | None = None

    def blame(self, at: int, reasons: Sequence[Reason], event: Mapping[str, object]) -> Blame:
        """The blame of the row at index `at`."""
        total = explained = 0.0
        words, heaviest, first = "", 0.0, False
        for place, reason in enumerate(reasons):
            weight = max(0.0, reason.contribution_nats)
            total += weight
            fault = self._fault(at, reason.column, event)
            if fault:
                explained += weight
                first |= place == 0
                if not words or weight > heaviest:
                    words, heaviest = fault, weight
        if first or (words and explained >= MOST_OF * total):
            return Blame(Cause.BAD_DATA, words)
        return Blame(Cause.ODD_BEHAVIOUR)

    def _fault(self, at: int, name: str, event: Mapping[str, object]) -> str:
        """What is wrong with the data that a column's part in a row's score comes from; empty where nothing is."""
        for column, fault in self._suspects(name, event):
            if found := self._held_against_usual(at, column, fault):
                return found
        return ""

    def _suspects(self, name: str, event: Mapping[str, object]) -> Iterable[tuple[str, Fault]]:
        own = self._columns.is_own(name)
        for column in (name,) if own else self._columns.sources(name):
            bounds = self._profile.columns.get(column)
            for fault in bounds.faults if bounds is not None else ():
                if bounds is not None and (not own or bounds.shows(fault, event.get(column))):
                    yield column, fault
        for fault in self._columns.stream_faults(name):
            yield "", fault

    def _held_against_usual(self, at: int, column: str, fault: Fault) -> str:
        """The fault in words where it is one, of the longest stretch that shows it."""
        usual = self._profile.usual_of(column, fault)
        counts = self._count(column, fault)
        for rows in STRETCHES:
            start = at + 1 - rows
            if start < 0:
                continue
            marked = int(counts[at + 1] - counts[start])
            if marked > usual.limit(rows, fault) and self._is_spread(column, fault, start, at + 1):
                share = marked / (rows + marked if fault is Fault.REJECTED else rows)
                return said(fault, column, share_text(min(1.0, share)), rows, usual.words)
        return ""

    def _is_spread(self, column: str, fault: Fault, start: int, stop: int) -> bool:
        """Whether marked rows are of about as many keys as rows drawn at random would be."""
        if not self._columns.key or fault in OF_STREAM or column in self._columns.key:
            return True
        if self._keys is None:
            keys = [self._rows.column(name) for name in self._columns.key]
            self._keys = np.unique(hash_columns(keys, len(self._rows)), return_inverse=True)[1]
        keys_of = self._keys[start:stop]
        marks = self._mark(column, fault)[start:stop]
        share = float(marks.mean())
        sizes = np.unique(keys_of, return_counts=True)[1]
        expected = float((1.0 - (1.0 - share) ** sizes).sum())
        return len(np.unique(keys_of[marks])) >= SPREAD * expected

    def _count(self, column: str, fault: Fault) -> Int64Array:
        """Marked rows before each row, and all of them at the end, (H + 1,)."""
        if (column, fault) not in self._counts:
            if fault is Fault.REJECTED:
                before = self._rows.rejected  # what was rejected after a row must not count for it
                counts = np.concatenate([before[:1], before])
            else:
                counts = np.concatenate([[0], np.cumsum(self._mark(column, fault))])
            self._counts[column, fault] = np.asarray(counts, dtype=np.int64)
        return self._counts[column, fault]

    def _mark(self, column: str, fault: Fault) -> BoolArray:
        if (column, fault) not in self._marks:
            self._marks[column, fault] = self._marked(column, fault)
        return self._marks[column, fault]

    def _marked(self, column: str, fault: Fault) -> BoolArray:
        rows = self._rows
        if fault is Fault.STALLED:
            return stalled(rows.newest_ms)
        if fault is Fault.LATE:
            return late(rows.times_ms, rows.newest_ms, self._columns.late_ms)
        if fault is Fault.REPEATED:
            ids = rows.column(self._columns.id or "")
            return np.zeros(len(rows), dtype=np.bool_) if ids is None else repeated(ids)
        return self._profile.columns[column].marks(fault, rows.column(column), len(rows))
