"""Pictures as SVG in the page's own colours: shapes by class, texts that stay texts, a text alternative for each.

Coordinates are in CSS pixels at the size a picture is drawn for; a picture that has to be wide on a screen and narrow
on a phone is drawn twice (`both`), for letters that shrink with a picture cannot be read.
"""

import math
from collections.abc import Callable, Sequence

from synth.report.parts import text

WIDE_PX, NARROW_PX = 920, 340
_LETTER_PX = 6.3
"""Mean width of a letter of the pictures' texts."""
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def both(draw: Callable[[int], str]) -> str:
    """A picture for wide windows and paper, and the same one for phones; a reader gets one of them."""
    return f'<div class="wide-only">{draw(WIDE_PX)}</div><div class="narrow-only">{draw(NARROW_PX)}</div>'


def picture(width: float, height: float, alternative: str, shapes: Sequence[str]) -> str:
    """Shapes as one element."""
    return (
        f'<svg class="chart" role="img" aria-label="{text(alternative)}" viewBox="0 0 {width:g} {height:g}">'
        f"{''.join(shapes)}</svg>"
    )


def box(kind: str, x: float, y: float, width: float, height: float) -> str:
    """A rectangle; nothing where it has no size."""
    if width <= 0 or height <= 0:
        return ""
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def label(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    """A text; `anchor` is start, middle or end."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text(words)}</text>'


def steps(kind: str, edges: Sequence[float], heights: Sequence[float], floor: float) -> str:
    """The outline of a histogram: K + 1 edges, K heights as y, all in pixels; down to the floor at both ends."""
    if not heights:
        return ""
    points = [f"M{edges[0]:.1f} {floor:.1f}"]
    for left, right, y in zip(edges, edges[1:], heights, strict=False):
        points.append(f"L{left:.1f} {y:.1f}L{right:.1f} {y:.1f}")
    points.append(f"L{edges[len(heights)]:.1f} {floor:.1f}")
    return f'<path class="{kind}" d="{"".join(points)}"/>'


def triangle(kind: str, x: float, y: float, size: float) -> str:
    """A small mark that points down at (x, y)."""
    return f'<path class="{kind}" d="M{x:.1f} {y:.1f}l{-size:.1f} {-1.6 * size:.1f}h{2 * size:.1f}z"/>'


def width_px(words: str) -> float:
    """About what a text takes."""
    return _LETTER_PX * len(words)


def shortened(words: str, most: int) -> str:
    """A text in at most so many letters."""
    return words if len(words) <= most else words[: most - 1] + "…"


def round_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Round values from low to high, at most `most` + 1 of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return []
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * part for part in _STEPS if size * part >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]
