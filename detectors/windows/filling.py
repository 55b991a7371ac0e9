"""Windows scaled and their gaps filled, in place: the one loop over steps that every window detector runs.

Shape legend: B rows, F metrics, L steps.
"""

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray
from detectors.compiled import compiled
from detectors.windows.kernel import Float32Array


@compiled
def fill(
    x_BFL: Float32Array,
    center_BF: FloatArray,
    scale_BF: FloatArray,
    wildest: float,
    seen_BFL: npt.NDArray[np.bool_],
) -> None:
    """(x − center) / scale within ± `wildest`; a missing step takes the value before it, a missing beginning the first
    value there is, a window without values 0."""
    rows, metrics, length = x_BFL.shape
    for i in range(rows):
        for f in range(metrics):
            center, inverse = center_BF[i, f], 1.0 / scale_BF[i, f]
            first = length
            last = np.float32(0.0)
            for j in range(length):
                value = x_BFL[i, f, j]
                seen_BFL[i, f, j] = value == value
                if value == value:
                    last = np.float32(min(max((value - center) * inverse, -wildest), wildest))
                    first = min(first, j)
                x_BFL[i, f, j] = last
            if first < length:
                for j in range(first):
                    x_BFL[i, f, j] = x_BFL[i, f, first]
