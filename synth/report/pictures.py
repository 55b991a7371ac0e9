"""Pictures for a page that is read offline: SVG drawn by matplotlib's object interface, in the page's own colours.

Colours are written as CSS variables, so that a picture follows the page's light or dark theme and prints in black on
white; texts stay texts. No global matplotlib state is touched beyond one context.
"""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

_COLOURS = {"#111112": "--ink", "#1f5fa9": "--real", "#b45308": "--made", "#c9ccd1": "--rule"}
_INK, _REAL, _MADE, _RULE = _COLOURS
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.0,
    "font.family": "sans-serif",
    "path.simplify": True,
}
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONGEST_NAME = 18
_MANY_NAMES = 16


def marginal(summary: dict[str, Any], alternative: str) -> str:
    """Shares of levels as paired bars, of numbers as steps: real filled, synthetic as a dashed line."""
    if summary["kind"] == "levels":
        return _level_bars(summary, alternative)
    figure, axes = _figure(1, 4.2, 2.4)
    edges = np.asarray(summary["edges"])
    if summary["kind"] == "time":
        first, last = (_day(edge / 86_400_000_000) for edge in (edges[0], edges[-1]))
        axes[0].set_xticks([edges[0], edges[-1]], [first, last])
    axes[0].stairs(summary["real"], edges, fill=True, color=_REAL, alpha=0.35, label="real")
    axes[0].stairs(summary["synthetic"], edges, color=_MADE, linewidth=1.6, linestyle="--", label="synthetic")
    axes[0].set_ylabel("share of rows")
    return _svg(figure, alternative)


def _level_bars(summary: dict[str, Any], alternative: str) -> str:
    names = [_short(name) for name in summary["levels"]]
    figure, axes = _figure(1, 4.2, 0.7 + 0.26 * max(3, len(names)), left_inches=_room(names, 8))
    place = np.arange(len(names))
    axes[0].barh(place - 0.2, summary["real"], 0.38, color=_REAL, alpha=0.55, label="real")
    axes[0].barh(
        place + 0.2, summary["synthetic"], 0.38, facecolor="none", edgecolor=_MADE, hatch="////", label="synthetic"
    )
    axes[0].set_yticks(place, names)
    axes[0].invert_yaxis()
    axes[0].set_xlabel("share of rows")
    return _svg(figure, alternative)


