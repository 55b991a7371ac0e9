"""Every alert is written down once, whatever dies in between; offsets are the database's."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.alerts.model import Alert, AlertStatus
from pipeline.alerts.record import Recorder, group_name
from pipeline.alerts.record.entry import entry_of
from pipeline.alerts.wire import alert_document, encode_alert
from pipeline.catalogue import AlertEntry, Catalogue, Place
from pipeline.clock import ManualClock
from pipeline.errors import CatalogueUnavailableError, ConfigError, UnreadableAlertError
from tests.alerts.notify.builders import SPEC, append, make_alert, make_broker
from tests.fakes import MemoryBroker

GROUP = group_name(SPEC.stream)


class Flaky(Catalogue):
    """A catalogue that may be away, before it writes or right after: then it was written and nobody heard of it."""

    away_before: int = 0
    away_after: int = 0

    def record_alerts(self, entries: Sequence[AlertEntry], offsets: Mapping[Place, int], consumer: str) -> None:
        if self.away_before:
            self.away_before -= 1
            raise CatalogueUnavailableError("away: switch it on")
        super().record_alerts(entries, offsets, consumer)
        if self.away_after:
            self.away_after -= 1
            raise CatalogueUnavailableError("gone in the middle: switch it on")


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Flaky]:
    opened = Flaky.open(f"sqlite:///{tmp_path}/eddyline.db")
    yield Flaky(opened._engine)
    opened.close()


def recorder_of(broker: MemoryBroker, catalogue: Catalogue) -> Recorder:
    recorder = Recorder(SPEC, broker.source(group=GROUP), catalogue, clock=ManualClock())
    recorder._source.subscribe([SPEC.alerts_topic], recorder)
    return recorder


def turns(recorder: Recorder, count: int = 8) -> None:
    for _ in range(count):
        recorder.turn(lambda seconds: False)


def recorded(catalogue: Catalogue) -> dict[str, int]:
    return {entry.alert_id: entry.revision for entry in catalogue.alerts(limit=10_000)}


def wanted(alerts: Sequence[Alert]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for alert in alerts:
        newest[alert.id] = max(newest.get(alert.id, 0), alert.revision)
    return newest


def test_alerts_come_out_as_they_last_stood_with_all_that_was_published(catalogue: Flaky) -> None:
    first = make_alert(1)
    resolved = replace(first, revision=2, status=AlertStatus.RESOLVED)
    broker = make_broker([first, resolved, make_alert(2)])
    document = alert_document(make_alert(3)) | {"cause": "bad_data", "of_a_later_version": [1]}
    append(broker, msgspec.json.encode(document))
    turns(recorder_of(broker, catalogue))
    assert catalogue.alert(first.id).status == "resolved"
    assert catalogue.alert(first.id).document == msgspec.json.decode(encode_alert(resolved))
    [bad] = catalogue.alerts(cause="bad_data")
    assert bad.document == msgspec.json.decode(msgspec.json.encode(document))
    assert len(recorded(catalogue)) == 3
    assert list(catalogue.consumer_offsets(GROUP, SPEC.alerts_topic).values()) == [4]


@settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["append", "turn", "die", "away", "written but unheard"]), max_size=25))
def test_nothing_is_lost_and_nothing_twice_whatever_dies(
    tmp_path_factory: pytest.TempPathFactory, does: list[str]
) -> None:
    catalogue = Flaky(Catalogue.open(f"sqlite:///{tmp_path_factory.mktemp('c')}/eddyline.db")._engine)
    broker, alerts = make_broker([], partitions=2), list[Alert]()
    recorder = recorder_of(broker, catalogue)
    for number, what in enumerate(does):
        if what == "append":
            alerts.append(make_alert(number % 7, revision=number))
            append(broker, encode_alert(alerts[-1]), partition=number % 2)
        elif what == "turn":
            turns(recorder, 1)
        elif what == "away":
            catalogue.away_before = 1
        elif what == "written but unheard":
            catalogue.away_after = 1
        else:
            recorder._source.close()
            recorder = recorder_of(broker, catalogue)
    turns(recorder)
    assert recorded(catalogue) == wanted(alerts)
    stored = catalogue.consumer_offsets(GROUP, SPEC.alerts_topic)
    ends = {number: broker.log(SPEC.alerts_topic, number).next_offset for number in range(2)}
    assert {place.partition: offset for place, offset in stored.items()} == {p: e for p, e in ends.items() if e}
    assert recorder.state.failing_since_ms is None
    catalogue.close()


def test_a_topic_made_anew_is_read_from_its_beginning(catalogue: Flaky) -> None:
    broker = make_broker([make_alert(1), make_alert(2)])
    recorder = recorder_of(broker, catalogue)
    turns(recorder)
    broker.delete_topic(SPEC.alerts_topic, keep_group_offsets=True)
    broker.add_topic(SPEC.alerts_topic)
    append(broker, encode_alert(make_alert(3)))
    turns(recorder)
    assert len(recorded(catalogue)) == 3
    assert sorted(catalogue.consumer_offsets(GROUP, SPEC.alerts_topic).values()) == [1, 2]


def test_what_retention_took_before_it_was_read_is_counted_and_said(catalogue: Flaky) -> None:
    broker = make_broker([make_alert(n) for n in range(5)])
    first = recorder_of(broker, catalogue)
    turns(first)
    first._source.close()
    for number in range(5, 10):
        append(broker, encode_alert(make_alert(number)))
    broker.log(SPEC.alerts_topic).trim(8)
    recorder = recorder_of(broker, catalogue)
    turns(recorder)
    assert recorder.state.lost == 3
    assert recorder.state.gaps == [{"topic": SPEC.alerts_topic, "partition": 0, "expected": 5, "available": 8}]
    assert len(recorded(catalogue)) == 7


def test_what_is_no_alert_is_counted_and_passed_over(catalogue: Flaky) -> None:
    broker = make_broker([make_alert(1)])
    endless = alert_document(make_alert(2)) | {"id": "x" * 65}
    for value in (b"\xff", b"[]", b"{}", None, msgspec.json.encode(endless)):
        append(broker, value)
    append(broker, encode_alert(make_alert(3)))
    recorder = recorder_of(broker, catalogue)
    turns(recorder)
    assert (recorder.state.recorded, recorder.state.unreadable) == (2, 4)
    assert list(catalogue.consumer_offsets(GROUP, SPEC.alerts_topic).values()) == [7]


def test_an_alert_of_a_later_version_ends_it_and_is_kept_for_that_version(catalogue: Flaky) -> None:
    broker = make_broker([])
    append(broker, msgspec.json.encode(alert_document(make_alert(1)) | {"schema_version": 2}))
    with pytest.raises(ConfigError, match="upgrade"):
        turns(recorder_of(broker, catalogue))
    assert catalogue.consumer_offsets(GROUP, SPEC.alerts_topic) == {}


@pytest.mark.parametrize(
    "change", [{"id": ""}, {"revision": 2**40}, {"started_ms": 2**70}, {"stream": "s" * 101}, {"kind": "?"}]
)
def test_what_no_database_could_hold_is_no_alert(change: dict[str, object]) -> None:
    document = alert_document(make_alert(1)) | change
    with pytest.raises(UnreadableAlertError):
        entry_of(json.dumps(document).encode())
