"""Settings and stream specs: frozen, with units in their names. The only reader of YAML and of the environment.

`Settings` is one per service (`eddyline.yaml`); `StreamSpec` one per stream (`streams/*.yaml`). Both refuse unknown
fields. `yaml_files.py` turns files into these and says every error at once, with file and line.
"""

import os
from enum import IntEnum, StrEnum
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from detectors.budget import Counted
from detectors.columns import ARROW_TYPES, Kind, Role, make_field
from pipeline.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """Base of all settings: immutable, no unknown fields, no silent conversions of numbers to text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Delivery(StrEnum):
    """What a scorer promises about its output topics."""

    EXACTLY_ONCE = "exactly_once"
    """Output and consumed offsets commit in one Kafka transaction."""
    AT_LEAST_ONCE = "at_least_once"
    """Output first, offsets after: a crash repeats output. For brokers without transactions."""


class CodecFormat(StrEnum):
    """How events lie in a record's bytes."""

    JSON = "json"
    """One event per record, a JSON object in UTF-8."""
    ARROW = "arrow"
    """Many events per record, one Arrow IPC stream."""


class TimeUnit(StrEnum):
    """How a time column is written in JSON."""

    ISO8601 = "iso8601"
    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"


class Missing(StrEnum):
    """What an absent or null value means."""

    ALLOWED = "allowed"
    """Scored as missing."""
    REJECTED = "rejected"
    """The event goes to the dead-letter topic."""


class ColumnSpec(Frozen):
    """One column of a stream."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Kind
    roles: frozenset[Role] = frozenset()
    path: str | None = None
    """Where the value lies in a nested JSON event, dots between names; the column's name by default."""
    integer: bool = False
    """Numeric or categorical values are 64-bit integers."""
    unit: TimeUnit = TimeUnit.ISO8601
    """How times are written in JSON."""
    missing: Missing = Missing.ALLOWED

    def arrow_field(self) -> pa.Field:
        """This column as an Arrow field with kind and roles in its metadata."""
        types = ARROW_TYPES[self.kind]
        return make_field(self.name, self.kind, self.roles, arrow_type=types[1] if self.integer else types[0])

    @model_validator(mode="after")
    def _consistent(self) -> "ColumnSpec":
        if self.integer and self.kind not in (Kind.NUMERIC, Kind.CATEGORICAL):
            raise ValueError(f"integer: true fits numeric and categorical columns, not {self.kind.value}")
        if Role.TIME in self.roles and self.kind is not Kind.TIME:
            raise ValueError(f"role time needs kind time, not {self.kind.value}")
        if Role.FEATURE in self.roles and self.kind is Kind.TEXT:
            raise ValueError("a text column cannot be a feature yet: drop the role or make it categorical")
        if Role.FEATURE in self.roles and Role.LABEL in self.roles:
            raise ValueError("a label cannot be a feature too: detectors never read labels")
        return self


