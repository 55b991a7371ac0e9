"""Bundles: everything that scoring needs of one model, in one content-addressed folder that is never changed.

`models/<id>/`: the detector's state (`weights.safetensors`, `document.json`), `threshold.json`, `schema.arrow`,
`about.json` (stream, detector, when, facts), `profile.json` (what batches of its training data looked like; not in
bundles of earlier versions), and `bundle.json`, which lists the others with their hashes. The id is the beginning of
the hash of that list, so a folder whose content changed no longer fits its name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from detectors.artifacts import load_state
from detectors.base import Detector
from detectors.errors import DetectorError
from detectors.thresholds import Threshold
from pipeline.batch_profile import BatchProfile
from pipeline.bundles import BundleFolder, canonical
from pipeline.errors import ConfigError, ModelError

FORMAT = 1
_THRESHOLD, _SCHEMA, _ABOUT, _PROFILE = "threshold.json", "schema.arrow", "about.json", "profile.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A model as it scores: detector, threshold and the schema it was trained under."""

    model_id: str
    stream: str
    detector: Detector
    threshold: Threshold
    schema: pa.Schema
    created_ms: int
    facts: dict[str, Any]
    """What a person may want to know of its training; JSON."""
    profile: BatchProfile | None = None
    """What batches of its training data looked like; without it the cause of alerts is unknown."""


class ModelStore:
    """A folder of bundles. Reading and writing need no lock: a bundle appears whole, under the name of its content."""

    def __init__(self, root: str | Path) -> None:
        self._bundles = BundleFolder(root)

    def save(
        self,
        *,
        stream: str,
        detector: Detector,
        threshold: Threshold,
        schema: pa.Schema,
        created_ms: int,
        facts: dict[str, Any],
        profile: BatchProfile | None = None,
    ) -> Bundle:
        """Write a bundle; it is durable when this returns. Raises StorageUnavailableError."""
        about = {
            "format": FORMAT,
            "stream": stream,
            "detector": detector.name,
            "detector_version": detector.version,
            "created_ms": created_ms,
            "facts": facts,
        }
        documents = {
            _THRESHOLD: canonical(threshold.to_document()),
            _SCHEMA: schema.serialize().to_pybytes(),
            _ABOUT: canonical(about),
            **({_PROFILE: canonical(profile.document())} if profile is not None else {}),
        }
        model_id = self._bundles.save(*detector.state(), documents)
        return Bundle(
            model_id=model_id,
            stream=stream,
            detector=detector,
            threshold=threshold,
            schema=schema,
            created_ms=created_ms,
            facts=facts,
            profile=profile,
        )

    def load(self, model_id: str, *, device: str = "cpu") -> Bundle:
        """A bundle, ready to score on `device`. Raises ModelError that names the file that is missing, cut short,
        altered, or made by an incompatible version."""
        bundles = self._bundles
        folder = bundles.checked(model_id)
        about = bundles.document(folder / _ABOUT)
        if about.get("format") != FORMAT:
            raise ModelError(
                f"{folder / _ABOUT} has format {about.get('format')!r}, this version reads {FORMAT}: use the version "
                "of eddyline that trained it, or train again"
            )
        try:
            return Bundle(
                model_id=model_id,
                stream=str(about["stream"]),
                detector=_detector(folder, about, device),
                threshold=Threshold.from_document(bundles.document(folder / _THRESHOLD)),
                schema=pa.ipc.read_schema(pa.py_buffer(bundles.read(folder / _SCHEMA))),
                created_ms=int(about["created_ms"]),
                facts=about["facts"],
                profile=_profile(bundles, folder),
            )
        except (DetectorError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the model in {folder} was made by a version of eddyline that this one cannot read ({error}): use "
                "that version, or train again"
            ) from error

    def files(self, model_id: str) -> dict[str, int]:
        """A bundle's files with their sizes in bytes."""
        return self._bundles.files(model_id)


def _profile(bundles: BundleFolder, folder: Path) -> BatchProfile | None:
    """Raises ValueError, KeyError for one of another version."""
    path = folder / _PROFILE
    return BatchProfile.from_document(bundles.document(path)) if path.exists() else None


def _detector(folder: Path, about: dict[str, Any], device: str) -> Detector:
    # Imported late: the detectors bring torch, which those who only list models need not load.
    from detectors.registry import detector_class

    try:
        kind = detector_class(about["detector"])
    except (KeyError, ValueError, ConfigError) as error:
        raise ModelError(
            f"{folder / _ABOUT} names the detector {about['detector']!r}, which this version does not have: upgrade "
            "eddyline, or train again"
        ) from error
    if kind.version != about["detector_version"]:
        raise ModelError(
            f"{folder / _ABOUT} was written by version {about['detector_version']} of the detector {kind.name}, this "
            f"is version {kind.version}: use the version of eddyline that trained it, or train again"
        )
    return kind.from_state(*load_state(folder), device=device)
