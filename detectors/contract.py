"""The promises in `base.Detector`'s docstring, as functions that take a detector class and raise when one is broken.

A new detector is tested by adding it to `registry.DETECTORS`: the suite runs every promise in `PROMISES` on each.
"""

import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.artifacts import load_state, save_state
from detectors.base import Detector, FloatArray
from detectors.columns import Kind, Role, make_field
from detectors.errors import IncompatibleArtifactError, NotFittedError, UnusableDataError
from detectors.evaluation import auroc
from detectors.windows.example import KEY, WINDOW, ending_in, window_columns

DetectorClass = type[Detector]
BoolArray = npt.NDArray[np.bool_]
ROWS = 1_500
RELATIVE, ABSOLUTE = 1e-4, 1e-3
"""Single precision, and matrix products whose order of summation depends on the batch."""


class BrokenPromiseError(AssertionError):
    """A detector does not keep a promise of the contract; the message says which."""


def _close(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.allclose(a, b, rtol=RELATIVE, atol=ABSOLUTE))


def _require(kept: bool, promise: str) -> None:
    if not kept:
        raise BrokenPromiseError(promise)


def example(rows: int = ROWS, *, seed: int = 0) -> tuple[pa.Table, BoolArray]:
    """A table of every kind of column with its labels: 1.5 % of rows break a relation, a range or a vocabulary."""
    g = np.random.default_rng(seed)
    odd = g.random(rows) < 0.015
    shop = g.choice(["north", "south", "web"], rows, p=[0.5, 0.3, 0.2])
    amount = np.exp(g.normal(3.0, 0.4, rows) + (shop == "web"))
    amount = np.where(odd, amount * np.exp(g.normal(2.5, 0.3, rows)), amount)
    items = np.where(odd, 40, g.poisson(2, rows))
    code = np.where(odd & (g.random(rows) < 0.7), g.integers(900, 999, rows), g.integers(0, 20, rows))
    hour = np.where(odd, 3, g.integers(8, 20, rows))
    start = np.datetime64("2026-01-05T00:00:00", "us")
    times = start + (np.arange(rows) * 28 // rows).astype("m8[D]") + hour.astype("m8[h]")
    columns = {
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]): pa.array(amount, mask=g.random(rows) < 0.05),
        make_field("items", Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()): pa.array(items.astype(np.int64)),
        make_field("total", Kind.NUMERIC, [Role.FEATURE]): pa.array(amount * 1.2 + g.normal(0, 0.1, rows)),
        make_field("constant", Kind.NUMERIC, [Role.FEATURE]): pa.array(np.full(rows, 7.0)),
        make_field("empty", Kind.NUMERIC, [Role.FEATURE]): pa.nulls(rows, pa.float64()),
        make_field("shop", Kind.CATEGORICAL, [Role.FEATURE]): pa.array(shop.tolist(), mask=g.random(rows) < 0.02),
        make_field("code", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64()): pa.array(code.astype(np.int64)),
        make_field("member", Kind.BOOLEAN, [Role.FEATURE]): pa.array((g.random(rows) < 0.1) ^ odd),
        make_field("time", Kind.TIME, [Role.FEATURE, Role.TIME]): pa.array(times).cast(pa.timestamp("us", tz="UTC")),
        make_field("note", Kind.TEXT): pa.array(["free text"] * rows),
        **window_columns(odd, seed=seed),
    }
    return pa.table(list(columns.values()), schema=pa.schema(list(columns))), odd


