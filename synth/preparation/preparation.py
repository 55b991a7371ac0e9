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
from synth.conditions import Condition, Conditions
from synth.preparation.asking import split_conditions
from synth.preparation.checks import bounds_of, losses, refuse_unusable
from synth.preparation.disguise import Disguise
from synth.preparation.frame import BoolArray, Draw, Rule
from synth.preparation.kinds import learned_kind, with_kinds
from synth.preparation.matching import all_fitting
from synth.preparation.personal import disguises_of, personal_names
from synth.preparation.plain import Casting, casting_of, from_plain, plain_type, to_plain
from synth.preparation.readings import Reading, read_table, readings_of
from synth.preparation.rules import disguise_from, rule_document, rule_from
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
        readings: Mapping[str, Reading],
        castings: Mapping[str, Casting],
        disguises: Mapping[str, Disguise],
        rules: tuple[Rule, ...],
        bounds: Mapping[str, tuple[Any, Any]],
        notes: tuple[str, ...],
    ) -> None:
        self.schema = schema
        """The source's, metadata included."""
        self.kinds = kinds
        """The same, every field with a kind; texts that are moments are moments."""
        self.readings = dict(readings)
        self.label = label
        self.castings = dict(castings)
        self.disguises = dict(disguises)
        """Pseudonyms of personal columns; everything after them sees pseudonyms only."""
        self.rules = rules
        """In the order in which columns are brought back."""
        self.bounds = dict(bounds)
        """The least and greatest plain value of columns of numbers and moments, identifiers left out."""
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
        refuse_unusable(table, label)
        settings = settings or PreparationSettings()
        readings, read = readings_of(table, label=label)
        source = with_kinds(read_table(table, readings), label=label)
        castings = {f.name: casting_of(source[f.name], f) for f in source.schema}
        frame = {f.name: to_plain(source[f.name], f, castings[f.name]) for f in source.schema}
        notes = losses(source, frame, castings)
        personal, looks = personal_names(frame, source.schema)
        disguises, replaced = disguises_of(
            frame, source.schema, personal, label=label, seed=seed, least_rows=settings.least_level_rows
        )
        frame |= {name: disguise.disguised(frame[name]) for name, disguise in disguises.items()}
        personal -= disguises.keys()
        found = find_rules(frame, source.schema, label=label, personal=personal, seed=seed, settings=settings)
        made = cls(
            table.schema,
            source.schema,
            label=label,
            readings=readings,
            castings=castings,
            disguises=disguises,
            rules=tuple(found.rules),
            bounds=bounds_of(frame, found.bounded(source.schema)),
            notes=(*read, *notes, *looks, *replaced, *found.notes),
        )
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
        frame = {name: self.plain(table, name) for name in self.kinds.names}
        frame |= {name: disguise.disguised(frame[name]) for name, disguise in self.disguises.items()}
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
        for field in self.kinds:
            if not field.nullable and field.name in frame:  # a level too rare to be learned may have become missing
                frame[field.name] = pc.fill_null_backward(pc.fill_null_forward(frame[field.name]))
        for rule in self.rules:
            frame[rule.column] = rule.restored(frame, draw)
        arrays = [self._typed(frame[f.name], f) for f in self.kinds]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def _typed(self, array: pa.Array, field: pa.Field) -> pa.Array:
        """A plain column as the source has it."""
        made, reading = from_plain(array, field, self.castings[field.name]), self.readings.get(field.name)
        return made if reading is None else reading.written(made).cast(self.schema.field(field.name).type)

    def plain(self, table: pa.Table, name: str) -> pa.Array:
        """One of the source's columns, as it is in `table`, in the form that rules see."""
        column = self.kinds.field(name)
        if name not in table.column_names:
            raise UnusableDataError(f"there is no column {name!r} in this table: give one like the training table")
        found = read_table(table.select([name]), self.readings)[name]
        if found.type != column.type:
            try:
                found = found.cast(column.type)
            except pa.ArrowInvalid as error:
                raise UnusableDataError(
                    f"column {name!r} holds {found.type} and not {column.type}: give a table like the training table"
                ) from error
        return to_plain(found, column, self.castings[name])

    def split(self, conditions: Conditions) -> tuple[Conditions, Conditions]:
        """Conditions on the source's columns as conditions on learned ones, and those that restored rows must still be
        held against (`fitting`).

        A condition on a column that follows from others becomes one on those where that can be said; `balance` and
        `given` too. Raises ImpossibleConditionsError at once where no value of a column can fit, with its range or its
        levels, and where a column that is not learned is to be balanced or given.
        """
        return split_conditions(self, conditions)

    def fitting(self, table: pa.Table, where: tuple[Condition, ...]) -> BoolArray:
        """Which rows of a restored table fit all conditions, (N,)."""
        frame = {c.column: self.plain(table, c.column) for c in where}
        return all_fitting(frame, self.kinds, where, table.num_rows)

    def document(self) -> dict[str, Any]:
        """All of it, JSON-able. Holds levels and ranges of the source, as the model beside it does."""
        return {
            "version": VERSION,
            "schema": _schema_text(self.schema),
            "kinds": _schema_text(self.kinds),
            "label": self.label,
            "readings": {name: reading.document() for name, reading in self.readings.items()},
            "castings": {name: casting.document() for name, casting in self.castings.items()},
            "disguises": {name: disguise.document() for name, disguise in self.disguises.items()},
            "rules": [rule_document(rule) for rule in self.rules],
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
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
            readings={name: Reading(**part) for name, part in document["readings"].items()},
            castings={name: Casting.from_document(part) for name, part in document["castings"].items()},
            disguises={name: disguise_from(part) for name, part in document["disguises"].items()},
            rules=tuple(rule_from(part) for part in document["rules"]),
            bounds={name: (pair[0], pair[1]) for name, pair in document["bounds"].items()},
            notes=tuple(document["notes"]),
        )


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
