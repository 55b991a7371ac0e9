"""The gates as they are: rows like the real ones pass, copies and strangers do not, nor what cannot be measured."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from pipeline.synthesis.comparable import comparable
from pipeline.synthesis.gates import Evidence, judge
from pipeline.synthesis.split import Halves
from synth.conditions import Condition, Conditions, Operator

SCHEMA = pa.schema(
    [
        make_field("income", Kind.NUMERIC, {Role.FEATURE}),
        make_field("spent", Kind.NUMERIC, {Role.FEATURE}),
        make_field("region", Kind.CATEGORICAL, {Role.FEATURE}),
        make_field("late", Kind.BOOLEAN, {Role.LABEL}),
    ]
)


def people(rows: int, *, seed: int) -> pa.Table:
    """Rows whose columns depend on each other."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "east", "west"], rows, p=[0.5, 0.3, 0.15, 0.05])
    income = rng.lognormal(3.0, 0.5, rows) * np.where(region == "north", 2.0, 1.0)
    spent = income * rng.beta(5, 2, rows)
    late = rng.random(rows) < np.where(spent > 0.8 * income, 0.6, 0.1)
    return pa.table({"income": income, "spent": spent, "region": region, "late": late}, schema=SCHEMA)


REAL = Halves(train=people(2_400, seed=1), held_out=people(800, seed=2))


def evidence(made: pa.Table, conditions: Conditions | None = None) -> Evidence:
    wanted = conditions or Conditions()
    return Evidence(
        real=REAL,
        made=made,
        for_fidelity=made,
        compared=comparable(REAL, wanted, seed=0),
        conditions=wanted,
        label="late",
        seed=0,
    )


def test_rows_like_the_real_ones_pass_and_the_figures_are_kept() -> None:
    judged = judge(evidence(people(1_000, seed=3)))
    assert judged.passed, judged.reasons
    assert judged.reasons == ()
    assert {"thresholds", "verdict", "fidelity", "privacy", "compared"} <= set(judged.document)


def test_rows_handed_back_are_refused() -> None:
    judged = judge(evidence(REAL.train.slice(0, 1_000)))
    assert not judged.passed
    assert any("copies" in reason for reason in judged.reasons)


def test_columns_drawn_apart_are_refused() -> None:
    rng = np.random.default_rng(4)
    made = people(1_000, seed=5)
    apart = pa.table([column.take(rng.permutation(1_000)) for column in made.columns], schema=SCHEMA)
    assert not judge(evidence(apart)).passed


@pytest.mark.parametrize("rows", [0, 3])
def test_too_few_rows_to_measure_are_refused_and_no_error(rows: int) -> None:
    judged = judge(evidence(people(100, seed=3).slice(0, rows)))
    assert not judged.passed
    assert judged.reasons


def where(value: str) -> Conditions:
    return Conditions(where=(Condition(column="region", operator=Operator.EQUAL, values=(value,)),))


def test_conditions_are_compared_where_enough_real_rows_meet_them() -> None:
    assert comparable(REAL, Conditions(), seed=0).conditioned
    assert comparable(REAL, where("north"), seed=0).conditioned
    few = comparable(REAL, where("west"), seed=0)
    assert not few.conditioned
    assert "too few to measure by" in few.said


def test_rows_that_break_rare_conditions_are_refused() -> None:
    made = people(1_000, seed=3)
    wanted = where("west")
    found = replace(evidence(made, wanted), for_fidelity=people(1_000, seed=6))
    judged = judge(found)
    assert any("do not meet the conditions" in reason for reason in judged.reasons)
