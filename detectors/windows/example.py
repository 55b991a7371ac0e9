"""Window columns for the contract's example table: two metrics of two hosts, with the odd rows' newest steps off.

Each row has a window of its own making, not its neighbours': what is promised of rows must not lean on their order.

Shape legend: B rows, L steps.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind, Role, make_field
from detectors.windows.enrichment import windows_of
from detectors.windows.settings import WINDOW_KEY, WindowOrigin

LENGTH = 32
KEY = "host"
WINDOW = "load.window"
OFF_STEPS = 12


def window_columns(odd_B: npt.NDArray[np.bool_], *, seed: int) -> dict[pa.Field, pa.Array]:
    """A key column and two related metrics' windows; in odd rows the second leaves the first alone."""
    g, rows = np.random.default_rng([seed, 7]), len(odd_B)
    host_B = g.integers(0, 2, rows)
    phase_B = g.uniform(0.0, 2.0 * np.pi, rows)
    wave_BL = np.sin(phase_B[:, None] + np.arange(LENGTH) * 2.0 * np.pi / 16.0)
    load_BL = (10.0 + 90.0 * host_B[:, None]) * (1.0 + 0.2 * wave_BL + g.normal(0, 0.02, (rows, LENGTH)))
    heat_BL = 20.0 + 5.0 * wave_BL + g.normal(0, 0.5, (rows, LENGTH))
    heat_BL[odd_B, -OFF_STEPS:] += 15.0
    heat_BL[g.random((rows, LENGTH)) < 0.02] = np.nan
    return {
        make_field(KEY, Kind.CATEGORICAL, [Role.KEY]): pa.array([f"host-{n}" for n in host_B]),
        _field(WINDOW): _column(load_BL),
        _field("heat.window"): _column(heat_BL),
    }


def ending_in(values: pa.Array, windows: pa.Array) -> pa.Array:
    """Windows with other newest values."""
    changed_BL = windows_of(windows, LENGTH, len(windows)).copy()
    with np.errstate(over="ignore"):
        changed_BL[:, -1] = values.to_numpy().astype(np.float32)
    return _column(changed_BL)


def _field(name: str) -> pa.Field:
    field = make_field(name, Kind.WINDOW, [Role.FEATURE], arrow_type=pa.list_(pa.float32(), LENGTH))
    origin = WindowOrigin(metric=name.removesuffix(".window"), key=(KEY,))
    return field.with_metadata({**field.metadata, WINDOW_KEY: origin.encoded()})


def _column(values_BL: npt.NDArray[np.floating]) -> pa.Array:
    flat = np.ascontiguousarray(values_BL, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), LENGTH)
