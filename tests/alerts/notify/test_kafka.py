"""The notifier on Apache Kafka: transactions, a group of its own, kill and restart."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from pipeline.alerts.model import Severity
from pipeline.alerts.notify.backoff import Backoff
from pipeline.alerts.notify.deliver import Notifier, NotifierState, group_name
from pipeline.alerts.notify.webhook import Webhook
from pipeline.alerts.wire import decode_alert, encode_alert
from pipeline.clock import SystemClock
from pipeline.config import KafkaSettings
from pipeline.kafka.kafka_python import KafkaPythonBroker
from pipeline.kafka.port import OutRecord, TopicRequest
from tests.alerts.notify.builders import SECRET, SPEC, hook, make_alert
from tests.alerts.notify.receiver import Script, free_port, receiving

PATIENCE_SECONDS = 120.0


@contextmanager
def running(notifier: Notifier) -> Iterator[None]:
    """The notifier in a thread, stopped at the end of the block; what killed it is raised there."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ran = pool.submit(notifier.run, stop)
        try:
            yield
        finally:
            stop.set()
            ran.result(PATIENCE_SECONDS)


def test_alerts_committed_in_transactions_reach_a_receiver_that_comes_late_and_restarts_repeat_nothing_committed(
    kafka_bootstrap: str, unique: Callable[[str], str]
) -> None:
    spec = SPEC.model_copy(update={"stream": unique("payments")})
    broker = KafkaPythonBroker(KafkaSettings(bootstrap=(kafka_bootstrap,)))
    admin = broker.admin()
    admin.create([TopicRequest(name=spec.alerts_topic, partitions=1)])
    admin.close()
    alerts = [make_alert(number) for number in range(30)]
    sink = broker.transactional_sink(transactional_id=unique("alerts"))
    for number in range(0, 30, 3):
        records = [OutRecord(spec.alerts_topic, encode_alert(a)) for a in alerts[number : number + 3]]
        sink.commit(records, {}, None)
    sink.close()

    port, script, enough = free_port(), Script(), threading.Event()
    failed = threading.Event()

    def notifier() -> Notifier:
        def beat(state: NotifierState) -> None:
            if state.failures:
                failed.set()
            if len(script.accepted) >= 30:
                enough.set()

        return Notifier(
            spec,
            Webhook(hook(port), secret=SECRET, clock=SystemClock()),
            broker.source(group=group_name(spec.stream, "on-call")),
            minimum_severity=Severity.INFO,
            backoff=Backoff(random.Random(1), first_seconds=0.05, longest_seconds=0.2),
            clock=SystemClock(),
            beat=beat,
        )

    with running(notifier()):
        assert failed.wait(PATIENCE_SECONDS), "nobody listens yet"
        with receiving(script, port):
            assert enough.wait(PATIENCE_SECONDS)
    assert [decode_alert(r.body) for r in script.accepted] == alerts

    again = Script()
    with receiving(again, port):
        last = make_alert(99)
        sink = broker.transactional_sink(transactional_id=unique("alerts"))
        sink.commit([OutRecord(spec.alerts_topic, encode_alert(last))], {}, None)
        sink.close()
        got = threading.Event()
        again.answer = lambda number: got.set() or 200  # type: ignore[func-returns-value]
        with running(notifier()):
            assert got.wait(PATIENCE_SECONDS)
    assert [decode_alert(r.body) for r in again.received] == [last]
