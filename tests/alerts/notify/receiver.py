"""A webhook receiver on loopback that can be down, fail, hang, drip and work."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from typing_extensions import override


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


@dataclass
class Script:
    """How the receiver answers: a function from the number of the request (from 0) to a status; 0 hangs."""

    answer: Callable[[int], int] = lambda number: 200
    answer_headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def accepted(self) -> list[Received]:
        return [r for r in self.received if r.answered == 200]


class Receiver(http.server.ThreadingHTTPServer):
    """The server; `port` is free again once it is closed."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: Script, port: int = 0) -> None:
        self.script = script
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        script = self.server.script
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = script.answer(len(script.received))
        script.received.append(Received(self.path, dict(self.headers), body, status))
        if status == 0:
            script.release.wait(30)
            return
        self.send_response(status)
        for name, value in script.answer_headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def receiving(script: Script, port: int = 0) -> Iterator[Receiver]:
    """A receiver for as long as the block lasts."""
    with Receiver(script, port) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
        thread.start()
        try:
            yield server
        finally:
            script.release.set()
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port nothing listens on, as far as can be known."""
    with Receiver(Script()) as server:
        return server.port
