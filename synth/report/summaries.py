"""What the report's pictures show, as numbers: binned shares that give no single row away.

Left out are the columns that no measure looks at (personal ones, identifiers, keys, texts). Of numbers the outer
hundredths are counted and not drawn, so that no extreme person's value is an axis's end; levels that fewer than
`FEW_ROWS` real rows have are counted together with the others.

Shape legend: N rows, K levels or bins.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.columns import Kind
from synth.fidelity.fidelity import Fidelity, Item
from synth.fidelity.frames import Column, FloatArray, Frame, IntArray

MOST_COLUMNS = 40
MOST_PAIRS = 12
MOST_TIMES = 3
FEW_ROWS = 5
_BINS, _PAIR_BINS, _LEVELS, _PAIR_LEVELS, _DAYS = 30, 8, 12, 8, 120
_DAY_US, _HOUR_US = 86_400_000_000, 3_600_000_000
OTHERS, MISSING = "all others", "missing"
Summary = dict[str, Any]


def summaries(real: Frame, synthetic: Frame, *, fidelity: Fidelity) -> Summary:
    """Marginals, pairs, associations and time patterns of two frames encoded together, without personal columns;
    bounded, said in `there_are`."""
    known = set(real.names)
    all_columns, all_pairs = (
        [item for item in items if known.issuperset(item.names)] for items in (fidelity.columns, fidelity.pairs)
    )
    columns, pairs = _worst(all_columns, MOST_COLUMNS), _worst(all_pairs, MOST_PAIRS)
    times = [c.name for c in real.columns if c.kind is Kind.TIME]
    drawn = [(real.column(item.names[0]), synthetic.column(item.names[0])) for item in columns]
    return {
        "marginals": [_marginal(*two) for two in drawn],
        "pairs": [_pair(real, synthetic, item.names) for item in pairs],
        "associations": _associations([two[0] for two in drawn], [two[1] for two in drawn]),
        "times": [_time(real.column(name), synthetic.column(name)) for name in times[:MOST_TIMES]],
        "there_are": {"columns": len(all_columns), "pairs": len(all_pairs), "times": len(times)},
    }


def _worst(items: Sequence[Item], most: int) -> list[Item]:
    """In their order; where there are more than fit, those that lose most against real rows."""
    if len(items) <= most:
        return list(items)
    losses = np.array([item.ceiling - item.value for item in items])
    return [items[place] for place in np.sort(np.argsort(-losses, kind="stable")[:most])]


def _marginal(real: Column, synthetic: Column) -> Summary:
    real, synthetic = _as_levels(real, synthetic)
    if not real.ordered:
        names, shares = _levels(real, synthetic, _LEVELS)
        return {"column": real.name, "kind": "levels", "levels": names, "real": shares[0], "synthetic": shares[1]}
    edges = _edges(real.values_N, _BINS)
    shown = [_histogram(c.values_N, edges) for c in (real, synthetic)]
    return {
        "column": real.name,
        "kind": "time" if real.kind is Kind.TIME else "numbers",
        "edges": [float(edge) for edge in edges],
        "real": shown[0],
        "synthetic": shown[1],
        "missing": [float(np.isnan(c.values_N).mean()) for c in (real, synthetic)],
        "beyond": [_beyond(c.values_N, edges) for c in (real, synthetic)],
    }


def _as_levels(real: Column, synthetic: Column) -> tuple[Column, Column]:
    """Numbers of few different values as levels, so that each has its bar."""
    values = np.unique(real.values_N[~np.isnan(real.values_N)]) if real.kind is Kind.NUMERIC else np.zeros(0)
    if not 0 < len(values) <= _LEVELS:
        return real, synthetic
    levels = (*(f"{value:g}" for value in values), OTHERS, None)
    codes = []
    for column in (real, synthetic):
        place = np.minimum(np.searchsorted(values, column.values_N), len(values) - 1)
        code = np.where(values[place] == column.values_N, place, len(values))
        codes.append(np.where(np.isnan(column.values_N), len(values) + 1, code))
    return tuple(Column(c.name, c.kind, code, levels) for c, code in zip((real, synthetic), codes, strict=True))  # type: ignore[return-value]


def _edges(values_N: FloatArray | IntArray, bins: int) -> FloatArray:
    """Equal steps from the 1st to the 99th percentile; whole numbers in whole steps. (K + 1,)."""
    known = values_N[np.isfinite(values_N)]
    if not len(known):
        return np.array([0.0, 1.0])
    low, high = (float(edge) for edge in np.quantile(known, [0.01, 0.99], method="closest_observation"))
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    if np.all(known == np.floor(known)):
        step = max(1.0, np.ceil((high - low + 1) / bins))
        return np.arange(low - 0.5, high + 0.5 + step, step)
    return np.linspace(low, high, bins + 1)


def _histogram(values_N: FloatArray | IntArray, edges: FloatArray) -> list[float]:
    """Shares of all rows."""
    return [float(share) for share in np.histogram(values_N[np.isfinite(values_N)], edges)[0] / max(1, len(values_N))]


def _beyond(values_N: FloatArray | IntArray, edges: FloatArray) -> float:
    return float(((values_N < edges[0]) | (values_N > edges[-1])).mean())


def _levels(real: Column, synthetic: Column, most: int) -> tuple[list[str], list[list[float]]]:
    """The most frequent real levels by name, then all others, and the shares of both tables."""
    size = len(real.levels)
    counts = [np.bincount(c.values_N.astype(np.int64), minlength=size) for c in (real, synthetic)]
    order = [code for code in np.argsort(-counts[0], kind="stable")[:most] if counts[0][code] >= FEW_ROWS]
    names = [MISSING if (level := real.levels[code]) is None else level for code in order]
    shares = [[float(count[code] / count.sum()) for code in order] for count in counts]
    rest = [max(0.0, 1.0 - sum(share)) for share in shares]
    if max(rest) > 1e-9:
        names.append(OTHERS)
        shares = [[*share, left] for share, left in zip(shares, rest, strict=True)]
    return names, shares


def _pair(real: Frame, synthetic: Frame, names: tuple[str, ...]) -> Summary:
    """Joint shares of two columns in few cells, (rows of the first, columns of the second)."""
    cells, labels = zip(*(_few(real.column(n), synthetic.column(n)) for n in names), strict=True)
    shape = len(labels[0]), len(labels[1])
    tables = [
        np.bincount(cells[0][side] * shape[1] + cells[1][side], minlength=shape[0] * shape[1]).reshape(shape)
        for side in (0, 1)
    ]
    real_share, made_share = ([[float(v) for v in row] for row in t / max(1, t.sum())] for t in tables)
    return {"columns": list(names), "labels": list(labels), "real": real_share, "synthetic": made_share}


def _few(real: Column, synthetic: Column) -> tuple[tuple[IntArray, IntArray], list[str]]:
    """Cells of both columns, and what the cells are."""
    if not real.ordered:
        names, _ = _levels(real, synthetic, _PAIR_LEVELS)
        place = {MISSING if level is None else level: code for code, level in enumerate(real.levels)}
        cell = np.full(len(real.levels), names.index(OTHERS) if OTHERS in names else 0)
        for at, name in enumerate(names):
            if name in place:
                cell[place[name]] = at
        return (cell[real.values_N], cell[synthetic.values_N]), names
    known = real.values_N[np.isfinite(real.values_N)]
    inner = np.unique(np.quantile(known, np.linspace(0, 1, _PAIR_BINS + 1)[1:-1])) if len(known) else np.zeros(0)
    cells = [
        np.where(np.isnan(c.values_N), len(inner) + 1, np.searchsorted(inner, c.values_N, side="right"))
        for c in (real, synthetic)
    ]
    there_are_missing = any(np.isnan(c.values_N).any() for c in (real, synthetic))
    return (cells[0], cells[1]), _parts(inner, real.kind) + [MISSING] * there_are_missing


def _parts(inner: FloatArray, kind: Kind) -> list[str]:
    """What the parts between some edges are called."""
    moments = np.asarray(inner if kind is Kind.TIME else [], dtype="datetime64[us]")
    edges = [str(moment)[:16].replace("T", " ") for moment in moments] or [f"{edge:.6g}" for edge in inner]
    return [*(f"< {edge}" for edge in edges), f"≥ {edges[-1]}" if edges else "all"]


def _associations(real: list[Column], synthetic: list[Column]) -> Summary:
    """Pearson's correlation of two numbers, else Cramér's V of few cells; real and synthetic, (columns, columns)."""
    cells = [_few(r, s)[0] for r, s in zip(real, synthetic, strict=True)]
    tables = [
        [
            [_association(side[i], side[j], cells[i][at], cells[j][at]) for j in range(len(side))]
            for i in range(len(side))
        ]
        for at, side in enumerate((real, synthetic))
    ]
    return {"columns": [c.name for c in real], "real": tables[0], "synthetic": tables[1]}


def _association(a: Column, b: Column, cells_a: IntArray, cells_b: IntArray) -> float:
    if a.name == b.name:
        return 1.0
    if a.ordered and b.ordered:
        both = np.isfinite(a.values_N) & np.isfinite(b.values_N)
        x, y = a.values_N[both], b.values_N[both]
        if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
            return 0.0
        return float(np.corrcoef(x, y)[0, 1])
    width = int(cells_b.max()) + 1
    table = np.bincount(cells_a * width + cells_b, minlength=(int(cells_a.max()) + 1) * width).reshape(-1, width)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    least = min(table.shape) - 1
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    chi = float(((table - expected) ** 2 / expected).sum())
    return float(np.sqrt(chi / (table.sum() * least))) if least else 0.0


def _time(real: Column, synthetic: Column) -> Summary:
    """Shares of hours of the day, days of the week (Monday first; UTC), and of stretches of whole days."""
    two = [np.asarray(c.values_N)[np.isfinite(c.values_N)].astype(np.int64) for c in (real, synthetic)]
    hours, weekdays = (
        [_shares(moments // unit % size + shift, size) for moments in two]
        for unit, size, shift in ((_HOUR_US, 24, 0), (_DAY_US, 7, 0))
    )
    weekdays = [share[4:] + share[:4] for share in weekdays]  # 1 January 1970 was a Thursday
    days = [moments // _DAY_US for moments in two]
    known = np.concatenate(days)
    if not len(known):
        return {"column": real.name, "hours": hours, "weekdays": weekdays, "days": [[], []], "first": 0, "stretch": 1}
    first = int(np.quantile(known, 0.001))
    stretch = max(1, int(np.ceil((np.quantile(known, 0.999) - first + 1) / _DAYS)))
    volume = [_shares(np.clip((day - first) // stretch, 0, _DAYS - 1), _DAYS) for day in days]
    last = max((at for share in volume for at, value in enumerate(share) if value), default=0)
    volume = [share[: last + 1] for share in volume]
    return {
        "column": real.name, "hours": hours, "weekdays": weekdays, "days": volume, "first": first, "stretch": stretch,
    }  # fmt: skip


def _shares(cells: IntArray, size: int) -> list[float]:
    return [float(v) for v in np.bincount(cells, minlength=size) / max(1, len(cells))]
