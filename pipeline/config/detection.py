"""How events are scored, archived, remembered and learned from."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from pipeline.config.base import Frozen, Share


class ScoringSpec(Frozen):
    """How a scorer works through a stream."""

    max_batch_events: Annotated[int, Field(ge=1, le=1_000_000)] = 16_384
    max_batch_wait_ms: Annotated[float, Field(ge=0.0, le=60_000.0)] = 5.0
    """How long a batch waits for more events once it has some."""
    future_tolerance_seconds: PositiveFloat = 300.0
    """An event dated later than its append time by more than this is rejected."""
    late_seconds: PositiveFloat = 3600.0
    """An event older than the partition's newest by more than this counts as late; it is scored all the same."""
    max_rejected_share: Share = 0.5
    """Above this share of rejects (over at least 1,000 events, or 100 % of 100) the stream is paused."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


class ArchiveSpec(Frozen):
    """When the archiver closes a Parquet file."""

    roll_rows: PositiveInt = 1_000_000
    roll_bytes: PositiveInt = 128 * 1024 * 1024
    """Of undecoded events."""
    roll_seconds: PositiveFloat = 300.0


class DetectorSpec(Frozen):
    """Which detector, and how it is trained."""

    name: str | None = None
    """`blend` where none is named, `window_vae` for a stream with `windows`; `auto` chooses by injected anomalies."""
    seed: int = 0
    time_budget_seconds: PositiveFloat = 120.0
    max_rows: PositiveInt = 500_000
    """Rows at most that the detector is fitted on: a sample, drawn evenly from all that are not held out."""


class ContextSpec(Frozen):
    """What is remembered of every value of a key, and shown to the detector beside each event of it."""

    key: Annotated[tuple[str, ...], Field(min_length=1)]
    """The columns that name what is remembered; a single name may be written without brackets."""
    half_lives_seconds: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] | None = None
    """Of event time, ascending: how long until an event counts half in what is told of now; a minute by default."""
    norm_half_life_seconds: PositiveFloat | None = None
    """The same for what a key is held against, longer than the others; 30 days by default."""
    numeric: tuple[str, ...] | None = None
    """Columns whose means and spreads are kept; the first three numeric features where none are named."""
    categorical: tuple[str, ...] | None = None
    """Columns whose values new to the key are told; other keys, then categorical features, three at most."""
    measures: tuple[str, ...] | None = None
    """What is derived; `count`, `deviation` and `new_share` where none are named."""
    max_keys: PositiveInt = 1_000_000
    """Of each partition; beyond it the key that was quiet for longest is forgotten."""
    prefix: str | None = None
    """What the derived columns' names begin with; the key's where none is given."""
    repartition: bool = False
    """Whether a step in Kafka brings all events of the key together first, for a key that is not the topic's own."""

    @field_validator("key", mode="before")
    @classmethod
    def _one_name(cls, key: object) -> object:
        return (key,) if isinstance(key, str) else key


class WindowSpec(Frozen):
    """The last values of every key, side by side, for detectors of windows."""

    length: Annotated[int, Field(ge=8, le=2_048)] = 128
    """Steps, the event's own included."""
    step_seconds: PositiveFloat | None = None
    """Of event time: values are placed on this grid; without it every event is a step."""
    metrics: tuple[str, ...] | None = None
    """Columns with windows; all numeric features where none are named."""
    key: tuple[str, ...] | None = None
    """Whose events make a window; the columns with the role key where none are named."""
    max_keys: PositiveInt = 10_000
    """Of each partition; beyond it the key that was quiet for longest is forgotten."""

    @field_validator("key", mode="before")
    @classmethod
    def _one_name(cls, key: object) -> object:
        return (key,) if isinstance(key, str) else key


class StateSpec(Frozen):
    """How scorers keep the state of `context` and `windows`. A snapshot is written at whichever comes first."""

    snapshot_seconds: PositiveFloat = 60.0
    snapshot_events: PositiveInt = 1_000_000
    """Of one partition."""