class BudgetSpec(Frozen):
    """The false-alarm budget: what the operator is ready to look at, counted in alerts after grouping."""

    alerts_per_day: PositiveFloat | None = None
    share_of_events: Annotated[float, Field(gt=0.0, lt=0.5)] | None = None
    """Alerts per event, for streams without a clock worth the name."""
    counted: Counted = Counted.ALL
    """`all`: every alert counts, true or false. `normal`: rows of the calibration that stand apart are taken for
    anomalies and do not, so that a stream known to be full of them alerts on all of them."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "BudgetSpec":
        if (self.alerts_per_day is None) == (self.share_of_events is None):
            raise ValueError("state exactly one of alerts_per_day and share_of_events")
        return self


class SuppressRule(Frozen):
    """Rows that match every stated value raise no alert (they are scored all the same)."""

    name: Name
    where: dict[str, str | int | float | bool]
    """Column → value, all of which must match."""
    until: str | None = None
    """ISO 8601 moment after which the rule no longer holds (event time)."""


class StormSpec(Frozen):
    """When many keys raise alerts of one cause at once, one alert stands for them."""

    keys: PositiveInt = 20
    """Distinct keys with the same first reason within the window that make a storm."""
    window_seconds: PositiveFloat = 300.0


class SeveritySpec(Frozen):
    """How many times rarer than the threshold a score must be."""

    warning: PositiveFloat = 10.0
    critical: PositiveFloat = 100.0


class AlertSpec(Frozen):
    """How flagged rows become alerts."""

    group_gap_seconds: PositiveFloat = 300.0
    """Flagged rows of one key closer than this belong to one alert; quiet for longer resolves it."""
    update_seconds: PositiveFloat = 60.0
    """An open alert is published again at most this often while it grows."""
    suppress: tuple[SuppressRule, ...] = ()
    minimum_deviation: dict[str, PositiveFloat] = {}
    """Numeric column → least |actual − expected|, in its units, for it to be a reason to alert."""
    silence_seconds: PositiveFloat | None = None
    """Alert when the whole topic brings nothing for this long."""
    storm: StormSpec = StormSpec()
    severity: SeveritySpec = SeveritySpec()
    shadow: bool = False
    """Alerts are written and counted but nobody is notified."""


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

    @field_validator("key", mode="before")
    @classmethod
    def _one_name(cls, key: object) -> object:
        return (key,) if isinstance(key, str) else key


class WindowSpec(Frozen):
    """The last values of every key, side by side, for detectors of windows."""

    length: Annotated[int, Field(ge=8, le=2_048)] = 64
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


class WebhookSpec(Frozen):
    """An HTTP destination for alerts."""

    kind: Literal["webhook"] = "webhook"
    name: Name
    url: Annotated[str, Field(pattern=r"^https?://")]
    secret_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    """The environment variable that holds the signing secret (never the secret itself)."""
    timeout_seconds: PositiveFloat = 10.0
    minimum_severity: Literal["info", "warning", "critical"] = "info"


class StreamSpec(Frozen):
    """Everything a person states about one stream."""

    stream: Name
    topic: TopicName
    format: CodecFormat = CodecFormat.JSON
    columns: Annotated[tuple[ColumnSpec, ...], Field(min_length=1)]
    budget: BudgetSpec
    alerts: AlertSpec = AlertSpec()
    scoring: ScoringSpec = ScoringSpec()
    archive: ArchiveSpec = ArchiveSpec()
    context: tuple[ContextSpec, ...] = ()
    windows: WindowSpec | None = None
    state: StateSpec = StateSpec()
    detector: DetectorSpec = DetectorSpec()
    notify: tuple[WebhookSpec, ...] = ()

    def schema(self) -> pa.Schema:  # type: ignore[override]
        """The Arrow schema of this stream's events, in the order stated."""
        return pa.schema([column.arrow_field() for column in self.columns])

    @property
    def is_enriched(self) -> bool:
        """Whether events are scored together with what came before them."""
        return bool(self.context) or self.windows is not None

    def enriched_schema(self) -> pa.Schema:
        """`schema()` and the columns that `context` and `windows` derive: what detectors are trained on."""
        if not self.is_enriched:
            return self.schema()
        from pipeline.state.recipe import Recipe

        return Recipe.of(self).schema

    @property
    def detector_name(self) -> str:
        """The detector that scores this stream."""
        return self.detector.name or ("blend" if self.windows is None else "window_vae")

    def column_with(self, role: Role) -> str | None:
        """The first column with a role, if any."""
        return next((c.name for c in self.columns if role in c.roles), None)

    def columns_with(self, role: Role) -> tuple[str, ...]:
        """All columns with a role."""
        return tuple(c.name for c in self.columns if role in c.roles)

    @property
    def alerts_topic(self) -> str:
        """Where alerts go."""
        return f"eddyline.{self.stream}.alerts"

    @property
    def scores_topic(self) -> str:
        """Where scores go, one Arrow record per batch and partition."""
        return f"eddyline.{self.stream}.scores"

    @property
    def dead_letters_topic(self) -> str:
        """Where events that cannot be read go."""
        return f"eddyline.{self.stream}.deadletters"

    @property
    def episodes_topic(self) -> str:
        """The compacted changelog of open episodes, partitioned as the source topic."""
        return f"eddyline.{self.stream}.episodes"

    @model_validator(mode="after")
    def _consistent(self) -> "StreamSpec":
        names = [c.name for c in self.columns]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise ValueError(f"columns named twice: {', '.join(doubled)}")
        for role in (Role.ID, Role.TIME):
            if len(self.columns_with(role)) > 1:
                raise ValueError(f"role {role.value} on more than one column: {', '.join(self.columns_with(role))}")
        if not self.columns_with(Role.FEATURE):
            raise ValueError("no column has the role feature: nothing could be scored")
        known = set(names)
        for where in [*self.alerts.minimum_deviation, *(c for r in self.alerts.suppress for c in r.where)]:
            if where not in known:
                raise ValueError(f"alert rules name the column {where!r}, which the stream does not have")
        return self

    @model_validator(mode="after")
    def _consistent_context(self) -> "StreamSpec":
        keys = [c.key for c in self.context]
        doubled = next((key for key in keys if keys.count(key) > 1), None)
        if doubled:
            raise ValueError(f"two contexts have the key {', '.join(doubled)}: make them one, with all half-lives")
        for number, context in enumerate(self.context):
            where = f"context[{number}]"
            self._derivable(f"{where}.key", context.key, set(Kind))
            self._derivable(f"{where}.numeric", context.numeric or (), {Kind.NUMERIC})
            named = {Kind.CATEGORICAL, Kind.BOOLEAN, Kind.TEXT}
            self._derivable(f"{where}.categorical", context.categorical or (), named)
        if self.windows is not None:
            self._derivable("windows.key", self.windows.key or (), set(Kind))
            self._derivable("windows.metrics", self.windows.metrics or (), {Kind.NUMERIC})
        return self

    def _derivable(self, where: str, names: tuple[str, ...], kinds: set[Kind]) -> None:
        """Raise ValueError where a derived column would rest on one that is not there, a label, or of another kind."""
        columns = {c.name: c for c in self.columns}
        for name in names:
            if name not in columns:
                raise ValueError(f"{where} names the column {name!r}, which the stream does not have")
            if Role.LABEL in columns[name].roles:
                raise ValueError(f"{where} names the label {name!r}: detectors never read labels")
            if columns[name].kind not in kinds:
                fitting = " or ".join(sorted(k.value for k in kinds))
                raise ValueError(f"{where} names {name!r}, which is {columns[name].kind.value}: it must be {fitting}")
        if len(set(names)) < len(names):
            raise ValueError(f"{where} names a column twice: {', '.join(names)}")


