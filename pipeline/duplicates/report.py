"""What was found of rows that are there twice. Places and counts, never values."""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.duplicates.content import ContentColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows that repeat an earlier one in one way. The earliest of each group is not counted."""

    rows: int
    share: float
    """Of all rows looked at."""
    groups: int
    """How many rows are there more than once."""
    largest: int
    """Rows of the largest group, the earliest counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearFound:
    """Rows that are near an earlier one and no exact copies."""

    rows: int
    share: float
    groups: int
    largest: int
    chance_rows: int
    """As many are found among rows whose columns know nothing of each other."""
    chance_exact_rows: int
    """And as many equal an earlier row there."""
    differing: dict[str, int]
    """In which column such rows differ from the earlier one, by how many; `none` where all are within tolerance."""
    most_differing: int
    tolerance: float

    @property
    def beyond_chance(self) -> int:
        """Rows that chance does not explain, at least."""
        return max(0, self.rows - self.chance_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFound:
    """Rows of one hour by event time, and how many of them are there twice."""

    start_ms: int
    rows: int
    exact: int
    near: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One row and the earlier one that it repeats, by where they lie."""

    how: str
    """id, content or near."""
    row: dict[str, int]
    """Of an archive: partition, offset, row (of its record), time_ms. Of a dataset: row, from 0."""
    earlier: dict[str, int]
    differs: str | None = None
    """The column in which near rows differ, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateReport:
    """Exact and near duplicates of one window of an archive, or one synthetic dataset."""

    stream: str
    subject: str
    """archive or dataset."""
    subject_id: str
    """The window's or the dataset's id."""
    start_ms: int | None
    end_ms: int | None
    rows: int
    columns: ContentColumns
    by_id: Found | None
    """The same id again: delivered twice. None where the stream has no id."""
    other_content: int
    """Of those, rows whose content is not that of the earlier one: an id used twice, or an event corrected."""
    by_content: Found
    """The same in every column but the id, and not counted above."""
    exact_rows: int
    """Either."""
    near: NearFound | None
    """None where it was not asked for, or where there are too few columns."""
    left_out_rows: int
    """What training leaves out by the stream's policy."""
    hours: tuple[HourFound, ...]
    """The hours with the most of them, in order of time; empty where rows have no time."""
    examples: tuple[Example, ...]
    notes: tuple[str, ...]

    @property
    def exact_share(self) -> float:
        """Exact duplicates, of all rows."""
        return self.exact_rows / self.rows if self.rows else 0.0

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            **asdict(self),
            "columns": self.columns.document(),
            "exact_share": self.exact_share,
            "hours": [asdict(hour) for hour in self.hours],
            "examples": [asdict(example) for example in self.examples],
            "notes": list(self.notes),
        }

    def slot(self) -> dict[str, Any]:
        """What a quality report shows of it: a flat table of names and numbers."""
        shown: dict[str, Any] = {"rows": self.rows, "exact_rows": self.exact_rows}
        if self.by_id is not None:
            shown |= {"same_id_again": self.by_id.rows, "of_those_with_other_content": self.other_content}
        shown["same_content"] = self.by_content.rows
        if self.near is not None:
            shown |= {"near_rows": self.near.rows, "near_rows_by_chance": self.near.chance_rows}
        return shown | {"left_out_of_training": self.left_out_rows}
