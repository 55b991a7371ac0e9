"""Pieces of the page: escaped text, tables with headers that say what they head, figures with captions."""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

NOT_KNOWN = "–"


def text(value: object) -> str:
    """Escaped for HTML, quotes too."""
    return escape(str(value), quote=True)


def figure_text(value: float | None, *, decimals: int = 3) -> str:
    """A score; a dash where it is not known."""
    return NOT_KNOWN if value is None or math.isnan(value) else f"{value:.{decimals}f}"


def interval_text(low: float | None, high: float | None) -> str:
    """The ends of an interval; a dash where they are not known."""
    return NOT_KNOWN if low is None or high is None else f"{figure_text(low)} – {figure_text(high)}"


def percent_text(value: float | None) -> str:
    """A share."""
    return NOT_KNOWN if value is None or math.isnan(value) else f"{value:.2%}"


def table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int = 1) -> str:
    """Rows of ready-made cells; the first cell of a row heads it, cells from `numbers_from` on are numbers."""
    heads = "".join(
        f'<th scope="col"{_class(place, numbers_from)}>{text(header)}</th>' for place, header in enumerate(headers)
    )
    body = "".join(f"<tr>{_row(row, numbers_from)}</tr>" for row in rows)
    caption = f"<caption>{text(caption)}</caption>"
    return (
        f'<div class="scroll" role="region" aria-label="{caption_text(caption)}" tabindex="0">'
        f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def caption_text(caption: str) -> str:
    """A caption without its element."""
    return caption.removeprefix("<caption>").removesuffix("</caption>")


def _class(place: int, numbers_from: int) -> str:
    return ' class="number"' if place >= numbers_from else ""


def _row(cells: Sequence[str], numbers_from: int) -> str:
    rest = "".join(f"<td{_class(place + 1, numbers_from)}>{cell}</td>" for place, cell in enumerate(cells[1:]))
    return f'<th scope="row">{cells[0]}</th>{rest}'


def figure(title: str, picture: str, caption: str) -> str:
    """A picture under its heading."""
    return f"<figure><h3>{text(title)}</h3>{picture}<figcaption>{text(caption)}</figcaption></figure>"


def section(identifier: str, title: str, *content: str) -> str:
    """A part of the page with its heading."""
    body = "".join(content)
    return f'<section aria-labelledby="{identifier}"><h2 id="{identifier}">{text(title)}</h2>{body}</section>'


def scale(value: float | None, ceiling: float | None, floor: float | None) -> str:
    """A bar from 0 to 1 with marks at floor and ceiling; hidden from screen readers, who have the numbers."""
    if value is None:
        return ""
    marks = "".join(
        f'<i class="{name}" style="left:{100 * min(max(at, 0.0), 0.99):.1f}%"></i>'
        for name, at in (("floor", floor), ("ceiling", ceiling))
        if at is not None
    )
    bar = f'<b style="width:{100 * min(max(value, 0.0), 1.0):.1f}%"></b>'
    return f'<span class="scale" aria-hidden="true">{bar}{marks}</span>'


def descriptions(values: Mapping[str, Any]) -> str:
    """A dictionary as a list of terms, nested ones within."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{_described(value)}</dd>' for name, value in values.items())}</dl>"


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return descriptions(value) if value else NOT_KNOWN
    if isinstance(value, list | tuple):
        return "<br>".join(_described(inner) for inner in value) or NOT_KNOWN
    if isinstance(value, float):
        return text(f"{value:.6g}")
    return NOT_KNOWN if value is None else text(value)
