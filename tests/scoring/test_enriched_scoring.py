"""Rows are scored with what they derive from those before them, however blocks are cut, and shown as they came."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role
from detectors.pca import PcaDetector
from detectors.thresholds import Budget, calibrate
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, ContextSpec, StreamSpec, WindowSpec
from pipeline.intake import Intake
from pipeline.kafka.port import OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.masking import MASKED, Masker
from pipeline.model_store import Bundle
from pipeline.scoring import forward
from pipeline.scoring.forward import Forward, ScoredPiece
from pipeline.state.enricher import Enricher
from pipeline.state.keeper import StateKeeper
from pipeline.state.recipe import Recipe
from tests.fakes import MemoryBroker, block_of

SPEC = StreamSpec(
    stream="s",
    topic="events",
    columns=(
        ColumnSpec(name="who", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="x", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE, Role.PERSONAL})),
        ColumnSpec(name="label", kind=Kind.BOOLEAN, roles=frozenset({Role.LABEL})),
    ),
    budget=BudgetSpec(share_of_events=0.1),
    context=(ContextSpec(key=("who",), half_lives_seconds=(30.0,), measures=("count", "mean", "deviation")),),
    windows=WindowSpec(length=8),
)
SOURCES = [TopicPartition(SPEC.topic, partition) for partition in (0, 1)]
SHOWN = ["who", "x"]


@pytest.fixture
def broker() -> MemoryBroker:
    made, rng = MemoryBroker(), np.random.default_rng(0)
    made.add_topic(SPEC.topic, 2)
    for n in range(600):
        event = {"who": f"k{n % 7}", "x": float(rng.normal()), "label": False}
        value = json.dumps(event).encode() if n % 50 else b"no event"
        made.append(OutRecord(SPEC.topic, value, partition=n % 2, timestamp_ms=n * 900))
    return made


def enriched(broker: MemoryBroker, source: TopicPartition) -> pa.RecordBatch:
    taken = Intake(SPEC).take(block_of(source, broker.log(*source).records))
    return Enricher(Recipe.of(SPEC)).advance(taken.batch, taken.time_ms, next_offset=0)


def bundle_of(rows: pa.RecordBatch) -> Bundle:
    detector = PcaDetector(seed=0)
    detector.fit(pa.Table.from_batches([rows]))
    threshold = calibrate(
        detector.score(rows), budget=Budget(share_of_events=0.1), times_ms=None, groups=None, gap_seconds=1.0
    )
    return Bundle(
        model_id="m",
        stream="s",
        detector=detector,
        threshold=threshold,
        schema=SPEC.enriched_schema(),
        created_ms=0,
        facts={},
    )


@pytest.mark.parametrize(("piece_bytes", "forward_rows", "records"), [(10**6, 10**6, 300), (400, 50, 97), (60, 1, 13)])
def test_scores_do_not_depend_on_how_blocks_are_cut(
    tmp_path: Path,
    broker: MemoryBroker,
    monkeypatch: pytest.MonkeyPatch,
    piece_bytes: int,
    forward_rows: int,
    records: int,
) -> None:
    monkeypatch.setattr(forward, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(forward, "FORWARD_ROWS", forward_rows)
    keeper = StateKeeper.of(SPEC, Lake(tmp_path), broker=broker, clock=ManualClock())
    assert keeper is not None
    assert keeper.recover(dict.fromkeys(SOURCES, 0), "topic-0")
    wanted = {source: enriched(broker, source) for source in SOURCES}
    bundle = bundle_of(wanted[SOURCES[0]])
    passes = Forward(Intake(SPEC), SHOWN, keeper.enrich)
    found: dict[TopicPartition, list[ScoredPiece]] = {source: [] for source in SOURCES}
    for start in range(0, 300, records):
        logs = {source: broker.log(*source).records[start : start + records] for source in SOURCES}
        blocks = [block_of(source, log) for source, log in logs.items()]
        for piece in passes.run(blocks, bundle, poison=False):
            found[piece.block.source].append(piece)
        keeper.committed({source: log[-1].offset + 1 for source, log in logs.items()})
    passes.close()
    keeper.close()
    for source, pieces in found.items():
        scores = np.concatenate([piece.scores_B for piece in pieces])
        np.testing.assert_allclose(scores, bundle.detector.score(wanted[source]), rtol=1e-5)  # single precision
        assert all(piece.taken.batch.schema.names == ["who", "x", "label"] for piece in pieces)
    flagged = [row for pieces in found.values() for piece in pieces for row in piece.flagged]
    assert flagged
    assert all(list(row.event) == SHOWN for row in flagged)
    assert any(reason.column.startswith("who.") for row in flagged for reason in row.reasons)


def test_what_is_derived_from_a_personal_column_is_masked_too() -> None:
    masker = Masker(SPEC)
    assert masker.value("who.x_mean_30s", 3.5) == MASKED
    assert masker.value("who.count_30s", 3.5) == 3.5


def test_a_stream_without_a_past_keeps_no_state(tmp_path: Path, broker: MemoryBroker) -> None:
    plain = SPEC.model_copy(update={"context": (), "windows": None})
    assert StateKeeper.of(plain, Lake(tmp_path), broker=broker, clock=ManualClock()) is None
    assert plain.enriched_schema().equals(plain.schema(), check_metadata=True)
