"""Drawing classes from rows of probabilities, compiled.

Shape legend: N rows, U rows of probabilities that they share, B rows of a block, T tokens, K classes of one token, E of
all.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled

Float32Array = npt.NDArray[np.float32]


@compiled
def pick(chance_UK: Any, group_N: Any, draw_N: Any, out_N: Any) -> None:
    """The class at which each row's probabilities, added up, pass its draw (0 to 1, of their sum); into `out_N`."""
    classes = chance_UK.shape[1]
    for n in range(len(group_N)):
        row = chance_UK[group_N[n]]
        total = np.float32(0.0)
        for k in range(classes):
            total += row[k]
        left = draw_N[n] * total
        found = -1
        for k in range(classes):
            if row[k] > 0.0:
                found = k
                left -= row[k]
                if left < 0.0:
                    break
        out_N[n] = found


@compiled
def pick_all(weight_BE: Any, starts_T: Any, draw_BT: Any, out_BT: Any) -> None:
    """As `pick`, for all tokens of rows whose classes' weights lie beside each other: token t's from `starts_T[t]` up
    to `starts_T[t + 1]`."""
    for b in range(len(weight_BE)):
        for t in range(len(starts_T) - 1):
            total = np.float32(0.0)
            for e in range(starts_T[t], starts_T[t + 1]):
                total += weight_BE[b, e]
            left = draw_BT[b, t] * total
            found = starts_T[t]
            for e in range(starts_T[t], starts_T[t + 1]):
                if weight_BE[b, e] > 0.0:
                    found = e
                    left -= weight_BE[b, e]
                    if left < 0.0:
                        break
            out_BT[b, t] = found - starts_T[t]


@compiled
def join(group_N: Any, class_N: Any, classes: int, table_G: Any) -> int:
    """Number the pairs of group and class that occur, in order of appearance; writes the numbers into `group_N` and
    each number's pair into `table_G` (at least as long as there are pairs); returns how many there are."""
    known = numba.typed.Dict.empty(numba.int64, numba.int64)
    for n in range(len(group_N)):
        pair = np.int64(group_N[n]) * classes + class_N[n]
        number = known.get(pair, np.int64(-1))
        if number < 0:
            number = len(known)
            known[pair] = number
            table_G[number] = pair
        group_N[n] = number
    return len(known)
