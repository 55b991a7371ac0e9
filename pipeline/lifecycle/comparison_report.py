"""A comparison as files: JSON for machines, a picture for people."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.errors import StorageUnavailableError
from pipeline.lifecycle.comparison import Comparison

_COLOURS = ("#274b73", "#d9622b", "#5b8c5a", "#7c93ad", "#a3123a", "#e8a33d")
_SHOWN = 12
"""Characters of a model's id."""


def write_comparison(done: Comparison, folder: Path, *, stream: str) -> tuple[Path, Path]:
    """Write `comparison.json` and `comparison.png`; returns their paths. Raises StorageUnavailableError."""
    document, picture = folder / "comparison.json", folder / "comparison.png"
    content: dict[str, Any] = {"stream": stream, **done.document()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        document.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draw(done, stream=stream).savefig(picture, dpi=120)
    except OSError as error:
        raise StorageUnavailableError(
            f"the comparison cannot be written to {folder} ({error.strerror or error}): name a folder with --output"
        ) from error
    return document, picture


def draw(done: Comparison, *, stream: str) -> Figure:
    """Average precision with its intervals on the left, by family on the right."""
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _draw_overall(left, done)
    _draw_families(right, done)
    title = f"{stream}: {done.anomalous_rows:,} anomalies among {done.rows:,} held-out events"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_overall(axes: Axes, done: Comparison) -> None:
    for number, figures in enumerate(done.figures.values()):
        found = figures.average_precision
        ends = [found.value if math.isnan(end) else end for end in (found.low, found.high)]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(ends, [number, number], color=colour, lw=2.5)
        axes.plot([found.value], [number], "o", color=colour, ms=9)
    names = [
        name if name == one.detector else f"{name[:_SHOWN]} ({one.detector})" for name, one in done.figures.items()
    ]
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    _finish(axes, "average precision, all families (95 %)")


def _draw_families(axes: Axes, done: Comparison) -> None:
    families = list(next(iter(done.figures.values())).families)
    width = 0.8 / max(len(done.figures), 1)
    for number, (name, figures) in enumerate(done.figures.items()):
        values = [figures.families[family]["average_precision"] for family in families]
        places = np.arange(len(families)) + (number - (len(done.figures) - 1) / 2) * width
        axes.barh(places, values, height=width * 0.92, color=_COLOURS[number % len(_COLOURS)], label=name[:_SHOWN])
    axes.set_yticks(np.arange(len(families)), families)
    _finish(axes, "average precision by family")
    axes.legend(fontsize="small", loc="lower right")


def _finish(axes: Axes, title: str) -> None:
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel(title)
    axes.grid(alpha=0.25, axis="x")
