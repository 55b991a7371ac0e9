"""The tokens of a table: each column's class, cut in two where there are too many for one softmax.

A column of more than `MOST_CLASSES` levels becomes two tokens, the class divided by a width and the rest, so that
thousands of levels need no thousands of outputs; the second is drawn in the light of the first.

Shape legend: N rows, C columns, T tokens, K classes of one token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind, kind_of
from synth.codec.column import Allowed, CodeArray, ColumnCodec, FloatArray
from synth.codec.levels import LevelsCodec
from synth.codec.numbers import NumberCodec

MOST_CLASSES = 320


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecSettings:
    """How finely a table is read."""

    bins: int = 100
    """Ranges of a number with many values."""
    least_bin_rows: int = 40
    """Fewer bins where there are too few rows for that many in each."""
    most_points: int = 256
    """Numbers with at most so many values have a class for each."""
    own_share: float = 0.5
    """Of an even range's rows: a single value that has more gets a class of its own."""
    least_rows: int = 5
    """Levels and values seen less often are merged; knots and borders are means of at least so many rows."""


@dataclass(frozen=True, slots=True)
class Token:
    """One categorical variable as a model sees it."""

    column: int
    classes: int
    width: int
    """Of the classes of the column, where this is one of two tokens; 1 else."""
    second: bool
    counts_K: FloatArray
    position_K: FloatArray | None
    own_K: npt.NDArray[np.bool_]
    """Classes that no neighbour says anything about: names, single values, "missing"."""
    label: bool = False
    """Of the column that classifiers will be asked for: drawn last, in the light of all others."""


class TokenCodec:
    """The fitted tokens of a table of numeric, categorical and boolean columns."""

    def __init__(self, columns: Sequence[ColumnCodec], *, rows: int, label: str | None = None) -> None:
        self.columns, self.rows, self.label = tuple(columns), rows, label

    @classmethod
    def fit(cls, table: pa.Table, settings: CodecSettings, *, label: str | None = None) -> "TokenCodec":
        """Learn the classes of every column."""
        bins = max(4, min(settings.bins, table.num_rows // settings.least_bin_rows))
        columns: list[ColumnCodec] = []
        for field in table.schema:
            values = table[field.name].combine_chunks()
            if kind_of(field) is Kind.NUMERIC:
                columns.append(
                    NumberCodec.fit(
                        field.name,
                        values,
                        bins=bins,
                        most_points=settings.most_points,
                        own_share=settings.own_share,
                        least_range_rows=settings.least_bin_rows,
                        least_rows=settings.least_rows,
                    )
                )
            else:
                keep_all = field.name == label
                columns.append(LevelsCodec.fit(field.name, values, least_rows=settings.least_rows, keep_all=keep_all))
        return cls(columns, rows=table.num_rows, label=label)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """T of them, a column's two beside each other."""
        found: list[Token] = []
        for at, column in enumerate(self.columns):
            if column.classes <= MOST_CLASSES:
                own, label = column.own_K, column.column == self.label
                found.append(Token(at, column.classes, 1, False, column.counts_K, column.position_K, own, label))
                continue
            width = int(np.ceil(np.sqrt(column.classes)))
            firsts = -(-column.classes // width)
            grid = np.zeros(firsts * width)
            grid[: column.classes] = column.counts_K
            grid_AB = grid.reshape(firsts, width)
            every = np.ones(firsts * width, dtype=np.bool_)
            found.append(Token(at, firsts, width, False, grid_AB.sum(axis=1), None, every[:firsts]))
            found.append(Token(at, width, width, True, grid_AB.sum(axis=0), None, every[:width]))
        return tuple(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(column.column for column in self.columns)

    def encode(self, table: pa.Table, names: Sequence[str] | None = None) -> npt.NDArray[np.int32]:
        """Tokens of the columns named (all of them where None), (N, those tokens)."""
        wanted = self.names if names is None else names
        codes = {name: self.columns[self.names.index(name)].encode(table[name].combine_chunks()) for name in wanted}
        found = [self._token(token, codes[self.names[token.column]]) for token in self.tokens_of(wanted)]
        return np.stack(found, axis=1) if found else np.zeros((table.num_rows, 0), dtype=np.int32)

    def tokens_of(self, names: Sequence[str]) -> list[Token]:
        """The tokens of the columns named, in the codec's order."""
        return [token for token in self.tokens if self.names[token.column] in names]

    def given_tokens(self, column: int, codes_N: CodeArray) -> dict[int, CodeArray]:
        """The classes of a column's tokens, by token."""
        return {t: self._token(token, codes_N) for t, token in enumerate(self.tokens) if token.column == column}

    @staticmethod
    def _token(token: Token, codes_N: CodeArray) -> CodeArray:
        if token.width == 1:
            return codes_N
        return codes_N % token.width if token.second else codes_N // token.width

    def decode(
        self, tokens_NT: npt.NDArray[Any], generator: np.random.Generator, allowed: dict[int, Allowed] | None = None
    ) -> pa.Table:
        """The table that tokens stand for; `allowed` (by column) bounds what is drawn within a class."""
        arrays = []
        for at, column in enumerate(self.columns):
            own = [t for t, token in enumerate(self.tokens) if token.column == at]
            codes = tokens_NT[:, own[0]].astype(np.int32)
            if len(own) == 2:
                codes = np.minimum(codes * self.tokens[own[0]].width + tokens_NT[:, own[1]], column.classes - 1)
            arrays.append(column.decode(codes.astype(np.int32), generator, (allowed or {}).get(at)))
        return pa.table(arrays, names=list(self.names))

    def notes(self) -> tuple[str, ...]:
        """Columns in which rare levels were merged."""
        merged = [c for c in self.columns if isinstance(c, LevelsCodec) and c.merged_levels]
        return tuple(f"{c.column}: {c.merged_levels} rare levels merged ({c.merged_rows} rows)" for c in merged)

    def document(self) -> dict[str, Any]:
        """Everything the codec is, as JSON."""
        return {
            "rows": self.rows,
            "label": self.label,
            "columns": [{"column": c.column, "way": c.way, **c.document()} for c in self.columns],
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "TokenCodec":
        """The codec that `document` described."""
        ways: dict[str, Any] = {"number": NumberCodec, "levels": LevelsCodec}
        columns = []
        for entry in document["columns"]:
            own = dict(entry)
            name, way = own.pop("column"), own.pop("way")
            columns.append(ways[way].from_document(name, own))
        return cls(columns, rows=document["rows"], label=document["label"])
