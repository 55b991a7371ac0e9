"""How faithful keyed streams are as streams: time between events, what follows what, rhythms, whole histories.

Every figure is 1 less a distance, from 0 to 1, higher is better, between one half of the real keys and as many
synthetic ones; its ceiling is the same for the other half of the real keys, its floor for that half with every column
but the time shuffled by itself (so lengths of histories have a floor as high as their ceiling). Intervals leave out one
of `GROUPS` groups of keys at a time (jackknife); those of the classifier are DeLong's.

Shape legend: K keys, C cells.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from synth.fidelity.detection import detection
from synth.fidelity.frames import FloatArray, IntArray, frames
from synth.fidelity.history_features import history_tables
from synth.fidelity.history_views import Pooled, View, views
from synth.fidelity.intervals import NOT_KNOWN, Score, around
from synth.streams.histories import BoolArray, Histories, codes, histories_of

GROUPS = 12
HOURS = 168
MOST_KEYS = 20_000
"""Of each half; of more, some drawn at random."""

Figures = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFidelity:
    """What `sequence_measures` found; a score of NaN could not be taken (one key, no gaps, no such column)."""

    gaps: Score
    """Seconds between events of a key, all together: 1 − Kolmogorov-Smirnov distance."""
    key_gaps: Score
    """The same of the keys' medians: whether keys differ in pace as they did."""
    burstiness: Score
    """Of the keys' burstiness (Goh & Barabási 2008)."""
    memory: Score
    """Of the keys' memory: how a gap goes with the next."""
    lengths: Score
    """Events a key."""
    rhythm: Score
    """Hours of the week (UTC): 1 − total variation."""
    transitions: dict[str, Score]
    """By column of names: which level follows which, 1 − total variation of each row, rows weighted by real events."""
    returns: dict[str, Score]
    """By column of many names: whether the last level comes again, one seen before, or a new one."""
    autocorrelation: dict[str, Score]
    """By numeric column: 1 − half of what the correlations of neighbours within keys (of ranks) differ by."""
    histories: Score
    """Whether gradient boosting tells whole histories apart: 2(1 − AUC)."""
    shared_keys: float
    """Share of the synthetic keys that are real ones; none should be."""
    shared_attributes: float
    """Share of synthetic keys whose own columns together are those of a key of the real half compared with."""
    shared_attributes_real: float
    """The same of the other real half."""

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "SequenceFidelity":
        """What `document` wrote."""
        return cls(**{f.name: _from_plain(document[f.name], f.name) for f in fields(cls)})


def sequence_measures(real: pa.Table, synthetic: pa.Table, *, key: str, time: str, seed: int) -> SequenceFidelity:
    """All measures of a synthetic stream against the real one, each with its ceiling, floor and interval.

    Raises UnusableDataError where `key` or `time` is no such column or a table has no events with both.
    """
    whole, made = histories_of(real, key=key, time=time), histories_of(synthetic, key=key, time=time)
    rng = np.random.default_rng(seed)
    chosen_K = rng.permutation(whole.keys) < whole.keys // 2
    a = _at_most(whole.of_keys(chosen_K) if chosen_K.any() else whole, rng)
    b = _at_most(whole.of_keys(~chosen_K), rng)
    s = _some(made, b.keys, rng)
    apart = histories_of(_shuffled(b.table, time, rng), key=key, time=time)
    view_a, *others = views([a, s, b, apart], key=key, time=time)
    tables = history_tables([a, s, b, apart], key=key, time=time)
    found = [_figures(view_a, view) for view in others]
    errors = _errors(view_a, others[0], rng)
    scores = {name: _score(found, errors, name) for name in found[0]}
    histories = [detection(*frames(tables[0], table), seed=seed) for table in tables[1:]]
    ours, ceiling = (_shared_attributes(a, h, whole, (key, time)) for h in (s, b))
    return SequenceFidelity(
        gaps=scores["gaps"], key_gaps=scores["key_gaps"], burstiness=scores["burstiness"], memory=scores["memory"],
        lengths=scores["lengths"], rhythm=scores["rhythm"], transitions=_under(scores, "transitions"),
        returns=_under(scores, "returns"), autocorrelation=_under(scores, "autocorrelation"),
        histories=Score(
            value=histories[0].value, low=histories[0].low, high=histories[0].high, ceiling=histories[1].value,
            floor=histories[2].value,
        ),
        shared_keys=_shared(made.table[key], whole.table[key]),
        shared_attributes=ours,
        shared_attributes_real=ceiling,
    )  # fmt: skip


def _at_most(histories: Histories, rng: np.random.Generator) -> Histories:
    return _some(histories, MOST_KEYS, rng)


def _some(histories: Histories, keys: int, rng: np.random.Generator) -> Histories:
    """So many of the keys, drawn at random."""
    return histories if histories.keys <= keys else histories.of_keys(rng.permutation(histories.keys) < max(keys, 1))


def _shuffled(table: pa.Table, time: str, rng: np.random.Generator) -> pa.Table:
    """Every column but the time in an order of its own."""
    columns = {
        name: table[name] if name == time else table[name].take(pa.array(rng.permutation(table.num_rows)))
        for name in table.column_names
    }
    return pa.table(list(columns.values()), schema=table.schema)


