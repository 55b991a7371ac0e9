"""Why events are rejected."""

from enum import StrEnum


class RejectReason(StrEnum):
    """Why an event went to the dead-letter topic."""

    TOMBSTONE = "tombstone"
    """The record has no value (null)."""
    EMPTY = "empty"
    """The value has no bytes, or only white space."""
    TOO_LARGE = "too_large"
    """The value is larger than the codec reads."""
    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    """Not a JSON object / not an Arrow stream; NaN and Infinity literals are not JSON."""
    DUPLICATE_FIELD = "duplicate_field"
    WRONG_TYPE = "wrong_type"
    """A value does not fit its column's kind."""
    OUT_OF_RANGE = "out_of_range"
    """A number beyond 64 bits, or not finite."""
    MISSING_VALUE = "missing_value"
    """A column that must have a value has none."""
    FUTURE_TIME = "future_time"
    """Dated later than its append time by more than the tolerance."""
    POISON = "poison"
    """The process died at this record three times."""
