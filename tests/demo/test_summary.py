"""The demo's closing figures are counted, not flattered."""

import numpy as np
import pytest

from pipeline.demo.summary import INCIDENT_GAP_MS, kind_figures


def test_an_incident_is_one_keys_run_of_events_and_noticed_by_its_first_flag() -> None:
    hour = INCIDENT_GAP_MS / 6
    kinds = ["theft", "theft", None, "theft", "theft", "burst"]
    keys = ["a", "a", "a", "b", "a", None]
    times = np.array([0.0, hour, hour, 2 * hour, 20 * hour, 21 * hour])
    flagged = np.array([False, True, True, False, False, False])
    burst, theft = kind_figures(kinds, keys, times, flagged)
    assert (burst.kind, burst.events, burst.flagged, burst.incidents, burst.noticed) == ("burst", 1, 0, 1, 0)
    assert (theft.events, theft.flagged, theft.incidents, theft.noticed) == (4, 1, 3, 1)


@pytest.mark.parametrize("rows", [0, 3])
def test_without_kinds_there_is_nothing_to_tell(rows: int) -> None:
    assert kind_figures([None] * rows, [None] * rows, np.zeros(rows), np.zeros(rows, np.bool_)) == []
