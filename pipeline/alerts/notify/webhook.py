"""Alerts as signed HTTP POSTs. 2xx is delivered, everything else is tried again; redirects are not followed."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import urlsplit

from pipeline.alerts.model import Alert
from pipeline.alerts.notify.destination import DELIVERED, Delivery, Outcome
from pipeline.alerts.notify.signature import SIGNATURE_HEADER, sign
from pipeline.clock import Clock
from pipeline.config import WebhookSpec
from pipeline.errors import ConfigError

ID_HEADER = "Eddyline-Alert-Id"
DELIVERY_HEADER = "Eddyline-Delivery"
RETRIED_STATUSES = frozenset({408, 425, 429})
"""Client errors that say "later"; 5xx do too. Other statuses are refusals."""


class Webhook:
    """One HTTP destination. A connection per alert: alerts are rare, and none outlives a restart of the receiver."""

    def __init__(self, spec: WebhookSpec, *, secret: bytes | None, clock: Clock) -> None:
        """Raises ConfigError where the URL cannot be used or holds credentials."""
        url = urlsplit(spec.url)
        if not url.hostname:
            raise ConfigError(f"destination {spec.name!r}: the url names no host; write https://HOST/PATH")
        if url.username is not None or url.password is not None:
            raise ConfigError(
                f"destination {spec.name!r}: the url holds credentials, which would end up in specs and logs; "
                "name a signing secret with secret_env instead"
            )
        self._spec, self._secret, self._clock = spec, secret, clock
        self._is_https = url.scheme == "https"
        self._host, self._port = url.hostname, url.port
        self._target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._tls = ssl.create_default_context() if self._is_https else None

    @property
    def name(self) -> str:
        """The destination's name in the stream's spec."""
        return self._spec.name

    def deliver(self, alert: Alert, body: bytes) -> Delivery:
        """Post one alert; takes at most about `timeout_seconds`, however slowly the receiver answers."""
        try:
            with self._connected() as (connection, is_cut):
                connection.request("POST", self._target, body=body, headers=self._headers(alert, body))
                response = connection.getresponse()
                if is_cut.is_set():  # what was read ends where it was cut, which looks like an answer
                    raise TimeoutError
                return self._judge(response.status, response.getheader("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            return Delivery(outcome=Outcome.FAILED, detail=f"{self._host}: {_reason(error)}")

    def _headers(self, alert: Alert, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"eddyline/{version('eddyline')}",
            ID_HEADER: alert.id,
            DELIVERY_HEADER: f"{alert.id}:{alert.revision}",
        }
        if self._secret is not None:
            stamp = self._clock.now_ms() // 1000
            headers[SIGNATURE_HEADER] = sign(body, secret=self._secret, unix_seconds=stamp)
        return headers

    @contextmanager
    def _connected(self) -> Iterator[tuple[http.client.HTTPConnection, threading.Event]]:
        """A connection that is cut when the time is up: a socket's own timeout starts anew with every byte."""
        connection = self._connection()
        is_cut = threading.Event()
        cut = threading.Timer(self._spec.timeout_seconds, lambda: _cut(connection, is_cut))
        cut.daemon = True
        try:
            connection.connect()
            cut.start()
            yield connection, is_cut
        finally:
            cut.cancel()
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        timeout = self._spec.timeout_seconds
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def _judge(self, status: int, retry_after: str | None) -> Delivery:
        if 200 <= status < 300:
            return DELIVERED
        asked = None if retry_after is None else self._seconds_until(retry_after)
        if status >= 500 or status in RETRIED_STATUSES:
            return Delivery(outcome=Outcome.FAILED, detail=f"{self._host} answered {status}", retry_after_seconds=asked)
        hint = "redirects are not followed, name the final url" if 300 <= status < 400 else "check its url and secret"
        return Delivery(outcome=Outcome.REFUSED, detail=f"{self._host} answered {status}: {hint}")

    def _seconds_until(self, retry_after: str) -> float | None:
        """`Retry-After` in seconds, from either of its two forms; None where it is neither."""
        if retry_after.strip().isascii() and retry_after.strip().isdigit():
            return float(retry_after)
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - self._clock.now_ms() / 1000)


def _cut(connection: http.client.HTTPConnection, is_cut: threading.Event) -> None:
    is_cut.set()
    held: socket.socket | None = connection.sock
    if held is not None:
        try:
            held.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed already: the answer came just in time


def _reason(error: Exception) -> str:
    """A failure in words that hold nothing of the request."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
