"""The reference's distributions, as shares of bins and levels that give no row away, kept beside the archive.

`metadata/quality/<stream>/profile.json` in the lake. Personal columns, identifiers and texts are left out; the outer
hundredths of numbers are counted and not binned; levels that few rows have are counted together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.columns import Kind, Role, roles_of
from pipeline.expectations.column_measures import ColumnView
from pipeline.expectations.document import Distribution
from pipeline.expectations.window import FloatArray, Window
from pipeline.lake.durable import read_json, to_json, write_atomic

OTHERS = "all others"
_BINS, _LEVELS, _FEW_ROWS = 30, 12, 5
_LEFT_OUT = {Role.PERSONAL, Role.ID}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One column of the reference. The shares, `missing` and `beyond` add up to 1."""

    column: str
    kind: str
    """numbers, time or levels."""
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    """Without the last, which is all others."""
    shares: tuple[float, ...] = ()
    missing: float = 0.0
    beyond: float = 0.0


def profile_of(window: Window) -> tuple[ColumnProfile, ...]:
    """Profiles of every column that may be shown, in the window's order."""
    names = [name for name in window.table.column_names if name in window.schema.names and _shown(window, name)]
    return tuple(found for name in names if (found := _profile(ColumnView(window, name))) is not None)


def distributions(profiles: Sequence[ColumnProfile], window: Window) -> tuple[Distribution, ...]:
    """A window over the reference's bins and levels; columns that it lacks, or has as another type, are left out."""
    there = (p for p in profiles if p.column in window.table.column_names and _shown(window, p.column))
    return tuple(found for p in there if (found := _beside(p, ColumnView(window, p.column))) is not None)


def profile_path(metadata: Path, stream: str) -> Path:
    """Where a stream's profile lies, below the lake's metadata."""
    return metadata / "quality" / stream / "profile.json"


def write_profile(path: Path, profiles: Sequence[ColumnProfile]) -> None:
    """Replace it. Raises StorageUnavailableError."""
    write_atomic(path, to_json({"columns": [asdict(profile) for profile in profiles]}))


def read_profile(path: Path) -> tuple[ColumnProfile, ...]:
    """What was written; nothing where there is none. Raises StorageUnavailableError."""
    document = read_json(path)
    return () if document is None else tuple(_from_document(column) for column in document["columns"])


def _from_document(document: Mapping[str, Any]) -> ColumnProfile:
    tuples = {name: tuple(document[name]) for name in ("edges", "levels", "shares")}
    return ColumnProfile(**{**document, **tuples})


def _shown(window: Window, name: str) -> bool:
    kind = window.kind(name)
    return not roles_of(window.field(name)) & _LEFT_OUT and kind not in (None, Kind.TEXT, Kind.TIME, Kind.WINDOW)


def _profile(view: ColumnView) -> ColumnProfile | None:
    if not len(view.missing):
        return None
    if view.is_numeric and view.window.kind(view.column) is Kind.NUMERIC:
        edges = bin_edges(view.known)
        shares, beyond = _binned(view, edges)
        missing = 1.0 - len(view.known) / len(view.missing)
        found = {"kind": "numbers", "edges": tuple(float(e) for e in edges), "shares": shares, "beyond": beyond}
        return ColumnProfile(column=view.column, missing=missing, **found)  # type: ignore[arg-type]
    levels, counts = view.counts
    order = np.argsort(-counts, kind="stable")[:_LEVELS]
    named = tuple(levels[at] for at in order if counts[at] >= _FEW_ROWS)
    return ColumnProfile(
        column=view.column, kind="levels", levels=named, shares=_of_levels(view, named), missing=_missing(view)
    )


def bin_edges(known: FloatArray) -> FloatArray:
    """Equal steps from the 1st to the 99th percentile, whole numbers in whole steps. (bins + 1,)."""
    if not len(known):
        return np.array([0.0, 1.0])
    low, high = (float(edge) for edge in np.quantile(known, [0.01, 0.99], method="closest_observation"))
    if high <= low:
        return np.array([low - 0.5, low + 0.5])
    if np.all(known[:10_000] == np.floor(known[:10_000])):
        step = max(1.0, np.ceil((high - low + 1) / _BINS))
        return np.arange(low - 0.5, high + 0.5 + step, step)
    return np.linspace(low, high, _BINS + 1)


def _beside(profile: ColumnProfile, view: ColumnView) -> Distribution | None:
    """The same bins and levels, of the window."""
    if not len(view.missing):
        return None
    if profile.kind == "levels":
        observed, beyond = _of_levels(view, profile.levels), 0.0
        levels, missing = (*profile.levels, OTHERS), _missing(view)
    else:
        if not view.is_numeric:
            return None
        observed, beyond = _binned(view, np.array(profile.edges))
        levels, missing = (), 1.0 - len(view.known) / len(view.missing)
    return Distribution(
        column=profile.column,
        kind=profile.kind,
        edges=profile.edges,
        levels=levels,
        reference=profile.shares,
        observed=observed,
        missing=(profile.missing, missing),
        beyond=(profile.beyond, beyond),
    )


def _binned(view: ColumnView, edges: FloatArray) -> tuple[tuple[float, ...], float]:
    rows = len(view.missing)
    counts = np.histogram(view.known[np.isfinite(view.known)], edges)[0]
    return tuple(float(c) / rows for c in counts), (len(view.known) - int(counts.sum())) / rows


def _of_levels(view: ColumnView, named: Sequence[str]) -> tuple[float, ...]:
    levels, counts = view.counts
    of = dict(zip(levels, counts.tolist(), strict=True))
    rows = max(1, len(view.missing))
    shares = [of.get(level, 0) / rows for level in named]
    return (*shares, max(0.0, int(counts.sum()) / rows - sum(shares)))


def _missing(view: ColumnView) -> float:
    return float(view.missing.mean())
