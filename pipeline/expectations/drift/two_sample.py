"""Can a classifier tell recent rows from the reference's (Lopez-Paz & Oquab 2017)?

It sees columns together, where each by itself may not have moved. Out of fold, and folds are of whole keys, so that a
key known from training tells nothing; no key gives more than its part of the rows. Its noise is what it reaches between
blocks of the reference and the others. Times, keys and personal columns are not shown to it.

Shape legend: N rows, F columns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, kind_of, roles_of
from pipeline.expectations.document import TwoSample
from pipeline.expectations.drift.columns import Blocks
from pipeline.expectations.drift.rows import DriftRows
from pipeline.expectations.tolerance import Scale, bounds

if TYPE_CHECKING:
    from synth.fidelity.classifier import Matrix
    from synth.fidelity.frames import Column

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
MOST_ROWS, LEAST_ROWS = 2_000, 200
"""Of either side."""
LEAST_AREA = 0.65
"""Below it nothing is called drift, however certain."""
_NOISE_BLOCKS = 4
_MOST_TELLING = 5
_MOST_NAMED = 200


def two_sample(
    reference: DriftRows, recent: DriftRows, blocks: Blocks, *, seed: int, chance: float
) -> TwoSample | None:
    """The test; None where there are too few rows or no column to see."""
    names = [f.name for f in reference.table.schema if _seen(f)]
    if not names or min(len(reference.times_ms), len(recent.times_ms)) < LEAST_ROWS:
        return None
    area, error, telling = _told(reference, recent, names, seed=seed)
    busy = np.flatnonzero(np.bincount(blocks.block, minlength=blocks.count) >= LEAST_ROWS)
    usual = []
    for block in busy[:: max(1, len(busy) // _NOISE_BLOCKS)][:_NOISE_BLOCKS]:
        inside = blocks.block == block
        usual.append(_area(reference.take(~inside), reference.take(inside), names, seed=seed))
    if len(usual) < 3:
        return None
    noise = bounds(np.array(usual), scale=Scale.PLAIN, chance=2 * chance).most
    return TwoSample(
        area=area,
        low=max(0.0, area - 1.96 * error),
        high=min(1.0, area + 1.96 * error),
        noise=min(1.0, float(noise)),
        beyond=bool(area - 1.96 * error > noise and area >= LEAST_AREA),
        columns=telling,
    )


def _seen(field: pa.Field) -> bool:
    return kind_of(field) in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN) and Role.PERSONAL not in roles_of(field)


@dataclass(frozen=True, slots=True)
class _Sides:
    """Rows of both sides, as the classifier sees them."""

    rows: "Matrix"
    truth: npt.NDArray[np.bool_]
    folds: IntArray
    views: list[list[int]]
    """Which columns of the matrix each column became."""

    @classmethod
    def of(cls, one: DriftRows, other: DriftRows, names: list[str], seed: int) -> "_Sides":
        """As many rows of each."""
        from synth.fidelity.classifier import Matrix, matrices
        from synth.fidelity.frames import Frame

        rows = min(MOST_ROWS, len(one.times_ms), len(other.times_ms))
        sides = [(side, _chosen(side, rows, seed + at)) for at, side in enumerate((one, other))]
        tables = [side.table.select(names).take(pa.array(places)) for side, places in sides]
        columns = [_columns(name, tables) for name in names]
        parts = matrices([Frame(tuple(c[at] for c in columns), tables[at].num_rows) for at in (0, 1)])
        return cls(
            Matrix(np.concatenate([part.values_NF for part in parts]), parts[0].named_F),
            np.repeat([False, True], [len(part.values_NF) for part in parts]),
            np.concatenate([_folds(side, places, seed) for side, places in sides]),
            _views(columns),
        )


def _area(one: DriftRows, other: DriftRows, names: list[str], *, seed: int) -> float:
    """The area out of fold."""
    from synth.fidelity.intervals import area_with_error

    sides = _Sides.of(one, other, names, seed)
    return area_with_error(_out_of_fold(sides, seed)[0], sides.truth)[0]


def _told(
    one: DriftRows, other: DriftRows, names: list[str], *, seed: int
) -> tuple[float, float, tuple[tuple[str, float], ...]]:
    """The area, its standard error, and the columns without which it falls most."""
    from synth.fidelity.intervals import area_with_error

    sides = _Sides.of(one, other, names, seed)
    scores, shuffled = _out_of_fold(sides, seed, shuffle=True)
    area, error = area_with_error(scores, sides.truth)
    falls = [(name, area - area_with_error(mixed, sides.truth)[0]) for name, mixed in zip(names, shuffled, strict=True)]
    telling = sorted((f for f in falls if f[1] > 0.005), key=lambda fall: -fall[1])[:_MOST_TELLING]
    return area, error, tuple((name, float(fall)) for name, fall in telling)


def _out_of_fold(sides: _Sides, seed: int, *, shuffle: bool = False) -> tuple[FloatArray, FloatArray]:
    """Scores (N,), and with `shuffle` those where each column in turn is shuffled, (columns, N)."""
    from synth.fidelity.classifier import Matrix, chances, fitted

    values, named = sides.rows.values_NF, sides.rows.named_F
    scores = np.full(len(sides.truth), 0.5)
    shuffled = np.full((len(sides.views) if shuffle else 0, len(sides.truth)), 0.5)
    rng = np.random.default_rng(seed)
    for fold in (0, 1):
        train, test = sides.folds != fold, sides.folds == fold
        if len(np.unique(sides.truth[train])) < 2 or not test.any():
            continue
        model = fitted(Matrix(values[train], named), sides.truth[train], seed=seed, early_stopping=True)
        scores[test] = chances(model, Matrix(values[test], named))[:, 1]
        for at in range(len(shuffled)):
            mixed = values[test].copy()
            mixed[:, sides.views[at]] = mixed[rng.permutation(len(mixed))][:, sides.views[at]]
            shuffled[at, test] = chances(model, Matrix(mixed, named))[:, 1]
    return scores, shuffled


def _chosen(side: DriftRows, rows: int, seed: int) -> IntArray:
    """Rows at random, of no key more than its even part (five at least)."""
    order = np.random.default_rng(seed).permutation(len(side.times_ms))
    if side.keys is not None:
        keys = side.keys[order]
        _, place = np.unique(keys, return_inverse=True)
        most = max(5, rows // max(1, int(place.max()) + 1))
        by_key = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[by_key], np.arange(int(place.max()) + 1))
        rank = np.empty(len(place), np.int64)
        rank[by_key] = np.arange(len(place)) - starts[place[by_key]]
        order = order[rank < most]
    return np.asarray(order[:rows], np.int64)


def _folds(side: DriftRows, rows: IntArray, seed: int) -> IntArray:
    """0 or 1, the same for all rows of a key."""
    if side.keys is None:
        return np.random.default_rng(seed).integers(0, 2, len(rows))
    return np.asarray((side.keys[rows] >> np.uint64(17)) & np.uint64(1), np.int64)


def _columns(name: str, tables: list[pa.Table]) -> list["Column"]:
    from synth.fidelity.frames import Column

    kind = kind_of(tables[0].schema.field(name)) or Kind.CATEGORICAL
    if kind is Kind.NUMERIC:
        return [Column(name, kind, np.asarray(t[name].cast(pa.float64()).to_numpy(), np.float64)) for t in tables]
    joint = pa.chunked_array([c for t in tables for c in t[name].cast(pa.string()).chunks], pa.string())
    encoded = joint.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    size = len(encoded.dictionary)
    codes = np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), size).to_numpy(zero_copy_only=False), np.int64)
    levels = (*encoded.dictionary.to_pylist(), None)
    first = tables[0].num_rows
    return [Column(name, kind, part, levels) for part in (codes[:first], codes[first:])]


def _views(columns: list[list["Column"]]) -> list[list[int]]:
    """Which columns of the matrix each column became: with many names, their frequency is one more."""
    views, at = [], 0
    for pair in columns:
        count = 2 if len(pair[0].levels) > _MOST_NAMED else 1
        views.append(list(range(at, at + count)))
        at += count
    return views
