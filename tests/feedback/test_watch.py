"""What was said comes into force within a look, and stays while the catalogue is away."""

from pipeline.errors import CatalogueUnavailableError
from pipeline.feedback.watch import FeedbackWatch
from tests.feedback.builders import Entry, alert_of, said


class Records:
    """A catalogue in memory that keeps account of what it was asked."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.asked: list[int] = []
        self.away = False

    def feedback(self, stream: str, after_id: int = 0) -> list[Entry]:
        self.asked.append(after_id)
        if self.away:
            raise CatalogueUnavailableError("gone: start it again")
        return [entry for entry in self.entries if stream == "payments" and entry.feedback_id > after_id]


def test_only_what_is_new_is_asked_for_and_other_streams_have_none() -> None:
    records, counts = Records(), dict[str, int]()
    watch = FeedbackWatch(["payments", "other"], records, on_rules=counts.__setitem__)
    watch.check()
    assert len(watch.current("payments")) == 0
    records.entries = [said(7, "false_positive", alert_of())]
    watch.check()
    records.entries.append(said(9, "withdrawn", alert_of()))
    assert (len(watch.current("payments")), counts) == (1, {"payments": 1})
    watch.check()
    assert (len(watch.current("payments")), counts) == (0, {"payments": 0})
    assert records.asked == [0, 0, 0, 0, 7, 0]
    assert len(watch.current("other")) == len(watch.current("unheard of")) == 0


def test_a_catalogue_that_is_away_leaves_what_was_said_in_force() -> None:
    records = Records()
    records.entries = [said(1, "false_positive", alert_of())]
    watch = FeedbackWatch(["payments"], records)
    watch.check()
    records.away = True
    watch.check()
    assert len(watch.current("payments")) == 1
    assert "start it again" in watch.errors["payments"]
    records.away = False
    watch.check()
    assert not watch.errors


def test_an_entry_of_a_later_version_is_passed_over() -> None:
    records = Records()
    later = said(2, "false_positive", alert_of("bob", id="e" * 32))
    records.entries = [said(1, "false_positive", alert_of()), Entry(2, "e" * 32, later.verdict, {"schema_version": 9})]
    watch = FeedbackWatch(["payments"], records)
    watch.check()
    assert len(watch.current("payments")) == 1
