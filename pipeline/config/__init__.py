"""Settings and stream specs: frozen, with units in their names. The only reader of YAML and of the environment.

`Settings` is one per service (`eddyline.yaml`); `StreamSpec` one per stream (`streams/*.yaml`). Both refuse unknown
fields. `yaml_files.py` turns files into these and says every error at once, with file and line.
"""

from pipeline.config.alerting import AlertSpec, BudgetSpec, SeveritySpec, StormSpec, SuppressRule, WebhookSpec
from pipeline.config.base import Frozen, Name, Share, TopicName
from pipeline.config.columns import CodecFormat, ColumnSpec, Missing, TimeUnit
from pipeline.config.detection import ArchiveSpec, ContextSpec, DetectorSpec, ScoringSpec, StateSpec, WindowSpec
from pipeline.config.service import (
    CanarySpec,
    DuplicatePolicy,
    JobKind,
    JobSpec,
    MissedFires,
    QualitySpec,
    RetentionSpec,
    RetrainingSpec,
    SchedulerSettings,
)
from pipeline.config.settings import (
    Delivery,
    KafkaSettings,
    MetricsSettings,
    ServicePorts,
    Settings,
    environment_secret,
)
from pipeline.config.stream import StreamSpec

__all__ = [
    "AlertSpec",
    "ArchiveSpec",
    "BudgetSpec",
    "CanarySpec",
    "CodecFormat",
    "ColumnSpec",
    "ContextSpec",
    "Delivery",
    "DetectorSpec",
    "DuplicatePolicy",
    "Frozen",
    "JobKind",
    "JobSpec",
    "KafkaSettings",
    "MetricsSettings",
    "MissedFires",
    "Missing",
    "Name",
    "QualitySpec",
    "RetentionSpec",
    "RetrainingSpec",
    "SchedulerSettings",
    "ScoringSpec",
    "ServicePorts",
    "Settings",
    "SeveritySpec",
    "Share",
    "StateSpec",
    "StormSpec",
    "StreamSpec",
    "SuppressRule",
    "TimeUnit",
    "TopicName",
    "WebhookSpec",
    "WindowSpec",
    "environment_secret",
]
