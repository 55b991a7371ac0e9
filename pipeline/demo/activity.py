"""Ordinary payments of the simulation: who pays when, where, how and how much, all at once in numpy.

Shape legend: N payments. Times are days since the simulation's start, UTC.
"""

from dataclasses import dataclass, fields

import numpy as np

from pipeline.demo.population import (
    ATM,
    CARD,
    CASH,
    CATEGORIES,
    CHIP,
    CONTACTLESS,
    FAVOURITES,
    ONLINE,
    PHONE,
    PHONE_ORDER,
    SUBSCRIPTIONS,
    UNKNOWN_DEVICE,
    UTC_OFFSET_HOURS,
    Floats,
    Ints,
    Mask,
    Population,
    merchants_of,
    weighted,
)

WEEK = np.array([0.92, 0.93, 0.96, 1.0, 1.2, 1.25, 0.78])
"""How busy Monday to Sunday are."""
_MEDIAN = np.array([c.median_amount for c in CATEGORIES])
_SPREAD = np.array([c.spread for c in CATEGORIES])
_ONLINE = np.array([c.online_share for c in CATEGORIES])
_OPENS = np.array([c.opens_hour for c in CATEGORIES])
_CLOSES = np.array([c.closes_hour for c in CATEGORIES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """N payments in codes, every array of shape (N,)."""

    customer: Ints
    merchant: Ints
    day: Floats
    """Days since the start, UTC."""
    amount: Floats
    channel: Ints
    device: Ints
    new_device: Mask
    """Whether the customer first used this device less than a day before; false where no device is known."""
    fraud: Ints
    """0 for an ordinary payment, else 1 + the index of its kind in `FRAUD_KINDS`."""

    def __len__(self) -> int:
        return len(self.day)


def join(parts: list[Payments]) -> Payments:
    """All parts as one, in order of time."""
    columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Payments)}
    order = np.argsort(columns["day"], kind="stable")
    return Payments(**{name: values[order] for name, values in columns.items()})


def ordinary_payments(rng: np.random.Generator, world: Population, *, days: float) -> Payments:
    """What honest customers do in `days` days that start on a Monday at 00:00 UTC."""
    customers = world.customers
    expected = float(customers.payments_per_day.sum()) * days
    size = int(rng.poisson(expected))
    customer = weighted(rng, customers.payments_per_day, size)
    date = weighted(rng, WEEK[np.arange(int(np.ceil(days))) % 7], size)
    merchant, online = _places(rng, world, customer, date)
    offset = UTC_OFFSET_HOURS[_where_the_customer_is(world, customer, date)]
    hour = _local_hours(rng, world, customer, world.merchants.category[merchant], online)
    day = date + (hour - offset) / 24.0
    channel = channels(rng, world.merchants.category[merchant], online)
    device, is_new = devices(rng, world, customer, day, channel)
    drawn = Payments(
        customer=customer,
        merchant=merchant,
        day=day,
        amount=amounts(rng, world, customer, merchant),
        channel=channel,
        device=device,
        new_device=is_new,
        fraud=np.zeros(size, dtype=np.int64),
    )
    inside = (day >= 0.0) & (day < days)
    return Payments(**{f.name: getattr(drawn, f.name)[inside] for f in fields(Payments)})


def amounts(rng: np.random.Generator, world: Population, customer: Ints, merchant: Ints) -> Floats:
    """Usual amounts in euros: category, merchant's level, customer's level, chance. Shape (N,)."""
    category = world.merchants.category[merchant]
    fixed = category == SUBSCRIPTIONS
    noise = rng.standard_normal(len(category)) * np.where(fixed, 0.0, _SPREAD[category])
    personal = 0.6 * world.customers.level[customer] * np.where(fixed, 0.0, 1.0)
    raw = _MEDIAN[category] * np.exp(world.merchants.level[merchant] + personal + noise)
    return np.where(category == CASH, np.maximum(10.0, np.round(raw, -1)), np.maximum(0.3, np.round(raw, 2)))


