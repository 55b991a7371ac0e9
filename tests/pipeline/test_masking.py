"""Personal values never show; with a key the same person is still recognised."""

from detectors.base import Reason
from pipeline.masking import MASKED, Masker
from tests.pipeline.blocks import payments


def test_personal_values_are_hidden_and_others_pass() -> None:
    masker = Masker(payments())
    assert masker.event({"card": "4111", "amount": 2.5}) == {"card": MASKED, "amount": 2.5}
    assert masker.key("4111") == MASKED
    assert masker.value("card", None) is None
    assert masker.key(None) is None


def test_a_reason_hides_what_was_seen_and_what_was_expected() -> None:
    masker = Masker(payments())
    reason = Reason(column="card", contribution_nats=3.0, actual="4111", expected="4222", low=1.0, high=2.0)
    hidden = masker.reason(reason)
    assert (hidden.actual, hidden.expected, hidden.low, hidden.high) == (MASKED, MASKED, None, None)
    assert hidden.contribution_nats == 3.0
    open_reason = Reason(column="amount", contribution_nats=3.0, actual=1.0, expected=2.0)
    assert masker.reason(open_reason) is open_reason


def test_with_a_key_one_person_has_one_pseudonym_that_another_key_does_not_give() -> None:
    masker, other = (Masker(payments(), masking_key=key) for key in (b"one", b"two"))
    shown = masker.value("card", "4111")
    assert shown == masker.key("4111") == Masker(payments(), masking_key=b"one").value("card", "4111")
    assert shown != masker.value("card", "4112")
    assert shown != other.value("card", "4111")
    assert "4111" not in shown
