"""Every rule there is, and rules from documents."""

from typing import Any

from synth.preparation.constants import Constant
from synth.preparation.frame import Rule
from synth.preparation.patterns import Pattern
from synth.preparation.placeholders import Placeholder
from synth.preparation.sequences import Sequence
from synth.preparation.times import SplitTime

RULES: tuple[type[Rule], ...] = (Constant, Sequence, Pattern, Placeholder, SplitTime)


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule with its name, JSON-able."""
    return {"rule": rule.name, **rule.document()}


def rule_from(document: dict[str, Any]) -> Rule:
    """The rule that `rule_document` described. Raises KeyError for a rule that this version does not know."""
    classes = {rule.name: rule for rule in RULES}
    values = {name: _tupled(value) for name, value in document.items() if name != "rule"}
    return classes[document["rule"]](**values)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(part) for part in value) if isinstance(value, list) else value