def channels(rng: np.random.Generator, category: Ints, online: Mask) -> Ints:
    """How each payment is made, shape (N,)."""
    chance = rng.random(len(category))
    in_shop = np.where(chance < 0.62, CONTACTLESS, CHIP)
    remote = np.where(chance < 0.03, PHONE_ORDER, ONLINE)
    remote = np.where(category == SUBSCRIPTIONS, ONLINE, remote)
    return np.where(online, remote, np.where(category == CASH, ATM, in_shop)).astype(np.int64)


def devices(
    rng: np.random.Generator, world: Population, customer: Ints, day: Floats, channel: Ints
) -> tuple[Ints, Mask]:
    """What each payment is made with, and whether the customer first used it less than a day before; shapes (N,)."""
    customers = world.customers
    which = (rng.random(len(customer)) < 0.35).astype(np.int64)
    which = np.where(customers.device_age_days[customer, which] + day < 0.0, 0, which)
    own = customers.device[customer, which]
    own_age = customers.device_age_days[customer, which] + day
    wallet = (channel == CONTACTLESS) & (customers.device[customer, 0] == PHONE) & (rng.random(len(customer)) < 0.5)
    by_card = (channel != ONLINE) & ~wallet
    device = np.where(by_card, CARD, np.where(wallet, PHONE, own))
    guest = (channel == ONLINE) & (rng.random(len(customer)) < 0.02)
    is_new = ~by_card & ~wallet & ~guest & (own_age < 1.0)
    device = np.where(guest, UNKNOWN_DEVICE, device)
    return device.astype(np.int64), is_new


def _where_the_customer_is(world: Population, customer: Ints, day: Floats | Ints) -> Ints:
    customers = world.customers
    away = (day >= customers.trip_start_day[customer]) & (day < customers.trip_end_day[customer])
    return np.where(away, customers.trip_country[customer], customers.home[customer])


def _places(rng: np.random.Generator, world: Population, customer: Ints, date: Ints) -> tuple[Ints, Mask]:
    size = len(customer)
    rank = weighted(rng, 1.0 / np.arange(1.0, FAVOURITES + 1.0), size)
    merchant = world.customers.favourites[customer, rank]
    stroll = np.flatnonzero(rng.random(size) < 0.3)
    merchant[stroll] = merchants_of(rng, world.merchants, world.customers.home[customer[stroll]])
    online = rng.random(size) < _ONLINE[world.merchants.category[merchant]]
    import_online = np.flatnonzero(online & (rng.random(size) < 0.12))
    merchant[import_online] = _same_category_anywhere(rng, world, merchant[import_online])
    here = _where_the_customer_is(world, customer, date)
    abroad = np.flatnonzero(~online & (here != world.customers.home[customer]))
    physical = _ONLINE[world.merchants.category] < 1.0
    merchant[abroad] = merchants_of(rng, world.merchants, here[abroad], physical)
    return merchant, online


def _same_category_anywhere(rng: np.random.Generator, world: Population, merchant: Ints) -> Ints:
    chosen = merchant.copy()
    for category in np.unique(world.merchants.category[merchant]):
        rows = np.flatnonzero(world.merchants.category[merchant] == category)
        pool = np.flatnonzero(world.merchants.category == category)
        chosen[rows] = pool[weighted(rng, world.merchants.weight[pool], len(rows))]
    return chosen


def _local_hours(rng: np.random.Generator, world: Population, customer: Ints, category: Ints, online: Mask) -> Floats:
    customers = world.customers

    def draw(rows: Ints) -> Floats:
        who = customer[rows]
        lunch = np.where(rng.random(len(rows)) < 0.3, -2.5, 1.0)
        centre = customers.peak_hour[who] + lunch
        return np.mod(centre + rng.standard_normal(len(rows)) * customers.peak_width_hours[who], 24.0)

    hour = draw(np.arange(len(customer)))
    billed = np.flatnonzero(category == SUBSCRIPTIONS)
    hour[billed] = rng.uniform(1.0, 5.0, len(billed))
    for _ in range(3):
        closed = np.flatnonzero(~online & ((hour < _OPENS[category]) | (hour >= _CLOSES[category])))
        hour[closed] = draw(closed)
    closed = np.flatnonzero(~online & ((hour < _OPENS[category]) | (hour >= _CLOSES[category])))
    opens, closes = _OPENS[category[closed]], _CLOSES[category[closed]]
    hour[closed] = rng.uniform(opens, closes)
    return hour
