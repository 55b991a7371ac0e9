"""The false-alarm budget, how flagged rows become alerts, and who hears of them."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from detectors.budget import Counted
from pipeline.config.base import Frozen, Name


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
    minimum_deviation: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Numeric column → least |actual − expected|, in its units, for it to be a reason to alert."""
    silence_seconds: PositiveFloat | None = None
    """Alert when the whole topic brings nothing for this long."""
    storm: StormSpec = StormSpec()
    severity: SeveritySpec = SeveritySpec()
    shadow: bool = False
    """Alerts are written and counted but nobody is notified."""


class WebhookSpec(Frozen):
    """An HTTP destination for alerts."""

    kind: Literal["webhook"] = "webhook"
    name: Name
    url: Annotated[str, Field(pattern=r"^https?://")]
    secret_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    """The environment variable that holds the signing secret (never the secret itself)."""
    timeout_seconds: PositiveFloat = 10.0
    minimum_severity: Literal["info", "warning", "critical"] = "info"
