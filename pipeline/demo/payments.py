"""The simulated, keyed, labelled payment stream of the demo.

A simulation, and nothing more: how well a detector does here says that the pipeline works and what kinds of pattern it
can see, not how well it does on anyone's real payments. Labels are carried so that precision and recall can be
reported at the end; no detector reads them, and the frauds stay in the data it learns from.
"""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role
from pipeline.config import AlertSpec, BudgetSpec, ColumnSpec, ContextSpec, DetectorSpec, StreamSpec, TimeUnit
from pipeline.demo.activity import Payments, join, ordinary_payments
from pipeline.demo.frauds import FRAUD_KINDS
from pipeline.demo.population import (
    CATEGORY_NAMES,
    CHANNELS,
    COUNTRIES,
    DEVICES,
    SUBSCRIPTIONS,
    TIERS,
    Ints,
    Population,
)

STREAM = "payments"
START_MS = 1_767_571_200_000
"""2026-01-05 00:00 UTC, a Monday: simulated time is fixed, so that a seed means one stream."""
MS_PER_DAY = 86_400_000
SIMULATION_VERSION = 1
"""Raised whenever the same seed would give another stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationConfig:
    """What is simulated. The defaults give about 9,000 payments a day."""

    days: float = 17.0
    customers: int = 2500
    merchants: int = 500
    fraud_share: float = 0.005
    seed: int = 2026


def stream_spec(*, topic: str = STREAM, alerts_per_day: float = 20.0) -> StreamSpec:
    """The stream's spec, as a person would write it."""
    scored = frozenset({Role.FEATURE})
    return StreamSpec(
        stream=STREAM,
        topic=topic,
        columns=(
            ColumnSpec(name="payment_id", kind=Kind.TEXT, roles=frozenset({Role.ID})),
            ColumnSpec(
                name="time", kind=Kind.TIME, roles=frozenset({Role.TIME, Role.FEATURE}), unit=TimeUnit.MILLISECONDS
            ),
            ColumnSpec(name="customer", kind=Kind.TEXT, roles=frozenset({Role.KEY, Role.PERSONAL})),
            ColumnSpec(name="merchant", kind=Kind.TEXT),
            ColumnSpec(name="category", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="merchant_country", kind=Kind.CATEGORICAL),
            ColumnSpec(name="home_country", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="abroad", kind=Kind.BOOLEAN, roles=scored),
            ColumnSpec(name="card_tier", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="channel", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="device", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="new_device", kind=Kind.BOOLEAN, roles=scored),
            ColumnSpec(name="recurring", kind=Kind.BOOLEAN, roles=scored),
            ColumnSpec(name="amount_eur", kind=Kind.NUMERIC, roles=scored),
            ColumnSpec(name="label", kind=Kind.BOOLEAN, roles=frozenset({Role.LABEL})),
            ColumnSpec(name="fraud_kind", kind=Kind.TEXT, roles=frozenset({Role.LABEL})),
        ),
        budget=BudgetSpec(alerts_per_day=alerts_per_day),
        alerts=AlertSpec(group_gap_seconds=3600.0),
        context=(ContextSpec(key=("customer",), half_lives_seconds=(60.0, 3600.0), measures=("count", "deviation")),),
        detector=DetectorSpec(time_budget_seconds=60.0),
    )


def simulate(config: SimulationConfig | None = None) -> pa.Table:
    """The stream's events in order of time, under `stream_spec().schema()`. The same config gives the same table."""
    config = config or SimulationConfig()
    if config.days < 1.0 or config.customers < 1:
        raise ValueError("a simulation needs at least one day and one customer")
    rng = np.random.default_rng(config.seed)
    world = Population.draw(rng, customers=config.customers, merchants=config.merchants, days=config.days)
    normal = ordinary_payments(rng, world, days=config.days)
    wanted = len(normal) * config.fraud_share
    frauds = [_frauds_of_kind(rng, world, index, wanted, config.days) for index in range(len(FRAUD_KINDS))]
    return _table(world, join([normal, *frauds]))


def _frauds_of_kind(rng: np.random.Generator, world: Population, index: int, wanted: float, days: float) -> Payments:
    kind = FRAUD_KINDS[index]
    episodes = max(1, round(wanted * kind.share / kind.payments_per_episode))
    drawn = kind.draw(rng, world, episodes, days)
    drawn.fraud[:] = np.where(drawn.fraud < 0, 0, index + 1)
    inside = (drawn.day >= 0.0) & (drawn.day < days)
    return Payments(**{f.name: getattr(drawn, f.name)[inside] for f in fields(Payments)})


def _table(world: Population, payments: Payments) -> pa.Table:
    size = len(payments)
    merchants, customers = world.merchants, world.customers
    category = merchants.category[payments.merchant]
    home, where = customers.home[payments.customer], merchants.country[payments.merchant]
    countries = [country.code for country in COUNTRIES]
    columns = {
        "payment_id": _numbered("pay-", np.arange(size)),
        "time": pa.array(START_MS + (payments.day * MS_PER_DAY).astype(np.int64), pa.timestamp("ms", tz="UTC")),
        "customer": _numbered("cust-", payments.customer),
        "merchant": _numbered("shop-", payments.merchant),
        "category": _names(CATEGORY_NAMES, category),
        "merchant_country": _names(countries, where),
        "home_country": _names(countries, home),
        "abroad": pa.array(home != where),
        "card_tier": _names(TIERS, customers.tier[payments.customer]),
        "channel": _names(CHANNELS, payments.channel),
        "device": _names(DEVICES, payments.device),
        "new_device": pa.array(payments.new_device),
        "recurring": pa.array(category == SUBSCRIPTIONS),
        "amount_eur": pa.array(payments.amount),
        "label": pa.array(payments.fraud > 0),
        "fraud_kind": _names([None, *(kind.name for kind in FRAUD_KINDS)], payments.fraud),
    }
    schema = stream_spec().schema()
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _names(names: "list[str] | tuple[str, ...] | list[str | None]", codes: Ints) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(codes))


def _numbered(prefix: str, numbers: Ints) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width=6, padding="0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, pa.scalar(""))
