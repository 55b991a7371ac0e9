"""The recorder on Apache Kafka and Postgres: killed around its transactions, and its database killed under it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pipeline.alerts.model import Alert
from pipeline.alerts.record import Recorder, RecorderState, group_name
from pipeline.alerts.wire import encode_alert
from pipeline.catalogue import Catalogue
from pipeline.clock import SystemClock
from pipeline.config import KafkaSettings, StreamSpec
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import OutRecord, TopicRequest
from tests.alerts.notify.builders import SPEC, make_alert
from tests.postgres_fixture import OwnPostgres

PATIENCE_SECONDS = 120.0
PARTITIONS = 2


class Publisher:
    """Commits alerts in transactions of five, a revision of each of ten alerts in turn."""

    def __init__(self, broker: KafkaPythonBroker, spec: StreamSpec, transactional_id: str) -> None:
        self._sink, self._topic = broker.transactional_sink(transactional_id=transactional_id), spec.alerts_topic
        self._templates = [make_alert(number) for number in range(10)]
        self.published: list[Alert] = []

    def publish(self, count: int) -> None:
        for start in range(0, count, 5):
            numbers = range(len(self.published), len(self.published) + min(5, count - start))
            alerts = [replace(self._templates[n % 10], id=f"alert-{n % 60}", revision=n // 60 + 1) for n in numbers]
            self.published += alerts
            records = [
                OutRecord(self._topic, encode_alert(alert), partition=int(alert.id[6:]) % PARTITIONS)
                for alert in alerts
            ]
            self._sink.commit(records, {}, None)

    @property
    def wanted(self) -> dict[str, int]:
        return {alert.id: alert.revision for alert in self.published}

    def close(self) -> None:
        self._sink.close()


def killed(*arguments: str) -> None:
    command = [sys.executable, "-m", "tests.alerts.record.deadly_recorder", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == -signal.SIGKILL, done.stderr


def recorded(catalogue: Catalogue) -> dict[str, int]:
    return {entry.alert_id: entry.revision for entry in catalogue.alerts(limit=10_000)}


def until(holds: Callable[[], bool], state: RecorderState) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, state
        threading.Event().wait(0.05)


def test_nothing_is_lost_and_nothing_twice_through_kills_and_an_outage_of_the_database(
    kafka_bootstrap: str, own_postgres: OwnPostgres, unique: Callable[[str], str]
) -> None:
    spec = SPEC.model_copy(update={"stream": unique("payments")})
    broker = KafkaPythonBroker(KafkaSettings(bootstrap=(kafka_bootstrap,)))
    admin = broker.admin()
    admin.create([TopicRequest(name=spec.alerts_topic, partitions=PARTITIONS)])
    publisher = Publisher(broker, spec, unique("alerts"))
    publisher.publish(300)
    catalogue = Catalogue.open(own_postgres.url)
    killed(kafka_bootstrap, own_postgres.url, spec.stream, "before", "3")
    after_first = recorded(catalogue)
    assert len(after_first) > 0
    assert after_first != publisher.wanted
    killed(kafka_bootstrap, own_postgres.url, spec.stream, "after", "2")

    stop = threading.Event()
    source = broker.source(group=group_name(spec.stream))
    recorder = Recorder(spec, source, catalogue, clock=SystemClock())
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(recorder.run, stop)
        try:
            until(lambda: recorded(catalogue) == publisher.wanted, recorder.state)
            own_postgres.stop(kill=True)
            publisher.publish(60)
            until(lambda: recorder.state.failing_since_ms is not None, recorder.state)
            own_postgres.start()
            until(lambda: recorder.state.failing_since_ms is None, recorder.state)
            until(lambda: recorded(catalogue) == publisher.wanted, recorder.state)
        finally:
            stop.set()
            ran.result(PATIENCE_SECONDS)
    publisher.close()
    assert len(publisher.published) == 360
    assert (recorder.state.unreadable, recorder.state.lost) == (0, 0)
    stored = catalogue.consumer_offsets(group_name(spec.stream), spec.alerts_topic)
    assert sorted(place.partition for place in stored) == list(range(PARTITIONS))
    assert admin.group_offsets(group_name(spec.stream)) == {}, "the database alone keeps them"
    admin.close()
    catalogue.close()
