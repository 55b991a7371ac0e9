"""`Settings`: one service, its cluster, its folders, its ports and the secrets its environment holds."""

import os
from enum import IntEnum, StrEnum
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from pipeline.config.base import Frozen, Name
from pipeline.config.service import SchedulerSettings
from pipeline.errors import ConfigError


class Delivery(StrEnum):
    """What a scorer promises about its output topics."""

    EXACTLY_ONCE = "exactly_once"
    """Output and consumed offsets commit in one Kafka transaction."""
    AT_LEAST_ONCE = "at_least_once"
    """Output first, offsets after: a crash repeats output. For brokers without transactions."""


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
    REPARTITION = 300
    SCHEDULE = 400
    CANARIES = 500
    RECORD = 600


class MetricsSettings(Frozen):
    """Where metrics and health are served: `/metrics`, `/healthz` and `/readyz` of every service process.

    Processes on one host take ports of their own, so that none clash by default: a scoring worker `port` plus its slot
    (9464, 9465 …), an archiver `port` + 100 plus its slot (9564 …), a notifier `port` + 200 plus its slot (9664 …),
    a repartition worker `port` + 300 plus its slot (9764 …), the scheduler `port` + 400, canaries `port` + 500, the
    recorder of alerts `port` + 600. What is started a second time with the same slot finds
    its port taken and says so. `eddyline notify STREAM terminal` serves nothing: a person is looking at it.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=64_872)] = 9464
    """0 takes any free port and logs it. At most 64,872, so that the last slot of every service has a port."""

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
    quality: str = "quality"
    """Folder of suites of expectations, one file a stream."""
    metrics: MetricsSettings = MetricsSettings()
    scheduler: SchedulerSettings = SchedulerSettings()

    @field_validator("lake", "models", "streams", "quality")
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
