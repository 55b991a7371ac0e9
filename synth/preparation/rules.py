"""Every rule there is, and rules from documents."""

from typing import Any

from synth.preparation.constants import Constant
from synth.preparation.disguise import Disguise
from synth.preparation.fakes import Fake
from synth.preparation.frame import Rule
from synth.preparation.patterns import Pattern
from synth.preparation.placeholders import Placeholder
from synth.preparation.relations.calendar import TimePart
from synth.preparation.relations.elapsed import Elapsed
from synth.preparation.relations.formula import Formula
from synth.preparation.relations.grid import Grid
from synth.preparation.relations.ordering import Ordered
from synth.preparation.relations.steps import Steps
from synth.preparation.relations.table_of_levels import Lookup
from synth.preparation.sequences import Sequence
from synth.preparation.shapes import Shapes
from synth.preparation.times import SplitTime

RULES: tuple[type[Rule], ...] = (
    Constant, Sequence, Pattern, Shapes, Fake, Placeholder, SplitTime, TimePart, Elapsed,
    Formula, Lookup, Steps, Ordered,
)  # fmt: skip


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule with its name, JSON-able."""
    return {"rule": rule.name, **rule.document()}


def rule_from(document: dict[str, Any]) -> Rule:
    """The rule that `rule_document` described. Raises KeyError for a rule that this version does not know."""
    classes = {rule.name: rule for rule in RULES}
    values = {name: _tupled(value) for name, value in document.items() if name != "rule"}
    return classes[document["rule"]](**values)


def disguise_from(document: dict[str, Any]) -> Disguise:
    """The pseudonyms that `Disguise.document` described."""
    return Disguise(**{name: _tupled(value) for name, value in document.items()})


def _tupled(value: Any) -> Any:
    if isinstance(value, dict):
        return rule_from(value) if "rule" in value else Grid(**value)
    return tuple(_tupled(part) for part in value) if isinstance(value, list | tuple) else value