def pair(summary: dict[str, Any], alternative: str) -> str:
    """Joint shares, real beside synthetic, on one scale."""
    tables = [np.asarray(summary[side]) for side in ("real", "synthetic")]
    most = max(float(table.max()) for table in tables) or 1.0
    names = [[_short(name) for name in side] for side in summary["labels"]]
    left, below = _room(names[0], 7) + 0.2, _room(names[1], 7) + 0.1
    height = 0.3 + below + 0.2 * max(4, len(names[0]))
    figure, axes = _figure(2, 6.4, height, left_inches=left, below_inches=below)
    for at, (axis, table, title) in enumerate(zip(axes, tables, ("real", "synthetic"), strict=True)):
        axis.imshow(np.sqrt(table / most), cmap="cividis", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axis.set_title(title, color=_INK, fontsize=9)
        axis.set_xticks(range(len(names[1])), names[1], rotation=60, ha="right", fontsize=7)
        axis.set_yticks(range(len(names[0])), names[0] if at == 0 else [], fontsize=7)
        axis.set_xlabel(_short(summary["columns"][1]))
    axes[0].set_ylabel(_short(summary["columns"][0]))
    return _svg(figure, alternative)


def associations(summary: dict[str, Any], alternative: str) -> str:
    """Associations of all drawn columns: real, synthetic, and the difference on a scale of its own."""
    real, made = (np.asarray(summary[side], dtype=np.float64) for side in ("real", "synthetic"))
    gap = made - real
    scale = max(0.1, float(np.abs(gap).max(initial=0.0)))
    names = [_short(name) for name in summary["columns"]]
    room = _room(names, 7)
    figure, axes = _figure(3, 9.0, 2.9 + room, left_inches=room, below_inches=room)
    shown = (("real", real, 1.0), ("synthetic", made, 1.0), (f"synthetic − real (±{scale:.2f})", gap, scale))
    for at, (axis, (title, table, most)) in enumerate(zip(axes, shown, strict=True)):
        axis.imshow(table, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        axis.set_title(title, color=_INK, fontsize=9)
        small = 7 if len(names) <= _MANY_NAMES else 4.5
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=small)
        axis.set_yticks(range(len(names)), names if at == 0 else [], fontsize=small)
    return _svg(figure, alternative)


def time_patterns(summary: dict[str, Any], alternative: str) -> str:
    """Hour of the day, day of the week, and volume over the days."""
    figure, axes = _figure(3, 9.0, 2.5)
    for axis, shares, title in zip(axes, (summary["hours"], summary["weekdays"], summary["days"]),
                                   ("hour of the day (UTC)", "day of the week", "over time"), strict=True):  # fmt: skip
        _lines(axis, shares, title)
    axes[1].set_xticks(range(7), _WEEKDAYS)
    count = len(summary["days"][0])
    if count:
        ends = [summary["first"], summary["first"] + summary["stretch"] * max(0, count - 1)]
        axes[2].set_xticks([0, max(1, count - 1)], [_day(end) for end in ends])
    axes[0].set_ylabel("share of rows")
    return _svg(figure, alternative)


def _lines(axis: Axes, shares: Sequence[Sequence[float]], title: str) -> None:
    axis.plot(shares[0], color=_REAL, linewidth=2.4, alpha=0.55, label="real")
    axis.plot(shares[1], color=_MADE, linewidth=1.4, linestyle="--", label="synthetic")
    axis.set_ylim(bottom=0)
    axis.set_title(title, color=_INK, fontsize=9)


def _figure(
    parts: int, width_inches: float, height_inches: float, *, left_inches: float = 0.65, below_inches: float = 0.45
) -> tuple[Figure, list[Axes]]:
    """Axes beside each other, with the room that labels need: fitting it by measuring texts would take longer than
    drawing."""
    figure = Figure(figsize=(width_inches, height_inches))
    figure.subplots_adjust(
        left=left_inches / width_inches, right=1 - 0.12 / width_inches, bottom=below_inches / height_inches,
        top=1 - (0.3 if parts > 1 else 0.1) / height_inches, wspace=0.16,
    )  # fmt: skip
    figure.patch.set_alpha(0.0)
    axes = [figure.add_subplot(1, parts, part + 1) for part in range(parts)]
    for axis in axes:
        axis.patch.set_alpha(0.0)
        axis.tick_params(colors=_INK, labelsize=8)
        for name, spine in axis.spines.items():
            spine.set_color(_RULE)
            spine.set_visible(name in ("left", "bottom"))
        axis.xaxis.label.set_color(_INK)
        axis.yaxis.label.set_color(_INK)
    return figure, axes


def _room(names: Sequence[str], points: float) -> float:
    """Inches that the longest of some names takes, and its tick."""
    return 0.15 + points / 72 * 0.62 * max((len(name) for name in names), default=1)


def _short(name: str) -> str:
    plain = name.replace("$", r"\$")
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"


def _day(days_since_1970: float) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=float(days_since_1970)):%d %b %Y}"


def _svg(figure: Figure, alternative: str) -> str:
    """The figure as an element to put into HTML, with its text alternative."""
    written = io.StringIO()
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": alternative}):
        FigureCanvasSVG(figure).print_figure(written, format="svg", metadata={"Date": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # names that every picture would repeat
    for colour, variable in _COLOURS.items():
        text = text.replace(colour, f"var({variable})")
    view = re.search(r'viewBox="([^"]*)"', text)
    box = view.group(1) if view else "0 0 100 100"
    head = f'<svg role="img" aria-label="{escape(alternative, quote=True)}" viewBox="{box}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return head + re.sub(r"^<svg[^>]*>", "", text, count=1)
