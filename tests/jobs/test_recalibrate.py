"""Recalibrating a stream: the same weights under a new threshold, in service at once, an attack not learned."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role
from detectors.recalibration import AdaptationRule, Outcome
from pipeline.catalogue.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, DetectorSpec, StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.recalibrate import (
    FACT,
    RecalibrateOptions,
    RecalibrationDone,
    changes_of,
    recalibrate_stream,
    served_nats,
)
from pipeline.jobs.train import TrainOptions, train
from pipeline.model_store import ModelStore
from tests.jobs.archived import Archived

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000
SPEC = StreamSpec(
    stream="meters",
    topic="meters",
    columns=(
        ColumnSpec(name="time", kind=Kind.TIME, roles=frozenset({Role.TIME})),
        ColumnSpec(name="meter", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="load", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
        ColumnSpec(name="flow", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
    ),
    budget=BudgetSpec(alerts_per_day=20.0),
    detector=DetectorSpec(name="pca"),
)


def events(first_day: int, days: int, *, spread: float = 1.0, seed: int = 0) -> pa.Table:
    g = np.random.default_rng(seed)
    rows = days * 2_000
    times = START_MS + np.sort(g.integers(first_day * DAY_MS, (first_day + days) * DAY_MS, rows))
    return table(times, g.integers(0, 100, rows), spread * g.normal(size=(rows, 2)))


def attack(day: int, *, rows: int, meters: int) -> pa.Table:
    g = np.random.default_rng(5)
    times = START_MS + np.sort(g.integers(day * DAY_MS, day * DAY_MS + DAY_MS // 4, rows))
    return table(times, g.integers(0, meters, rows), g.normal(12.0, 1.0, (rows, 2)))


def table(times: np.ndarray, meters: np.ndarray, values: np.ndarray) -> pa.Table:
    moments = pa.array(times).cast(pa.timestamp("ms", tz="UTC")).cast(pa.timestamp("us", tz="UTC"))
    columns = {
        "time": moments,
        "meter": pa.array(meters.astype(str)),
        "load": values[:, 0],
        "flow": values[:, 1],
        "_partition": pa.array(np.zeros(len(times), np.int32)),
        "_time": moments,
    }
    return pa.table(columns)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue.open(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


class House:
    """A trained stream whose archive grows."""

    def __init__(self, tmp_path: Path, catalogue: Catalogue) -> None:
        self.store, self.catalogue = ModelStore(tmp_path / "models"), catalogue
        self.events = events(0, 24)
        train(
            SPEC,
            lake=Archived(self.events),
            store=self.store,
            catalogue=catalogue,
            clock=ManualClock(),
            options=TrainOptions(),
        )

    def recalibrate(self, more: pa.Table | None = None, options: RecalibrateOptions | None = None) -> RecalibrationDone:
        if more is not None:
            self.events = pa.concat_tables([self.events, more]).sort_by("_time")
        return recalibrate_stream(
            SPEC,
            lake=Archived(self.events),
            store=self.store,
            catalogue=self.catalogue,
            clock=ManualClock(),
            options=options or RecalibrateOptions(),
        )


@pytest.fixture
def house(tmp_path: Path, catalogue: Catalogue) -> House:
    return House(tmp_path, catalogue)


def test_a_shift_of_the_whole_stream_is_followed_day_by_day_with_the_same_weights(house: House) -> None:
    first = house.recalibrate(events(24, 1, spread=1.3, seed=1))
    assert house.catalogue.champion(SPEC.stream) == first.after.model_id != first.before.model_id
    nats = [first.before.threshold.nats, first.after.threshold.nats]
    for day in range(25, 38):
        done = house.recalibrate(events(day, 1, spread=1.3, seed=day))
        nats.append(done.after.threshold.nats)
    loaded = house.store.load(done.after.model_id)
    [batch] = house.events.select(["time", "meter", "load", "flow"]).slice(0, 50).combine_chunks().to_batches()
    np.testing.assert_array_equal(loaded.detector.score(batch), first.before.detector.score(batch))
    assert nats[-1] > 1.1 * nats[0]
    later = events(38, 4, spread=1.3, seed=99).select(["time", "meter", "load", "flow"]).combine_chunks()
    scores = loaded.detector.score(later.to_batches()[0])
    assert (scores > nats[0]).sum() > 1.5 * 4 * 20
    assert 0.4 * 4 * 20 < (scores > nats[-1]).sum() < 4 * 20
    assert house.catalogue.champions(SPEC.stream)[0].reason == "recalibrated"


def test_an_attack_on_few_keys_moves_the_threshold_little(house: House) -> None:
    calm = house.recalibrate(events(24, 1, seed=1), RecalibrateOptions(promote=False))
    hit = house.recalibrate(attack(24, rows=2_500, meters=3), RecalibrateOptions(promote=False))
    assert hit.after.threshold.nats < 1.15 * calm.after.threshold.nats
    assert house.catalogue.champion(SPEC.stream) == calm.before.model_id


def test_running_it_twice_on_the_same_events_moves_nothing_twice(house: House) -> None:
    once = house.recalibrate(events(24, 2, spread=1.5, seed=1))
    again = house.recalibrate()
    assert again.after.threshold.nats == pytest.approx(once.after.threshold.nats, rel=0.02)
    assert len(again.after.facts[FACT]) == 3


def test_the_bundle_remembers_which_threshold_each_event_met(house: House) -> None:
    done = house.recalibrate(events(24, 1, seed=1))
    changes = changes_of(done.after)
    assert [nats for _, nats in changes] == [done.before.threshold.nats, done.after.threshold.nats]
    since = changes[-1][0]
    served = served_nats(changes, np.array([0, since - 1, since, since + DAY_MS]))
    assert served.tolist() == [changes[0][1]] * 2 + [changes[1][1]] * 2


def test_too_little_says_so_and_changes_nothing(house: House) -> None:
    options = RecalibrateOptions(start_ms=START_MS + 24 * DAY_MS)
    done = house.recalibrate(events(24, 1, seed=1).slice(0, 400), options)
    assert done.result.outcome is Outcome.TOO_EARLY
    assert house.catalogue.champion(SPEC.stream) == done.before.model_id == done.after.model_id


def test_what_cannot_be_recalibrated_says_what_to_do(house: House, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--from and --to"):
        house.recalibrate(None, RecalibrateOptions(start_ms=START_MS + 400 * DAY_MS, rule=AdaptationRule()))
    empty = Catalogue.open(f"sqlite:///{tmp_path / 'empty.db'}")
    house.catalogue = empty
    with pytest.raises(ConfigError, match="eddyline train"):
        house.recalibrate()
    empty.close()
