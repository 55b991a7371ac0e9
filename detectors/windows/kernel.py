"""The loop over rows that moves a key's windows to the row's step, adds its values and writes the windows out.

State of a slot: for each metric a ring of its last values, the place of the newest in it, and the newest step's number.

Shape legend: B rows, K slots, M metrics, L steps of a window.
"""

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray
from detectors.compiled import compiled, inlined
from detectors.context.hashing import UInt64Array
from detectors.context.kernel import Int32Array, Int64Array, slot_of

Float32Array = npt.NDArray[np.float32]
Int64 = int | np.int64

FARTHEST = 1e30
"""Numbers are clipped here, so that no square of their scaled form overflows."""
PLACE, STEP = 0, 1


@inlined
def _clear(slot: Int64, rings_KML: Float32Array, at_K2: Int64Array, step: Int64) -> None:
    rings_KML[slot] = np.nan
    at_K2[slot, PLACE] = 0
    at_K2[slot, STEP] = step


@inlined
def _move_on(slot: Int64, steps: Int64, rings_KML: Float32Array, at_K2: Int64Array) -> None:
    """Go `steps` forward; what is passed over is missing."""
    length = rings_KML.shape[2]
    for _ in range(min(steps, length)):
        place = at_K2[slot, PLACE] + 1
        if place == length:
            place = 0
        at_K2[slot, PLACE] = place
        rings_KML[slot, :, place] = np.nan


@compiled
def advance(
    hashes_B: UInt64Array,
    times_ms_B: Int64Array,
    values_MB: FloatArray,
    step_ms: float,
    max_keys: int,
    places_T: Int32Array,
    hashes_K: UInt64Array,
    links_K2: Int32Array,
    ends: Int64Array,
    rings_KML: Float32Array,
    at_K2: Int64Array,
    out_MBL: Float32Array,
) -> None:
    """Rows in order; `step_ms` 0 means that every row is a step of its own. The table must have room."""
    metrics, length = rings_KML.shape[1], rings_KML.shape[2]
    for i in range(len(hashes_B)):
        slot = slot_of(hashes_B[i], max_keys, places_T, hashes_K, links_K2, ends)
        step = np.int64(np.floor(times_ms_B[i] / step_ms)) if step_ms > 0.0 else np.int64(0)
        if slot < 0:
            slot = -1 - slot
            _clear(slot, rings_KML, at_K2, step)
        elif step_ms > 0.0:
            gap = step - at_K2[slot, STEP]
            if gap > 0:  # a late row counts as of the newest step: no window goes back
                _move_on(slot, gap, rings_KML, at_K2)
                at_K2[slot, STEP] = step
        else:
            _move_on(slot, 1, rings_KML, at_K2)
        place = at_K2[slot, PLACE]
        for m in range(metrics):
            value = values_MB[m, i]
            if value == value:  # a missing value does not erase what its step already has
                rings_KML[slot, m, place] = np.float32(min(max(value, -FARTHEST), FARTHEST))
            older = length - 1 - place
            for j in range(older):
                out_MBL[m, i, j] = rings_KML[slot, m, place + 1 + j]
            for j in range(place + 1):
                out_MBL[m, i, older + j] = rings_KML[slot, m, j]
