"""A generator that is quick and exact, a source for it, and a judge that says what it is told: for tests of the service
around generators."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.base import Tensors
from detectors.columns import Kind, Role, make_field
from pipeline.catalogue import Catalogue, GeneratorEntry
from pipeline.clock import ManualClock
from pipeline.jobs.synth_generate import Generated, GenerateOptions, synth_generate
from pipeline.lake import Lake
from pipeline.synthesis.gates import Evidence, Judged
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.split import Halves
from synth.base import Checkpoint, FitReport, Generator, Progress
from synth.conditions import Conditions

SCHEMA = pa.schema(
    [
        make_field("amount", Kind.NUMERIC, {Role.FEATURE}),
        make_field("country", Kind.CATEGORICAL, {Role.FEATURE}),
        make_field("at", Kind.TIME),
        make_field("fraud", Kind.BOOLEAN, {Role.LABEL}),
    ]
)
GENERATOR_ID = "0123456789abcdef"


def drawn(rows: int, *, seed: int) -> pa.Table:
    """Rows under SCHEMA, a function of the seed."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "amount": rng.normal(size=rows),
            "country": rng.choice(["BR", "PT", "DE"], rows),
            "at": pa.array(rng.integers(0, 10**12, rows)).cast(pa.timestamp("us", tz="UTC")),
            "fraud": rng.random(rows) < 0.3,
        },
        schema=SCHEMA,
    )


class Drawing(Generator):
    """Makes `drawn` rows; `before` is called with the number of each sample, to die or to fail there."""

    name: ClassVar[str] = "drawing"
    version: ClassVar[int] = 1

    def __init__(self, before: Callable[[int], None] = lambda samples: None) -> None:
        super().__init__()
        self.before, self.samples = before, 0
        self.first_rows: list[int] = []
        """Of every sample."""

    def fit(
        self,
        table: pa.Table,
        *,
        label: str | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> FitReport:
        raise NotImplementedError

    def sample(self, rows: int, *, seed: int, conditions: Conditions | None = None, first_row: int = 0) -> pa.Table:
        self.before(self.samples)
        self.samples += 1
        self.first_rows.append(first_row)
        return drawn(rows, seed=seed)

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        return cls()


def passing(evidence: Evidence) -> Judged:
    """Gates that let everything through."""
    return Judged(passed=True, reasons=(), document={"passed": True, "reasons": [], "compared": "nothing"})


def failing(evidence: Evidence) -> Judged:
    """Gates that refuse everything."""
    reasons = ("too like the rows learned from",)
    return Judged(passed=False, reasons=reasons, document={"passed": False, "reasons": list(reasons)})


@dataclass
class Workshop:
    """A lake and a catalogue with one generator in it, below a folder."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.lake = Lake(self.folder / "lake")
        self.catalogue = Catalogue.open(f"sqlite:///{self.folder}/eddyline.db")
        source: dict[str, Any] = {"name": "payments", "file": None, "window": None, "rows": 1_000, "files": []}
        self.catalogue.add_generator(
            GeneratorEntry(
                generator_id=GENERATOR_ID, stream="payments", model="drawing", created_ms=1, source=source, facts={}
            )
        )
        self.source = source

    def bundle(self, generator: Generator | None = None) -> GeneratorBundle:
        """The generator as it is loaded."""
        return GeneratorBundle(
            generator_id=GENERATOR_ID,
            stream="payments",
            generator=generator or Drawing(),
            schema=SCHEMA,
            label="fraud",
            source=self.source,
            created_ms=1,
            facts={"model": "drawing", "split_seed": 0},
        )

    def request(self, rows: int = 1_000, **asked: Any) -> GenerationRequest:
        """A request of small chunks, two to a part."""
        return GenerationRequest(generator_id=GENERATOR_ID, rows=rows, chunk_rows=100, chunks_a_part=2, **asked)

    def make(
        self,
        request: GenerationRequest,
        *,
        generator: Generator | None = None,
        judged_by: Callable[[Evidence], Judged] = passing,
        parent: str | None = None,
        **more: Any,
    ) -> Generated:
        """Make a dataset; a second later each time."""
        self.clock.advance(1.0)
        return synth_generate(
            request,
            bundle=self.bundle(generator),
            real=lambda: Halves(train=drawn(800, seed=1), held_out=drawn(200, seed=2)),
            lake=self.lake,
            catalogue=self.catalogue,
            clock=self.clock,
            judged_by=judged_by,
            options=GenerateOptions(parent=parent),
            **more,
        )

    def visible(self) -> list[str]:
        """What readers see."""
        return self.lake.synthetic_datasets("payments")
