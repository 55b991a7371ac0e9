"""Great Expectations and the fast gate come to the same verdict on every question, and people's values stay hidden."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa

from bench.quality_sets import full_windows, planted
from pipeline.expectations.asked import asked_of
from pipeline.expectations.document import Verdict
from pipeline.expectations.great import GreatExpectations
from pipeline.expectations.judge import judged
from pipeline.expectations.run import validated_window
from pipeline.expectations.suite import Suite
from pipeline.expectations.window import Window
from tests.pipeline.expectations.making import (
    about,
    inferred_of_simulated,
    orders_suite,
    orders_window,
    simulated,
    without_some,
)


def disagreements(engine: GreatExpectations, window: Window, suite: Suite) -> list[str]:
    questions = asked_of(suite)
    own = {j.asked.name: j.verdict for j in judged(window, suite, questions)}
    great = {a.judged.asked.name: a.judged.verdict for a in engine.answers(window, suite, questions)}
    assert own.keys() == great.keys()
    return [f"{name}: {own[name]} / {great[name]}" for name in own if own[name] is not great[name]]


def test_both_say_the_same_of_clean_and_of_faulty_windows() -> None:
    engine, suite = GreatExpectations(), inferred_of_simulated().suite
    [window] = full_windows(simulated(), 1)
    faults = {one.fault: one.window for one in planted(simulated(), window)}
    windows = [window, *(faults[name] for name in ("nulls", "units ×1000", "duplicated hour"))]
    assert [found for w in windows for found in disagreements(engine, w, suite)] == []


def test_both_say_the_same_of_small_and_of_odd_windows() -> None:
    engine, suite = GreatExpectations(), orders_suite()
    day = orders_window(1.0, seed=3, first_day=10)
    rng = np.random.default_rng(0)
    small = [
        day.part(rng.random(day.rows) < share, start_ms=day.start_ms, end_ms=day.end_ms) for share in (0.005, 0.05)
    ]
    empty = day.part(np.zeros(day.rows, np.bool_), start_ms=day.start_ms, end_ms=day.end_ms)
    as_text = replace(day, table=day.table.set_column(4, "amount", day.table["amount"].cast(pa.string())))
    absent = replace(day, table=day.table.drop_columns(["country"]))
    hollow = replace(day, table=without_some(day.table, "amount", 1.0))
    for window in (*small, empty, as_text, absent, hollow):
        assert disagreements(engine, window, suite) == []


def test_a_missing_column_is_an_error_and_not_bad_data() -> None:
    day = orders_window(1.0, seed=3, first_day=10)
    window = replace(day, table=day.table.drop_columns(["country"]))
    document = validated_window(window, orders_suite(), about("orders"))
    assert document.verdict is Verdict.ERROR
    assert document.reasons == ("country: the window has no such column",)


def test_nothing_of_a_personal_column_is_in_suite_or_document() -> None:
    day = orders_window(1.0, seed=3, first_day=10)
    window = replace(day, table=without_some(day.table, "email", 0.4))
    document = validated_window(window, orders_suite(), about("orders", ("email",)))
    assert any(reason.startswith("email: ") and "missing" in reason for reason in document.reasons)
    told = json.dumps(document.document()) + orders_suite().model_dump_json()
    assert "@example" not in told
    assert "person" not in told.replace("personal", "")


def test_every_question_is_judged_by_great_expectations() -> None:
    document = validated_window(orders_window(1.0, seed=3, first_day=10), orders_suite(), about("orders"))
    assert document.verdict is Verdict.PASSED, document.reasons
    assert all(row.engine.startswith("expect_") for row in document.expectations)
    assert len(document.expectations) == len(asked_of(orders_suite()))


def test_the_gate_does_not_bring_great_expectations() -> None:
    said = (
        "import sys, pipeline.expectations.gate, pipeline.expectations.rows; print('great_expectations' in sys.modules)"
    )
    finished = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"
