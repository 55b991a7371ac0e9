"""Between a table and what a model learns of it: types, constants, identifiers, texts, times, relations.

`learned` gives the columns that are worth learning, of three kinds only; `restored` gives the whole table back. Fitted
once on the training table, kept as JSON beside the model. Exact: a table that is learned and restored is the same
table, but for identifiers, personal columns, texts, and NaN or infinities beside nulls (they become missing).
"""

import base64
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import make_field, roles_of
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from synth.preparation.frame import Draw, Rule
from synth.preparation.kinds import learned_kind, with_kinds
from synth.preparation.plain import Casting, casting_of, from_plain, is_moment, plain_type, to_plain, value_type
from synth.preparation.rules import rule_document, rule_from
from synth.preparation.search import find_rules
from synth.preparation.settings import PreparationSettings

VERSION = 1


class Preparation:
    """How each column of one table is learned and brought back. Make it with `fit` or `from_document`."""

    def __init__(
        self,
        schema: pa.Schema,
        kinds: pa.Schema,
        *,
        label: str | None,
        castings: Mapping[str, Casting],
        rules: tuple[Rule, ...],
        notes: tuple[str, ...],
    ) -> None:
        self.schema = schema
        """The source's, metadata included."""
        self.kinds = kinds
        """The same, every field with a kind."""
        self.label = label
        self.castings = dict(castings)
        self.rules = rules
        """In the order in which columns are brought back."""
        self.notes = notes
        """What was found and what is done about it, for the record that goes with the model."""
        self.rule_of = {rule.column: rule for rule in rules}
        """By the source column that a rule brings back; those that are learned as they are have none."""

    @classmethod
    def fit(
        cls, table: pa.Table, *, label: str | None, seed: int, settings: PreparationSettings | None = None
    ) -> "Preparation":
        """Look at every column once; the order of rows does not matter, the table is not changed.

        Raises UnusableDataError where no column could be learned, two have one name, a type cannot be learned, or the
        label is no column, a moment or missing in every row; the message names the column and the fix.
        """
        _refuse_unusable(table, label)
        source, settings = with_kinds(table, label=label), settings or PreparationSettings()
        castings = {f.name: casting_of(source[f.name], f) for f in source.schema}
        frame = {f.name: to_plain(source[f.name], f, castings[f.name]) for f in source.schema}
        found = find_rules(frame, source.schema, label=label, seed=seed, settings=settings)
        notes = (*_losses(source, frame, castings), *found.notes)
        made = cls(table.schema, source.schema, label=label, castings=castings, rules=tuple(found.rules), notes=notes)
        if not made.learned_schema.names:
            raise UnusableDataError(
                "there is nothing to learn: every column is constant, an identifier or free text; "
                "give a table with more rows or columns"
            )
        return made

    @property
    def learned_schema(self) -> pa.Schema:
        """What `learned` gives: fields of kind NUMERIC (float64, int64), CATEGORICAL (string, int64) and BOOLEAN."""
        fields: list[pa.Field] = []
        for column in self.kinds:
            rule = self.rule_of.get(column.name)
            if rule is not None:
                fields.extend(rule.fields())
            else:
                fields.append(_learned_field(column))
        return pa.schema(fields)

    def learned(self, table: pa.Table) -> pa.Table:
        """What a model learns of a table with the source's columns; rows stay in their order.

        Raises UnusableDataError where a column is absent or of another type than the source's.
        """
        frame = {}
        for column in self.kinds:
            if column.name not in table.column_names or table.schema.field(column.name).type != column.type:
                raise UnusableDataError(
                    f"column {column.name!r} of type {column.type} is not in this table: "
                    "give one like the training table"
                )
            frame[column.name] = to_plain(table[column.name], column, self.castings[column.name])
        arrays: list[pa.Array] = []
        for column in self.kinds:
            rule = self.rule_of.get(column.name)
            arrays.extend([frame[column.name]] if rule is None else rule.learned(frame))
        return pa.Table.from_arrays(arrays, schema=self.learned_schema)

    def restored(self, learned: pa.Table, *, seed: int, first_row: int = 0) -> pa.Table:
        """The source's columns for rows of learned ones; relations hold whatever those are.

        `first_row` is how many rows of the dataset come before: identifiers are made from (seed, row number) alone.
        """
        draw = Draw(seed=seed, first_row=first_row, rows=learned.num_rows)
        frame: dict[str, pa.Array] = {f.name: _plain_column(learned[f.name], f) for f in self.learned_schema}
        for rule in self.rules:
            frame[rule.column] = rule.restored(frame, draw)
        arrays = [from_plain(frame[f.name], f, self.castings[f.name]) for f in self.kinds]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def document(self) -> dict[str, Any]:
        """All of it, JSON-able. Holds levels and ranges of the source, as the model beside it does."""
        return {
            "version": VERSION,
            "schema": _schema_text(self.schema),
            "kinds": _schema_text(self.kinds),
            "label": self.label,
            "castings": {name: casting.document() for name, casting in self.castings.items()},
            "rules": [rule_document(rule) for rule in self.rules],
            "notes": list(self.notes),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "Preparation":
        """What `document` described. Raises IncompatibleArtifactError for another version's."""
        if document.get("version") != VERSION:
            raise IncompatibleArtifactError(
                f"the preparation was written by version {document.get('version')}, this is {VERSION}: train anew"
            )
        return cls(
            _schema_from(document["schema"]),
            _schema_from(document["kinds"]),
            label=document["label"],
            castings={name: Casting.from_document(part) for name, part in document["castings"].items()},
            rules=tuple(rule_from(part) for part in document["rules"]),
            notes=tuple(document["notes"]),
        )


def _refuse_unusable(table: pa.Table, label: str | None) -> None:
    names = table.column_names
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnusableDataError(f"two columns are named {twice!r}: rename one")
    if not names or not table.num_rows:
        raise UnusableDataError("the table has no rows or no columns: widen the time range, or give another table")
    if label is None:
        return
    if label not in names:
        raise UnusableDataError(f"there is no column {label!r} to be the label: name one of {', '.join(names)}")
    if table[label].null_count == table.num_rows:
        raise UnusableDataError(f"the label {label!r} is missing in every row: fill it, or train without a label")
    if is_moment(value_type(table.schema.field(label).type)):
        raise UnusableDataError(f"the label {label!r} holds moments: name a column of classes or numbers")


def _losses(source: pa.Table, frame: Mapping[str, pa.Array], castings: Mapping[str, Casting]) -> list[str]:
    """What casting to a plain column and back does not keep."""
    notes = []
    for column in source.schema:
        array, casting = frame[column.name], castings[column.name]
        missing = array.null_count - source[column.name].null_count
        if missing and not casting.missing_is_nan:
            notes.append(f"{column.name}: {missing:,} values are NaN or infinite; treated as missing")
        if pa.types.is_decimal(value_type(column.type)):
            back = pa.chunked_array([from_plain(array, column, casting)])
            if not back.equals(source[column.name]):
                notes.append(f"{column.name}: decimals of more than 15 digits; learned to double precision")
    return notes


def _learned_field(column: pa.Field) -> pa.Field:
    return make_field(column.name, learned_kind(column), roles_of(column), arrow_type=plain_type(column))


def _plain_column(column: pa.ChunkedArray, field: pa.Field) -> pa.Array:
    """A learned column as one array of the learned type; numbers are rounded where it holds integers."""
    if pa.types.is_integer(field.type) and pa.types.is_floating(column.type):
        column = pc.round(column)
    whole = pc.cast(column, field.type).combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        return pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], field.type)
    return whole


def _schema_text(schema: pa.Schema) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")


def _schema_from(text: str) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
