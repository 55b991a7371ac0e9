"""`/metrics`, `/healthz` and `/readyz` of a process, on loopback unless told otherwise."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pipeline.errors import ConfigError

log = structlog.get_logger()

Check = Callable[[], dict[str, str]]
"""What is wrong, by name of the part; empty when all is well."""


class HealthServer:
    """Serves until closed. `port` 0 takes a free one; `address` says which."""

    def __init__(self, *, host: str, port: int, registry: CollectorRegistry, alive: Check, ready: Check) -> None:
        """Raises ConfigError when the port is taken."""
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(registry, alive, ready))
        except OSError as error:
            raise ConfigError(
                f"metrics cannot be served on {host}:{port} ({error.strerror}): set metrics.port in eddyline.yaml to a "
                "free port, or to 0 for any"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="eddyline-health", daemon=True)
        self._thread.start()
        log.info("metrics and health served", address=self.address)

    @property
    def address(self) -> str:
        """Base URL."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(registry: CollectorRegistry, alive: Check, ready: Check) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Three read-only paths."""

        def do_GET(self) -> None:
            """Answer a GET."""
            if self.path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif self.path in ("/healthz", "/readyz"):
                wrong = (alive if self.path == "/healthz" else ready)()
                body = json.dumps({"status": "ok" if not wrong else "failing", "reasons": wrong}).encode()
                self._answer(503 if wrong else 200, body, "application/json")
            else:
                self._answer(404, b'{"error": "paths: /metrics, /healthz, /readyz"}', "application/json")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged: a scrape every few seconds says nothing."""

    return Handler