def _figures(a: View, b: View) -> Figures:
    """Every measure of `b` against `a`; those by column as `part:column`."""
    found = {"gaps": _unlike(_ks, a.gaps.values, b.gaps.values)}
    found |= {name: _unlike(_ks, _known(a.of_keys[name]), _known(b.of_keys[name])) for name in a.of_keys}
    found["rhythm"] = _unlike(_tv, _shares(a.hours, HOURS), _shares(b.hours, HOURS))
    for name, levels in a.levels.items():
        tables = [_shares(view.transitions[name], levels * levels).reshape(levels, levels) for view in (a, b)]
        found[f"transitions:{name}"] = _unlike(_tv_by_row, *tables)
    for name in a.returns:
        found[f"returns:{name}"] = _unlike(_tv, _shares(a.returns[name], 3), _shares(b.returns[name], 3))
    for name in a.moments:
        correlations = [_correlation(*view.moments[name]) for view in (a, b)]
        found[f"autocorrelation:{name}"] = 1.0 - abs(correlations[0] - correlations[1]) / 2.0
    return found


def _unlike(distance: Callable[[FloatArray, FloatArray], float], a: Any, b: Any) -> float:
    return 1.0 - distance(a, b) if a.size and b.size and a.sum() == a.sum() else NOT_KNOWN


def _ks(a: FloatArray, b: FloatArray) -> float:
    """The greatest difference of two empirical distribution functions; ties are jumps."""
    at = np.concatenate([a, b])
    low = np.searchsorted(np.sort(a), at, side="right") / len(a)
    return float(np.abs(low - np.searchsorted(np.sort(b), at, side="right") / len(b)).max())


def _tv(a_C: FloatArray, b_C: FloatArray) -> float:
    if a_C.sum() == 0 or b_C.sum() == 0:
        return NOT_KNOWN
    return float(np.abs(a_C / a_C.sum() - b_C / b_C.sum()).sum() / 2.0)


def _tv_by_row(a_CC: FloatArray, b_CC: FloatArray) -> float:
    """Mean total variation of the rows, weighted by those of `a`; a row that `b` lacks is as far as can be."""
    if a_CC.sum() == 0 or b_CC.sum() == 0:
        return NOT_KNOWN
    weight_C, other_C = a_CC.sum(axis=1), b_CC.sum(axis=1)
    both_C = (weight_C > 0) & (other_C > 0)
    rows_CC = np.abs(a_CC[both_C] / weight_C[both_C, None] - b_CC[both_C] / other_C[both_C, None])
    far_C = np.where(weight_C > 0, 1.0, 0.0)
    far_C[both_C] = rows_CC.sum(axis=1) / 2.0
    return float((far_C * weight_C).sum() / weight_C.sum())


def _shares(pooled: Pooled, cells: int) -> FloatArray:
    return np.bincount(pooled.values.astype(np.int64), minlength=cells).astype(np.float64)


def _correlation(products_K: FloatArray, squares_K: FloatArray) -> float:
    total = float(squares_K.sum())
    return float(products_K.sum()) / total if total > 0 else NOT_KNOWN


def _known(values_K: FloatArray) -> FloatArray:
    return values_K[np.isfinite(values_K)]


def _errors(a: View, b: View, rng: np.random.Generator) -> Figures:
    """Standard errors: a group of the keys of either stream is left out at a time."""
    groups = [rng.permutation(view.keys) % GROUPS for view in (a, b)]
    found = [_figures(a.of(groups[0] != group), b.of(groups[1] != group)) for group in range(GROUPS)]
    return {name: float(np.sqrt((GROUPS - 1) * np.var([figures[name] for figures in found]))) for name in found[0]}


def _score(found: list[Figures], errors: Figures, name: str) -> Score:
    value, ceiling, floor = (figures[name] for figures in found)
    return around(value, errors[name], ceiling=ceiling, floor=floor)


def _under(scores: dict[str, Score], part: str) -> dict[str, Score]:
    return {name.split(":", 1)[1]: score for name, score in scores.items() if name.startswith(f"{part}:")}


def _shared(made: pa.ChunkedArray, real: pa.ChunkedArray) -> float:
    """The share of the different values of one column that are values of another."""
    made_values, real_values = (set(column.unique().to_pylist()) for column in (made, real))
    return len(made_values & real_values) / max(len(made_values), 1)


def _shared_attributes(a: Histories, b: Histories, whole: Histories, without: tuple[str, str]) -> float:
    """The share of keys of `b` whose own columns together are those of a key of `a`; NaN where there are none."""
    own = [name for name in whole.table.column_names if name not in without and _never_changes(whole, name)]
    if not own:
        return NOT_KNOWN
    tuples = [set(zip(*(h.table[n].take(pa.array(h.begin_K)).to_pylist() for n in own), strict=True)) for h in (a, b)]
    of_b = list(zip(*(b.table[n].take(pa.array(b.begin_K)).to_pylist() for n in own), strict=True))
    return sum(one in tuples[0] for one in of_b) / len(of_b)


def _never_changes(histories: Histories, name: str) -> bool:
    code_N: IntArray = codes(histories.table[name])
    changed_N: BoolArray = (np.diff(code_N, prepend=-1) != 0) & ~histories.first_N
    return bool(code_N.max() > 0 and not changed_N.any() and (~histories.first_N).any())


def _plain(value: Any) -> Any:
    if isinstance(value, Score):
        return value.document()
    if isinstance(value, dict):
        return {name: score.document() for name, score in value.items()}
    return None if np.isnan(value) else value


def _from_plain(value: Any, name: str) -> Any:
    if name in ("transitions", "returns", "autocorrelation"):
        return {column: Score.from_document(part) for column, part in value.items()}
    if isinstance(value, dict):
        return Score.from_document(value)
    return NOT_KNOWN if value is None else float(value)
