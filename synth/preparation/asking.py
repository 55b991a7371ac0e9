"""What conditions on a table's columns mean for the columns that are learned.

A condition on a learned column goes to the model. One on a column that follows from others becomes one on those where
that can be said: what is exact needs nothing more, what is only necessary goes to the model and is looked at
again in the restored rows. Constants are decided at once, and so is what lies beyond a column's range.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from synth.conditions import Condition, Conditions
from synth.errors import ImpossibleConditionsError
from synth.preparation.constants import Constant
from synth.preparation.matching import plain_values, refuse_beyond
from synth.preparation.meanings import meaning, part_meaning
from synth.preparation.relations.calendar import TimePart
from synth.preparation.relations.formula import Formula
from synth.preparation.relations.table_of_levels import Lookup
from synth.preparation.times import SplitTime

if TYPE_CHECKING:
    from synth.preparation.preparation import Preparation


def split_conditions(preparation: "Preparation", conditions: Conditions) -> tuple[Conditions, Conditions]:
    """See `Preparation.split`."""
    learned: list[Condition] = []
    left: list[Condition] = []
    waiting = [(_disguised(preparation, condition), True) for condition in conditions.where]
    while waiting:
        condition, decides = waiting.pop(0)
        rule = preparation.rule_of.get(condition.column)
        if rule is None and condition.column not in preparation.kinds.names:
            learned.append(condition)
            continue
        field = preparation.kinds.field(condition.column)
        if condition.column in preparation.bounds:
            refuse_beyond(condition, field, preparation.bounds[condition.column])
        if rule is None:
            learned.append(condition)
            continue
        source = preparation.rule_of.get(rule.source) if isinstance(rule, TimePart) else None
        if isinstance(rule, TimePart) and isinstance(source, SplitTime):
            found = part_meaning(rule, source, condition, field)
        else:
            found = meaning(rule, condition, field)
        own = {f.name for f in rule.fields()}
        learned.extend(c for c in found.conditions if c.column in own)
        waiting.extend((c, decides and found.exact) for c in found.conditions if c.column not in own)
        if decides and not found.exact:
            left.append(condition)
    asked = replace(
        conditions,
        where=tuple(dict.fromkeys(learned)),
        balance=None if conditions.balance is None else _balanced(preparation, conditions.balance),
        given=None if conditions.given is None else _given(preparation, conditions.given),
    )
    return asked, Conditions(where=tuple(dict.fromkeys(left)))


def _disguised(preparation: "Preparation", condition: Condition) -> Condition:
    """A condition on a column under pseudonyms, with the pseudonyms of its values."""
    disguise = preparation.disguises.get(condition.column)
    if disguise is None:
        return condition
    values = plain_values(condition, preparation.kinds.field(condition.column))
    shown = tuple("null" if v is None else str(disguise.pseudonym(v)) for v in values)
    return replace(condition, values=shown)


def _balanced(preparation: "Preparation", name: str) -> str:
    """The learned column whose levels must come equally often for those of `name` to."""
    if name not in preparation.kinds.names:
        raise ImpossibleConditionsError(
            f"there is no column {name!r} to balance: name one of {', '.join(preparation.kinds.names)}"
        )
    rule = preparation.rule_of.get(name)
    overruled = isinstance(rule, Lookup | Formula) and rule.partly
    if rule is None or ([f.name for f in rule.fields()] == [name] and not overruled):
        return name
    if isinstance(rule, Lookup) and rule.one_to_one and not overruled:
        return _balanced(preparation, rule.source)
    instead = f"balance {', '.join(rule.needs)} instead" if rule.needs else "balance another column"
    raise ImpossibleConditionsError(f"{name!r} is not learned by itself, so it cannot be balanced: {instead}")


def _given(preparation: "Preparation", given: pa.Table) -> pa.Table:
    """Given source columns as learned ones."""
    made: dict[str, pa.Array] = {}
    for name in given.column_names:
        if name not in preparation.kinds.names:
            raise ImpossibleConditionsError(
                f"there is no column {name!r} to give: name one of {', '.join(preparation.kinds.names)}"
            )
        array, rule = preparation.plain(given, name), preparation.rule_of.get(name)
        if name in preparation.disguises:
            array = preparation.disguises[name].disguised(array)
        if rule is None:
            made[name] = array
        elif isinstance(rule, Constant):
            _refuse_others(rule, array)
        elif rule.needs or not rule.fields():
            instead = f"give {', '.join(rule.needs)} instead" if rule.needs else "leave it out"
            raise ImpossibleConditionsError(f"{name!r} is not learned by itself, so it cannot be given: {instead}")
        else:
            made.update(zip((f.name for f in rule.fields()), rule.learned({name: array}), strict=True))
    return pa.table(made)


def _refuse_others(rule: Constant, array: pa.Array) -> None:
    wanted = pa.repeat(pa.scalar(rule.value, array.type), len(array))
    if not array.equals(wanted):
        raise ImpossibleConditionsError(f"{rule.column!r} is {rule.value} in every row: give that, or leave it out")
