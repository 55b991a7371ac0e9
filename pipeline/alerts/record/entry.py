"""What the catalogue keeps of a record of the alerts topic."""

import msgspec

from pipeline.alerts.wire import alert_from_document
from pipeline.catalogue import AlertEntry
from pipeline.errors import UnreadableAlertError

MOST_ID = 64
MOST_STREAM = 100
MOST_REVISION = 2**31 - 1
MOST_MS = 2**63 - 1


def entry_of(value: bytes) -> AlertEntry:
    """The entry of one record; its document is what was published, fields of later versions included.

    Raises UnreadableAlertError for what is no alert, or none that a database could hold; ConfigError for an alert of
    a later schema version.
    """
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAlertError(f"not JSON ({error}): something else writes to this topic") from error
    if not isinstance(document, dict):
        raise UnreadableAlertError("JSON, but not an object: something else writes to this topic")
    alert = alert_from_document(document)
    moments = (alert.started_ms, alert.last_ms, alert.published_ms)
    fits = len(alert.id) <= MOST_ID and len(alert.stream) <= MOST_STREAM and 0 <= alert.revision <= MOST_REVISION
    if not fits or not alert.id or max(map(abs, moments)) > MOST_MS:
        raise UnreadableAlertError("an alert with an id, a revision or a time beyond all bounds: look at it by hand")
    return AlertEntry(
        alert_id=alert.id,
        stream=alert.stream,
        revision=alert.revision,
        kind=alert.kind.value,
        status=alert.status.value,
        severity=alert.severity.value,
        cause=alert.cause.value,
        started_ms=alert.started_ms,
        last_ms=alert.last_ms,
        published_ms=alert.published_ms,
        model_id=alert.model_id,
        shadow=alert.shadow,
        document=document,
    )
