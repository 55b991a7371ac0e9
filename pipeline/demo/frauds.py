"""Fraud patterns of the simulation, each a small function of the population.

They are patterns as the trade describes them, written down before any detector saw them. Some stand out in one
payment by itself; others only in how payments follow each other, which a detector of single rows sees in part or not
at all. `FRAUD_KINDS` says which is which.

Shape legend: E episodes of one kind, N payments of these episodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.demo.activity import Payments, amounts
from pipeline.demo.population import (
    ATM,
    CARD,
    CASH,
    CATEGORY_NAMES,
    CHIP,
    COUNTRIES,
    ONLINE,
    PHONE,
    PHONE_ORDER,
    SUBSCRIPTIONS,
    UNKNOWN_DEVICE,
    UTC_OFFSET_HOURS,
    Floats,
    Ints,
    Population,
    merchants_of,
)

_VALUABLE = tuple(CATEGORY_NAMES.index(name) for name in ("electronics", "jewellery", "travel"))
_CHEAP = tuple(CATEGORY_NAMES.index(name) for name in ("games", "transport", "groceries", "restaurants"))
_CLOSED_AT_NIGHT = tuple(CATEGORY_NAMES.index(name) for name in ("clothing", "pharmacy", "groceries", "electronics"))


class Visibility(StrEnum):
    """What a detector of single rows can see of a pattern."""

    ROW = "yes"
    """Each payment is unusual by itself."""
    PARTLY = "in part"
    """Some payments are unusual by themselves; the pattern lies in their sequence."""
    SEQUENCE = "no"
    """Each payment looks ordinary; only their rate gives them away."""


Pattern = Callable[[np.random.Generator, Population, int, float], Payments]
"""Draws the payments of E episodes within a number of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FraudKind:
    """One pattern."""

    name: str
    share: float
    """Of all fraudulent payments."""
    payments_per_episode: float
    visibility: Visibility
    draw: Pattern


def _payments(
    rng: np.random.Generator, customer: Ints, merchant: Ints, day: Floats, amount: Floats, **how: int
) -> Payments:
    size = len(customer)
    return Payments(
        customer=customer,
        merchant=merchant,
        day=day,
        amount=np.maximum(0.3, np.round(amount, 2)),
        channel=np.full(size, how["channel"], dtype=np.int64),
        device=np.full(size, how["device"], dtype=np.int64),
        new_device=np.zeros(size, dtype=np.bool_),
        fraud=np.zeros(size, dtype=np.int64),
    )


def _starts(rng: np.random.Generator, episodes: int, days: float) -> Floats:
    """One start in each of E equal stretches of time, in random order, so that no week lacks a kind. Shape (E,)."""
    drawn: Floats = (rng.permutation(episodes) + rng.random(episodes)) / max(episodes, 1) * days
    return drawn


def _bursts(rng: np.random.Generator, episodes: int, per: int, days: float, minutes: float) -> tuple[Ints, Floats]:
    """Episode of each payment and its day: `per` payments within `minutes` of a random start. Shapes (N,)."""
    episode = np.repeat(np.arange(episodes), per)
    start = _starts(rng, episodes, max(days - minutes / 1440.0, 1e-6))
    return episode, start[episode] + rng.uniform(0.0, minutes / 1440.0, len(episode))


def _of_categories(world: Population, categories: tuple[int, ...]) -> np.ndarray:
    return np.isin(world.merchants.category, categories)


def _another_country(rng: np.random.Generator, home: Ints) -> Ints:
    return (home + rng.integers(1, len(COUNTRIES), len(home))) % len(COUNTRIES)


