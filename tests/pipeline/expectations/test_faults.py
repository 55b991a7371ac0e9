"""Planted faults are found and named, and clean windows do not fail: on a simulated stream and on public sets."""

from pathlib import Path

import pytest

from bench.quality_sets import SETS, QualitySet, full_windows, planted
from pipeline.expectations.inference import infer
from pipeline.expectations.suite import Suite
from tests.pipeline.expectations.making import inferred_of_simulated, reasons_for, simulated


def check_faults(of: QualitySet, suite: Suite, *, windows: int) -> None:
    for window in full_windows(of, windows)[:windows]:
        for one in planted(of, window):
            said = reasons_for(one.window, suite)
            assert any(all(name in reason for name in one.names) for reason in said), (of.name, one.fault, said)


def test_every_fault_planted_in_simulated_payments_is_named() -> None:
    check_faults(simulated(), inferred_of_simulated().suite, windows=2)


def test_no_clean_day_of_simulated_payments_fails() -> None:
    suite = inferred_of_simulated().suite
    assert [reasons_for(window, suite) for window in simulated().later] == [()] * 7


@pytest.mark.parametrize("name", ["fraud", "jumpstarter", "adult", "bank", "darpa98"])
def test_public_sets(name: str, data_folder: Path) -> None:
    of = SETS[name](data_folder)
    suite = infer(of.reference, stream=of.name, window_hours=of.window_hours, now_ms=0).suite
    assert [said for window in of.later if (said := reasons_for(window, suite))] == []
    check_faults(of, suite, windows=1)
