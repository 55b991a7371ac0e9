"""A false positive said of an alert keeps its like quiet in running scorers, and in those that come after them."""

import json
import time
from collections.abc import Callable

from pipeline.alerts.model import AlertStatus
from tests.integration.service import Service, eventually, pause

MakeService = Callable[..., Service]
GAP_SECONDS = 1.0
SECONDS = 15.0
"""From the command's end until the like is quiet: looked for every second, on a machine that does other things too."""


class Rounds:
    """Each round the judged customer and one never seen before have the same strange amount; the second one's alert
    says that the first one's event was decided on."""

    def __init__(self, service: Service) -> None:
        self._service, self._count = service, 0

    def alerts(self, customer: str = "ada") -> bool:
        """Whether the customer's event opened an alert of its own."""
        before = self._opened(customer)
        self._count += 1
        other = f"new-{self._count}"
        rows = [{"customer": c, "amount": 99_999.0, "country": "DE"} for c in (customer, other)]
        pause(2 * GAP_SECONDS)  # what was open is over: the next one is another alert
        self._service.send([json.dumps(row).encode() for row in rows], partitions=1)
        eventually("an event of another customer alerts", lambda: self._opened(other) == 1)
        return self._opened(customer) > before

    def _opened(self, customer: str) -> int:
        found = [a for a in self._service.alerts() if a.key == customer and a.status is AlertStatus.OPEN]
        return len(found)


def give(service: Service, alert_id: str, flag: str) -> None:
    process = service.start("feedback", alert_id, flag, "--user", "op")
    assert process.wait(60) == 0, service.logs()


def test_the_like_of_a_false_positive_keep_quiet_within_seconds_and_after_a_kill(
    kafka_bootstrap: str, make_service: MakeService
) -> None:
    alerting = {"group_gap_seconds": GAP_SECONDS, "storm": {"keys": 1_000}}
    service = make_service(kafka_bootstrap, partitions=1, alerts=alerting)
    service.train()
    worker = service.start_worker()
    rounds = Rounds(service)
    assert rounds.alerts(), "a strange amount alerts"
    alert = next(a for a in service.alerts() if a.key == "ada")
    assert alert.key_hash

    give(service, alert.id, "--false-positive")
    started = time.monotonic()
    while rounds.alerts():
        assert time.monotonic() - started < SECONDS, "the like alert still"
    assert not rounds.alerts()

    worker.kill()
    worker.wait(30)
    service.start_worker()
    assert not rounds.alerts(), "the one that comes after a kill knows what was said"
    assert rounds.alerts("bob"), "another customer's alerts"

    give(service, alert.id, "--confirmed")
    started = time.monotonic()
    while not rounds.alerts():
        assert time.monotonic() - started < SECONDS, "a confirmed alert's like keep quiet still"

    sent = sum(1 for _ in service.read(service.spec.topic, 1))
    eventually("everything is scored", lambda: service.committed() >= sent)
    assert len(service.scored(1)) == len(set(service.scored(1))) == sent
