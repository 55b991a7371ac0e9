"""Nothing is lost on the way to people: outages, restarts, rebalances, foreign records."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from pipeline.alerts.model import Alert, AlertStatus, Severity
from pipeline.alerts.notify.destination import DELIVERED, Delivery, Outcome
from pipeline.alerts.notify.signature import verify
from pipeline.alerts.notify.webhook import Webhook
from pipeline.alerts.wire import decode_alert, encode_alert
from pipeline.clock import ManualClock, SystemClock
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SECRET, SPEC, append, committed, deliver, hook, make_alert, make_broker
from tests.alerts.notify.receiver import Script, free_port, receiving
from tests.fakes import MemoryBroker


class Killed(BaseException):
    """The process dies here."""


class Desk:
    """A destination that writes down what it is given."""

    def __init__(self, name: str = "desk", answer: Callable[[int], Delivery] = lambda number: DELIVERED) -> None:
        self.name = name
        self._answer = answer
        self.attempts = 0
        self.got: list[Alert] = []

    def deliver(self, alert: Alert, body: bytes) -> Delivery:
        self.attempts += 1
        delivery = self._answer(self.attempts - 1)
        if delivery.outcome is Outcome.DELIVERED:
            self.got.append(alert)
        return delivery


def make_alerts(count: int) -> list[Alert]:
    return [make_alert(number) for number in range(count)]


def test_every_alert_reaches_a_receiver_that_was_down_failed_and_hung_in_order_and_signed() -> None:
    alerts = make_alerts(12)
    broker, port = make_broker(alerts), free_port()
    clock = SystemClock()
    webhook = Webhook(hook(port, timeout_seconds=0.3), secret=SECRET, clock=clock)
    down = deliver(broker, webhook, is_done=lambda: True)
    assert (down.delivered, committed(broker, "on-call")) == (0, None)

    script = Script(answer=lambda number: {0: 500, 1: 0, 2: 503, 3: 200, 4: 404, 5: 429}.get(number, 200))
    with receiving(script, port):
        state = deliver(broker, webhook, is_done=lambda: len(script.accepted) == len(alerts))
    assert [decode_alert(r.body) for r in script.accepted] == alerts
    for request in script.accepted:
        signature = request.headers["Eddyline-Signature"]
        assert verify(request.body, signature, secret=SECRET, now_seconds=clock.now_ms() / 1000)
    assert (state.delivered, state.failures, state.refused) == (12, 5, 1)
    assert committed(broker, "on-call") == 12


def test_an_outage_is_waited_out_with_growing_waits_while_the_place_in_the_group_is_kept() -> None:
    alerts = make_alerts(3)
    broker, clock = make_broker(alerts), ManualClock()
    desk = Desk(answer=lambda n: DELIVERED if n >= 8 else Delivery(outcome=Outcome.FAILED, detail="down"))
    began = clock.monotonic()
    state = deliver(broker, desk, lambda: len(desk.got) == 3, clock=clock)
    assert desk.got == alerts
    assert 60 <= clock.monotonic() - began <= 300
    assert (state.failures, state.failing_since_ms) == (8, None)


def test_what_was_delivered_before_a_kill_and_not_committed_is_delivered_again_with_the_same_name() -> None:
    alerts = make_alerts(6)
    broker = make_broker(alerts)
    desk = Desk()
    kills = iter([2, 4])

    def die(stage: str) -> None:
        if stage == "before" and len(desk.got) > next_kill[0]:
            next_kill[0] = next(kills, 10**9)
            raise Killed

    next_kill = [next(kills)]
    broker.on_commit = die
    for _ in range(2):
        with pytest.raises(Killed):
            deliver(broker, desk, lambda: False)
    deliver(broker, desk, lambda: len({a.id for a in desk.got}) == len(alerts))
    assert [alerts.index(a) for a in desk.got] == [0, 1, 2, 2, 3, 3, 4, 5]


def test_one_destinations_outage_stalls_only_itself() -> None:
    alerts = make_alerts(4)
    broker = make_broker(alerts)
    broken = Desk("broken", lambda n: Delivery(outcome=Outcome.FAILED))
    working = Desk("working")
    stuck = deliver(broker, broken, lambda: broken.attempts >= 3)
    deliver(broker, working, lambda: len(working.got) == 4)
    assert (stuck.delivered, committed(broker, "broken"), committed(broker, "working")) == (0, None, 4)


def test_alerts_below_the_least_severity_and_in_shadow_mode_are_skipped_and_done() -> None:
    alerts = [
        make_alert(1, severity=Severity.INFO),
        make_alert(2, severity=Severity.CRITICAL),
        make_alert(3, severity=Severity.CRITICAL, shadow=True),
        make_alert(4, severity=Severity.WARNING, status=AlertStatus.RESOLVED),
    ]
    broker, desk = make_broker(alerts), Desk()
    state = deliver(broker, desk, lambda: committed(broker, "desk") == 4, minimum_severity=Severity.WARNING)
    assert [a.first_offset for a in desk.got] == [2, 4]
    assert state.skipped == 2


def test_records_that_are_no_alerts_are_counted_said_and_passed_over() -> None:
    broker, desk = make_broker([]), Desk()
    for value in (b"hello", None, encode_alert(make_alert(1))):
        append(broker, value)
    with capture_logs() as logs:
        state = deliver(broker, desk, lambda: committed(broker, "desk") == 3)
    assert (len(desk.got), state.unreadable) == (1, 1)
    assert [(entry["event"], entry["offset"]) for entry in logs if entry["log_level"] == "error"] == [
        ("unreadable_alert", 0)
    ]


def test_an_alert_of_a_later_version_stops_the_notifier_rather_than_being_lost() -> None:
    broker, desk = make_broker([]), Desk()
    append(broker, b'{"schema_version": 2}')
    with pytest.raises(ConfigError, match="upgrade"):
        deliver(broker, desk, lambda: False)
    assert committed(broker, "desk") is None


def test_alerts_deleted_by_retention_before_delivery_are_counted_as_lost() -> None:
    broker, desk = make_broker(make_alerts(10)), Desk()
    deliver(broker, desk, lambda: len(desk.got) >= 10)
    for number in range(10, 20):
        append(broker, encode_alert(make_alert(number)))
    broker.log(SPEC.alerts_topic).trim(15)
    state = deliver(broker, desk, lambda: len(desk.got) == 15)
    assert (state.lost, [a.first_offset for a in desk.got[-5:]]) == (5, [15, 16, 17, 18, 19])


def test_a_broker_that_is_away_for_a_while_only_delays() -> None:
    broker, clock = make_broker(make_alerts(3)), ManualClock()
    desk = Desk()

    def down_after_first(stage: str) -> None:
        if stage == "before" and len(desk.got) == 1 and clock.monotonic() == 0.0:
            broker.available = False

    broker.on_commit = down_after_first
    advance = clock.advance

    def back_later(seconds: float) -> None:
        advance(seconds)
        broker.available = True

    clock.advance = back_later  # type: ignore[method-assign]
    deliver(broker, desk, lambda: len(desk.got) == 3, clock=clock)
    assert [a.first_offset for a in desk.got] == [0, 1, 2]
    assert committed(broker, "desk") == 3


def test_two_notifiers_of_one_destination_share_the_partitions_and_lose_nothing() -> None:
    alerts = make_alerts(20)
    broker = make_broker(alerts, partitions=4)
    first, second = Desk("desk"), Desk("desk")

    def join(number: int) -> Delivery:
        if number == 3:
            joined.append(deliver_in_the_middle(broker, second))
        return DELIVERED

    joined: list[object] = []
    first._answer = join
    deliver(broker, first, lambda: {a.id for a in [*first.got, *second.got]} == {a.id for a in alerts})
    assert all(committed(broker, "desk", partition) == 5 for partition in range(4))


def deliver_in_the_middle(broker: MemoryBroker, desk: Desk) -> object:
    """A second member that joins, does what it is given, and leaves."""
    polls = iter(range(3))
    return deliver(broker, desk, lambda: next(polls, None) is None)
