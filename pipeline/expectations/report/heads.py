"""What the index says of each report, read from the JSON files; those read before are known from `index.json`.

`index.json` is for programs too: the same list, newest first. A missing, old or damaged one is made anew.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.expectations.document import FORMAT
from pipeline.expectations.report.checks import evaluated
from pipeline.lake.durable import storage_errors, to_json, write_atomic

INDEX_DATA = "index.json"
INDEX_FORMAT = "eddyline.reports/1"
_MOST_REASON = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """One report in short."""

    stream: str
    result_id: str
    subject: str
    subject_id: str
    created_ms: int
    start_ms: int | None
    end_ms: int | None
    verdict: str
    rows: int
    evaluated: int
    failed: int
    """Those that could not be asked too; warnings are not counted."""
    drifted: bool | None
    """None where drift was not measured."""
    reason: str
    """The gravest; empty where all passed."""

    @property
    def order(self) -> tuple[int, str]:
        """Newest is greatest, and one order everywhere."""
        return (self.created_ms, self.result_id)


def head_of(document: Mapping[str, Any]) -> ReportHead:
    """The short form of a document. Raises KeyError or TypeError where it is none."""
    total, failed, errors, _ = evaluated(document["expectations"])
    return ReportHead(
        stream=document["stream"],
        result_id=document["result_id"],
        subject=document["subject"],
        subject_id=document["subject_id"],
        created_ms=document["created_ms"],
        start_ms=document["window"]["start_ms"],
        end_ms=document["window"]["end_ms"],
        verdict=document["verdict"],
        rows=document["rows"],
        evaluated=total,
        failed=failed + errors,
        drifted=None if document["drift"] is None else document["drift"]["drifted"],
        reason=(document["reasons"][0] if document["reasons"] else "")[:_MOST_REASON],
    )


def read_heads(root: Path) -> list[ReportHead]:
    """Of all reports that are whole, newest first. A file that is no report of ours is passed over."""
    with storage_errors(root):
        files = [path for path in root.glob("*/*.json") if not path.name.startswith(".")] if root.is_dir() else []
        known = _remembered(root)
        found = [head for path in files if (head := _head(path, known)) is not None]
    return sorted(found, key=lambda head: head.order, reverse=True)


def _remembered(root: Path) -> dict[str, tuple[list[int], ReportHead]]:
    """What `index.json` says: file below the root → its stamp and head."""
    try:
        document = json.loads((root / INDEX_DATA).read_bytes())
        if document["format"] != INDEX_FORMAT:
            return {}
        return {
            entry["file"]: (
                entry["stamp"],
                ReportHead(**{k: v for k, v in entry.items() if k not in ("file", "stamp")}),
            )
            for entry in document["reports"]
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _head(path: Path, known: Mapping[str, tuple[list[int], ReportHead]]) -> ReportHead | None:
    try:
        stamp = _stamp(path)
        before = known.get(f"{path.parent.name}/{path.name}")
        if before is not None and before[0] == stamp:
            return before[1]
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            return None
        head = head_of(document)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # removed meanwhile, or not ours
        return None
    return head if (head.stream, head.result_id) == (path.parent.name, path.stem) else None


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def write_heads(root: Path, heads: list[ReportHead]) -> None:
    """Remember them. Raises StorageUnavailableError."""
    entries = []
    for head in heads:
        file = root / head.stream / f"{head.result_id}.json"
        entries.append({**asdict(head), "file": f"{head.stream}/{file.name}", "stamp": _stamp(file)})
    write_atomic(root / INDEX_DATA, to_json({"format": INDEX_FORMAT, "reports": entries}))
