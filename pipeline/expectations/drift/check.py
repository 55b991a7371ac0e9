"""The verdict on drift: every column, the champion's score, and the classifier, with what all of it together says."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.expectations.document import ColumnDrift, Drift, Span, TwoSample
from pipeline.expectations.drift.cells import cells_of, cells_of_numbers
from pipeline.expectations.drift.columns import LEAST_KEYS, Blocks, blocks_of, column_drift
from pipeline.expectations.drift.rows import DriftRows
from pipeline.expectations.drift.two_sample import two_sample

FALSE_DRIFT = 0.05
"""The share of clean windows that may be called drifted; each measure has its part of it."""
SCORE = "score"
RULE = (
    "Drift and a broad attack look alike without labels. What only few keys moved is not called drift: without the "
    "tenth of the keys that push furthest, the change must still be beyond its noise"
)


def check_drift(reference: DriftRows, recent: DriftRows, *, model_id: str, seed: int = 0) -> Drift:
    """Hold recent rows against those that the champion was trained on."""
    blocks = blocks_of(reference, recent)
    span = Span(start_ms=reference.start_ms, end_ms=reference.end_ms)
    if blocks is None:
        reason = (
            f"nothing can be said: {reference.rows:,} rows to hold against and {recent.rows:,} recent ones are too few"
        )
        return Drift(drifted=False, reason=reason, model_id=model_id, reference=span, reference_rows=reference.rows)
    names = reference.table.column_names
    chance = FALSE_DRIFT / (len(names) + 2)
    columns = tuple(
        column_drift(cells_of(reference, recent, name), blocks, recent.keys, chance=chance) for name in names
    )
    score = _score(reference, recent, blocks, chance)
    told = two_sample(reference, recent, blocks, seed=seed, chance=chance)
    if told is not None and told.columns and told.columns[0][0] in {c.column for c in columns if c.note}:
        told = replace(told, beyond=False)  # what few keys moved is what it saw
    moved = [c for c in (*columns, *([score] if score is not None else [])) if c.drifted]
    return Drift(
        drifted=bool(moved) or (told is not None and told.beyond),
        reason=_reason(columns, score, told),
        model_id=model_id,
        reference=span,
        reference_rows=reference.rows,
        columns=columns,
        score=score,
        two_sample=told,
        breadth=_breadth(columns, score, recent),
    )


def _score(reference: DriftRows, recent: DriftRows, blocks: Blocks, chance: float) -> ColumnDrift | None:
    if reference.scores is None or recent.scores is None:
        return None
    cells = cells_of_numbers(SCORE, reference.scores, recent.scores)
    return column_drift(cells, blocks, recent.keys, chance=chance)


def _reason(columns: Sequence[ColumnDrift], score: ColumnDrift | None, told: TwoSample | None) -> str:
    moved = sorted((c for c in columns if c.drifted), key=_size, reverse=True)
    parts = [f"{c.column} moved ({_figures(c)})" for c in moved[:3]]
    if len(moved) > 3:
        parts.append(f"{len(moved) - 3} more columns moved")
    if score is not None and score.drifted:
        parts.append(f"the champion's scores moved ({_figures(score)})")
    if told is not None and told.beyond:
        most = f", most by {told.columns[0][0]}" if told.columns else ""
        parts.append(f"a classifier tells recent rows from the reference's (area {told.area:.2f}{most})")
    return "; ".join(parts) if parts else "nothing moved beyond its noise"


def _figures(column: ColumnDrift) -> str:
    """The measures that are beyond their noise."""
    named = ((column.distance.upper(), column.shift), ("PSI", column.psi), ("missing", column.missing))
    return ", ".join(f"{name} {m.value:.2f}, noise {m.noise:.2f}" for name, m in named if m is not None and m.beyond)


def _size(column: ColumnDrift) -> float:
    return max((m.value for m in (column.shift, column.missing) if m is not None), default=0.0)


def _breadth(columns: Sequence[ColumnDrift], score: ColumnDrift | None, recent: DriftRows) -> str:
    if recent.keys is None:
        return "The stream has no key, so a change of few entities cannot be told from one of many."
    few = [c.column for c in (*columns, *([score] if score is not None else [])) if c.note]
    said = f": so with {', '.join(few)}" if few else "; nothing was left out for it here"
    return f"{RULE}{said}. With fewer than {LEAST_KEYS} keys the rule is not applied."
