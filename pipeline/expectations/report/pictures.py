"""Pictures of the page: rows by hour with what was expected, drift with its noise, verdicts as a row of bars."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.expectations.report.drawing import (
    box,
    label,
    line,
    picture,
    round_ticks,
    shortened,
    triangle,
    width_px,
)
from pipeline.expectations.report.words import count_text, day_text, number_text, time_text
from synth.report.parts import text

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_ROW_PX = 26
MOST_BARS = 25
Hour = Mapping[str, Any]


def volume(hours: Sequence[Hour], alternative: str, width: int) -> str:
    """Rows of each hour as bars before the band that was expected; hours that do not fit have a mark above."""
    height, top, floor, right = 220, 22, 190, width - 6
    known = [hour["most"] for hour in hours if hour["most"] is not None]
    most = 1.02 * float(max([hour["rows"] for hour in hours] + known + [1]))
    left = 12 + width_px(count_text(most))
    first, last = int(hours[0]["start_ms"]), int(hours[-1]["start_ms"]) + _HOUR_MS

    def x_of(moment_ms: float) -> float:
        return left + (right - left) * (moment_ms - first) / (last - first)

    def y_of(rows: float) -> float:
        return floor - (floor - top) * max(0.0, rows) / most

    step = x_of(first + _HOUR_MS) - left
    gap = min(2.0, step * 0.15)
    shapes = [line("grid", left, y_of(tick), right, y_of(tick)) for tick in round_ticks(0, most)]
    shapes += [label(left - 6, y_of(tick) + 4, count_text(tick), anchor="end") for tick in round_ticks(0, most)]
    for hour in hours:
        x, y = x_of(hour["start_ms"]), y_of(hour["rows"])
        shapes.append(box("bar" if hour["fits"] else "bar bad", x + gap, y, max(0.4, step - 2 * gap), floor - y))
        if not hour["fits"]:
            shapes.append(triangle("mark", x + step / 2, max(y - 3, 12), 5.0))
    for hour in hours:
        if hour["least"] is not None or hour["most"] is not None:
            upper, lower = y_of(most if hour["most"] is None else hour["most"]), y_of(hour["least"] or 0.0)
            x = x_of(hour["start_ms"])
            shapes.append(box("expected", x, upper, step, max(1.5, lower - upper)))
            shapes += [line("limit", x, y, x + step, y) for y in (upper, lower)]
    shapes.append(line("axis", left, floor, right, floor))
    return picture(width, height, alternative, shapes + _moments(first, last, x_of, floor, left, right))


def _moments(
    first: int, last: int, x_of: Callable[[float], float], floor: float, left: float, right: float
) -> list[str]:
    """Ticks at whole days, or every few hours, as many as have room."""
    room = (right - left) / 84
    sizes = [size * _HOUR_MS for size in (1, 3, 6, 12)] + [size * _DAY_MS for size in (1, 2, 7, 14, 28, 91, 364)]
    size = next((s for s in sizes if (last - first) / s <= room), sizes[-1])
    shapes = []
    for moment in range(-(-first // size) * size, last, size):
        x = x_of(moment)
        shapes.append(line("axis", x, floor, x, floor + 4))
        words = time_text(moment) if size < _DAY_MS and moment % _DAY_MS else day_text(moment)
        half = width_px(words) / 2
        place = min(max(x, left + half - 8), right - half)
        shapes.append(label(place, floor + 18, words, anchor="middle"))
    return shapes


def drift_bars(rows: Sequence[tuple[str, float, float, bool]], alternative: str, width: int) -> str:
    """Name, value, noise, whether it drifted: a bar each, from 0, with the noise level as an upright line."""
    shown = rows[:MOST_BARS]
    most = max([value for _, value, _, _ in shown] + [1.25 * noise for _, _, noise, _ in shown] + [0.02])
    left = min(0.36 * width, 14 + max(width_px(name) for name, *_ in shown))
    right = width - 66
    floor = 6 + _ROW_PX * len(shown)
    shapes = []
    for tick in round_ticks(0, most, 4):
        x = left + (right - left) * tick / most
        shapes += [line("grid", x, 2, x, floor), label(x, floor + 16, number_text(tick), anchor="middle")]
    for at, (name, value, noise, drifted) in enumerate(shown):
        y = 6 + _ROW_PX * at
        end, noise_x = (left + (right - left) * part / most for part in (value, noise))
        shapes.append(label(left - 8, y + 14, shortened(name, int((left - 8) / 6.3)), anchor="end"))
        shapes.append(box("bar bad" if drifted else "bar", left, y + 3, max(1.0, end - left), 14))
        shapes.append(line("noise", noise_x, y, noise_x, y + 20))
        words = f"{number_text(round(value, 3))}{' ▲' if drifted else ''}"
        kind = "strong" if drifted else "figure"
        shapes.append(label(max(end, noise_x) + 6, y + 14, words, kind=kind))
    shapes.append(line("axis", left, 2, left, floor))
    return picture(width, floor + 22, alternative, shapes)


def range_bar(value: float, least: float | None, most: float | None, fits: bool) -> str:
    """Where a value lies beside where it was expected; for eyes only, the words beside it say the same."""
    ends = [end for end in (value, least, most, 0.0 if least is None else None) if end is not None]
    low, high = min(ends), max(ends)
    room = (high - low) or abs(value) or 1.0
    low, high = low - 0.08 * room, high + 0.08 * room
    width, height = 300.0, 26.0

    def x_of(place: float) -> float:
        return width * (place - low) / (high - low)

    start = x_of(least) if least is not None else 0.0
    end = x_of(most) if most is not None else width
    shapes = [
        line("axis", 0, 18, width, 18),
        box("band", start, 11, max(3.0, end - start), 14),
        triangle("mark" if not fits else "fits", x_of(value), 11, 5.0),
        line("value", x_of(value), 9, x_of(value), 25),
    ]
    return f'<svg class="range" aria-hidden="true" viewBox="0 0 {width:g} {height:g}">{"".join(shapes)}</svg>'


def verdict_bars(verdicts: Sequence[tuple[str, float]], alternative: str) -> str:
    """Verdicts, oldest first, with the share of expectations that failed: low bars passed, tall ones did not."""
    step, height = 7, 28
    shapes = []
    for at, (verdict, share) in enumerate(verdicts):
        tall = 5.0 if verdict == "passed" else 14.0 + (height - 14.0) * min(1.0, share)
        kind = "good" if verdict == "passed" else "bad"
        shapes.append(box(kind, step * at, height - tall, step - 2, tall))
    width = max(step * len(verdicts), step)
    return (
        f'<svg class="spark" role="img" aria-label="{text(alternative)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">{"".join(shapes)}</svg>'
    )


def recall_bar(share: float) -> str:
    """A share as a bar from 0 to 1; for eyes only."""
    return (
        f'<svg class="recall" aria-hidden="true" viewBox="0 0 120 12">{box("track", 0, 1, 120, 10)}'
        f"{box('bar', 0, 1, 120 * min(max(share, 0.0), 1.0), 10)}</svg>"
    )
