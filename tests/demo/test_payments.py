"""The simulated stream: reproducible, keyed, labelled, with rhythm, and frauds that are what their names say."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from detectors.columns import Role, feature_fields, names_with_role
from pipeline.demo.frauds import FRAUD_KINDS, Visibility
from pipeline.demo.payments import SimulationConfig, simulate, stream_spec

CONFIG = SimulationConfig(days=14.0, customers=800, merchants=200, seed=3)


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return simulate(CONFIG)


@pytest.fixture(scope="module")
def frame(events: pa.Table) -> pd.DataFrame:
    result: pd.DataFrame = events.to_pandas()
    return result


def of_kind(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    return frame[frame["fraud_kind"] == kind]


def test_same_seed_same_stream_and_another_seed_another(events: pa.Table) -> None:
    assert simulate(CONFIG).equals(events)
    assert not simulate(CONFIG.__class__(days=14.0, customers=800, merchants=200, seed=4)).equals(events)


def test_events_have_the_specs_schema_in_order_of_time(events: pa.Table) -> None:
    spec = stream_spec()
    assert events.schema.equals(spec.schema(), check_metadata=True)
    times = events["time"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    assert len(events["payment_id"].unique()) == events.num_rows
    assert spec.column_with(Role.KEY) == "customer"
    assert spec.column_with(Role.LABEL) == "label"


def test_no_detector_can_see_labels_or_identities(events: pa.Table) -> None:
    features = {f.name for f in feature_fields(events.schema)}
    assert features.isdisjoint({"label", "fraud_kind", "payment_id", "customer", "merchant"})
    assert names_with_role(events.schema, Role.PERSONAL) == ["customer"]


def test_about_half_a_percent_is_fraud_and_every_kind_occurs(frame: pd.DataFrame) -> None:
    assert 0.004 < frame["label"].mean() < 0.006
    assert set(frame["fraud_kind"].dropna()) == {k.name for k in FRAUD_KINDS}
    assert (frame["label"] == frame["fraud_kind"].notna()).all()
    assert {k.visibility for k in FRAUD_KINDS} == set(Visibility)
    assert sum(k.share for k in FRAUD_KINDS) == pytest.approx(1.0)


def test_days_and_weeks_have_a_rhythm(frame: pd.DataFrame) -> None:
    honest = frame[~frame["label"]]
    hour = honest["time"].dt.hour
    assert hour.between(11, 17).sum() > 4 * hour.between(0, 6).sum()
    weekdays = honest["time"].dt.day_of_week.value_counts()
    assert weekdays[5] > 1.3 * weekdays[6], "Saturdays are busier than Sundays"


def test_customers_have_habits(frame: pd.DataFrame) -> None:
    honest = frame[~frame["label"]]
    top = honest.groupby("customer")["merchant"].agg(lambda m: m.value_counts(normalize=True).head(3).sum())
    assert top.median() > 0.4, "a customer's three shops take much of what the customer spends"
    assert (honest.groupby("customer")["home_country"].nunique() == 1).all()
    tiers = honest[honest["category"] == "restaurants"].groupby("card_tier")["amount_eur"].median()
    assert tiers["platinum"] > tiers["gold"] > tiers["standard"]
    abroad = honest["home_country"] != honest["merchant_country"]
    assert 0.01 < abroad.mean() < 0.15, "honest customers travel and shop abroad too"


def test_frauds_do_what_their_names_say(frame: pd.DataFrame) -> None:
    honest = frame[~frame["label"]]
    takeover = of_kind(frame, "account_takeover")
    assert takeover["new_device"].all()
    assert honest["new_device"].mean() < 0.05, "honest customers buy new devices too, rarely"
    assert (takeover["home_country"] != takeover["merchant_country"]).all()
    assert takeover["amount_eur"].median() > 5 * honest["amount_eur"].median()
    assert of_kind(frame, "card_testing")["amount_eur"].max() <= 1.5
    cash = honest[honest["category"] == "cash"]["amount_eur"].median()
    assert of_kind(frame, "cash_out")["amount_eur"].median() > 4 * cash
    assert (of_kind(frame, "merchant_compromise")["channel"] == "phone_order").all()
    night = of_kind(frame, "odd_hours")["time"].dt.hour
    assert ((night <= 5) & (night >= 0)).all()


def test_impossible_travel_follows_an_honest_payment_at_home_within_the_hour(frame: pd.DataFrame) -> None:
    for _, clone in of_kind(frame, "impossible_travel").iterrows():
        near = frame[(frame["customer"] == clone["customer"]) & ~frame["label"]]
        minutes = (near["time"] - clone["time"]).abs().dt.total_seconds() / 60.0
        assert ((minutes < 60) & (near["merchant_country"] == clone["home_country"])).any()


@pytest.mark.parametrize("config", [SimulationConfig(days=0.5), SimulationConfig(customers=0)])
def test_a_simulation_of_nothing_is_refused(config: SimulationConfig) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        simulate(config)
