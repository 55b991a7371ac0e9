"""How many alerts were true, by what people said."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalogue import Catalogue, FeedbackEntry
from pipeline.feedback.figures import feedback_slot, judged_figures, wilson
from tests.feedback.builders import alert_of, said

WEEK_MS = 7 * 86_400_000


def entry(number: int, verdict: str, *, week: int, model: str = "m1", score: float | None = None) -> FeedbackEntry:
    started = 4 * 86_400_000 + week * WEEK_MS
    made = said(number, verdict, alert_of(id=f"{number % 100:032x}", started_ms=started, model_id=model))
    return FeedbackEntry(
        feedback_id=number, alert_id=made.alert_id, stream="payments", verdict=verdict, user="op", score=score,
        given_ms=0, alert=made.alert,
    )  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'eddyline.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_alerts_are_counted_by_model_and_week_of_event_time(url: str) -> None:
    entries = [
        entry(1, "confirmed", week=0, score=0.5),
        entry(2, "false_positive", week=0, score=0.0),
        entry(3, "false_positive", week=0),
        entry(4, "confirmed", week=1, model="m2"),
        entry(104, "withdrawn", week=1, model="m2"),
        entry(5, "confirmed", week=1),
    ]
    catalogue = Catalogue.open(url)
    for one in [*entries, replace(entries[0], stream="logins")]:
        catalogue.add_feedback(replace(one, feedback_id=0))
    newer, older = judged_figures(catalogue, "payments")
    catalogue.close()
    assert (newer.week, newer.model_id, newer.confirmed, newer.false_positives) == ("1970-01-12", "m1", 1, 0)
    assert (older.week, older.confirmed, older.false_positives) == ("1970-01-05", 1, 2)
    assert older.mean_score == pytest.approx(0.25)
    assert older.precision == pytest.approx(1 / 3)
    assert feedback_slot(entries, alerts=9, since_ms=4 * 86_400_000 + WEEK_MS) == {
        "confirmed": 1, "false_positives": 0, "alerts": 9, "since_ms": 4 * 86_400_000 + WEEK_MS,
    }  # fmt: skip


def test_intervals_are_wilsons() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0
