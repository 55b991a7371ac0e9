"""Fitted generators as files: content-addressed bundles like those of detectors, in a folder of their own.

`models/generators/<id>/`: the generator's state (`weights.safetensors`, `document.json`), `schema.arrow` (of the table
it learned, with kinds and roles), `about.json` (stream, model, source, when, facts), `bundle.json` with all hashes.
What a fit needs to go on after a kill lies in `models/generators/checkpoints/<key>/` until it ends.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from detectors.artifacts import load_state
from detectors.errors import DetectorError
from pipeline.bundles import BundleFolder, canonical
from pipeline.errors import ModelError
from pipeline.synthesis.checkpoints import FileCheckpoint
from pipeline.synthesis.models import class_named

if TYPE_CHECKING:
    from synth.base import Generator

FORMAT = 1
_SCHEMA, _ABOUT = "schema.arrow", "about.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorBundle:
    """A generator as it makes rows, and where it came from."""

    generator_id: str
    stream: str
    generator: "Generator"
    schema: pa.Schema
    label: str | None
    source: dict[str, Any]
    """What `source.SourceRows.document` says."""
    created_ms: int
    facts: dict[str, Any]

    def lineage(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "id": self.generator_id,
            "model": self.facts["model"],
            "version": self.generator.version,
            "label": self.label,
            "created_ms": self.created_ms,
            "source": self.source,
        }


class GeneratorStore:
    """The generators below a folder of models."""

    def __init__(self, models: str | Path) -> None:
        self._root = Path(models) / "generators"
        self._bundles = BundleFolder(self._root, noun="generator", remedy="train again with `eddyline synth train`")

    def checkpoint(self, key: str) -> FileCheckpoint:
        """Where the fit of this key keeps what it needs after a kill."""
        return FileCheckpoint(self._root / "checkpoints" / key)

    def save(
        self,
        *,
        stream: str,
        generator: "Generator",
        label: str | None,
        source: dict[str, Any],
        created_ms: int,
        facts: dict[str, Any],
    ) -> GeneratorBundle:
        """Write a bundle; it is durable when this returns. Raises StorageUnavailableError."""
        about = {
            "format": FORMAT,
            "stream": stream,
            "generator": generator.name,
            "generator_version": generator.version,
            "label": label,
            "source": source,
            "created_ms": created_ms,
            "facts": facts,
        }
        documents = {_SCHEMA: generator.schema.serialize().to_pybytes(), _ABOUT: canonical(about)}
        return GeneratorBundle(
            generator_id=self._bundles.save(*generator.state(), documents),
            stream=stream,
            generator=generator,
            schema=generator.schema,
            label=label,
            source=source,
            created_ms=created_ms,
            facts=facts,
        )

    def load(self, generator_id: str, *, device: str = "cpu") -> GeneratorBundle:
        """A generator, ready to make rows on `device`. Raises ModelError that names the file that is missing, cut
        short, altered, or made by an incompatible version."""
        folder = self._bundles.checked(generator_id)
        about = self._bundles.document(folder / _ABOUT)
        if about.get("format") != FORMAT:
            raise ModelError(
                f"{folder / _ABOUT} has format {about.get('format')!r}, this version reads {FORMAT}: use the version "
                "of eddyline that trained it, or train again"
            )
        try:
            return GeneratorBundle(
                generator_id=generator_id,
                stream=str(about["stream"]),
                generator=_generator(folder, about, device),
                schema=pa.ipc.read_schema(pa.py_buffer(self._bundles.read(folder / _SCHEMA))),
                label=about["label"],
                source=about["source"],
                created_ms=int(about["created_ms"]),
                facts=about["facts"],
            )
        except (DetectorError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the generator in {folder} was made by a version of eddyline that this one cannot read ({error}): "
                "use that version, or train again"
            ) from error

    def files(self, generator_id: str) -> dict[str, int]:
        """A bundle's files with their sizes in bytes."""
        return self._bundles.files(generator_id)


def _generator(folder: Path, about: dict[str, Any], device: str) -> "Generator":
    try:
        kind = class_named(about["generator"])
    except KeyError as error:
        raise ModelError(
            f"{folder / _ABOUT} names the generator {about['generator']!r}, which this version does not have: upgrade "
            "eddyline, or train again"
        ) from error
    if kind.version != about["generator_version"]:
        raise ModelError(
            f"{folder / _ABOUT} was written by version {about['generator_version']} of the generator {kind.name}, this "
            f"is version {kind.version}: use the version of eddyline that trained it, or train again"
        )
    return kind.from_state(*load_state(folder), device=device)
