"""Compiled loops work where Numba may write no cache."""

from typing import Any

import numba
import pytest

from detectors.compiled import compiled


def test_without_a_folder_for_the_cache_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real = numba.njit

    def refusing(*given: Any, cache: bool = False, **options: Any) -> Any:
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return real(*given, **options)

    monkeypatch.setattr(numba, "njit", refusing)

    @compiled
    def half(value: float) -> float:
        return value / 2.0

    assert half(3.0) == 1.5
