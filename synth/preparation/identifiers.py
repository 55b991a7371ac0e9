"""Which columns name rows: those with the role, and those that give every row a value of its own."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role, roles_of
from synth.preparation.frame import Rule
from synth.preparation.kinds import NAME_WORDS, last_word
from synth.preparation.patterns import pattern_of
from synth.preparation.placeholders import placeholder_of
from synth.preparation.sequences import dense, integer_sequence, text_sequence
from synth.preparation.shapes import Shapes, shapes_of

LEAST_ROWS = 20
"""In fewer rows than that, every column may differ by chance."""


def is_identifier(field: pa.Field, array: pa.Array, *, label: str | None) -> bool:
    """Whether a column names rows: by role; or all of its values differ, and they are texts, counted, or named so."""
    roles = roles_of(field)
    if field.name == label or array.type not in (pa.string(), pa.int64()) or not len(array.drop_null()):
        return False
    if Role.ID in roles:
        return True
    if Role.KEY in roles or Role.TIME in roles or pa.types.is_date(field.type) or pa.types.is_temporal(field.type):
        return False
    present = array.drop_null()
    if len(present) < LEAST_ROWS or pc.count_distinct(present).as_py() != len(present):
        return False
    if array.type == pa.string():
        return True
    return last_word(field.name) in NAME_WORDS or _counted(present)


def _shapes(name: str, array: pa.Array, seed: int, least_rows: int) -> Shapes | None:
    """Shapes for codes; texts of several words are left to placeholders."""
    worded = pc.mean(pc.cast(pc.match_substring_regex(array.drop_null(), r"\S\s+\S"), pa.float64())).as_py()
    return None if worded > 0.5 else shapes_of(name, array, seed=seed, least_rows=least_rows)


def _counted(present: pa.Array) -> bool:
    values = np.sort(present.to_numpy(zero_copy_only=False))
    return dense(values) and bool(np.diff(values).max() == np.diff(values).min())


def identifier_rule(field: pa.Field, array: pa.Array, *, seed: int, least_rows: int) -> Rule:
    """How new identifiers of the same shape are made; placeholders where texts have no shape in common."""
    if array.type == pa.int64():
        return integer_sequence(field.name, array)
    return (
        text_sequence(field.name, array)
        or pattern_of(field.name, array, seed=seed)
        or _shapes(field.name, array, seed, least_rows)
        or placeholder_of(field.name, array, least_rows=least_rows)
    )
