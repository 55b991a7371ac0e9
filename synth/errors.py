"""Errors of synthesis, split by what the caller does next. Messages end with what to do next.

DetectorError                 (detectors.errors; the base of everything below the pipeline)
├── UnusableDataError         there is nothing to learn from: change the table or its roles
│   └── ImpossibleConditionsError   a request that (almost) no row fits: loosen it
├── NotFittedError, ArtifactError …  as for detectors
"""

from detectors.errors import UnusableDataError


class ImpossibleConditionsError(UnusableDataError):
    """No generated row can meet the conditions, or so few that waiting for them is no use; says which, how rare."""
