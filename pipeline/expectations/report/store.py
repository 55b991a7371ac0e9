"""The folder of reports: a page and its JSON for each result, by stream, and an index over all of them.

A report is there once its JSON is: the page is written before it. What a killed writer leaves is a page without JSON or
a file under a temporary name; the next writer removes both. Writers wait for each other on a lock of the folder, which
the system takes from a process that dies. The index is made anew from the JSON files, never added to.
"""

import contextlib
import fcntl
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, StorageUnavailableError
from pipeline.expectations.document import FORMAT
from pipeline.expectations.report.heads import ReportHead, read_heads, write_heads
from pipeline.expectations.report.index import index_page
from pipeline.expectations.report.page import page
from pipeline.expectations.report.past import with_history
from pipeline.expectations.report.personal import without_personal
from pipeline.lake.durable import make_folders, read_json, storage_errors, sync_folder, to_json, write_atomic

INDEX = "index.html"
_LOCK = ".lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class ReportFolder:
    """All report pages of a service. Many may write at once, in one process or in several on one machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def index(self) -> Path:
        """The page over all reports."""
        return self._root / INDEX

    def write(
        self, document: Mapping[str, Any], *, stream: str, result_id: str, created_ms: int, keep: int | None
    ) -> Path:
        """Write a result's page and JSON, remove what the policy no longer keeps, and make the index anew.

        `keep` is how many reports of the stream stay, the newest; None keeps all. Written again, the same result is
        replaced. Raises ConfigError where a name cannot be a file's, StorageUnavailableError.
        """
        _check_names(stream, result_id)
        made = {**without_personal(document), "stream": stream, "result_id": result_id, "created_ms": created_ms}
        path = self.page_of(stream, result_id)
        with self._locked():
            self._clear(stream)
            known = {head.result_id for head in read_heads(self._root) if head.stream == stream}
            links = {name: f"{name}.html" for name in known - {result_id}}
            write_atomic(path, page(made, links=links, index=f"../{INDEX}").encode("utf-8", "replace"))
            write_atomic(path.with_suffix(".json"), to_json(_encodable(made)))
            self._publish(stream, keep)
        return path

    def prune(self, stream: str, keep: int | None) -> int:
        """Remove all but the newest of a stream's reports; how many went. Raises StorageUnavailableError."""
        _check_names(stream)
        if not (self._root / stream).is_dir():
            return 0
        with self._locked():
            self._clear(stream)
            return self._publish(stream, keep)

    def remake_index(self) -> Path:
        """Make the index from what lies in the folder. Raises StorageUnavailableError."""
        with self._locked():
            self._index(read_heads(self._root))
        return self.index

    def reports(self, stream: str | None = None) -> list[ReportHead]:
        """All that there are, newest first. Raises StorageUnavailableError."""
        return [head for head in read_heads(self._root) if stream is None or head.stream == stream]

    def found(self, name: str) -> ReportHead:
        """The newest report of a stream, or the one whose id begins so.

        Raises ConfigError where there is none or several ids begin so.
        """
        heads = self.reports()
        of_stream = [head for head in heads if head.stream == name]
        if of_stream:
            return of_stream[0]
        begun = [head for head in heads if name and head.result_id.startswith(name)]
        exact = [head for head in begun if head.result_id == name]
        if len(exact) == 1 or len(begun) == 1:
            return (exact or begun)[0]
        said = "several reports begin with" if begun else "there is no report, and no stream with one, called"
        raise ConfigError(f"{said} {name!r}: `eddyline quality list` shows those there are")

    def page_of(self, stream: str, result_id: str) -> Path:
        """Where a result's page lies, or would lie."""
        return self._root / stream / f"{result_id}.html"

    def path(self, head: ReportHead) -> Path:
        """Where a report's page lies."""
        return self.page_of(head.stream, head.result_id)

    def document(self, head: ReportHead) -> dict[str, Any]:
        """A report's JSON. Raises StorageUnavailableError where it went meanwhile."""
        found = read_json(self.page_of(head.stream, head.result_id).with_suffix(".json"))
        if found is None or found.get("format") != FORMAT:
            raise StorageUnavailableError(
                f"report {head.result_id} of {head.stream} is gone: `eddyline quality list` shows those there are"
            )
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Only one writer at a time."""
        with storage_errors(self._root):
            make_folders(self._root)
            lock = (self._root / _LOCK).open("wb")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _clear(self, stream: str) -> None:
        """Remove what writers that died left behind."""
        folder = self._root / stream
        with storage_errors(folder):
            make_folders(folder)
            for left in (*self._root.glob(".*.tmp"), *folder.glob(".*.tmp")):
                left.unlink(missing_ok=True)
            for orphan in folder.glob("*.html"):
                if not orphan.with_suffix(".json").exists():
                    orphan.unlink(missing_ok=True)

    def _publish(self, stream: str, keep: int | None) -> int:
        """The index, and a stream's oldest reports away: first the links that lead to them. How many went."""
        heads = read_heads(self._root)
        of_stream = [head for head in heads if head.stream == stream]
        gone = [] if keep is None else of_stream[max(1, keep) :]
        if gone:
            stay = of_stream[: len(of_stream) - len(gone)]
            links = {head.result_id: f"{head.result_id}.html" for head in stay}
            lost = {f'href="{head.result_id}.html"' for head in gone}
            for head in stay:
                self._unlink(head, lost, links)
        self._index([head for head in heads if head not in gone])
        self._remove(gone)
        return len(gone)

    def _remove(self, gone: Sequence[ReportHead]) -> None:
        for head in gone:
            path = self.path(head)
            with storage_errors(path):
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)
                sync_folder(path.parent)

    def _unlink(self, head: ReportHead, lost: set[str], links: Mapping[str, str]) -> None:
        """Take the links to removed reports out of a page."""
        path = self.path(head)
        with storage_errors(path):
            html = path.read_text(encoding="utf-8") if path.exists() else ""
        if not any(link in html for link in lost):
            return
        others = {name: link for name, link in links.items() if name != head.result_id}
        write_atomic(path, with_history(html, self.document(head), others).encode("utf-8", "replace"))

    def _index(self, heads: Sequence[ReportHead]) -> None:
        there = [head for head in heads if self.path(head).exists()]
        write_heads(self._root, there)
        write_atomic(self.index, index_page(there).encode("utf-8", "replace"))


def _check_names(*names: str) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} cannot be the name of a report's file: use letters, digits, _ and -")


def _encodable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without halves of characters, which no file can hold."""
    text = json.dumps(document, ensure_ascii=False)
    restored: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
    return restored
