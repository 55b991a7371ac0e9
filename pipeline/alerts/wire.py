"""Alerts as JSON, as `schema/alert.v1.json` publishes it. Within a version fields may be added, never changed."""

import json
from importlib import resources
from typing import Any

import msgspec

from pipeline.alerts.model import ALERT_SCHEMA_VERSION, Alert
from pipeline.errors import ConfigError, UnreadableAlertError

VERSION_FIELD = "schema_version"


def alert_document(alert: Alert) -> dict[str, Any]:
    """The alert as JSON-able data, with its schema version first."""
    return {VERSION_FIELD: ALERT_SCHEMA_VERSION, **msgspec.to_builtins(alert)}


def encode_alert(alert: Alert) -> bytes:
    """The alert as UTF-8 JSON. Its numbers must be finite and its text valid Unicode."""
    return msgspec.json.encode(alert_document(alert))


def alert_from_document(document: dict[str, Any]) -> Alert:
    """The alert that `alert_document` described. Unknown fields are passed over.

    Raises ConfigError for an alert of a later version, UnreadableAlertError for what is no alert.
    """
    version = document.get(VERSION_FIELD)
    if isinstance(version, int) and version > ALERT_SCHEMA_VERSION:
        raise ConfigError(
            f"an alert of schema version {version}; this Eddyline reads version {ALERT_SCHEMA_VERSION}: upgrade it"
        )
    if version != ALERT_SCHEMA_VERSION:
        raise UnreadableAlertError("JSON without an alert's schema_version: something else writes to this topic")
    try:
        return msgspec.convert(document, Alert)
    except msgspec.ValidationError as error:
        raise UnreadableAlertError(f"not an alert ({error}): look at the record by hand") from error


def decode_alert(value: bytes) -> Alert:
    """The alert in a record's value. Raises as `alert_from_document` does."""
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAlertError(f"not JSON ({error}): something else writes to this topic") from error
    if not isinstance(document, dict):
        raise UnreadableAlertError("JSON, but not an object: something else writes to this topic")
    return alert_from_document(document)


def alert_schema() -> dict[str, Any]:
    """The published JSON Schema (2020-12) of the version this package writes."""
    text = resources.files("pipeline.alerts").joinpath(f"schema/alert.v{ALERT_SCHEMA_VERSION}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema
