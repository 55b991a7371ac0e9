"""New keys and identifiers of events: of the source's shape, none of the source's, none given twice.

Shape legend: E names.
"""

import base64
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from detectors.errors import UnusableDataError
from synth.preparation.frame import Draw, Rule
from synth.preparation.identifiers import identifier_rule
from synth.preparation.plain import Casting, casting_of, from_plain, is_text, to_plain, value_type
from synth.preparation.rules import rule_document, rule_from
from synth.streams.histories import Int64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How names of one column are made."""

    field: pa.Field
    casting: Casting
    rule: Rule
    seed: int

    @classmethod
    def of(cls, values: pa.ChunkedArray, field: pa.Field, *, seed: int) -> "Names":
        """From the source's names. Raises UnusableDataError where they are neither texts nor integers."""
        found = value_type(field.type)
        if not (is_text(found) or pa.types.is_integer(found)):
            raise UnusableDataError(f"{field.name!r} holds {field.type}, which cannot name anything: cast it to string")
        casting = casting_of(values, field)
        rule = identifier_rule(field, to_plain(values, field, casting), seed=seed, least_rows=1)
        return cls(field=field, casting=casting, rule=rule, seed=seed)

    def named(self, number_E: Int64Array) -> pa.Array:
        """The names with these numbers, each number one name, whatever the sample's seed: the chunks of a dataset,
        each with a seed of its own, never meet."""
        if not len(number_E):
            return pa.array([], self.field.type)
        first = int(number_E.min())
        draw = Draw(seed=self.seed, first_row=first, rows=int(number_E.max()) + 1 - first)
        return from_plain(self.rule.restored({}, draw).take(pa.array(number_E - first)), self.field, self.casting)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        schema = pa.schema([self.field]).serialize().to_pybytes()
        return {
            "field": base64.b64encode(schema).decode("ascii"),
            "casting": self.casting.document(),
            "rule": rule_document(self.rule),
            "seed": self.seed,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Names":
        """What `document` described."""
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["field"])))
        casting, rule = Casting.from_document(document["casting"]), rule_from(document["rule"])
        return cls(field=schema.field(0), casting=casting, rule=rule, seed=document["seed"])
