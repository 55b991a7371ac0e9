"""The chunks of a dataset, one after another: made by the generator, with anomalies put in where they were asked for.

Chunk i depends on the request and on i alone.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from detectors.errors import UnusableDataError
from pipeline.errors import ConfigError
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.requests import GenerationRequest
from synth.conditions import Conditions, parse_where
from synth.errors import ImpossibleConditionsError

if TYPE_CHECKING:
    from synth.anomalies import AnomalyRequest


class ChunkMaker:
    """Makes the rows of one request. Raises ConfigError for a request that cannot be met, as early as it is known."""

    def __init__(self, request: GenerationRequest, bundle: GeneratorBundle) -> None:
        self._request, self._bundle = request, bundle
        self.conditions = conditions_of(request, bundle.schema)
        self._anomalies = anomalies_of(request.anomalies, bundle.schema, label=bundle.label)

    def part(self, part: int) -> Iterator[pa.Table]:
        """The chunks of one file."""
        first = part * self._request.chunks_a_part
        made = self._chunks(self.conditions, self._request.rows, first)
        for number, chunk in enumerate(islice(made, self._request.chunks_a_part), start=first):
            yield self._with_anomalies(chunk, number)

    def beyond(self, rows: int, *, conditioned: bool) -> pa.Table:
        """So many rows more, of chunks that are not in the dataset: to measure by where it is small or conditioned."""
        first = self._request.parts * self._request.chunks_a_part
        conditions = self.conditions if conditioned else Conditions()
        last = first * self._request.chunk_rows + rows
        tables = list(self._chunks(conditions, last, first))
        return pa.concat_tables(tables)

    def _chunks(self, conditions: Conditions, rows: int, first: int) -> Iterator[pa.Table]:
        # Imported late: generators bring torch.
        from synth.chunks import chunks

        try:
            yield from chunks(
                self._bundle.generator,
                rows,
                seed=self._request.seed,
                conditions=conditions if not conditions.empty else None,
                chunk_rows=self._request.chunk_rows,
                first_chunk=first,
            )
        except ImpossibleConditionsError as error:
            raise ConfigError(f"the conditions cannot be met: {error}") from error

    def _with_anomalies(self, chunk: pa.Table, number: int) -> pa.Table:
        if self._anomalies is None:
            return chunk
        from synth.anomalies import with_anomalies

        seed = int(np.random.SeedSequence([self._request.seed, number, 1]).generate_state(1)[0])
        try:
            return with_anomalies(
                chunk,
                self._anomalies,
                seed=seed,
                first_event=number * self._request.chunk_rows,  # a chunk has fewer events than rows
                label=self._bundle.label,
            )
        except UnusableDataError as error:
            raise ConfigError(f"--anomalies: {error}") from error


def conditions_of(request: GenerationRequest, schema: pa.Schema) -> Conditions:
    """What a request asks of every row. Raises ConfigError where it asks what cannot be."""
    if request.balance and request.balance not in schema.names:
        raise ConfigError(f"--balance {request.balance}: there is no such column; there are {', '.join(schema.names)}")
    try:
        where = parse_where(request.where, schema)
    except ImpossibleConditionsError as error:
        raise ConfigError(f"--where: {error}") from error
    return Conditions(where=where, balance=request.balance or None)


def anomalies_of(text: str, schema: pa.Schema, *, label: str | None) -> "AnomalyRequest | None":
    """What anomalies a request asks for; None for none. Raises ConfigError for kinds that there are not, or that rows
    of this schema cannot show."""
    if not text:
        return None
    from synth.anomalies import parse_anomalies, refuse_impossible

    try:
        wanted = parse_anomalies(text)
        refuse_impossible(schema, wanted, label=label)
        return wanted
    except UnusableDataError as error:
        raise ConfigError(f"--anomalies: {error}") from error


def anomaly_figures(tables: Iterator[pa.Table]) -> dict[str, Any]:
    """How many rows of each kind and family were put in."""
    counts: dict[str, Counter[str]] = {"kind": Counter(), "family": Counter()}
    for table in tables:
        for name, counter in counts.items():
            found = table[f"_anomaly_{name}"].drop_null().value_counts().to_pylist()
            counter.update({entry["values"]: entry["counts"] for entry in found})
    rows = counts["kind"].total()
    return {"rows": rows} | {f"by_{name}": dict(sorted(counter.items())) for name, counter in counts.items()}
