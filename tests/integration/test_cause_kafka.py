"""On Apache Kafka: a poisoned stretch raises alerts that say bad data and which column, a fraud burst odd behaviour."""

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.blend.detector import BlendDetector
from detectors.thresholds import Budget, calibrate
from pipeline.alerts.model import AlertKind, Cause
from pipeline.batch_profiling import Profiler, bounds_of
from pipeline.model_store import ModelStore
from tests.alerts.builders import final
from tests.integration.service import Service, events, eventually
from tests.integration.test_exactly_once import MakeService, done

PARTITIONS = 2
FRAUDSTER = "c7"


def with_nulls(count: int, *, seed: int, share: float) -> pa.Table:
    """Ordinary events, the amount missing in a share of them."""
    table, nulls = events(count, seed=seed), np.random.default_rng(seed + 100).random(count) < share
    return table.set_column(1, "amount", pa.array(table["amount"].to_numpy(), mask=nulls))


def train_with_profile(service: Service) -> None:
    """A model of ordinary events, one in a thousand of them without an amount, and what batches of them look like."""
    schema = service.spec.schema()
    fit, held_out = (with_nulls(4_000, seed=seed, share=0.001).cast(schema).combine_chunks() for seed in (0, 5))
    detector = BlendDetector(seed=0, time_budget_seconds=20.0)
    detector.fit(fit)
    scores = np.concatenate([detector.score(batch) for batch in fit.to_batches()])
    threshold = calibrate(scores, budget=Budget(alerts_per_day=None, share_of_events=0.001))
    profiler = Profiler(bounds_of(fit, schema), late_seconds=3_600.0)
    for batch in held_out.to_batches():
        profiler.add(batch, np.arange(batch.num_rows, dtype=np.int64) * 1_000)
    bundle = ModelStore(service.folder / "models").save(
        stream=service.stream,
        detector=detector,
        threshold=threshold,
        schema=schema,
        created_ms=0,
        facts={},
        profile=profiler.profile(),
    )
    catalogue = service.catalogue()
    catalogue.add_model(bundle)
    catalogue.set_champion(service.stream, bundle.model_id, "test", 0)
    catalogue.close()


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    return [dict(row) for row in table.to_pylist()]


def test_poisoned_events_are_bad_data_and_a_burst_of_fraud_is_odd_behaviour(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    service = make_service(kafka_bootstrap, partitions=PARTITIONS)
    train_with_profile(service)
    worker = service.start_worker()
    fraud, poison = rows_of(events(4_000, seed=11)), rows_of(with_nulls(4_000, seed=12, share=0.3))
    for row in fraud[3_000:3_400:2]:
        row |= {"customer": FRAUDSTER, "amount": 99_999.0}
    service.send([json.dumps(row).encode() for row in fraud], partitions=PARTITIONS)
    eventually("the fraud is scored", lambda: done(service, len(fraud)))
    after_fraud = service.alerts()
    service.send([json.dumps(row).encode() for row in poison], partitions=PARTITIONS)
    eventually("the poison is scored", lambda: done(service, len(fraud) + len(poison)))
    worker.terminate()
    assert worker.wait(40) == 0
    mine = [a for a in after_fraud if a.key == FRAUDSTER and a.first_offset >= 1_500]
    assert mine
    assert {a.cause for a in mine} == {Cause.ODD_BEHAVIOUR}
    told = [a for a in service.alerts()[len(after_fraud) :] if a.event.get("amount", 0) is None]
    storms = final([a for a in told if a.kind is AlertKind.STORM])
    assert storms, "the model finds missing amounts strange"
    for storm in storms.values():
        assert storm.cause is Cause.BAD_DATA
        words = r"amount is missing in \d+% of the last [\d,]+ events, usually (under )?0\.1%"
        assert re.match(words, storm.cause_detail)
    others = [a for a in told if a.kind is AlertKind.ANOMALY and a.first_offset > 2_100]
    assert {a.cause for a in others} <= {Cause.BAD_DATA}
