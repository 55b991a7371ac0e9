"""Where a demo keeps its archive and its model between runs, and a settings file for looking at them afterwards."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import StreamSpec
from pipeline.errors import StorageUnavailableError

FOLDER = Path(".demo")
SESSION_TIMEOUT_MS = 6_000
"""The embedded broker lets a group's first member wait for half of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCache:
    """One demo's folder: `lake/`, `models/`, the catalogue, a settings file and the stream's spec."""

    folder: Path

    @classmethod
    def open(cls, fingerprint: str, *, root: Path = FOLDER, fresh: bool = False) -> "DemoCache":
        """The folder of a plan, emptied where `fresh` or where an earlier run did not finish it."""
        cache = cls(folder=(root / fingerprint).absolute())
        if fresh or not cache.is_ready:
            cache.empty()
        return cache

    def empty(self) -> None:
        """Forget everything. Raises StorageUnavailableError where nothing can be written."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise StorageUnavailableError(
                f"the demo cannot write to {self.folder} ({error.strerror or error}): run it in a folder of yours"
            ) from error

    @property
    def is_ready(self) -> bool:
        """An archive and a champion lie here."""
        return self._mark.is_file()

    @property
    def settings_file(self) -> Path:
        """For `--config`, to look at the demo's archive with the ordinary commands."""
        return self.folder / "eddyline.yaml"

    @property
    def log_file(self) -> Path:
        """What the services say."""
        return self.folder / "log.jsonl"

    @property
    def _mark(self) -> Path:
        return self.folder / "ready.json"

    def write_settings(self, spec: StreamSpec, *, bootstrap: str) -> Path:
        """Write the stream's spec and the settings file, every path beside it, and return the latter's path."""
        settings = {
            "instance": "demo",
            "kafka": {"bootstrap": [bootstrap], "session_timeout_ms": SESSION_TIMEOUT_MS},
            "lake": "lake",
            "models": "models",
            "catalogue": "sqlite:///eddyline.db",
            "streams": "streams",
            "metrics": {"port": 0},
        }
        (self.folder / "streams").mkdir(exist_ok=True)
        stated = json.loads(json.dumps(spec.model_dump(exclude_defaults=True), default=sorted))  # sets have no order
        _write_yaml(self.folder / "streams" / f"{spec.stream}.yaml", stated)
        _write_yaml(self.settings_file, settings)
        return self.settings_file

    def mark_ready(self, facts: dict[str, Any]) -> None:
        """Archive and champion are complete: later runs start here."""
        self._mark.write_text(json.dumps(facts) + "\n", encoding="utf-8")

    def facts(self) -> dict[str, Any]:
        """What was marked ready."""
        found: dict[str, Any] = json.loads(self._mark.read_text(encoding="utf-8"))
        return found


def _write_yaml(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
