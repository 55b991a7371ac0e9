"""A stream's suite: everything expected of its events, as `quality/<stream>.yaml` states it.

Every tolerance is in the file. What a person leaves out is not asked; what a person changes stays changed.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.config.base import Frozen, Name, Share
from pipeline.expectations.document import Severity

Positive = Annotated[float, Field(ge=0.0)]
Hourly = Annotated[tuple[Positive, ...], Field(min_length=24, max_length=168)]
ONE_DAY, ONE_WEEK = 24, 168


class Entry(Frozen):
    """What every expectation may carry."""

    severity: Severity = Severity.CRITICAL
    """`warning` says it and lets the window pass."""
    note: str = ""
    """A person's own words; shown in the report."""


class Between(Entry):
    """A figure of a window, from `least` to `most`; one of them may be left out."""

    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Between":
        if self.least is None and self.most is None:
            raise ValueError("state `least`, `most` or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least {self.least:g} is above most {self.most:g}: exchange them")
        return self


class ShareBetween(Between):
    """A share of rows, 0 to 1."""

    least: Share | None = None
    most: Share | None = None


class Limits(Entry):
    """Values (or lengths of texts) outside `least` … `most` are impossible; rows with one are left out of training."""

    least: float | None = None
    most: float | None = None
    beyond: Share = 0.0
    """The greatest share of values outside that is still good."""

    @model_validator(mode="after")
    def _in_order(self) -> "Limits":
        Between(least=self.least, most=self.most)
        return self


class Quantiles(Entry):
    """Where quantiles of a window may lie: `at: {0.5: [11.2, 13.9]}`."""

    at: Annotated[dict[str, tuple[float, float]], Field(min_length=1)]

    @model_validator(mode="after")
    def _readable(self) -> "Quantiles":
        for probability, (least, most) in self.at.items():
            try:
                known = 0.0 < float(probability) < 1.0
            except ValueError:
                known = False
            if not known:
                raise ValueError(f"{probability!r} is no quantile: write a number between 0 and 1, as 0.5")
            if least > most:
                raise ValueError(f"the quantile {probability} has least {least:g} above most {most:g}: exchange them")
        return self


class Levels(Entry):
    """Names that were seen with their shares of the rows that have a value."""

    known: Annotated[dict[str, Share], Field(min_length=1)]
    unseen: Share | None = None
    """The greatest share of values of other names; None where there are too many names to list."""
    moved: Share | None = None
    """How far the shares may move: half the sum of their differences."""


class Hours(Entry):
    """Rows of each hour (UTC): 24 figures by hour of the day, or 168 by hour of the week from Monday 00:00."""

    least: Hourly
    most: Hourly

    @model_validator(mode="after")
    def _whole(self) -> "Hours":
        if len(self.least) != len(self.most) or len(self.least) not in (ONE_DAY, ONE_WEEK):
            raise ValueError("least and most need 24 figures each (hours of the day) or 168 (hours of the week)")
        for hour, (least, most) in enumerate(zip(self.least, self.most, strict=True)):
            if least > most:
                raise ValueError(f"hour {hour}: least {least:g} is above most {most:g}: exchange them")
        return self


class Relation(ShareBetween):
    """The share of rows in which one column's number is below another's."""

    smaller: str
    larger: str


class RowsSuite(Frozen):
    """Expectations on all rows of a window and on their times."""

    per_hour: Between | None = None
    """Rows per hour of the whole window."""
    by_hour: Hours | None = None
    freshness_seconds: Between | None = None
    """From the newest event to the window's end."""
    lag_seconds: Between | None = None
    """From an event to its arrival: the 95th percentile."""
    backwards: ShareBetween | None = None
    """Rows earlier than the row before in their partition."""
    standing: ShareBetween | None = None
    """Rows of the one moment that has most: a clock that stands still."""
    copies: ShareBetween | None = None
    """Rows that are the same as another in every column."""
    doubled_minutes: Between | None = None
    """Minutes in which every row stands an even number of times: a stretch that was sent twice."""


class KeysSuite(Frozen):
    """Expectations on the entities that events belong to."""

    per_hour: Between | None = None
    """Different keys in an hour, the mean over hours."""
    largest: ShareBetween | None = None
    """Rows of the busiest key."""


class ColumnSuite(Frozen):
    """Expectations on one column."""

    type: str | None = None
    """Arrow's name of it."""
    missing: ShareBetween | None = None
    limits: Limits | None = None
    quantiles: Quantiles | None = None
    zeros: ShareBetween | None = None
    true: ShareBetween | None = None
    levels: Levels | None = None
    lengths: Limits | None = None
    """Characters of a text."""
    repeated: ShareBetween | None = None
    """Rows whose value another row has too: of identifiers."""


class InferredFrom(Frozen):
    """When and from what the suite was inferred."""

    start: datetime | None = None
    """start ≤ time < end; None where rows have no time."""
    end: datetime | None = None
    at: datetime
    rows: PositiveInt
    window_hours: PositiveFloat | None = None
    """Tolerances are of windows this long."""
    window_rows: PositiveInt
    """The median of their rows; in windows with fewer, tolerances are wider by what chance adds."""
    windows: PositiveInt
    """That the reference was cut into."""
    false_failures: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    """Bound on the share of clean windows that fail."""


class Suite(Frozen):
    """All expectations on one stream."""

    stream: Name
    inferred: InferredFrom
    rows: RowsSuite = RowsSuite()
    keys: KeysSuite = KeysSuite()
    columns: dict[str, ColumnSuite] = Field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    as_inferred: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]] = Field(default_factory=dict)
    """Kept by Eddyline: a digest of each expectation as it was inferred, so that those people changed are known."""

    @property
    def chance(self) -> float:
        """Of failing by chance, for each expectation: Bonferroni."""
        return self.inferred.false_failures / max(1, len(self.as_inferred))
