"""A lineage as a picture: SVG of our own, or PNG. Opens offline; carries no script and no font.

What is withdrawn, refused or failed is drawn with a broken border and says so in words, so that colour is not needed.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from pipeline.errors import ConfigError, StorageUnavailableError
from pipeline.lake.durable import write_atomic
from pipeline.lineage.layout import Layout
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.standing import CHAMPION, IN_PART, REFUSED, WITHDRAWN, Standing

MOST_NODES = 400
"""That a picture can show to anybody's use."""
WIDTH, HEIGHT, ACROSS, DOWN, MARGIN = 308, 62, 64, 18, 24
_BROKEN = frozenset({WITHDRAWN, IN_PART, REFUSED, "failed"})
_FILLS = {
    NodeKind.WINDOW: "#e7eef7",
    NodeKind.MODEL: "#e6f4ea",
    NodeKind.EVALUATION: "#f3f5f7",
    NodeKind.GENERATOR: "#fbeee0",
    NodeKind.REQUEST: "#f3f5f7",
    NodeKind.DATASET: "#fdf3d7",
    NodeKind.REPORT: "#f1e9f6",
}
_INK, _QUIET, _BAD, _GOOD = "#1b2026", "#525b66", "#a1161d", "#17652f"


def write_picture(path: Path, layout: Layout, standings: Mapping[Node, Standing], *, root: Node) -> None:
    """Write a picture to a file whose ending says which: .svg or .png. Raises ConfigError for another ending and for
    more than `MOST_NODES`, StorageUnavailableError where it cannot be written."""
    if len(layout.places) > MOST_NODES:
        raise ConfigError(
            f"{len(layout.places):,} things are too many for one picture ({MOST_NODES} at most): take --up or --down "
            "alone, or begin further along"
        )
    if path.suffix == ".svg":
        write_atomic(path, svg(layout, standings, root=root).encode())
    elif path.suffix == ".png":
        _write_png(path, layout, standings, root=root)
    else:
        raise ConfigError(f"--picture {path}: give a name that ends in .svg or .png")


def svg(layout: Layout, standings: Mapping[Node, Standing], *, root: Node) -> str:
    """The picture as one SVG document."""
    width, height = _size(layout)
    boxes = "".join(_box(node, at, standings[node], root) for node, at in layout.places.items())
    arrows = "".join(_arrow(layout.places[one], layout.places[other]) for one, other in layout.arrows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="Lineage of {escape(root.kind)} {escape(root.id)}" '
        'font-family="system-ui, sans-serif" font-size="12">'
        f"<title>Lineage of {escape(root.kind)} {escape(root.id)}</title>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{_QUIET}"/></marker></defs>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>{arrows}{boxes}</svg>\n'
    )


def _size(layout: Layout) -> tuple[int, int]:
    tallest = max((len(column) for column in layout.columns), default=1)
    return (
        2 * MARGIN + len(layout.columns) * WIDTH + (len(layout.columns) - 1) * ACROSS,
        2 * MARGIN + tallest * HEIGHT + (tallest - 1) * DOWN,
    )


def _corner(at: tuple[int, int]) -> tuple[int, int]:
    return MARGIN + at[0] * (WIDTH + ACROSS), MARGIN + at[1] * (HEIGHT + DOWN)


def _box(node: Node, at: tuple[int, int], standing: Standing, root: Node) -> str:
    x, y = _corner(at)
    dashes = ' stroke-dasharray="5 4"' if standing.status in _BROKEN else ""
    colour = _BAD if standing.status in _BROKEN else _GOOD if standing.status == CHAMPION else _INK
    stroke = 2.5 if node == root else 1
    head = f"{node.kind}: {standing.status}" if standing.status else node.kind
    lines = ((head, "600", colour), (shortened(node.id), "400", _INK), (standing.what, "400", _QUIET))
    written = "".join(
        f'<text x="{x + 10}" y="{y + 19 + 17 * n}" font-weight="{weight}" fill="{ink}">{escape(cut(words))}</text>'
        for n, (words, weight, ink) in enumerate(lines)
    )
    full = escape(" — ".join(part for part in (f"{node.kind} {node.id}", standing.what, standing.why) if part))
    return (
        f'<g><title>{full}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7" '
        f'fill="{_FILLS.get(NodeKind(node.kind), "#ffffff")}" stroke="{colour}" stroke-width="{stroke}"{dashes}/>'
        f"{written}</g>"
    )


def _arrow(parent: tuple[int, int], child: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = _corner(parent), _corner(child)
    x1, y1, y2 = x1 + WIDTH, y1 + HEIGHT // 2, y2 + HEIGHT // 2
    bend = max(ACROSS // 2, (x2 - x1) // 3)
    return (
        f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 1} {y2}" fill="none" stroke="{_QUIET}" '
        'marker-end="url(#tip)"/>'
    )


def shortened(id: str) -> str:
    """A window's id without its stream and times, which are said beside it; any other id as it is."""
    return id if len(id) <= 36 else f"…{id.rpartition(':')[2][-34:]}"


def cut(words: str, most: int = 40) -> str:
    """As much as fits into a box."""
    return words if len(words) <= most else f"{words[: most - 1]}…"


def _write_png(path: Path, layout: Layout, standings: Mapping[Node, Standing], *, root: Node) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    width, height = _size(layout)
    figure = Figure(figsize=(width / 96, height / 96), dpi=144)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    for one, other in layout.arrows:
        (x1, y1), (x2, y2) = _corner(layout.places[one]), _corner(layout.places[other])
        ends = (x1 + WIDTH, y1 + HEIGHT / 2), (x2, y2 + HEIGHT / 2)
        axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color=_QUIET, shrinkA=0, shrinkB=0))
    for node, at in layout.places.items():
        standing, (x, y) = standings[node], _corner(at)
        broken = standing.status in _BROKEN
        colour = _BAD if broken else _GOOD if standing.status == CHAMPION else _INK
        axes.add_patch(
            FancyBboxPatch(
                (x, y),
                WIDTH,
                HEIGHT,
                boxstyle="round,pad=0,rounding_size=7",
                facecolor=_FILLS.get(NodeKind(node.kind), "#ffffff"),
                edgecolor=colour,
                linewidth=2.0 if node == root else 0.8,
                linestyle="--" if broken else "-",
            )
        )
        head = f"{node.kind}: {standing.status}" if standing.status else node.kind
        for n, (words, ink) in enumerate(((head, colour), (shortened(node.id), _INK), (standing.what, _QUIET))):
            axes.text(
                x + 10, y + 19 + 17 * n, cut(words), fontsize=7.5, color=ink, weight="bold" if n == 0 else "normal"
            )
    try:
        figure.savefig(path)
    except OSError as error:
        raise StorageUnavailableError(f"cannot write {path}: {error.strerror}; give another place") from error
