"""An evaluation as files: JSON for machines, a picture for people."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.errors import StorageUnavailableError
from pipeline.jobs.backtest_report import moment
from pipeline.jobs.evaluate import DetectorResult, Evaluated

_COLOURS = ("#274b73", "#d9622b", "#5b8c5a", "#7c93ad", "#a3123a", "#e8a33d")


def to_document(done: Evaluated) -> dict[str, Any]:
    """The whole evaluation as JSON-able values; figures that do not exist are null. It holds no event's values."""
    document = {name: value for name, value in asdict(done).items() if name not in ("results", "start_ms", "end_ms")}
    document["start"] = moment(done.start_ms) if done.has_clock else None
    document["end"] = moment(done.end_ms) if done.has_clock else None
    document["detectors"] = [_result(result) for result in done.results]
    return document


def _result(result: DetectorResult) -> dict[str, Any]:
    document = asdict(result)
    if result.labelled is not None:
        del document["labelled"]["delays"]["rows_E"]
    cleaned: dict[str, Any] = _finite(document)
    return cleaned


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_report(done: Evaluated, folder: Path) -> tuple[Path, Path]:
    """Write `evaluation.json` and `evaluation.png`; returns their paths. Raises StorageUnavailableError."""
    document, picture = folder / "evaluation.json", folder / "evaluation.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        document.write_text(json.dumps(to_document(done), indent=2) + "\n", encoding="utf-8")
        draw(done).savefig(picture, dpi=120)
    except OSError as error:
        raise StorageUnavailableError(
            f"the report cannot be written to {folder} ({error.strerror or error}): name a folder with --output"
        ) from error
    return document, picture


def draw(done: Evaluated) -> Figure:
    """AUROC and average precision: by family where anomalies were injected, else of all labels with their intervals."""
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    if done.injected:
        _draw_families(left, done, "auroc", "AUROC (0.5: chance)")
        _draw_families(right, done, "average_precision", "average precision")
    else:
        _draw_intervals(left, done, "auroc", "AUROC (0.5: chance)")
        _draw_intervals(right, done, "average_precision", "average precision")
    what = "injected anomalies" if done.injected else f"{done.labelled_rows:,} labelled events"
    figure.suptitle(f"{done.source}: {what} in {done.rows_scored:,} events scored", x=0.01, ha="left")
    handles, names = left.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=6, fontsize="small")
    return figure


def _draw_families(axes: Axes, done: Evaluated, name: str, title: str) -> None:
    families = [figures.family for figures in done.results[0].families]
    width = 0.8 / len(done.results)
    for number, result in enumerate(done.results):
        values = [getattr(figures, name) for figures in result.families]
        places = np.arange(len(families)) + (number - (len(done.results) - 1) / 2) * width
        axes.barh(places, values, height=width * 0.92, color=_COLOURS[number % len(_COLOURS)], label=result.name)
    axes.set_yticks(np.arange(len(families)), families)
    _finish(axes, name, title)


def _draw_intervals(axes: Axes, done: Evaluated, name: str, title: str) -> None:
    for number, result in enumerate(done.results):
        if result.labelled is None:
            continue
        figure = getattr(result.labelled, name)
        ends = [figure.value if math.isnan(end) else end for end in (figure.low, figure.high)]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(ends, [number, number], color=colour, lw=2.5)
        axes.plot([figure.value], [number], "o", color=colour, ms=9, label=result.name)
    axes.set_yticks(np.arange(len(done.results)), [result.name for result in done.results])
    axes.set_ylim(-0.6, len(done.results) - 0.4)
    _finish(axes, name, title)


def _finish(axes: Axes, name: str, title: str) -> None:
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    if name == "auroc":
        axes.axvline(0.5, color="#222222", ls="--", lw=1.0)
    axes.set_xlabel(title)
    axes.grid(alpha=0.25, axis="x")
