"""Small specs, rows and maskers for the tests of alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from detectors.base import Reason
from detectors.columns import Kind, Role
from pipeline.alerts.engine import AlertEngine
from pipeline.alerts.identity import key_hash
from pipeline.alerts.model import Alert, Flagged
from pipeline.alerts.staged import Change, Staged
from pipeline.alerts.suppression import QUIET_NOTHING, Quiet
from pipeline.config import AlertSpec, BudgetSpec, ColumnSpec, StreamSpec

TOPIC_ID = "topic-1"
THRESHOLD_NATS = 10.0
THRESHOLD_PROBABILITY = 1e-3
NOW_MS = 1_700_000_000_000


class OpenMasking:
    """Hides nothing."""

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        return dict(event)

    def reason(self, reason: Reason) -> Reason:
        return reason

    def key(self, key: str | None) -> str | None:
        return key

    def key_hash(self, key: str | None, *, topic_id: str) -> str | None:
        return None if key is None else key_hash(key, topic_id=topic_id)


class FullMasking:
    """Hides everything."""

    def event(self, event: dict[str, Any]) -> dict[str, Any]:
        return dict.fromkeys(event, "‹masked›")

    def reason(self, reason: Reason) -> Reason:
        return replace(reason, actual="‹masked›", expected="‹masked›", low=None, high=None)

    def key(self, key: str | None) -> str | None:
        return None if key is None else "‹masked›"

    def key_hash(self, key: str | None, *, topic_id: str) -> str | None:
        return None if key is None else key_hash(key, topic_id=topic_id)[:3]


def make_spec(**alerts: Any) -> StreamSpec:
    return StreamSpec(
        stream="payments",
        topic="shop.payments",
        columns=(
            ColumnSpec(name="customer", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
            ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
            ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})),
        ),
        budget=BudgetSpec(alerts_per_day=10.0),
        alerts=AlertSpec.model_validate(alerts),
    )


def reason(column: str = "amount", *, nats: float = 20.0, actual: Any = 500.0, expected: Any = 40.0) -> Reason:
    return Reason(column=column, contribution_nats=nats, actual=actual, expected=expected, low=10.0, high=90.0)


def row(
    offset: int,
    seconds: float,
    key: str | None = "ada",
    *,
    nats: float = 25.0,
    tail: float = 1e-4,
    reasons: tuple[Reason, ...] = (reason(),),
    watermark_seconds: float | None = None,
    **event: Any,
) -> Flagged:
    """A flagged row at so many seconds of event time, appended as many seconds after `NOW_MS`."""
    return Flagged(
        offset=offset,
        row=0,
        time_ms=round(seconds * 1000),
        append_time_ms=NOW_MS + round(seconds * 1000),
        key=key,
        score_nats=nats,
        tail_probability=tail,
        reasons=reasons,
        event={"customer": key, "amount": 500.0, "country": "SE", **event},
        watermark_ms=None if watermark_seconds is None else round(watermark_seconds * 1000),
    )


def make_engine(spec: StreamSpec, **settings: Any) -> AlertEngine:
    return AlertEngine(spec, topic_id=TOPIC_ID, partition=2, masker=settings.pop("masker", OpenMasking()), **settings)


def observe(
    engine: AlertEngine,
    rows: Sequence[Flagged],
    *,
    watermark_seconds: float | None = None,
    model: str = "m1",
    quiet: Quiet = QUIET_NOTHING,
) -> Staged:
    newest = max((r.time_ms for r in rows), default=0) if watermark_seconds is None else watermark_seconds * 1000
    return engine.observe(
        rows,
        watermark_ms=round(newest),
        now_ms=NOW_MS,
        model_id=model,
        threshold_nats=THRESHOLD_NATS,
        threshold_probability=THRESHOLD_PROBABILITY,
        quiet=quiet,
    )


@dataclass
class Run:
    """An engine whose stagings are all committed, with everything it sent out."""

    engine: AlertEngine
    alerts: list[Alert]
    log: list[Change]

    @classmethod
    def of(cls, engine: AlertEngine) -> "Run":
        return cls(engine, [], [])

    def feed(self, rows: Sequence[Flagged], **settings: Any) -> tuple[Alert, ...]:
        return self.keep(observe(self.engine, rows, **settings))

    def keep(self, staged: Staged) -> tuple[Alert, ...]:
        self.engine.commit(staged)
        self.alerts += staged.alerts
        self.log += staged.changelog
        return staged.alerts

    @property
    def compacted(self) -> dict[bytes, bytes]:
        """What log compaction would leave."""
        state: dict[bytes, bytes] = {}
        for key, value in self.log:
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        return state


def final(alerts: Iterable[Alert]) -> dict[str, Alert]:
    """The last revision of each alert."""
    return {alert.id: alert for alert in alerts}
