"""The promises in `base.Generator`'s docstring, as functions that take a case and raise when one is broken.

A new generator is tested by adding it to `registry.GENERATORS`: the suite runs every promise in `PROMISES` on each.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.artifacts import load_state, save_state
from detectors.base import Tensors
from detectors.columns import Kind, Role, make_field
from detectors.errors import IncompatibleArtifactError, NotFittedError, UnusableDataError
from synth.base import FitReport, Generator
from synth.conditions import Conditions, parse_where
from synth.errors import ImpossibleConditionsError

ROWS = 1_200
LABEL = "kind"


class BrokenPromiseError(AssertionError):
    """A generator does not keep a promise of the contract; the message says which."""


def _require(kept: bool, promise: str) -> None:
    if not kept:
        raise BrokenPromiseError(promise)


def example(rows: int = ROWS, *, seed: int = 0) -> pa.Table:
    """A table of every kind of column, with relations that always hold, rare and missing values, an identifier."""
    g = np.random.default_rng(seed)
    kind = g.choice(["usual", "large", "odd"], rows, p=[0.8, 0.15, 0.05])
    amount = np.round(np.exp(g.normal(3.0, 0.5, rows) + 1.5 * (kind == "large")), 2)
    items = g.poisson(2, rows) + 1
    fee = np.round(amount * 0.1, 2)
    shop = np.where(
        g.random(rows) < 0.01, [f"stall {n}" for n in g.integers(0, 10**6, rows)], g.choice(["a", "b"], rows)
    )
    seconds = g.integers(0, 14, rows) * 86_400 + np.clip(g.normal(13, 3, rows), 0, 23.9) * 3_600
    times = np.datetime64("2026-01-05T00:00:00", "us") + seconds.astype("m8[s]")
    columns = {
        make_field("id", Kind.TEXT, [Role.ID]): pa.array([f"tx-{n:08d}" for n in g.permutation(rows) + 17]),
        make_field("time", Kind.TIME, [Role.TIME]): pa.array(times).cast(pa.timestamp("us", tz="UTC")),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]): pa.array(amount),
        make_field("items", Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()): pa.array(items.astype(np.int64)),
        make_field("fee", Kind.NUMERIC, [Role.FEATURE]): pa.array(fee, mask=g.random(rows) < 0.1),
        make_field("double", Kind.NUMERIC, [Role.FEATURE], arrow_type=pa.int64()): pa.array(2 * items.astype(np.int64)),
        make_field("shop", Kind.CATEGORICAL, [Role.FEATURE]): pa.array(shop.tolist(), mask=g.random(rows) < 0.05),
        make_field("member", Kind.BOOLEAN, [Role.FEATURE]): pa.array(g.random(rows) < 0.3),
        make_field("empty", Kind.NUMERIC, [Role.FEATURE]): pa.nulls(rows, pa.float64()),
        make_field("currency", Kind.CATEGORICAL, [Role.FEATURE]): pa.array(["EUR"] * rows),
        make_field(LABEL, Kind.CATEGORICAL, [Role.LABEL]): pa.array(kind.tolist()),
    }
    return pa.table(list(columns.values()), schema=pa.schema(list(columns)))


@dataclass
class Case:
    """One generator class under test, fitted once."""

    make: Callable[[], Generator]
    table: pa.Table = field(default_factory=example)

    @cached_property
    def fitted(self) -> Generator:
        """A generator fitted on the example."""
        generator = self.make()
        generator.fit(self.table, label=LABEL)
        return generator


class MemoryCheckpoint:
    """Keeps what a fit puts down; `kill_after` saves it raises KeyboardInterrupt, as a kill would end it."""

    def __init__(self, *, kill_after: int | None = None) -> None:
        self.kept: tuple[Tensors, dict[str, Any]] | None = None
        self.saves, self.kill_after, self.cleared = 0, kill_after, False

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """What was saved last."""
        return self.kept

    def save(self, tensors: Tensors, document: dict[str, Any]) -> None:
        """Keep copies; then, where it is time, die."""
        self.kept = {name: np.array(value) for name, value in tensors.items()}, dict(document)
        self.saves += 1
        if self.kill_after is not None and self.saves >= self.kill_after:
            raise KeyboardInterrupt

    def clear(self) -> None:
        """Forget."""
        self.kept, self.cleared = None, True


def fit_report_tells(case: Case) -> None:
    """A fit says how many rows, why it stopped and a finite held-out figure; progress goes from 0 to 1."""
    said: list[float] = []
    report = case.make().fit(case.table, label=LABEL, progress=lambda fraction, text: said.append(fraction))
    _require(isinstance(report, FitReport) and report.rows == ROWS, "the report counts the rows")
    _require(bool(report.stopped_because), "the report says why the fit stopped")
    _require(bool(np.isfinite(report.figures["held_out_nats"])), "the report has a finite held-out figure")
    _require(bool(said) and min(said) >= 0.0 and max(said) <= 1.0, "progress lies between 0 and 1")


def table_is_not_mutated(case: Case) -> None:
    """Fitting and sampling leave the table as it was."""
    before = _content(case.table)
    case.fitted.sample(50, seed=1)
    _require(_content(case.table) == before, "the table is not mutated")


def schema_is_the_tables(case: Case) -> None:
    """Columns, types, order and metadata are the table's, and there are as many rows as were asked for."""
    for rows in (0, 1, 777):
        made = case.fitted.sample(rows, seed=2)
        _require(made.num_rows == rows, f"{rows} rows asked for, {made.num_rows} made")
        _require(made.schema.equals(case.table.schema, check_metadata=True), "the schema is the table's")


