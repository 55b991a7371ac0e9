"""A backtest as files: JSON for machines, a picture for people."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from pipeline.alerts.model import Alert, Severity
from pipeline.alerts.wire import encode_alert
from pipeline.errors import StorageUnavailableError
from pipeline.jobs.backtest import Backtested

_COLOURS = {Severity.INFO: "#e8a33d", Severity.WARNING: "#d9622b", Severity.CRITICAL: "#a3123a"}
_LOG_BEYOND = 6.0
"""Where the highest score is this many times the threshold, the scale is logarithmic above it."""


def to_document(done: Backtested) -> dict[str, Any]:
    """The whole report as JSON-able values; personal values are masked as in the alerts themselves."""
    return {
        "stream": done.stream,
        "model_id": done.model_id,
        "threshold_nats": done.threshold_nats,
        "start": moment(done.start_ms),
        "end": moment(done.end_ms),
        "rows": done.rows,
        "flagged_rows": done.flagged,
        "suppressed_rows": done.suppressed,
        "alerts_opened": done.opened,
        "promise": done.promise.to_document() if done.promise is not None else None,
        "labels": done.labels.to_document() if done.labels is not None else None,
        "alerts": [json.loads(encode_alert(alert)) for alert in done.alerts],
    }


def write_report(done: Backtested, folder: Path) -> tuple[Path, Path]:
    """Write `backtest.json` and `backtest.png`; returns their paths. Raises StorageUnavailableError."""
    document, picture = folder / "backtest.json", folder / "backtest.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        document.write_text(json.dumps(to_document(done), indent=2) + "\n", encoding="utf-8")
        draw(done).savefig(picture, dpi=120)
    except OSError as error:
        raise StorageUnavailableError(
            f"the report cannot be written to {folder} ({error.strerror or error}): name a folder with --output"
        ) from error
    return document, picture


def draw(done: Backtested) -> Figure:
    """Scores over time with the threshold, and a mark for each alert's worst event."""
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_scores(axes, done)
    _draw_alerts(axes, done.alerts)
    highest = max(point.max_nats for point in done.timeline)
    if highest > _LOG_BEYOND * abs(done.threshold_nats):
        axes.set_yscale("symlog", linthresh=max(1.0, abs(done.threshold_nats)))
    locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.set_xlabel("event time, UTC")
    axes.set_ylabel("score, nats (higher is stranger)")
    axes.set_title(f"{done.stream}: {done.opened:,} alerts in {done.rows:,} events, model {done.model_id}", loc="left")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", ncols=5, fontsize="small", framealpha=0.9)
    return figure


def _draw_scores(axes: Axes, done: Backtested) -> None:
    times = _moments(point.start_ms for point in done.timeline)
    axes.plot(times, [p.max_nats for p in done.timeline], color="#7c93ad", lw=0.7, label="highest score")
    axes.plot(times, [p.mean_nats for p in done.timeline], color="#274b73", lw=1.2, label="mean score")
    axes.axhline(done.threshold_nats, color="#222222", ls="--", lw=1.1, label=f"threshold {done.threshold_nats:.1f}")


def _draw_alerts(axes: Axes, alerts: tuple[Alert, ...]) -> None:
    for severity, colour in _COLOURS.items():
        chosen = [alert for alert in alerts if alert.severity is severity]
        if chosen:
            times, scores = _moments(alert.started_ms for alert in chosen), [alert.score_nats for alert in chosen]
            label = f"{severity.value} ({len(chosen):,})"
            axes.scatter(times, scores, s=26, color=colour, edgecolor="white", lw=0.5, zorder=3, label=label)


def moment(time_ms: int) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return _utc(time_ms).isoformat(timespec="seconds")


def _moments(times_ms: Iterable[int]) -> npt.NDArray[np.datetime64]:
    return np.array(list(times_ms), dtype="datetime64[ms]")


def _utc(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000.0, UTC)