def _content(table: pa.Table) -> bytes:
    """Every byte of a table: comparing values would call a NaN changed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def _fit(detector: DetectorClass, seed: int) -> Detector:
    made = detector(seed=seed, time_budget_seconds=20.0)  # type: ignore[call-arg]
    made.fit(example()[0])
    return made


@lru_cache(maxsize=1)
def _fitted(detector: DetectorClass) -> tuple[Detector, pa.RecordBatch, BoolArray]:
    """A fitted detector with rows it has not seen and their labels; shared, since scoring must change nothing."""
    fresh, labels = example(seed=1)
    return _fit(detector, 0), _batch(fresh), labels


def scores_are_finite_doubles(detector: DetectorClass) -> None:
    """One finite float64 a row; none for an empty batch."""
    made, batch, _ = _fitted(detector)
    scores = made.score(batch)
    _require(scores.shape == (batch.num_rows,) and scores.dtype == np.float64, "score gives one float64 a row")
    _require(bool(np.isfinite(scores).all()), "scores are finite")
    _require(made.score(batch.slice(0, 0)).shape == (0,), "an empty batch has no scores")
    _require(made.explain(batch.slice(0, 0)) == [], "an empty batch has no reasons")


def better_than_chance(detector: DetectorClass) -> None:
    """High is anomalous, though the training rows held the same anomalies."""
    made, batch, labels = _fitted(detector)
    _require(auroc(made.score(batch), labels) > 0.9, "planted anomalies score higher than other rows")


def input_is_not_mutated(detector: DetectorClass) -> None:
    """Fitting, scoring and explaining leave the tables as they were."""
    table, _ = example(200)
    before = _content(table)
    made = detector()
    made.fit(table)
    made.score(_batch(table))
    made.explain(_batch(table).slice(0, 5))
    _require(_content(table) == before, "the input is not changed")


def same_seed_same_scores(detector: DetectorClass) -> None:
    """A fit depends on its data and seed alone; scoring depends on no state."""
    (first, batch, _), second = _fitted(detector), _fit(detector, 0)
    scores = first.score(batch)
    _require(np.array_equal(scores, second.score(batch)), "the same seed gives the same scores")
    _require(np.array_equal(scores, first.score(batch)), "scoring twice gives the same scores")


def saved_and_loaded_scores_alike(detector: DetectorClass) -> None:
    """Through model files and back, scores and reasons are the same."""
    made, batch, _ = _fitted(detector)
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), *made.state())
        loaded = detector.from_state(*load_state(Path(folder)))
    _require(np.array_equal(made.score(batch), loaded.score(batch)), "a loaded detector scores the same")
    few = batch.slice(0, 20)
    _require(made.explain(few) == loaded.explain(few), "a loaded detector explains the same")
    _require(tuple(made.feature_names) == tuple(loaded.feature_names), "a loaded detector has the same features")


def another_version_is_refused(detector: DetectorClass) -> None:
    """State of another version, or another detector's, raises IncompatibleArtifactError."""
    made, _, _ = _fitted(detector)
    tensors, document = made.state()
    changes: tuple[dict[str, Any], ...] = ({"version": -1}, {"name": "another"})
    for change in changes:
        _require_raises(IncompatibleArtifactError, partial(detector.from_state, tensors, {**document, **change}))


def neighbours_do_not_matter(detector: DetectorClass) -> None:
    """A row scores the same alone, in another order, and in another batch."""
    made, batch, _ = _fitted(detector)
    scores = made.score(batch)
    order = np.random.default_rng(0).permutation(batch.num_rows)
    _require(_close(made.score(batch.take(pa.array(order))), scores[order]), "order does not matter")
    alone = np.concatenate([made.score(batch.slice(i, 1)) for i in range(20)])
    _require(_close(alone, scores[:20]), "the rest of the batch does not matter")


