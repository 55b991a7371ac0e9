"""A column's shares in the window over those of the reference: steps for numbers and times, paired bars for levels.

The reference is filled, the window is an outline or hatched: they can be told apart without colours.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.expectations.report.drawing import (
    box,
    label,
    line,
    picture,
    round_ticks,
    shortened,
    steps,
    width_px,
)
from pipeline.expectations.report.words import day_text, number_text, share_text, time_text, value_text

WIDTH = 340
_HEIGHT, _TOP, _FLOOR, _LEFT, _RIGHT = 150, 12, 126, 40, 332
_APART = 46
"""Room for the pair of bars of missing values, and of values beyond the bins."""
_LEVEL_HEIGHT, _MOST_LEVELS = 34, 13
_DAY_MS = 86_400_000
_NOTHING = 1e-9
"""Shares that are rounding."""
Summary = Mapping[str, Any]


def distribution(summary: Summary, alternative: str) -> str:
    """One column's picture."""
    if summary["kind"] == "levels" or not summary["edges"]:
        return _levels(summary, alternative)
    return _bins(summary, alternative)


def _bins(summary: Summary, alternative: str) -> str:
    apart = [(name, summary[name]) for name in ("missing", "beyond") if max(summary[name]) > 0]
    right = _RIGHT - _APART * len(apart)
    shares = [*summary["reference"], *summary["observed"]]
    most = max([*shares, 0.01]) * 1.04
    y_of = _scale(0.0, most, _FLOOR, _TOP)
    edges = [float(edge) for edge in summary["edges"]]
    x_of = _scale(edges[0], edges[-1], _LEFT, right)
    places = [x_of(edge) for edge in edges]
    shapes = _height_axis(most, y_of, right)
    shapes += [
        steps("reference", places, [y_of(share) for share in summary["reference"]], _FLOOR),
        steps("observed", places, [y_of(share) for share in summary["observed"]], _FLOOR),
        line("axis", _LEFT, _FLOOR, right, _FLOOR),
    ]
    shapes += _value_axis(summary["kind"], edges[0], edges[-1], x_of)
    for at, (name, pair) in enumerate(apart):
        shapes += _apart(right + _APART * at + 12, "outside" if name == "beyond" else name, pair, most, y_of)
    return picture(WIDTH, _HEIGHT, alternative, shapes)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Values to pixels."""
    width = (high - low) or 1.0
    return lambda value: start + (end - start) * (value - low) / width


def _height_axis(most: float, y_of: Callable[[float], float], right: float) -> list[str]:
    shapes = []
    for tick in round_ticks(0.0, most, 3):
        shapes.append(line("grid", _LEFT, y_of(tick), right, y_of(tick)))
        shapes.append(label(_LEFT - 5, y_of(tick) + 4, f"{100 * tick:.3g}%", anchor="end"))
    return shapes


def _value_axis(kind: str, low: float, high: float, x_of: Callable[[float], float]) -> list[str]:
    """Round values below the floor, as many as fit without touching."""
    if kind == "time":
        return _moments(low, high, x_of)
    shapes, free_from = [], -1e9
    for tick in round_ticks(low, high, 5):
        words = number_text(tick)
        half = width_px(words) / 2
        if x_of(tick) - half < free_from or x_of(tick) + half > WIDTH:
            continue
        shapes += [line("axis", x_of(tick), _FLOOR, x_of(tick), _FLOOR + 4)]
        shapes += [label(x_of(tick), _FLOOR + 17, words, anchor="middle")]
        free_from = x_of(tick) + half + 6
    return shapes


def _moments(low_us: float, high_us: float, x_of: Callable[[float], float]) -> list[str]:
    """Both ends: days, or times of day where the bins lie within one day."""
    show = time_text if (high_us - low_us) / 1000 <= _DAY_MS else day_text
    ends = ((low_us, "start"), (high_us, "end"))
    return [label(x_of(end), _FLOOR + 17, show(end / 1000), anchor=anchor) for end, anchor in ends]


def _apart(x: float, name: str, pair: tuple[float, float], most: float, y_of: Callable[[float], float]) -> list[str]:
    """A pair of bars that are no bins of the axis; what is taller than the picture says its share above."""
    shapes = []
    for at, (kind, share) in enumerate(zip(("reference", "hatched"), pair, strict=True)):
        y = y_of(min(share, most))
        shapes.append(box(kind, x + 14 * at, y, 12, _FLOOR - y))
    words = share_text(max(pair)) if max(pair) > most else ""
    shapes.append(label(x + 13, _TOP - 3, words, anchor="middle", kind="strong") if words else "")
    shapes.append(line("axis", x - 2, _FLOOR, x + 28, _FLOOR))
    shapes.append(label(x + 13, _FLOOR + 17, name, anchor="middle"))
    return shapes


def _levels(summary: Summary, alternative: str) -> str:
    """Names above their pair of bars, so that long ones fit; shares at the right."""
    rows = [
        (value_text(name) or "(empty)", *pair)
        for name, *pair in zip(summary["levels"], summary["reference"], summary["observed"], strict=True)
        if max(pair) > _NOTHING
    ]
    if max(summary["missing"]) > 0:
        rows.append(("missing", *summary["missing"]))
    if max(summary["beyond"]) > 0:
        rows.append(("names not seen before", *summary["beyond"]))
    most = max([share for _, *pair in rows for share in pair] + [0.01])
    room = WIDTH - 8
    shapes = []
    for at, (name, reference, observed) in enumerate(rows[:_MOST_LEVELS]):
        y = 4 + _LEVEL_HEIGHT * at
        words = f"{share_text(reference)} → {share_text(observed)}"
        letters = max(8, int((room - width_px(words)) / 6.3) - 2)
        shapes.append(label(4, y + 9, shortened(name, letters)))
        shapes.append(label(4 + room, y + 9, words, anchor="end", kind="figure"))
        shapes.append(box("reference", 4, y + 13, room * reference / most, 7))
        shapes.append(box("hatched", 4, y + 21, room * observed / most, 7))
    return picture(WIDTH, 8 + _LEVEL_HEIGHT * min(len(rows), _MOST_LEVELS), alternative, shapes)
