"""Rare values of training rows that come out again: a name or an exact number that few people have points at them.

Levels (names) seen fewer than `FEW_ROWS` times in training: which share of them the synthetic rows have. Exact numbers,
in columns of more than `_MANY_VALUES`: the share of synthetic values that equal one seen so rarely in training. Both
beside the same of held-out real rows, which have some by chance. And identifying values of columns that should have
been replaced (identifiers, personal columns, free text): the share of synthetic values that equal a training value.

Shape legend: N rows.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, roles_of
from synth.fidelity.frames import Column, Frame, frames, kind_or_guess, personal_columns
from synth.fidelity.intervals import NOT_KNOWN

FEW_ROWS = 5
_MANY_VALUES = 256
_MANY_TEXTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RareValues:
    """How much of what is rare in training comes out again; shares are NaN where there is nothing rare."""

    levels: int
    """Rare levels of all columns, but the label."""
    levels_again: float
    """The share of them that synthetic rows have."""
    levels_held_out: float
    numbers_again: float
    """The share of synthetic numbers, of columns of many values, that equal a rare training value."""
    numbers_held_out: float
    replaced_again: float
    """The greatest share, over columns to be replaced, of synthetic values that equal a training value."""
    replaced_column: str | None
    """Of that column."""
    columns: tuple[str, ...]
    """Columns with rare levels that came out again."""

    def document(self) -> dict[str, Any]:
        """JSON-able; what is not known is null."""
        found = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}
        return found | {"columns": list(self.columns)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "RareValues":
        """What `document` wrote."""
        shares = ("levels_again", "levels_held_out", "numbers_again", "numbers_held_out", "replaced_again")
        known = {k: NOT_KNOWN if document[k] is None else float(document[k]) for k in shares}
        return cls(**{**document, **known, "columns": tuple(document["columns"])})


def rare_values(
    real_train: pa.Table, held_out: pa.Table, synthetic: pa.Table, *, label: str | None = None
) -> RareValues:
    """Over all columns; classes of `label` are wanted and not counted."""
    return rare_values_of(
        frames(real_train, held_out, synthetic), label=label, replaced=replaced_again(real_train, synthetic)
    )


def rare_values_of(encoded: tuple[Frame, ...], *, label: str | None, replaced: tuple[float, str | None]) -> RareValues:
    """As `rare_values`, of train, held-out and synthetic rows encoded together; as many synthetic rows as held-out ones
    are looked at, since more rows have more levels by chance."""
    train, held_out, synthetic = encoded
    encoded = train, held_out, synthetic.at_most(held_out.rows, 0)
    places = [i for i, c in enumerate(encoded[0].columns) if c.name != label and c.kind is not Kind.BOOLEAN]
    columns = [[frame.columns[place] for frame in encoded] for place in places]
    levels = {three[0].name: _levels(*three) for three in columns if not three[0].ordered}
    numbers = [_numbers(*three) for three in columns if three[0].kind is Kind.NUMERIC]
    rare, real, made = (sum(found[i] for found in levels.values()) for i in range(3))
    real_share, made_share = (np.mean([pair[i] for pair in numbers if pair] or [NOT_KNOWN]) for i in range(2))
    return RareValues(
        levels=rare,
        levels_again=made / rare if rare else NOT_KNOWN,
        levels_held_out=real / rare if rare else NOT_KNOWN,
        numbers_again=float(made_share),
        numbers_held_out=float(real_share),
        replaced_again=replaced[0],
        replaced_column=replaced[1],
        columns=tuple(name for name, found in levels.items() if found[2]),
    )


def _levels(train: Column, held_out: Column, synthetic: Column) -> tuple[int, int, int]:
    """Rare levels of one column, and how many of them held-out and synthetic rows have."""
    known = len(train.levels) - 1  # the last one stands for missing values
    counts = [
        np.bincount(c.values_N.astype(np.int64), minlength=known + 1)[:known] for c in (train, held_out, synthetic)
    ]
    rare = (counts[0] > 0) & (counts[0] < FEW_ROWS)
    return int(rare.sum()), int((rare & (counts[1] > 0)).sum()), int((rare & (counts[2] > 0)).sum())


def _numbers(train: Column, held_out: Column, synthetic: Column) -> tuple[float, float] | None:
    """The share of held-out and of synthetic values that equal a rare training value; None of few values."""
    values, counts = np.unique(_known(train), return_counts=True)
    rare = values[counts < FEW_ROWS]
    others = [_known(column) for column in (held_out, synthetic)]
    if len(values) <= _MANY_VALUES or not len(rare) or not all(len(other) for other in others):
        return None
    real, made = (float(np.isin(other, rare).mean()) for other in others)
    return real, made


def _known(column: Column) -> npt.NDArray[np.float64]:
    values = np.asarray(column.values_N, dtype=np.float64)
    return values[~np.isnan(values)]


def replaced_again(real_train: pa.Table, synthetic: pa.Table) -> tuple[float, str | None]:
    """The greatest share of values of a column to be replaced that equal a training value, and that column."""
    found: list[tuple[float, str | None]] = [(0.0, None)]
    any_column, personal = False, personal_columns(real_train)
    for field in real_train.schema:
        if not _to_be_replaced(field, real_train[field.name], personal):
            continue
        any_column = True
        known = real_train[field.name].cast(pa.string()).unique().drop_null()
        made = synthetic[field.name].cast(pa.string()).drop_null()
        if len(made) and len(known) > _MANY_TEXTS:
            found.append((float(pc.mean(pc.is_in(made, known).cast(pa.int8())).as_py()), field.name))
    return max(found, key=lambda pair: pair[0]) if any_column else (NOT_KNOWN, None)


def _to_be_replaced(field: pa.Field, values: pa.ChunkedArray, personal: set[str]) -> bool:
    """Identifiers, personal columns and free text of many values: text only, since numbers meet by chance."""
    if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
        return False
    named = field.name in personal or Role.ID in roles_of(field)
    return named or kind_or_guess(field, values) is Kind.TEXT
