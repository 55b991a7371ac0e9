"""Loops over rows compiled by Numba: sequential, exact, and outside the interpreter lock.

Machine code is kept beside the source, or in the user's cache folder where that is read-only; where neither can be
written it is compiled anew in every process, which costs seconds at the first batch and changes no value. Whether kept
code is stale is told by the source file of the function called: keep compiled functions that call each other, and
their constants, in one file.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """`function` as machine code that lets go of the interpreter lock; floating point is IEEE 754's, x / 0 included."""
    try:
        return cast(F, numba.njit(nogil=True, cache=True, error_model="numpy")(function))
    except RuntimeError:  # Numba found no folder that it may write its cache to
        return cast(F, numba.njit(nogil=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """A part of a compiled function, compiled into it wherever it is called."""
    return cast(F, numba.njit(nogil=True, error_model="numpy", inline="always")(function))
