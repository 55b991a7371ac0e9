"""The main job on real input, end to end: files replayed through Apache Kafka, archived, learned, scored, alerted.

Samples of the two sets that `python -m bench real` runs whole. The floors are far below what was measured: they show
that scores rank real anomalies, not how well.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.real_data import RealStream, http_connections, service_metrics
from detectors.columns import Role
from detectors.evaluation import auroc
from pipeline.alerts.model import AlertKind
from pipeline.lake import Lake
from pipeline.model_store import ModelStore
from tests.integration.journey import Edit, Journey, begin

pytestmark = pytest.mark.timeout(600)


def edit_http(document: dict[str, Any]) -> None:
    """No clock and no key: the budget is a share of events, and every flagged event is an alert."""
    document["budget"] = {"share_of_events": 0.01}
    document["alerts"] = {"group_gap_seconds": 0.001}
    document["detector"] = {"time_budget_seconds": 10}


def edit_services(document: dict[str, Any]) -> None:
    """Alerts are about a service."""
    [service] = [column for column in document["columns"] if column["name"] == "service"]
    service["roles"] = ["key", "feature"]
    document["budget"] = {"alerts_per_day": 10}
    document["alerts"] = {"group_gap_seconds": 900}
    document["detector"] = {"time_budget_seconds": 10}


CASES: dict[str, tuple[Callable[[Path], RealStream], Edit, float]] = {
    "kdd99 http": (lambda folder: http_connections(folder, every=5), edit_http, 0.80),
    "jumpstarter": (lambda folder: service_metrics(folder, services=(19, 27, 29), every=3), edit_services, 0.58),
}


@pytest.fixture(scope="module", params=CASES)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, data_folder: Path, kafka_bootstrap: str
) -> tuple[Journey, float]:
    """The whole way once a set; what it came to is looked at from every side below."""
    load, edit, floor = CASES[request.param]
    data = load(data_folder)
    stream = f"{data.name}-{uuid.uuid4().hex[:12]}"
    return begin(tmp_path_factory.mktemp("real") / "service", kafka_bootstrap, data, stream, edit), floor


@pytest.fixture
def journey(case: tuple[Journey, float]) -> Journey:
    return case[0]


def total(journey: Journey) -> int:
    return int(journey.data.first.num_rows + journey.data.rest.num_rows)


def test_every_event_is_scored_exactly_once(journey: Journey) -> None:
    places = Counter(place for place, _ in journey.scores)
    assert max(places.values()) == 1
    assert set(places) == set(journey.events)
    assert len(places) == total(journey)


def test_scores_rank_real_anomalies_clearly_better_than_chance(case: tuple[Journey, float]) -> None:
    journey, floor = case
    events = journey.events
    later = [(score, events[place]["label"]) for place, score in journey.scores if journey.is_later(place)]
    assert len(later) == journey.data.rest.num_rows
    labels = np.array([label not in (0, "normal.") for _, label in later])
    assert auroc(np.array([score for score, _ in later]), labels) >= floor


def test_alerts_say_why_in_terms_of_features_and_never_of_the_label(journey: Journey) -> None:
    spec = journey.service.spec
    alerts = [alert for alert in journey.service.alerts() if alert.kind is AlertKind.ANOMALY]
    assert alerts
    features = set(spec.columns_with(Role.FEATURE))
    for alert in alerts:
        assert alert.reasons
        assert {reason.column for reason in alert.reasons} <= features
        assert alert.message
        assert "label" not in alert.event
    raw = b"".join(value for _, value in journey.service.read(spec.alerts_topic, 1) if value is not None)
    assert b'"label"' not in raw
    key = spec.column_with(Role.KEY)
    assert {alert.key for alert in alerts} <= ({None} if key is None else set(journey.data.rest[key].to_pylist()))


def test_the_detector_never_saw_the_label(journey: Journey) -> None:
    catalogue = journey.service.catalogue()
    champion = catalogue.champion(journey.service.stream)
    catalogue.close()
    assert champion is not None
    bundle = ModelStore(journey.service.folder / "models").load(champion)
    assert set(bundle.detector.feature_names) == set(journey.service.spec.columns_with(Role.FEATURE))
    assert journey.service.spec.columns_with(Role.LABEL) == ("label",)
    assert "label" not in bundle.detector.feature_names


def test_the_archive_holds_every_row_once_and_as_it_was(journey: Journey) -> None:
    archived = Lake(journey.service.folder / "lake").read_real(journey.service.stream)
    places = Counter(zip(*(archived[name].to_pylist() for name in ("_partition", "_offset", "_row")), strict=True))
    assert max(places.values()) == 1
    assert len(places) == total(journey)
    names = [column.name for column in journey.service.spec.columns if column.name != "time"]
    sent = [journey.data.first.select(names).to_pylist(), journey.data.rest.select(names).to_pylist()]
    expected = Counter(tuple(row.values()) for rows in sent for row in rows)
    assert Counter(tuple(row.values()) for row in archived.select(names).to_pylist()) == expected


def test_each_command_says_what_came_of_it_and_what_to_do_next(journey: Journey) -> None:
    name, printed = journey.service.stream, journey.printed
    for command in ("init", "topics", "replay", "train"):
        assert "next: " in printed[command], printed[command]
    assert f"good   1 stream: {name}" in printed["check"]
    assert "does not exist" in printed["check"]
    assert f"{journey.data.rest.num_rows:,} events" in printed["replay"]
    assert "is in service" in printed["train"]
    assert f"{journey.data.first.num_rows:,} events from" in printed["backtest"]
    report = json.loads((journey.service.folder / "backtest" / "backtest.json").read_text())
    assert report["rows"] == journey.data.first.num_rows
    assert f"{name}: nothing runs (champion: {report['model_id']})" in printed["status"]
