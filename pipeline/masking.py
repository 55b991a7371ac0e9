"""Hides the values of personal columns wherever they would be shown: alerts, logs, webhooks, reports."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detectors.base import Reason
from detectors.columns import Role, names_with_role
from pipeline.alerts.identity import key_hash
from pipeline.config import StreamSpec

MASKED = "‹masked›"
_SHOWN_DIGITS = 10
"""Hexadecimal digits of a pseudonym: 40 bits, enough to tell a few hundred thousand people apart."""
_HASH_DIGITS, _WEAK_DIGITS = 32, 3


class Masker:
    """Masks one stream's personal columns, and those derived from their values.

    Without a key every value becomes the same mark. With one, it becomes a pseudonym, HMAC-SHA256 of the value: the
    same person is recognised across columns, streams and alerts, and nobody without the key can test guesses. The
    pseudonym of a known value can be found by whoever holds the key: keep it as secret as the data.
    """

    def __init__(self, spec: StreamSpec, *, masking_key: bytes | None = None) -> None:
        self._personal = frozenset(names_with_role(spec.enriched_schema(), Role.PERSONAL))
        self._key_is_personal = not self._personal.isdisjoint(spec.columns_with(Role.KEY))
        self._masking_key = masking_key

    @property
    def personal(self) -> frozenset[str]:
        """The columns that are masked."""
        return self._personal

    def value(self, column: str, value: Any) -> Any:
        """The value of a column as it may be shown; missing stays missing."""
        return self._masked(value) if column in self._personal and value is not None else value

    def event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """A row as it may be shown."""
        return {column: self.value(column, value) for column, value in event.items()}

    def reason(self, reason: Reason) -> Reason:
        """A reason as it may be shown: what was seen, expected and plausible in a personal column is hidden."""
        if reason.column not in self._personal:
            return reason
        actual, expected = (self.value(reason.column, v) for v in (reason.actual, reason.expected))
        return replace(reason, actual=actual, expected=expected, low=None, high=None)

    def key(self, key: str | None) -> str | None:
        """An entity's key as it may be shown: hidden where a key column is personal."""
        return self._masked(key) if self._key_is_personal and key is not None else key

    def key_hash(self, key: str | None, *, topic_id: str) -> str | None:
        """What alerts carry so that verdicts on them can be applied to rows of the same entity; None without a key.

        A keyed hash where a masking key is set. Where there is none and the key is personal, only the first
        `_WEAK_DIGITS` of a hash that anybody could compute: every 4,096th entity is taken for the same, so that a
        guess can be ruled out but not confirmed among more than some thousands.
        """
        if key is None:
            return None
        if not self._key_is_personal:
            return key_hash(key, topic_id=topic_id)
        if self._masking_key is None:
            return key_hash(key, topic_id=topic_id)[:_WEAK_DIGITS]
        message = topic_id.encode() + b"\0" + key.encode("utf-8", "surrogatepass")
        return hmac.new(self._masking_key, message, hashlib.sha256).hexdigest()[:_HASH_DIGITS]

    def _masked(self, value: Any) -> str:
        if self._masking_key is None:
            return MASKED
        digest = hmac.new(self._masking_key, str(value).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"‹masked:{digest[:_SHOWN_DIGITS]}›"
