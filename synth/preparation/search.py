"""Looks at a table once and decides for every column how it is learned and brought back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from detectors.columns import Kind, kind_of
from synth.preparation.constants import constant_of
from synth.preparation.frame import Rule
from synth.preparation.identifiers import identifier_rule, is_identifier
from synth.preparation.personal import fake_rule
from synth.preparation.placeholders import Placeholder, placeholder_of
from synth.preparation.plain import DAY_NANOSECONDS, is_moment, unit_nanoseconds, value_type
from synth.preparation.relations.find import find_relations
from synth.preparation.settings import PreparationSettings
from synth.preparation.times import split_time


@dataclass(slots=True)
class Found:
    """What the search has decided so far."""

    rules: list[Rule] = field(default_factory=list)
    """In the order in which columns are brought back."""
    notes: list[str] = field(default_factory=list)

    def bounded(self, schema: pa.Schema) -> pa.Schema:
        """The columns whose values come from the source: all but those that are made anew."""
        anew = {rule.column for rule in self.rules if not rule.needs and not rule.fields()}
        return pa.schema([column for column in schema if column.name not in anew])


def find_rules(
    frame: Mapping[str, pa.Array],
    schema: pa.Schema,
    *,
    label: str | None,
    personal: set[str],
    seed: int,
    settings: PreparationSettings,
) -> Found:
    """A rule for every column that is not learned as it is; what was found, in words. `personal` columns are faked."""
    found = Found()
    left = {}
    for column in schema:
        array, rule = frame[column.name], None
        if column.name in personal and array.type == pa.string() and column.name != label and len(array.drop_null()):
            rule = fake_rule(column.name, array, seed=seed, least_rows=settings.least_level_rows)
            found.notes.append(f"{column.name}: personal; faked, never learned")
        elif column.name != label:
            rule = _lone_rule(column, array, label, seed, settings, found)
        if rule is None:
            left[column.name] = column
        else:
            found.rules.append(rule)
    taken = set(schema.names)
    relations: list[Rule] = []
    if settings.relations:
        among = {name: frame[name] for name in left}
        relations = find_relations(among, left, label=label, settings=settings, taken=taken)
        found.notes.extend(str(rule) for rule in relations)
    following = {rule.column for rule in relations}
    _split_times(frame, {n: f for n, f in left.items() if n not in following}, taken, settings, found)
    found.rules.extend(relations)
    return found


def _lone_rule(
    column: pa.Field, array: pa.Array, label: str | None, seed: int, settings: PreparationSettings, found: Found
) -> Rule | None:
    """The rule of a column that needs no other: a constant, an identifier, a text."""
    constant = constant_of(column.name, array)
    if constant is not None:
        value = "is missing in every row" if constant.value is None else "has one value in every row"
        found.notes.append(f"{column.name}: {value}; written as it is")
        return constant
    if is_identifier(column, array, label=label):
        rule = identifier_rule(column, array, seed=seed, least_rows=settings.least_level_rows)
        text = isinstance(rule, Placeholder)
        what = "free text; replaced by placeholder words" if text else "names rows; replaced by new identifiers"
        found.notes.append(f"{column.name}: {what}, never learned")
        return rule
    if kind_of(column) is Kind.TEXT and array.type == pa.string():
        found.notes.append(f"{column.name}: free text; replaced by placeholder words, never learned")
        return placeholder_of(column.name, array, least_rows=settings.least_level_rows)
    return None


def _split_times(
    frame: Mapping[str, pa.Array],
    left: Mapping[str, pa.Field],
    taken: set[str],
    settings: PreparationSettings,
    found: Found,
) -> None:
    for name, column in left.items():
        if not is_moment(value_type(column.type)):
            continue
        rule = split_time(
            name,
            frame[name],
            steps_per_day=DAY_NANOSECONDS // unit_nanoseconds(value_type(column.type)),
            longest_exact_days=settings.longest_exact_days,
            taken=taken,
        )
        found.rules.append(rule)
        found.notes.append(f"{name}: learned as {', '.join(rule.names)}")
