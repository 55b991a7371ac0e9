"""What is asked of generated tokens: what is given row by row, and what is left of columns by conditions.

Shape legend: N rows asked for, K classes of a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from synth.codec.column import Allowed, CodeArray, FloatArray
from synth.codec.numbers import NumberCodec
from synth.codec.table import TokenCodec
from synth.conditions import Condition, columns_named
from synth.errors import ImpossibleConditionsError

LEAST_SHARE = 1e-6
"""Of the training rows, by one condition alone: less is refused."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """All of it holds in every row."""

    given: dict[int, CodeArray] = field(default_factory=dict)
    """By token: its class in each row, (N,)."""
    allowed: dict[int, Allowed] = field(default_factory=dict)
    """By column."""

    def weights(self, codec: TokenCodec) -> dict[int, FloatArray]:
        """By token, what is left of its classes, (K,); of the second of two tokens by the first's class, (A, B)."""
        found: dict[int, FloatArray] = {}
        for t, token in enumerate(codec.tokens):
            allowed = self.allowed.get(token.column)
            if allowed is None or t in self.given:
                continue
            if token.width == 1:
                found[t] = allowed.weight_K
                continue
            classes = codec.columns[token.column].classes
            grid = np.zeros(-(-classes // token.width) * token.width)
            grid[:classes] = allowed.weight_K
            grid_AB = grid.reshape(-1, token.width)
            found[t] = grid_AB if token.second else (grid_AB.max(axis=1) > 0.0).astype(np.float64)
        return found


def allowed_of(codec: TokenCodec, where: Sequence[Condition]) -> dict[int, Allowed]:
    """What conditions on learned columns leave, by column.

    Raises ImpossibleConditionsError where one of them, or those of one column together, leave nothing.
    """
    found: dict[int, Allowed] = {}
    for name in columns_named(where):
        at = codec.names.index(name)
        own = [condition for condition in where if condition.column == name]
        found[at] = _together(codec, at, own)
    return found


def _together(codec: TokenCodec, at: int, where: Sequence[Condition]) -> Allowed:
    column = codec.columns[at]
    parts = [column.allowed(condition) for condition in where]
    low, high = max(part.low for part in parts), min(part.high for part in parts)
    weight = np.minimum.reduce([part.weight_K for part in parts])
    bounded = sum(np.isfinite([part.low, part.high]).any() for part in parts)
    if bounded > 1 and isinstance(column, NumberCodec):
        weight = np.minimum(weight, column.weights_between(low, high))
    share = float(weight @ column.counts_K / max(1.0, column.counts_K.sum()))
    if share < LEAST_SHARE:
        asked = " and ".join(map(str, where))
        raise ImpossibleConditionsError(
            f"{asked}: fewer than {LEAST_SHARE:.4%} of the training rows fit ({share:.2e}): loosen it"
        )
    return Allowed(weight, low, high)


def balanced(codec: TokenCodec, column: str, rows: int, generator: np.random.Generator) -> dict[int, CodeArray]:
    """Classes of a column's tokens so that every level comes equally often, by token.

    Raises ImpossibleConditionsError where the column has no levels to balance.
    """
    at = codec.names.index(column)
    codes = np.arange(codec.columns[at].classes - codec.columns[at].has_missing, dtype=np.int32)
    if len(codes) < 2:
        raise ImpossibleConditionsError(f"{column!r} has {len(codes)} level: nothing can be balanced")
    drawn = generator.permutation(np.resize(codes, rows)).astype(np.int32)
    return codec.given_tokens(at, drawn)
