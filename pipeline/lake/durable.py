"""Writes that survive a crash at any instruction: temporary name, fsync, rename, fsync of the folder."""

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import StorageUnavailableError


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into StorageUnavailableError that names the path and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageUnavailableError(
            f"cannot use {path}: {reason}. Free space or repair the folder; writing is tried again by itself"
        ) from error


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(path: Path) -> None:
    """Make a folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: Path) -> None:
    """Make a folder and its parents, each entry durable."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_folder(made.parent)


def write_temporary(folder: Path, data: bytes) -> Path:
    """A durable file under a name nobody reads; removed again where it cannot be written whole."""
    make_folders(folder)
    path = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        with path.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file's content: readers see the old or the new, never a part. Raises StorageUnavailableError."""
    with storage_errors(path):
        os.replace(write_temporary(path.parent, data), path)
        sync_folder(path.parent)


def create_atomic(path: Path, data: bytes) -> bool:
    """Write a file that must not exist yet; False where another writer was first. Raises StorageUnavailableError."""
    with storage_errors(path):
        temporary = write_temporary(path.parent, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
        return True


def to_json(document: dict[str, Any]) -> bytes:
    """A small document for people and programs."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def read_json(path: Path) -> dict[str, Any] | None:
    """What `to_json` wrote; None where there is no file."""
    with storage_errors(path):
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StorageUnavailableError(
                f"{path} is not the JSON it should be: restore it from a backup, or move it away"
            ) from error
    if not isinstance(document, dict):
        raise StorageUnavailableError(f"{path} is not a JSON object: restore it from a backup, or move it away")
    return document
