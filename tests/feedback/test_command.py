"""`eddyline feedback` as a person runs it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.alerts.listing import History
from pipeline.alerts.model import Alert
from pipeline.alerts.wire import alert_document
from pipeline.catalogue import AlertEntry, Catalogue
from pipeline.commands.main import EXIT_CONFIG, app
from pipeline.feedback.rules import QuietRules
from tests.feedback.builders import alert_of

Run = Callable[..., Result]
ID = "3f2a91c0" + "0" * 24
OTHER = "3f2a91c0" + "1" * 24
PUBLISHED = "aaaa" + "2" * 28


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    (tmp_path / "streams").mkdir()
    (tmp_path / "eddyline.yaml").write_text("instance: here\n")
    (tmp_path / "streams" / "payments.yaml").write_text(
        "stream: payments\ntopic: shop.payments\ncolumns:\n  - {name: amount, kind: numeric, roles: [feature]}\n"
        "budget: {alerts_per_day: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    published = History(alerts=(alert_of(id=PUBLISHED),))
    monkeypatch.setattr("pipeline.alerts.listing.read_history", lambda broker, spec: published)
    return lambda *arguments: CliRunner().invoke(app, ["feedback", *arguments])


@pytest.fixture
def catalogue(tmp_path: Path, run: Run) -> Catalogue:
    """With one recorded alert, and one more that begins alike."""
    opened = Catalogue.open(f"sqlite:///{tmp_path}/eddyline.db")
    alerts = [alert_of(id=ID), replace(alert_of("bob", id=OTHER), model_id="m2")]
    opened.record_alerts([entry_of(alert) for alert in alerts], {}, "test")
    return opened


def entry_of(alert: Alert) -> AlertEntry:
    return AlertEntry(
        alert_id=alert.id,
        stream=alert.stream,
        revision=alert.revision,
        kind=alert.kind.value,
        status=alert.status.value,
        severity=alert.severity.value,
        started_ms=alert.started_ms,
        last_ms=alert.last_ms,
        published_ms=alert.published_ms,
        model_id=alert.model_id,
        document=alert_document(alert),
    )


def test_a_false_positive_is_written_down_with_who_when_and_the_alert_as_it_stood(
    run: Run, catalogue: Catalogue
) -> None:
    result = run(ID[:9], "--false-positive", "--note", "load test", "--score", "0.2", "--user", "op")
    assert result.exit_code == 0, result.output
    assert "first reason is amount" in result.output
    [said] = catalogue.feedback("payments")
    assert (said.alert_id, said.verdict, said.user, said.note, said.score) == (
        ID, "false_positive", "op", "load test", 0.2,
    )  # fmt: skip
    assert said.given_ms > 0
    assert said.alert == json.loads(json.dumps(alert_document(alert_of(id=ID))))
    assert len(QuietRules.of([said])) == 1


def test_an_alert_that_nobody_recorded_is_found_on_its_topic(run: Run, catalogue: Catalogue) -> None:
    result = run(PUBLISHED[:6], "--confirmed", "--json", "--user", "op")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["alert_id"] == PUBLISHED
    assert [said.alert_id for said in catalogue.feedback("payments")] == [PUBLISHED]


def test_the_newest_word_holds_and_can_be_taken_back_once(run: Run, catalogue: Catalogue) -> None:
    assert run(ID, "--false-positive").exit_code == 0
    assert run(ID, "--withdraw").exit_code == 0
    assert len(QuietRules.of(catalogue.feedback("payments"))) == 0
    again = run(ID, "--withdraw")
    assert again.exit_code == EXIT_CONFIG
    assert "nothing to withdraw" in again.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((ID,), "say one thing"),
        ((ID, "--false-positive", "--confirmed"), "say one thing"),
        ((ID, "--confirmed", "--score", "1.2"), "from 0 to 1"),
        ((ID, "--confirmed", "--score", "nan"), "from 0 to 1"),
        ((ID, "--confirmed", "--note", "x" * 501), "at most 500"),
        ((ID, "--confirmed", "--user", " "), "say who speaks"),
        (("3f2a91c0", "--confirmed"), "several"),
        (("dead" * 8, "--confirmed"), "no alert's id begins"),
        (("3f", "--confirmed"), "no alert's id"),
        (("../x", "--confirmed"), "no alert's id"),
        ((), "name an alert"),
        ((ID, "--list", "payments"), "name an alert"),
        (("--list", "nobody"), "nobody"),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(
    run: Run, catalogue: Catalogue, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == EXIT_CONFIG, result.output
    assert says in result.output
    assert not catalogue.feedback("payments")


def test_the_list_shows_what_was_said_and_how_many_alerts_were_true_by_model(run: Run, catalogue: Catalogue) -> None:
    assert "nothing was said" in run("--list", "payments").output
    run(ID, "--false-positive", "--note", "load test", "--user", "op")
    run(OTHER, "--confirmed", "--score", "1")
    text = run("--list", "payments").output
    assert all(word in text for word in ("load test", "op", "false_positive", "confirmed", "m1", "m2", "1969-12-29"))
    figures = json.loads(run("--list", "payments", "--json").output)["figures"]
    assert {f["model_id"]: (f["confirmed"], f["false_positives"], f["precision"]) for f in figures} == {
        "m1": (0, 1, 0.0), "m2": (1, 0, 1.0),
    }  # fmt: skip


def test_the_newest_are_shown_and_figures_are_of_all(run: Run, catalogue: Catalogue) -> None:
    run(ID, "--false-positive", "--note", "load test")
    run(OTHER, "--confirmed", "--note", "a thief")
    text = run("--list", "payments", "--limit", "1").output
    assert "a thief" in text
    assert "load test" not in text
    assert "1 more alerts that people spoke of: --limit 2 shows them all" in text
    assert "1 more figures by week: --limit 2 shows them all" in text
    run(OTHER, "--withdraw")
    figures = json.loads(run("--list", "payments", "--json").output)["figures"]
    assert [(f["model_id"], f["false_positives"]) for f in figures] == [("m1", 1)]