def same_seed_same_rows(case: Case) -> None:
    """The same seed gives the same rows, another seed others."""
    first, again, other = (case.fitted.sample(300, seed=seed) for seed in (3, 3, 4))
    _require(first.equals(again), "the same seed gives the same rows")
    _require(not first.equals(other), "another seed gives other rows")
    twin = case.make()
    twin.fit(case.table, label=LABEL)
    _require(twin.sample(300, seed=3).equals(first), "two fits with the same seed give the same rows")


def saved_and_loaded_the_same(case: Case) -> None:
    """A saved and loaded generator gives the same rows; another's files are refused."""
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), *case.fitted.state())
        tensors, document = load_state(Path(folder))
    for state in ((tensors, document), case.fitted.state()):  # by way of files, and handed on as it is
        loaded = type(case.fitted).from_state(*state)
        same = loaded.sample(300, seed=5).equals(case.fitted.sample(300, seed=5))
        _require(same, "saved and loaded gives the same rows")
    try:
        type(case.fitted).from_state(tensors, {**document, "name": "another"})
    except IncompatibleArtifactError:
        return
    raise BrokenPromiseError("files of another generator are refused")


def resumed_is_uninterrupted(case: Case) -> None:
    """A fit that was killed and resumed ends where it would have ended."""
    checkpoint, generator = MemoryCheckpoint(kill_after=1), case.make()
    try:
        generator.fit(case.table, label=LABEL, checkpoint=checkpoint)
    except KeyboardInterrupt:
        checkpoint.kill_after = None
        generator = case.make()
        report = generator.fit(case.table, label=LABEL, checkpoint=checkpoint)
        _require(report.resumed, "the report says that the fit was resumed")
    _require(checkpoint.saves == 0 or checkpoint.cleared, "the checkpoint is forgotten at the end")
    same = generator.sample(300, seed=6).equals(case.fitted.sample(300, seed=6))
    _require(same, "a resumed fit ends where it would have ended")


def relations_and_grids_hold(case: Case) -> None:
    """What always holds in the table holds in every row; integers are integers, cents are cents, bounds hold."""
    made, table = case.fitted.sample(2_000, seed=7), case.table
    items, double = (made[name].to_numpy() for name in ("items", "double"))
    _require(bool((double == 2 * items).all()), "a column that is twice another stays so")
    amount = made["amount"].to_numpy()
    _require(bool(np.allclose(amount * 100, np.round(amount * 100), atol=1e-6)), "amounts stay in cents")
    low, high = pc.min_max(table["amount"]).as_py().values()
    _require(bool(amount.min() >= low - 1e-9 and amount.max() <= high + 1e-9), "bounds hold")
    _require(made["empty"].null_count == made.num_rows, "an empty column stays empty")
    _require(set(made["currency"].to_pylist()) == {"EUR"}, "a constant stays constant")


