"""Postgres for tests: one server that a whole session shares, a database of its own for every test, and servers of a
test's own to stop and start.

The server's programs come from the distribution; they refuse to run as root, so root starts them as `postgres`. Where
there are none the tests that need them are skipped with the reason; with CI=true they fail instead.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from tests.shared_state import shared_state

URL_VARIABLE = "EDDYLINE_POSTGRES_URL"
"""A server to use instead: the address of a database from which others may be made."""
SERVER_USER = "postgres"
WAIT_SECONDS = 60
FAST = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


class OwnPostgres:
    """A server that belongs to one test: the same port, data and password through every stop and start.

    `stop(kill=True)` is a crash, `stop()` an orderly end that waits for nobody. After `start()` returns it answers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        self.port = _free_port()
        self.password = secrets.token_hex(8)

    @property
    def url(self) -> str:
        """Address of a database that is there."""
        return _address(self.port, self.password).render_as_string(hide_password=False)

    def start(self) -> None:
        """Start it, with what it held before, if anything."""
        if not self._data.exists():
            self._make()
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        options = " ".join([options, *(f"-c {setting}" for setting in FAST)])
        log = str(self._folder / "server.log")
        _run("pg_ctl", "start", "-w", "-t", str(WAIT_SECONDS), "-D", str(self._data), "-l", log, "-o", options)

    def stop(self, *, kill: bool = False) -> None:
        """End it and keep its data."""
        _run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", "immediate" if kill else "fast")

    def _make(self) -> None:
        _hand_over(self._folder)
        password = self._folder / "password"
        password.write_text(self.password)
        _hand_over(password)
        settings = ("--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-sync")
        _run("initdb", "-D", str(self._data), "-U", SERVER_USER, *settings)


def program(name: str) -> str:
    """Where one of the server's programs lies; skips the test (fails it with CI=true) where there is none."""
    found = shutil.which(name)
    packaged = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if found is None and not packaged:
        without_postgres(f"no {name} in PATH or /usr/lib/postgresql: install the package postgresql")
    return found or str(packaged[-1])


def without_postgres(reason: str) -> None:
    """There is no Postgres: skip, or fail where a run must be complete."""
    said = f"no Postgres: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@contextmanager
def own_server() -> Iterator[OwnPostgres]:
    """A started server on a port and a folder of its own, gone afterwards."""
    server = OwnPostgres(Path(tempfile.mkdtemp(prefix="eddyline-postgres-")))
    try:
        server.start()
        yield server
    finally:
        _remove(server._folder)


@contextmanager
def shared_server(folder: Path) -> Iterator[str]:
    """The address of the session's server: the one in the environment, or one started by the first who asks.

    Processes of one session that hand in the same `folder` share it; the last to leave stops it.
    """
    if os.environ.get(URL_VARIABLE):
        yield os.environ[URL_VARIABLE]
        return
    with shared_state(folder / "postgres.json") as state:
        if not state.get("users"):
            server = OwnPostgres(Path(tempfile.mkdtemp(prefix="eddyline-postgres-")))
            server.start()
            state |= {"folder": str(server._folder), "url": server.url}
        state["users"] = int(state.get("users", 0)) + 1
        url, made = str(state["url"]), Path(str(state["folder"]))
    try:
        yield url
    finally:
        with shared_state(folder / "postgres.json") as state:
            state["users"] = int(state["users"]) - 1
            if not state["users"]:
                _remove(made)


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The address of an empty database, gone afterwards. It sorts text as a language does, as most databases in use
    do: what needs another order must ask for it."""
    name = f"eddyline_{secrets.token_hex(6)}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
            order = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" if version >= 150_000 else ""
            connection.execute(text(f"CREATE DATABASE {name} {order}"))
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()


def _address(port: int, password: str) -> URL:
    return URL.create("postgresql+psycopg", SERVER_USER, password, host="127.0.0.1", port=port, database="postgres")


def _run(name: str, *arguments: str) -> None:
    """Run one of the server's programs as who may; skips the test where it fails."""
    command = [program(name), *arguments]
    if os.geteuid() == 0:
        user = _user()
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *command]
    # Its output goes to files: the server keeps pipes open, and who reads them to their end would wait for it.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=False, cwd="/", timeout=2 * WAIT_SECONDS
        )
        if done.returncode != 0:
            said.seek(0)
            without_postgres(f"{name} ended with {done.returncode}: {said.read().strip()}")


def _user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        without_postgres(f"root may not run it, and there is no user {SERVER_USER}")
        raise


def _hand_over(path: Path) -> None:
    if os.geteuid() == 0:
        user = _user()
        os.chown(path, user.pw_uid, user.pw_gid)


def _remove(folder: Path) -> None:
    """Stop what runs there, whatever state it is in, and delete it."""
    if (folder / "data" / "postmaster.pid").exists():
        _run("pg_ctl", "stop", "-w", "-D", str(folder / "data"), "-m", "immediate")
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
