"""Where synthetic datasets lie, and how readers tell the published ones.

`synthetic/<stream>/<dataset>/part-NNNNN.parquet` holds data and nothing else; a dataset being made lies in
`synthetic/<stream>/_making/<dataset>/`, one that failed its gates in `_failed/`, one taken back in `_withdrawn/`, so
that every change of state is one rename within a file system. Everything about data is below
`metadata/synthetic/<stream>/<dataset>/`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError

MAKING, FAILED, WITHDRAWN = "_making", "_failed", "_withdrawn"
ORIGIN_KEY, DATASET_KEY, SYNTHETIC = b"origin", b"dataset", b"synthetic"
"""What a synthetic Parquet file says in its key-value metadata."""
MANIFEST, CROISSANT, SEAL, WITHDRAWAL = "manifest.json", "croissant.json", "manifest.sha256", "withdrawn.json"
PROGRESS, REPORT, REPORT_DATA = "progress.json", "report.html", "report.json"
DATASET_ID = re.compile(r"^[0-9a-f]{16}$")
_STREAM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")


def part_name(part: int) -> str:
    """A data file's name."""
    return f"part-{part:05}.parquet"


@dataclass(frozen=True, slots=True)
class DatasetPlaces:
    """The folders of one dataset. `root` is the lake's."""

    root: Path
    stream: str
    dataset_id: str

    def __post_init__(self) -> None:
        if not DATASET_ID.match(self.dataset_id) or not _STREAM.match(self.stream):
            raise ConfigError(
                f"{self.stream}/{self.dataset_id} names no dataset: `eddyline synth list` shows those there are"
            )

    @property
    def _base(self) -> Path:
        return self.root / "synthetic" / self.stream

    @property
    def published(self) -> Path:
        """Where readers look."""
        return self._base / self.dataset_id

    @property
    def making(self) -> Path:
        """Where it is written."""
        return self._base / MAKING / self.dataset_id

    @property
    def failed(self) -> Path:
        """Where it goes when a gate refuses it."""
        return self._base / FAILED / self.dataset_id

    @property
    def withdrawn(self) -> Path:
        """Where it goes when it is taken back."""
        return self._base / WITHDRAWN / self.dataset_id

    @property
    def about(self) -> Path:
        """Manifest, Croissant document, report."""
        return self.root / "metadata" / "synthetic" / self.stream / self.dataset_id

    @property
    def data(self) -> Path | None:
        """Where the finished data lies now, published or not; None where there is none."""
        return next((path for path in (self.published, self.withdrawn, self.failed) if path.is_dir()), None)

    @property
    def progress(self) -> Path:
        """Which files are complete, while it is made."""
        return self.about / PROGRESS


def published_ids(root: Path, stream: str) -> list[str]:
    """The datasets of a stream that readers see."""
    found = (path for path in (root / "synthetic" / stream).glob("*") if path.is_dir())
    return sorted(path.name for path in found if DATASET_ID.match(path.name))


def is_synthetic(metadata: dict[bytes, bytes] | None) -> bool:
    """Whether a file's key-value metadata says that its rows were made, not observed."""
    return (metadata or {}).get(ORIGIN_KEY) == SYNTHETIC


def refused_as_real(path: Path) -> ConfigError:
    """A synthetic file where observed events are wanted, and what to do about it."""
    return ConfigError(
        f"{path} holds synthetic rows (its metadata says origin=synthetic), and observed events are wanted here: give "
        "another file; `eddyline replay DATASET --synthetic --topic TOPIC` plays a dataset into a topic of its own"
    )
