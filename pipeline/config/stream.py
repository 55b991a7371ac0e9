"""`StreamSpec`: everything a person states about one stream."""

from typing import Annotated

import pyarrow as pa
from pydantic import Field, model_validator

from detectors.columns import Kind, Role
from pipeline.config.alerting import AlertSpec, BudgetSpec, WebhookSpec
from pipeline.config.base import Frozen, Name, TopicName
from pipeline.config.columns import CodecFormat, ColumnSpec
from pipeline.config.detection import ArchiveSpec, ContextSpec, DetectorSpec, ScoringSpec, StateSpec, WindowSpec
from pipeline.config.service import CanarySpec, JobSpec, QualitySpec, RetentionSpec, RetrainingSpec


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
    schedule: tuple[JobSpec, ...] = ()
    retraining: RetrainingSpec = RetrainingSpec()
    quality: QualitySpec = QualitySpec()
    canaries: CanarySpec | None = None
    retention: RetentionSpec = RetentionSpec()

    def schema(self) -> pa.Schema:  # type: ignore[override]
        """The Arrow schema of this stream's events, in the order stated."""
        return pa.schema([column.arrow_field() for column in self.columns])

    @property
    def own_context(self) -> tuple[ContextSpec, ...]:
        """The contexts that a scorer derives itself, from the partitions as they are."""
        return tuple(context for context in self.context if not context.repartition)

    @property
    def repartitioned_context(self) -> tuple[ContextSpec, ...]:
        """The contexts that `eddyline repartition` derives before anyone else reads the events."""
        return tuple(context for context in self.context if context.repartition)

    @property
    def is_enriched(self) -> bool:
        """Whether events are scored together with what came before them in their partition."""
        return bool(self.own_context) or self.windows is not None

    def enriched_schema(self) -> pa.Schema:
        """`schema()` and the columns that a scorer derives: what detectors are trained on."""
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
            if context.repartition and context.key == self.columns_with(Role.KEY):
                raise ValueError(
                    f"{where}.repartition: {', '.join(context.key)} is the stream's own key, whose events share a "
                    "partition already: leave repartition out"
                )
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
