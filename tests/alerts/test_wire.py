"""The published form: every kind of alert fits the schema, and comes back as it was."""

import json
from dataclasses import fields, replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Reason
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Severity
from pipeline.alerts.rejects import RejectsWatch
from pipeline.alerts.silence import SilenceWatch
from pipeline.alerts.wire import alert_schema, decode_alert, encode_alert
from pipeline.errors import ConfigError, UnreadableAlertError
from tests.alerts.builders import TOPIC_ID, Run, make_engine, make_spec, row

SCHEMA = alert_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(st.none(), st.booleans(), floats, texts)
reasons = st.builds(
    Reason,
    column=texts,
    contribution_nats=floats,
    actual=values,
    expected=values,
    low=st.none() | floats,
    high=st.none() | floats,
    note=texts,
)
offsets = st.integers(0, 2**63 - 1)
alerts = st.builds(
    Alert,
    id=st.just("0123456789abcdef" * 2),
    revision=st.integers(1, 10**6),
    kind=st.sampled_from(AlertKind),
    status=st.sampled_from(AlertStatus),
    severity=st.sampled_from(Severity),
    stream=st.just("payments"),
    topic=st.just("shop.payments"),
    topic_id=texts,
    partition=st.integers(-1, 10_000),
    first_offset=offsets,
    last_offset=offsets,
    key=st.none() | texts,
    started_ms=st.integers(-(2**50), 2**50),
    last_ms=st.integers(-(2**50), 2**50),
    published_ms=st.integers(-(2**50), 2**50),
    events=st.integers(0, 10**9),
    score_nats=floats,
    tail_probability=st.floats(0.0, 1.0),
    threshold_nats=floats,
    model_id=texts,
    reasons=st.lists(reasons, max_size=3).map(tuple),
    event=st.dictionaries(texts, values | st.integers(-(2**63), 2**63 - 1), max_size=3),
    keys=st.integers(1, 10**6),
    shadow=st.booleans(),
    message=texts,
    storm_id=st.none() | st.just("f" * 32),
    key_hash=st.none() | st.just("a" * 32),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(alerts)
def test_an_alert_comes_back_as_it_was_and_fits_the_schema(alert: Alert) -> None:
    encoded = encode_alert(alert)
    assert decode_alert(encoded) == alert
    VALIDATOR.validate(json.loads(encoded))


def every_kind() -> dict[str, list[Alert]]:
    """Alerts as the product makes them, by kind."""
    spec = make_spec(storm={"keys": 3}, silence_seconds=60, group_gap_seconds=60, update_seconds=1)
    run = Run.of(make_engine(spec))
    run.feed([row(1, 0), row(2, 10), row(3, 11, "bob"), row(4, 12, "cy"), row(5, 20, "dan")])
    run.feed([], watermark_seconds=1000)
    silence, rejects = SilenceWatch(spec, topic_id=TOPIC_ID), RejectsWatch(spec, topic_id=TOPIC_ID, partition=0)
    silent: list[Alert] = []
    for end, now_ms in [(5, 0), (5, 60_000), (6, 61_000)]:
        staged = silence.observe(end, now_ms)
        silence.commit(staged)
        silent += staged.alerts
    paused = rejects.paused(offset=9, rejected=600, of=1000, most_common="wrong_type", now_ms=5)
    rejects.commit(paused)
    rejected = [*paused.alerts, *rejects.resumed(offset=12, now_ms=6).alerts]
    by_kind = {kind.value: [a for a in run.alerts if a.kind is kind] for kind in (AlertKind.ANOMALY, AlertKind.STORM)}
    return {**by_kind, "silence": silent, "rejects": rejected}


@pytest.mark.parametrize("kind", [kind.value for kind in AlertKind])
def test_every_kind_of_alert_fits_the_schema_through_its_life(kind: str) -> None:
    made = every_kind()[kind]
    assert {AlertStatus.OPEN, AlertStatus.RESOLVED} <= {alert.status for alert in made}
    for alert in made:
        VALIDATOR.validate(json.loads(encode_alert(alert)))


def test_the_schema_is_valid_and_describes_every_field_and_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    written: dict[str, Any] = json.loads(encode_alert(every_kind()["anomaly"][0]))
    assert set(SCHEMA["properties"]) == set(written) == {"schema_version", *(f.name for f in fields(Alert))}
    assert set(SCHEMA["$defs"]["reason"]["properties"]) == set(written["reasons"][0])
    assert all(part["description"] for part in SCHEMA["properties"].values())


@pytest.mark.parametrize("broken", [{"revision": 0}, {"id": "x"}, {"status": "gone"}, {"tail_probability": 2}])
def test_the_schema_refuses_what_is_no_alert(broken: dict[str, Any]) -> None:
    document = {**json.loads(encode_alert(every_kind()["anomaly"][0])), **broken}
    assert not VALIDATOR.is_valid(document)


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    alert = every_kind()["storm"][0]
    document = {**json.loads(encode_alert(alert)), "assignee": "someone"}
    assert decode_alert(json.dumps(document).encode()) == alert


@pytest.mark.parametrize("value", [b"", b"not json", b"\xff\xfe", b"[]", b"{}", b'{"schema_version": 1}', b"null"])
def test_what_is_no_alert_is_told_from_what_is(value: bytes) -> None:
    with pytest.raises(UnreadableAlertError):
        decode_alert(value)


def test_an_alert_of_a_later_version_asks_for_an_upgrade() -> None:
    with pytest.raises(ConfigError, match="upgrade"):
        decode_alert(b'{"schema_version": 2}')


def test_unicode_is_written_as_itself() -> None:
    alert = replace(every_kind()["anomaly"][0], key="Zoë 東京 🚣")
    assert "Zoë 東京 🚣".encode() in encode_alert(alert)