def missing_and_unseen_have_scores(detector: DetectorClass) -> None:
    """All-null rows, new categories, huge and non-finite numbers score finite; new categories score higher (a new key
    of windows need not)."""
    made, batch, labels = _fitted(detector)
    usual = batch.filter(pa.array(~labels)).slice(0, 200)
    column = WINDOW if detector.windowed else "amount"
    nulls = pa.RecordBatch.from_arrays([pa.nulls(5, f.type) for f in batch.schema], schema=batch.schema)
    _require(bool(np.isfinite(made.score(nulls)).all()), "rows of nulls have finite scores")
    for value in (1e300, -1e300, float("inf"), float("-inf"), float("nan")):
        values = pa.array(np.full(usual.num_rows, value))
        wild = _with(usual, column, ending_in(values, usual[WINDOW]) if detector.windowed else values)
        _require(bool(np.isfinite(made.score(wild)).all()), f"{column} = {value} has a finite score")
    new = made.score(_with(usual, KEY if detector.windowed else "shop", pa.array(["never seen"] * usual.num_rows)))
    _require(bool(np.isfinite(new).all()), "a new category has a finite score")
    if not detector.windowed:
        _require(bool(np.median(new) > np.median(made.score(usual))), "a new category raises the score")


def absent_and_extra_columns_are_defined(detector: DetectorClass) -> None:
    """Columns beyond those trained on are ignored, absent ones score as missing, order of columns is free."""
    made, batch, _ = _fitted(detector)
    scores = made.score(batch)
    extra = batch.append_column("surprise", pa.array(np.arange(batch.num_rows)))
    _require(np.array_equal(made.score(extra), scores), "extra columns are ignored")
    turned = batch.select(batch.schema.names[::-1])
    _require(np.array_equal(made.score(turned), scores), "the order of columns does not matter")
    column = WINDOW if detector.windowed else "shop"
    absent = made.score(batch.drop_columns([column]))
    nulls = made.score(_with(batch, column, pa.nulls(batch.num_rows, batch.schema.field(column).type)))
    _require(np.array_equal(absent, nulls), "an absent column scores as missing")


def reasons_add_up(detector: DetectorClass) -> None:
    """Contributions of all features sum to the score, largest first; `top` bounds them."""
    made, batch, _ = _fitted(detector)
    batch = batch.slice(0, 100)
    scores = made.score(batch)
    rows = made.explain(batch, top=len(made.feature_names))
    sums = np.array([sum(reason.contribution_nats for reason in row) for row in rows])
    _require(_close(sums, scores), "contributions of all features add up to the score")
    falling = all(a.contribution_nats >= b.contribution_nats for row in rows for a, b in pairwise(row))
    _require(falling, "reasons come largest first")
    _require(all(len(row) == 2 for row in made.explain(batch.slice(0, 9), top=2)), "top bounds the reasons")


def unusable_data_is_refused(detector: DetectorClass) -> None:
    """No rows, no features and nothing but nulls raise UnusableDataError; scoring unfitted raises NotFittedError."""
    table, _ = example(50)
    nulls = pa.table([pa.nulls(50, f.type) for f in table.schema], schema=table.schema)
    for bad in (table.slice(0, 0), table.select(["note"]), nulls):
        _require_raises(UnusableDataError, partial(detector().fit, bad))
    _require_raises(NotFittedError, lambda: detector().score(_batch(table)))


def few_rows_are_enough_to_run(detector: DetectorClass) -> None:
    """One row, and ten alike, can be fitted and scored: a young stream is not an error."""
    for rows in (1, 10):
        table = example()[0].slice(0, 1).take([0] * rows)
        made = detector(time_budget_seconds=0.5)  # type: ignore[call-arg]
        made.fit(table)
        _require(bool(np.isfinite(made.score(_batch(table))).all()), f"{rows} equal rows can be learned from")


PROMISES: tuple[Callable[[DetectorClass], None], ...] = (
    scores_are_finite_doubles,
    better_than_chance,
    input_is_not_mutated,
    same_seed_same_scores,
    saved_and_loaded_scores_alike,
    another_version_is_refused,
    neighbours_do_not_matter,
    missing_and_unseen_have_scores,
    absent_and_extra_columns_are_defined,
    reasons_add_up,
    unusable_data_is_refused,
    few_rows_are_enough_to_run,
)


def _with(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    return batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), values)


def _require_raises(error: type[Exception], action: Callable[[], object]) -> None:
    try:
        action()
    except error:
        return
    raise BrokenPromiseError(f"{error.__name__} was to be raised")
