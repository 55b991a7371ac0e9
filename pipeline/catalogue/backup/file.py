"""The format of a backup: gzip of lines of JSON, in UTF-8.

{"format": "eddyline-catalogue", "version": 1, "revision": "0003", "created_ms": …}
{"table": "streams", "columns": ["name", "spec"]}      one such line a table, parents before children
["payments", {…}]                                      then its rows
{"rows": {"streams": 1, …}, "sha256": "…"}             of all lines before, for what was cut or altered
"""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import ConfigError, StorageUnavailableError

FORMAT = "eddyline-catalogue"
VERSION = 1
LEVEL = 5
SUFFIX = ".jsonl.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFacts:
    """What a backup says of itself."""

    revision: str
    created_ms: int
    rows: dict[str, int]
    """By table."""
    sha256: str


class BackupWriter:
    """Writes under a temporary name, for its owner's eyes only; `finish` makes it whole and gives it its name."""

    def __init__(self, path: Path, *, revision: str, created_ms: int) -> None:
        self._path, self._temporary = path, path.with_name(f".{path.name}.{os.getpid()}.part")
        self._hash, self._rows = hashlib.sha256(), dict[str, int]()
        self._table = ""
        self._header = {"format": FORMAT, "version": VERSION, "revision": revision, "created_ms": created_ms}
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._raw: IO[bytes] = os.fdopen(
                os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            )
        self._file = gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=self._raw, mtime=0)
        self._line(self._header)

    def table(self, name: str, columns: Sequence[str]) -> None:
        """The rows that follow are this table's."""
        self._table, self._rows[name] = name, 0
        self._line({"table": name, "columns": list(columns)})

    def row(self, values: Sequence[Any]) -> None:
        """One row."""
        self._line(list(values))
        self._rows[self._table] += 1

    def finish(self) -> BackupFacts:
        """End the file and give it its name."""
        facts = {"rows": self._rows, "sha256": self._hash.hexdigest()}
        self._line(facts)
        with storage_errors(self._path):
            self._file.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._raw.close()
            self._temporary.replace(self._path)
        return _facts(self._header | facts)

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._raw.close()
        self._temporary.unlink(missing_ok=True)

    def _line(self, value: Any) -> None:
        line = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        self._hash.update(line)
        with storage_errors(self._path):
            self._file.write(line)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the file system's refusals into StorageUnavailableError; a file that is not there is a ConfigError."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError(f"there is no backup {path}: `eddyline catalogue backup` makes one") from error
    except OSError as error:
        raise StorageUnavailableError(
            f"the backup {path} cannot be written or read ({error.strerror or error}): name another place"
        ) from error


def read_facts(path: Path) -> BackupFacts:
    """Read a backup from end to end. Raises ConfigError where it is damaged, cut, or no backup."""
    digest, last, header, table = hashlib.sha256(), b"", None, ""
    counted: dict[str, int] = {}
    for line in _lines(path):
        if last:
            digest.update(last)
        value = _parsed(path, line)
        if header is None:
            header = _header(path, value)
        elif isinstance(value, list):
            counted[table] = counted.get(table, 0) + 1
        elif "table" in value:
            table = str(value["table"])
            counted[table] = 0
        last = line
    ending = _parsed(path, last) if last else {}
    if header is None or not isinstance(ending, dict) or ending.get("sha256") != digest.hexdigest():
        raise _damaged(path, "it does not end as it was written")
    if ending.get("rows") != counted:
        raise _damaged(path, "its tables do not hold the rows it lists")
    return _facts(header | ending)


def read_rows(path: Path) -> Iterator[tuple[str, list[str], list[Any]]]:
    """Table, columns and values of every row; of a backup that `read_facts` found whole."""
    table, columns = "", list[str]()
    for line in _lines(path):
        value = _parsed(path, line)
        if isinstance(value, list):
            yield table, columns, value
        elif "table" in value:
            table, columns = value["table"], value["columns"]


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with storage_errors(path), gzip.open(path, "rb") as file:
            yield from file
    except StorageUnavailableError as error:
        if isinstance(error.__cause__, gzip.BadGzipFile):
            raise _damaged(path, "it is no gzip file, or was altered") from error
        raise
    except (EOFError, zlib.error) as error:
        raise _damaged(path, "it was cut or altered") from error


def _parsed(path: Path, line: bytes) -> Any:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise _damaged(path, "it holds a line that is not JSON") from error
    if not isinstance(value, (dict, list)):
        raise _damaged(path, "it holds a line that is neither a table nor a row")
    return value


def _header(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise _damaged(path, "it does not begin as a backup of a catalogue")
    if value.get("version") != VERSION:
        raise ConfigError(
            f"{path} is a backup of format {value.get('version')}; this version reads {VERSION}: upgrade eddyline"
        )
    return value


def _damaged(path: Path, how: str) -> ConfigError:
    return ConfigError(f"{path} is no whole backup ({how}): name another one")


def _facts(document: dict[str, Any]) -> BackupFacts:
    return BackupFacts(
        revision=str(document["revision"]),
        created_ms=int(document["created_ms"]),
        rows=dict(document["rows"]),
        sha256=str(document["sha256"]),
    )
