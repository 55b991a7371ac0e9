"""Small event streams for the context's tests, and the reference: the same definitions, a dictionary a key."""

from collections import OrderedDict
from dataclasses import dataclass, field
from math import exp, floor, inf, log, sqrt
from typing import Any

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind, Role, make_field
from detectors.context import ContextSettings

SCHEMA = pa.schema(
    [
        make_field("customer", Kind.TEXT, [Role.KEY]),
        make_field("account", Kind.CATEGORICAL, [Role.KEY], arrow_type=pa.int64()),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]),
        make_field("terminal", Kind.CATEGORICAL, [Role.FEATURE]),
        make_field("device", Kind.CATEGORICAL, [Role.FEATURE], arrow_type=pa.int64()),
    ]
)
SETTINGS = ContextSettings(
    key=("customer",),
    half_lives_seconds=(60.0, 3600.0),
    norm_half_life_seconds=86_400.0,
    numeric=("amount",),
    categorical=("terminal", "device"),
    prefix="customer",
    measures=("seconds_since_last", "count", "burst", "mean", "sum", "spread", "deviation", "new", "new_share"),
)

Row = tuple[int, str | None, int | None, float | None, str | None, int | None]
"""Time in ms, customer, account, amount, terminal, device."""

ROWS = st.lists(
    st.tuples(
        st.integers(0, 20_000_000),
        st.sampled_from(["ann", "ben", "", "a longer name, twice", None]),
        st.sampled_from([1, 2, -7, None]),
        st.one_of(
            st.none(),
            st.integers(-100_000, 100_000).map(lambda cents: cents / 100),
            st.sampled_from([5.0, inf, float("nan")]),
        ),
        st.one_of(st.none(), st.integers(0, 40).map(str)),
        st.one_of(st.none(), st.integers(0, 20)),
    ),
    min_size=1,
    max_size=60,
)


def batch_of(rows: list[Row]) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
    """The rows as a record batch of SCHEMA, and their times."""
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 6
    arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns[1:], SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), np.array(columns[0], dtype=np.int64)


@dataclass
class KeyPast:
    """What the reference knows of one key: the rows it had, as (moment, value) lists."""

    moment_ms: float
    events: list[float] = field(default_factory=list)
    amounts: list[tuple[float, float]] = field(default_factory=list)
    news: dict[str, list[float]] = field(default_factory=dict)
    recent: dict[str, list[Any]] = field(default_factory=dict)


class Reference:
    """Sums over all of a key's past at every row: slow, and short enough to be believed."""

    def __init__(self, settings: ContextSettings) -> None:
        self.settings = settings
        self.keys: OrderedDict[tuple[Any, ...], KeyPast] = OrderedDict()

    def advance(self, time_ms: int, row: dict[str, Any]) -> dict[str, float | bool | None]:
        """The columns of one row, which is then part of the past."""
        key = tuple(row[name] for name in self.settings.key)
        known = key in self.keys
        past = self.keys.pop(key) if known else KeyPast(time_ms)
        if not known and len(self.keys) == self.settings.max_keys:
            self.keys.popitem(last=False)
        self.keys[key] = past
        gap_ms = max(0.0, time_ms - past.moment_ms)
        past.moment_ms += gap_ms
        told: dict[str, float | bool | None] = {"seconds_since_last": gap_ms / 1000 if known else None}
        self._counts(past, told)
        for name in self.settings.numeric:
            self._numeric(past, name, row[name], told)
        for name in self.settings.categorical:
            self._category(past, name, row[name], told, known)
        past.events.append(past.moment_ms)
        return {f"{self.settings.title}.{name}": value for name, value in told.items()}

    def _weights(self, past: KeyPast, moments: list[float], life: float) -> list[float]:
        return [exp(-log(2) * (past.moment_ms - m) / (life * 1000)) for m in moments]

    def _counts(self, past: KeyPast, told: dict[str, float | bool | None]) -> None:
        lives, norm = self.settings.half_lives_seconds, self.settings.norm_half_life_seconds
        counts = [sum(self._weights(past, past.events, life)) for life in (*lives, norm)]
        told |= {f"count_{name_of(life)}": floor(c) for life, c in zip(lives, counts, strict=False)}
        promised = counts[-1] * lives[0] / norm
        told[f"burst_{name_of(lives[0])}"] = (counts[0] - promised) / sqrt(promised + 1)

    def _numeric(self, past: KeyPast, name: str, x: float | None, told: dict[str, float | bool | None]) -> None:
        x = x if x is not None and abs(x) < inf else None
        norm = self.settings.norm_half_life_seconds
        for life in (*self.settings.half_lives_seconds, norm):
            w = self._weights(past, [m for m, _ in past.amounts], life)
            values = [v for _, v in past.amounts]
            total = sum(w)
            found: dict[str, float | None] = {"mean": None, "sum": 0.0, "spread": None}
            told[f"{name}_deviation"] = None
            if w:
                mean = sum(a * b for a, b in zip(w, values, strict=True)) / total
                squares = sum(a * (b - mean) ** 2 for a, b in zip(w, values, strict=True))
                scale = sqrt((squares + 2 * (mean / 2) ** 2) / (total + 2))
                found = {"mean": mean, "sum": total * mean, "spread": sqrt(squares / total)}
                if x is not None:
                    told[f"{name}_deviation"] = float(np.clip((x - mean) / (scale or 1e-300), -10, 10))
            if life == norm:
                break
            told |= {f"{name}_{what}_{name_of(life)}": value for what, value in found.items()}
        if x is not None:
            past.amounts.append((past.moment_ms, x))

    def _category(
        self, past: KeyPast, name: str, value: Any, told: dict[str, float | bool | None], known: bool
    ) -> None:
        recent = past.recent.setdefault(name, [])
        news = past.news.setdefault(name, [])
        new = value not in recent
        life = self.settings.norm_half_life_seconds
        share = sum(self._weights(past, news, life)) / sum(self._weights(past, past.events, life)) if known else None
        told |= {f"new_{name}": new if known else None, f"new_share_{name}": share}
        if new and known:
            news.append(past.moment_ms)
        past.recent[name] = [value, *(v for v in recent if v != value)][:16]


def name_of(seconds: float) -> str:
    """The names of the half-lives that the tests use."""
    return {60.0: "1m", 3600.0: "1h"}[seconds]