def missing_as_often(case: Case) -> None:
    """Missing values are about as frequent as they were, and missing nowhere else."""
    made = case.fitted.sample(4_000, seed=8)
    for name in case.table.column_names:
        real, synthetic = case.table[name].null_count / ROWS, made[name].null_count / made.num_rows
        _require(abs(real - synthetic) < 0.05, f"{name} is missing in {synthetic:.3f} of the rows, {real:.3f} before")


def identifiers_are_new(case: Case) -> None:
    """Identifiers are replaced, unique over chunks, and none of the table's."""
    first = case.fitted.sample(500, seed=9)["id"].to_pylist()
    second = case.fitted.sample(500, seed=10, first_row=500)["id"].to_pylist()
    _require(len({*first, *second}) == 1_000, "identifiers do not repeat over chunks")
    _require(not {*first, *second} & set(case.table["id"].to_pylist()), "no identifier of the table comes out again")


def rare_levels_are_not_handed_out(case: Case) -> None:
    """A name that one row had is in no generated row."""
    made = {value for value in case.fitted.sample(4_000, seed=11)["shop"].to_pylist() if value is not None}
    _require(not any(value.startswith("stall") for value in made), "rare names are not handed out")
    _require({"a", "b"} <= made, "usual names are")


def conditions_hold(case: Case) -> None:
    """Every row meets what was asked, on columns learned, derived, and missing; classes are balanced on request."""
    schema = case.table.schema
    where = parse_where(f"amount>=20,amount<60,{LABEL}=large|odd,double>4,shop=null", schema)
    made = case.fitted.sample(200, seed=12, conditions=Conditions(where=where))
    amount = made["amount"].to_numpy()
    _require(bool(((amount >= 20) & (amount < 60)).all()), "amounts lie where they were asked")
    _require(set(made[LABEL].to_pylist()) <= {"large", "odd"}, "levels are those asked for")
    _require(bool((made["double"].to_numpy() > 4).all()), "a condition on a column that follows from another holds")
    _require(made["shop"].null_count == 200, "missing where that was asked")
    even = case.fitted.sample(300, seed=13, conditions=Conditions(balance=LABEL))[LABEL].to_pylist()
    _require(all(even.count(level) == 100 for level in ("usual", "large", "odd")), "classes are balanced")
    given = pa.table({LABEL: pa.array(["odd", "usual"] * 50), "member": pa.array([True] * 100)})
    made = case.fitted.sample(100, seed=14, conditions=Conditions(given=given))
    same = made[LABEL].to_pylist() == given[LABEL].to_pylist() and pc.all(made["member"]).as_py()
    _require(bool(same), "given values are kept")


def impossible_conditions_are_refused(case: Case) -> None:
    """What no row can meet is refused with the column's name."""
    for text, column in (("amount>1e9", "amount"), (f"{LABEL}=never", LABEL), ("currency=USD", "currency")):
        try:
            where = parse_where(text, case.table.schema)
            case.fitted.sample(10, seed=15, conditions=Conditions(where=where))
        except ImpossibleConditionsError as error:
            _require(column in str(error), f"the message for {text} names the column")
            continue
        raise BrokenPromiseError(f"{text} is refused")


def nothing_to_learn_is_refused(case: Case) -> None:
    """One row, empty columns, a label that is not there, sampling before fit: clear errors."""
    empty = pa.table([pa.nulls(ROWS, pa.float64())], schema=pa.schema([make_field("x", Kind.NUMERIC, [Role.FEATURE])]))
    for table, label in ((case.table.slice(0, 1), None), (empty, None), (case.table, "nowhere")):
        try:
            case.make().fit(table, label=label)
        except UnusableDataError:
            continue
        raise BrokenPromiseError("a table without anything to learn is refused")
    try:
        case.make().sample(1, seed=0)
    except NotFittedError:
        return
    raise BrokenPromiseError("sampling before fit is refused")


PROMISES: tuple[Callable[[Case], None], ...] = (
    fit_report_tells,
    table_is_not_mutated,
    schema_is_the_tables,
    same_seed_same_rows,
    saved_and_loaded_the_same,
    resumed_is_uninterrupted,
    relations_and_grids_hold,
    missing_as_often,
    identifiers_are_new,
    rare_levels_are_not_handed_out,
    conditions_hold,
    impossible_conditions_are_refused,
    nothing_to_learn_is_refused,
)


def _content(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
