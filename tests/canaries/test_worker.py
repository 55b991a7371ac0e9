"""Canaries are counted as they were put in, once, and leave no trace in Kafka."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from detectors.columns import Kind, Role
from detectors.injection import Purpose, families_for, possible_families
from pipeline.canaries.pace import MOST_CPU_SHARE, Pace
from pipeline.canaries.plan import canary_plan
from pipeline.canaries.tally import Tally
from pipeline.canaries.worker import group_name
from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import ColumnSpec, ContextSpec, StreamSpec, WindowSpec
from pipeline.errors import CatalogueUnavailableError, ConfigError
from pipeline.kafka.port import OutRecord, TopicPartition
from pipeline.lake import Lake
from pipeline.repartition.plan import downstream
from pipeline.state.keeper import StateKeeper
from tests.canaries.streams import SPEC, Birds, OneModel, bundle_of, content, fill
from tests.fakes import MemoryBroker

ENRICHED = SPEC.model_copy(
    update={
        "context": (ContextSpec(key=("customer",), half_lives_seconds=(30.0,), numeric=("amount",)),),
        "windows": WindowSpec(length=8),
    }
)


class Crash(BaseException):
    """The process dies."""


@pytest.fixture
def birds(tmp_path: Path) -> Iterator[Birds]:
    broker = MemoryBroker()
    broker.add_topic("events", 2)
    fill(broker, 4_000)
    catalogue = Catalogue.open("sqlite://")
    yield Birds(broker, SPEC, OneModel(bundle_of(SPEC, broker)), catalogue, tmp_path)
    catalogue.close()


def test_what_was_put_in_is_counted_by_family_and_topics_stay_as_they_were(birds: Birds) -> None:
    before = content(birds.broker)
    worker = birds.worker()
    for seed in range(1, 6):
        birds.steps(worker, 2)
        fill(birds.broker, 1_000, seed=seed)
        before = content(birds.broker)
    assert content(birds.broker) == before
    counted = {c.family: (c.injected, c.caught) for c in birds.counts()}
    progress = worker.progress
    assert counted == {f: (progress.injected[f], progress.caught[f]) for f in progress.injected}
    assert set(counted) == {"point:unseen_level", "collective:duplicate", "stuck"}
    injected, caught = counted["point:unseen_level"]
    assert caught > 0.8 * injected > 0
    assert counted["collective:duplicate"][1] == 0, "events scored each by itself cannot show it"
    assert {c.model_id for c in birds.counts()} == {"m1"}


def test_no_stretch_is_used_twice_and_nothing_is_caught_up(birds: Birds) -> None:
    worker = birds.worker()
    birds.steps(worker, 30, seconds=600.0)
    assert worker.progress.copies == 2, "one of each partition, then no new events came"
    assert worker.progress.waiting is not None
    once = birds.total()
    fill(birds.broker, 600, seed=9)
    birds.steps(worker, 30, seconds=600.0)
    assert worker.progress.copies == 4
    assert birds.total() > once
    ends = {tp: log.offset for tp, log in birds.broker.groups[group_name("payments")].offsets.items()}
    assert ends == {tp: birds.broker.log(*tp).next_offset for tp in ends}, "it skips to the newest"


@pytest.mark.parametrize("where", ["after", "before", "scored"])
def test_a_canary_is_never_counted_twice_however_the_process_dies(
    birds: Birds, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(stage: str) -> None:
        if stage == where:
            raise Crash

    birds.broker.on_commit = die
    dying = birds.worker()
    if where == "scored":
        monkeypatch.setattr(Tally, "add", lambda *_: die("scored"))
    with pytest.raises(Crash):
        birds.steps(dying, 1)
    monkeypatch.undo()
    birds.broker.on_commit = lambda stage: None
    assert birds.counts() == []
    group = birds.broker.groups[group_name("payments")]
    for member in list(group.members):
        member.expire(member)
    worker = birds.worker()
    birds.steps(worker, 10, seconds=600.0)
    assert worker.progress.copies == (2 if where == "before" else 1), "a claimed stretch is not used again"


def test_counts_wait_for_a_catalogue_that_is_away_and_are_added_once(
    birds: Birds, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = birds.worker()

    def away(*_: object) -> None:
        raise CatalogueUnavailableError("away: start it")

    with monkeypatch.context() as patched:
        patched.setattr(birds.catalogue, "count_canaries", away)
        birds.steps(worker, 1)
        assert worker.progress.last_error == "away: start it"
    assert birds.counts() == []
    birds.steps(worker, 1)
    assert birds.total() == worker.progress.injected.total() > 0


def test_without_a_model_it_waits_and_says_so(birds: Birds) -> None:
    birds.models.bundle = None
    worker = birds.worker()
    birds.steps(worker, 3)
    assert "eddyline train payments" in worker.progress.unready
    assert birds.counts() == []


def test_rows_that_were_above_the_threshold_before_are_no_canaries(birds: Birds) -> None:
    bundle = birds.models.bundle
    assert bundle is not None
    birds.models.bundle = replace(bundle, threshold=replace(bundle.threshold, nats=float("-inf")))
    worker = birds.worker()
    birds.steps(worker, 2)
    assert worker.progress.copies == 2
    assert worker.progress.injected["point:unseen_level"] == 0
    assert worker.progress.injected["stuck"] == 0


# -- keyed state -----------------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Birds]:
    broker = MemoryBroker()
    broker.add_topic("events", 2)
    fill(broker, 6_000)
    catalogue = Catalogue.open("sqlite://")
    yield Birds(broker, ENRICHED, OneModel(bundle_of(ENRICHED, broker)), catalogue, tmp_path)
    catalogue.close()


def snapshot_at(birds: Birds, offset: int) -> None:
    """What a scorer leaves behind."""
    keeper = StateKeeper.of(birds.spec, Lake(birds.folder), broker=birds.broker, clock=birds.clock)
    assert keeper is not None
    starts = {TopicPartition("events", p): offset for p in (0, 1)}
    assert keeper.recover(starts, birds.broker.topics["events"].topic_id)
    keeper.committed(starts, at_once=True)
    keeper.close()


def test_windows_and_context_are_derived_from_the_scorers_snapshot_which_stays(keyed: Birds) -> None:
    snapshot_at(keyed, 2_000)
    files = {p: p.read_bytes() for p in sorted(keyed.folder.rglob("*")) if p.is_file()}
    worker = keyed.worker()
    keyed.steps(worker, 4, seconds=600.0)
    assert worker.progress.copies == 2
    assert worker.progress.injected["collective:duplicate"] > 0
    assert {p: p.read_bytes() for p in sorted(keyed.folder.rglob("*")) if p.is_file()} == files
    group = keyed.broker.groups[group_name("payments")]
    assert all(2_000 < at.offset <= 3_100 for at in group.offsets.values()), "stretches begin where the snapshot stands"


def test_without_a_snapshot_keyed_canaries_wait_and_say_what_for(keyed: Birds) -> None:
    worker = keyed.worker()
    keyed.steps(worker, 3)
    assert worker.progress.copies == 0
    assert "no snapshot of the keyed state" in worker.progress.unready
    snapshot_at(keyed, 2_900)
    keyed.steps(worker, 3)
    assert worker.progress.copies == 0, "too few events after it yet"
    fill(keyed.broker, 2_000, seed=5)
    keyed.steps(worker, 3, seconds=600.0)
    assert worker.progress.copies == 2


# -- what a stream can have ------------------------------------------------------------------------------------------


def test_families_are_those_that_nothing_else_was_judged_or_taught_by() -> None:
    mine = {family.name for family in canary_plan(SPEC, SPEC).families}
    schema = SPEC.schema()
    for purpose in (Purpose.TRAINING, Purpose.CHOICE, Purpose.GATE):
        assert mine.isdisjoint(f.name for f in families_for(purpose, possible_families(schema)))


def test_repartitioned_context_is_not_changed_and_its_lack_is_said() -> None:
    context = ContextSpec(key=("country",), repartition=True)
    stated = StreamSpec.model_validate({**SPEC.model_dump(), "context": [context.model_dump()]})
    plan = canary_plan(downstream(stated), stated)
    assert plan.columns == ("amount", "country")
    assert {family.name for family in plan.families} == {"point:unseen_level", "stuck"}
    assert "repartitioned" in plan.left_out


def test_a_stream_that_can_have_none_is_refused() -> None:
    boolean = ColumnSpec(name="ok", kind=Kind.BOOLEAN, roles=frozenset({Role.FEATURE}))
    bare = SPEC.model_copy(update={"columns": (boolean,)})
    with pytest.raises(ConfigError, match="can have no canaries"):
        canary_plan(bare, bare)


def test_the_pace_keeps_the_rate_and_the_share_of_a_core() -> None:
    clock = ManualClock()
    pace = Pace(clock, per_hour=600.0, families=3)
    made = 0
    for _ in range(3_600):
        if pace.is_due(0.5):
            made += pace.each * 3
            pace.made(pace.each * 3, busy_seconds=0.0)
        clock.advance(1.0)
    assert 290 <= made <= 320, "half of the partitions, half of the canaries"
    busy, calls = Pace(clock, per_hour=1e6, families=1), 0
    for _ in range(3_600):
        if busy.is_due(1.0):
            calls += 1
            busy.made(busy.each, busy_seconds=0.5)
        clock.advance(1.0)
    assert calls * 0.5 / 3_600 <= MOST_CPU_SHARE * 1.01


def test_an_event_that_cannot_be_read_harms_no_copy(birds: Birds) -> None:
    producer = birds.broker.producer()
    for n in range(100):
        producer.send(OutRecord("events", b"{", partition=n % 2))
    worker = birds.worker()
    birds.steps(worker, 3)
    assert worker.progress.copies == 2
    assert birds.total() > 0
