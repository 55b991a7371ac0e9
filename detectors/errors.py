"""Errors of the detectors package, split by what the caller does next.

DetectorError
├── UnusableDataError      the table cannot be learned from: fix the data or the stream's columns
├── NotFittedError         a programming error: fit or load before scoring
└── ArtifactError          a model's files cannot be used: keep the model in service, look at the named file
    ├── AlteredArtifactError       content does not match its hash (cut short, edited)
    └── IncompatibleArtifactError  made by a version this one cannot read
"""


class DetectorError(Exception):
    """Base of everything this package raises on purpose."""


class UnusableDataError(DetectorError):
    """The table cannot be learned from; the message names the column and the fix."""


class NotFittedError(DetectorError):
    """Scoring was asked of a detector that was neither fitted nor loaded."""


class ArtifactError(DetectorError):
    """A model's files cannot be used; the message names the file."""


class AlteredArtifactError(ArtifactError):
    """A file's content does not match the hash written for it."""


class IncompatibleArtifactError(ArtifactError):
    """The files were written by a version this one cannot read."""
