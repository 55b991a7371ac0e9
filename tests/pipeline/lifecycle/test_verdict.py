"""The rules of promotion: what must never be promoted, what must be, and that the reasons say why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.evaluation import Interval
from pipeline.lifecycle.verdict import LEAST_GAIN, AlertsSeen, Compared, Verdict, decide

NAN = float("nan")
QUIET = AlertsSeen(alerts=9, allowed=20.0)
LOUD = AlertsSeen(alerts=200, allowed=20.0)


def gain(value: float, half: float = 0.02) -> Interval:
    return Interval(value=value, low=value - half, high=value + half)


def compared(
    champion: Interval | None = None,
    baselines: dict[str, Interval] | None = None,
    challenger: AlertsSeen = QUIET,
    before: AlertsSeen | None = QUIET,
) -> Compared:
    return Compared(
        over_champion=champion,
        over_baselines={"pca": gain(0.1), "forest": gain(0.1)} if baselines is None else baselines,
        challenger_alerts=challenger,
        champion_alerts=before,
    )


def test_clearly_better_is_promoted_and_equal_is_not() -> None:
    better = decide(compared(gain(0.1)))
    assert better.promoted
    assert "+0.100" in better.reason
    equal = decide(compared(gain(0.005)))
    assert equal.verdict is Verdict.REFUSED
    assert "not clearly better than the champion" in equal.reason
    assert decide(compared(gain(-0.1))).reason.startswith("worse than the champion")


def test_a_gain_that_another_seed_would_give_is_no_gain() -> None:
    sure_but_tiny = Interval(value=LEAST_GAIN / 2, low=LEAST_GAIN / 3, high=LEAST_GAIN)
    assert not decide(compared(sure_but_tiny)).promoted
    assert decide(compared(sure_but_tiny), least_gain=0.0).promoted


def test_after_a_shift_as_good_an_order_with_a_kept_promise_is_enough() -> None:
    drifted = decide(compared(gain(0.0), before=LOUD))
    assert drifted.promoted
    assert "left its promise" in drifted.reason
    assert not decide(compared(gain(-0.1), before=LOUD)).promoted
    assert not decide(compared(gain(0.0), challenger=LOUD, before=LOUD)).promoted


def test_a_challenger_that_breaks_its_own_promise_is_refused_unless_the_champion_breaks_it_by_more() -> None:
    broken = decide(compared(gain(0.3), challenger=LOUD))
    assert not broken.promoted
    assert "200 alerts" in broken.reason
    louder = AlertsSeen(alerts=900, allowed=20.0)
    assert decide(compared(gain(0.3), challenger=LOUD, before=louder)).promoted


def test_the_baselines_are_a_hurdle_with_and_without_a_champion() -> None:
    worse = {"pca": gain(-0.1), "forest": gain(0.2)}
    for champion, before in ((gain(0.3), QUIET), (None, None)):
        found = decide(compared(champion, worse, before=before))
        assert not found.promoted
        assert "worse than pca" in found.reason
        assert "forest" not in found.reason
    assert decide(compared(None, {"pca": gain(0.0)}, before=None)).promoted
    assert decide(compared(None, {}, before=None)).promoted


def test_what_cannot_be_told_from_noise_is_refused() -> None:
    unknown = decide(compared(Interval(value=0.5, low=NAN, high=NAN)))
    assert not unknown.promoted
    assert "too few" in unknown.reason


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    value=st.floats(-0.5, 0.5),
    half=st.floats(0.0, 0.2),
    alerts=st.integers(0, 400),
    before=st.integers(0, 400),
    more=st.floats(0.0, 0.3),
)
def test_a_greater_gain_never_turns_a_promotion_into_a_refusal(
    value: float, half: float, alerts: int, before: int, more: float
) -> None:
    def verdict(of: float) -> bool:
        return decide(
            compared(gain(of, half), challenger=AlertsSeen(alerts=alerts, allowed=20.0),
                     before=AlertsSeen(alerts=before, allowed=20.0))
        ).promoted  # fmt: skip

    assert verdict(value + more) >= verdict(value)


@pytest.mark.parametrize(("alerts", "broken"), [(0, False), (20, False), (27, False), (32, True)])
def test_a_promise_is_broken_only_beyond_chance(alerts: int, broken: bool) -> None:
    assert AlertsSeen(alerts=alerts, allowed=20.0).broken is broken
