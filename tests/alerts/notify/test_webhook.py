"""One POST: what it carries, and what each answer means."""

import random
import socket
import threading
from email.utils import formatdate

import pytest
from structlog.testing import capture_logs

from pipeline.alerts.notify.backoff import FIRST_SECONDS, LONGEST_ASKED_SECONDS, LONGEST_SECONDS, Backoff
from pipeline.alerts.notify.destination import Delivery, Outcome
from pipeline.alerts.notify.signature import verify
from pipeline.alerts.notify.webhook import Webhook
from pipeline.alerts.wire import encode_alert
from pipeline.clock import ManualClock, SystemClock
from pipeline.errors import ConfigError
from tests.alerts.notify.builders import SECRET, hook, make_alert
from tests.alerts.notify.receiver import Script, free_port, receiving

ALERT = make_alert(key="Zoë")
BODY = encode_alert(ALERT)
NOW_SECONDS = 1_700_000_000


def posted(script: Script, *, secret: bytes | None = SECRET, timeout_seconds: float = 5.0) -> Delivery:
    with receiving(script) as server:
        spec = hook(server.port, timeout_seconds=timeout_seconds)
        return Webhook(spec, secret=secret, clock=ManualClock(NOW_SECONDS * 1000)).deliver(ALERT, BODY)


def test_a_post_carries_the_alert_its_name_and_a_signature_that_verifies() -> None:
    script = Script()
    assert posted(script).outcome is Outcome.DELIVERED
    (request,) = script.received
    assert (request.path, request.body) == ("/alerts?team=a", BODY)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Eddyline-Alert-Id"] == ALERT.id
    assert request.headers["Eddyline-Delivery"] == f"{ALERT.id}:1"
    signature = request.headers["Eddyline-Signature"]
    assert verify(request.body, signature, secret=SECRET, now_seconds=NOW_SECONDS + 299)


def test_a_signature_holds_for_one_body_one_secret_and_a_few_minutes() -> None:
    script = Script()
    posted(script)
    signature = script.received[0].headers["Eddyline-Signature"]
    assert not verify(BODY + b" ", signature, secret=SECRET, now_seconds=NOW_SECONDS)
    assert not verify(BODY, signature, secret=b"another", now_seconds=NOW_SECONDS)
    assert not verify(BODY, signature, secret=SECRET, now_seconds=NOW_SECONDS + 301)
    assert not verify(BODY, signature.replace("t=17", "t=18"), secret=SECRET, now_seconds=NOW_SECONDS + 100_000_000)
    for broken in ("", "t=,v1=", "v1=abc", "t=1", "t=x,v1=é", signature.split(",")[0]):
        assert not verify(BODY, broken, secret=SECRET, now_seconds=NOW_SECONDS)


def test_without_a_secret_nothing_is_signed() -> None:
    script = Script()
    posted(script, secret=None)
    assert "Eddyline-Signature" not in script.received[0].headers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (301, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.FAILED),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
    ],
)
def test_what_an_answer_means(status: int, outcome: Outcome) -> None:
    delivery = posted(Script(answer=lambda number: status))
    assert delivery.outcome is outcome
    assert outcome is Outcome.DELIVERED or str(status) in delivery.detail


def test_a_redirect_is_not_followed() -> None:
    elsewhere = Script()
    with receiving(elsewhere) as server:
        location = f"http://127.0.0.1:{server.port}/"
        delivery = posted(Script(answer=lambda number: 307, answer_headers={"Location": location}))
    assert delivery.outcome is Outcome.REFUSED
    assert elsewhere.received == []


def test_nobody_listening_and_no_answer_in_time_are_failures() -> None:
    refused = Webhook(hook(free_port()), secret=None, clock=SystemClock()).deliver(ALERT, BODY)
    hanging = posted(Script(answer=lambda number: 0), timeout_seconds=0.2)
    assert (refused.outcome, hanging.outcome) == (Outcome.FAILED, Outcome.FAILED)


def test_a_receiver_that_drips_bytes_is_cut_off_when_the_time_is_up() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\n")
                while not done.wait(0.05):
                    try:
                        peer.sendall(b"X-Slow: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        spec = hook(listener.getsockname()[1], timeout_seconds=0.5)
        clock = SystemClock()
        began = clock.monotonic()
        delivery = Webhook(spec, secret=None, clock=clock).deliver(ALERT, BODY)
        took = clock.monotonic() - began
        done.set()
        thread.join()
    assert delivery.outcome is Outcome.FAILED
    assert took < 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("120", 120.0), (formatdate(NOW_SECONDS + 90, usegmt=True), 90.0), ("soon", None), ("-5", None)],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    delivery = posted(Script(answer=lambda number: 503, answer_headers={"Retry-After": header}))
    assert delivery.retry_after_seconds == seconds


def test_neither_the_secret_nor_the_urls_path_is_ever_told() -> None:
    with capture_logs() as logs:
        deliveries = [posted(Script(answer=lambda number: 404)), posted(Script(answer=lambda number: 500))]
        deliveries.append(Webhook(hook(free_port()), secret=SECRET, clock=SystemClock()).deliver(ALERT, BODY))
    told = repr(deliveries) + repr(logs)
    assert SECRET.decode() not in told
    assert "team=a" not in told


@pytest.mark.parametrize("url", ["http://user:pass@host/x", "https:///nowhere"])
def test_a_url_that_cannot_be_used_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="on-call"):
        Webhook(hook(1, url=url), secret=None, clock=SystemClock())


FAILED = Delivery(outcome=Outcome.FAILED)


def test_waits_double_up_to_the_longest_and_start_over_after_a_success() -> None:
    backoff = Backoff(random.Random(3))
    waits = [backoff.wait_seconds(FAILED) for _ in range(50)]
    for number, wait in enumerate(waits):
        whole = min(LONGEST_SECONDS, FIRST_SECONDS * 2**number)
        assert whole / 2 <= wait <= whole
    assert len(set(waits)) == len(waits), "spread by chance"
    backoff.succeeded()
    assert backoff.wait_seconds(FAILED) <= FIRST_SECONDS


def test_a_refusal_waits_longest_and_what_the_receiver_asks_for_is_honoured() -> None:
    def wait(outcome: Outcome, asked: float | None = None) -> float:
        return Backoff(random.Random(3)).wait_seconds(Delivery(outcome=outcome, retry_after_seconds=asked))

    assert wait(Outcome.REFUSED) >= LONGEST_SECONDS / 2
    assert wait(Outcome.FAILED, asked=300.0) == 300.0
    assert wait(Outcome.FAILED, asked=1e9) == LONGEST_ASKED_SECONDS