def account_takeover(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """A device minutes old buys valuables from another country, several times the customer's level."""
    episode, day = _bursts(rng, episodes, 4, days, 90.0)
    victim = rng.integers(0, len(world.customers), episodes)[episode]
    country = _another_country(rng, world.customers.home[victim])
    merchant = merchants_of(rng, world.merchants, country, _of_categories(world, _VALUABLE))
    high = amounts(rng, world, victim, merchant) * rng.uniform(1.5, 5.0, len(episode))
    drawn = _payments(rng, victim, merchant, day, high, channel=ONLINE, device=PHONE)
    drawn.new_device[:] = True
    return drawn


def card_testing(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """Six stolen cards, four tiny payments each, at one online merchant within half an hour."""
    episode, day = _bursts(rng, episodes, 24, days, 30.0)
    cards = rng.integers(0, len(world.customers), (episodes, 6))
    victim = cards[episode, rng.integers(0, 6, len(episode))]
    shops = np.flatnonzero(_of_categories(world, _CHEAP))
    merchant = rng.choice(shops, episodes)[episode]
    tiny = rng.uniform(0.3, 1.5, len(episode))
    return _payments(rng, victim, merchant, day, tiny, channel=ONLINE, device=UNKNOWN_DEVICE)


def cash_out(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """A stolen card empties the account at machines: far beyond the customer's withdrawals."""
    episode, day = _bursts(rng, episodes, 3, days, 45.0)
    victim = rng.integers(0, len(world.customers), episodes)[episode]
    merchant = merchants_of(rng, world.merchants, world.customers.home[victim], _of_categories(world, (CASH,)))
    large = np.round(amounts(rng, world, victim, merchant) * rng.uniform(5.0, 12.0, len(episode)), -1)
    return _payments(rng, victim, merchant, day, np.minimum(large, 4000.0), channel=ATM, device=CARD)


def merchant_compromise(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """Copied cards keyed in by hand at one merchant over three hours, at a few times its usual price."""
    episode, day = _bursts(rng, episodes, 12, days, 180.0)
    victim = rng.integers(0, len(world.customers), len(episode))
    shops = np.flatnonzero(~_of_categories(world, (CASH, SUBSCRIPTIONS)))
    merchant = rng.choice(shops, episodes)[episode]
    high = amounts(rng, world, victim, merchant) * rng.uniform(1.5, 4.0, len(episode))
    return _payments(rng, victim, merchant, day, high, channel=PHONE_ORDER, device=CARD)


def impossible_travel(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """A cloned card at a foreign counter while its owner pays at home within the hour: usual amounts."""
    victim = np.repeat(rng.integers(0, len(world.customers), episodes), 2)
    start = np.repeat(_starts(rng, episodes, max(days - 0.05, 1e-6)), 2)
    day = start + rng.uniform(0.0, 0.04, len(victim))
    home = world.customers.home[victim]
    at_home = np.tile([True, False], episodes)
    country = np.where(at_home, home, np.repeat(_another_country(rng, home[::2]), 2))
    physical = ~_of_categories(world, (CASH, SUBSCRIPTIONS, CATEGORY_NAMES.index("games")))
    merchant = merchants_of(rng, world.merchants, country, physical)
    drawn = _payments(rng, victim, merchant, day, amounts(rng, world, victim, merchant), channel=CHIP, device=CARD)
    drawn.fraud[at_home] = -1
    return drawn


def odd_hours(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """A card used at shop counters between two and five in the morning, when such shops are closed."""
    episode = np.repeat(np.arange(episodes), 3)
    victim = rng.integers(0, len(world.customers), episodes)[episode]
    home = world.customers.home[victim]
    merchant = merchants_of(rng, world.merchants, home, _of_categories(world, _CLOSED_AT_NIGHT))
    night = np.ceil(_starts(rng, episodes, days - 1.0))[episode]
    day = night + (rng.uniform(2.0, 5.0, len(episode)) - UTC_OFFSET_HOURS[home]) / 24.0
    usual = amounts(rng, world, victim, merchant) * rng.uniform(1.0, 2.0, len(episode))
    return _payments(rng, victim, merchant, day, usual, channel=CHIP, device=CARD)


def rapid_spending(rng: np.random.Generator, world: Population, episodes: int, days: float) -> Payments:
    """Ten ordinary payments at the customer's own shops within twenty minutes, in shopping hours."""
    episode = np.repeat(np.arange(episodes), 10)
    victim = rng.integers(0, len(world.customers), episodes)[episode]
    start = np.floor(_starts(rng, episodes, days)) + rng.uniform(12.0, 18.0, episodes) / 24.0
    day = (
        start[episode]
        + rng.uniform(0.0, 20.0 / 1440.0, len(episode))
        - UTC_OFFSET_HOURS[world.customers.home[victim]] / 24.0
    )
    physical = ~_of_categories(world, (CASH, SUBSCRIPTIONS, CATEGORY_NAMES.index("games")))
    merchant = merchants_of(rng, world.merchants, world.customers.home[victim], physical)
    return _payments(rng, victim, merchant, day, amounts(rng, world, victim, merchant), channel=CHIP, device=CARD)


FRAUD_KINDS = (
    FraudKind(
        name="account_takeover",
        share=0.22,
        payments_per_episode=4,
        visibility=Visibility.ROW,
        draw=account_takeover,
    ),
    FraudKind(
        name="card_testing", share=0.22, payments_per_episode=24, visibility=Visibility.PARTLY, draw=card_testing
    ),
    FraudKind(name="cash_out", share=0.13, payments_per_episode=3, visibility=Visibility.ROW, draw=cash_out),
    FraudKind(
        name="merchant_compromise",
        share=0.13,
        payments_per_episode=12,
        visibility=Visibility.PARTLY,
        draw=merchant_compromise,
    ),
    FraudKind(
        name="impossible_travel",
        share=0.08,
        payments_per_episode=1,
        visibility=Visibility.PARTLY,
        draw=impossible_travel,
    ),
    FraudKind(name="odd_hours", share=0.12, payments_per_episode=3, visibility=Visibility.ROW, draw=odd_hours),
    FraudKind(
        name="rapid_spending",
        share=0.10,
        payments_per_episode=10,
        visibility=Visibility.SEQUENCE,
        draw=rapid_spending,
    ),
)