class KafkaSettings(Frozen):
    """How to reach the cluster."""

    bootstrap: Annotated[tuple[str, ...], Field(min_length=1)] = ("127.0.0.1:9092",)
    delivery: Delivery = Delivery.EXACTLY_ONCE
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username_env: str | None = None
    password_env: str | None = None
    ca_file: str | None = None
    session_timeout_ms: PositiveInt = 6_000
    transaction_timeout_ms: PositiveInt = 10_000
    connect_timeout_seconds: PositiveFloat = 10.0
    """How long an unreachable broker is tried before the error is said."""
    replication_factor: PositiveInt = 1
    """Of the topics `eddyline topics create` makes."""


class ServicePorts(IntEnum):
    """How far above `metrics.port` the ports of a service begin; a service has at most 64 slots on a host."""

    SCORE = 0
    ARCHIVE = 100
    NOTIFY = 200


class MetricsSettings(Frozen):
    """Where metrics and health are served: `/metrics`, `/healthz` and `/readyz` of every service process.

    Processes on one host take ports of their own, so that none clash by default: a scoring worker `port` plus its slot
    (9464, 9465 …), an archiver `port` + 100 plus its slot (9564 …), a notifier `port` + 200 plus its slot (9664 …).
    What is started a second time with the same slot finds its port taken and says so. `eddyline notify STREAM
    terminal` serves nothing: a person is looking at it.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_272)] = 9464
    """0 takes any free port and logs it. At most 65,272, so that the last slot of every service has a port."""

    def port_of(self, service: ServicePorts, slot: int = 0) -> int:
        """The port of one process; 0 for any free one."""
        return self.port + service + slot if self.port else 0


class Settings(Frozen):
    """One service: a cluster, a lake, a catalogue, and where its stream specs lie. Relative paths are relative to
    the settings file."""

    instance: Name | None = None
    """Names this host in consumer groups, so that two hosts never fence each other; the host name by default."""
    kafka: KafkaSettings = KafkaSettings()
    lake: str = "lake"
    models: str = "models"
    catalogue: str = "sqlite:///eddyline.db"
    streams: str = "streams"
    """Folder of stream specs."""
    metrics: MetricsSettings = MetricsSettings()

    @field_validator("lake", "models", "streams")
    @classmethod
    def _local_only(cls, folder: str) -> str:
        if "://" in folder:
            raise ValueError(f"{folder.split('://')[0]}:// is not supported yet: name a local folder")
        return folder


def environment_secret(variable: str) -> bytes:
    """The secret in the environment variable that a spec or the settings name. Raises ConfigError where it is unset."""
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigError(f"the environment variable {variable} is not set: it must hold the secret the settings name")
    return value.encode()
