"""Who pays whom in the simulated payment stream: countries, merchant categories, merchants, customers.

Shape legend: C customers, M merchants, K favourites of a customer, D devices of a customer.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Country(NamedTuple):
    """A country of the simulation."""

    code: str
    home_share: float
    """Of customers; 0 for countries that are only travelled to."""
    utc_offset_hours: int


class Category(NamedTuple):
    """What a merchant sells."""

    name: str
    median_amount: float
    """Euros."""
    spread: float
    """Standard deviation of log amounts."""
    popularity: float
    online_share: float
    opens_hour: int
    closes_hour: int
    """Local opening hours of the physical shop; 24 is midnight."""


COUNTRIES = (
    Country("DE", 0.25, 1),
    Country("FR", 0.18, 1),
    Country("IT", 0.13, 1),
    Country("ES", 0.13, 1),
    Country("PL", 0.10, 1),
    Country("NL", 0.08, 1),
    Country("GB", 0.08, 0),
    Country("PT", 0.05, 0),
    Country("US", 0.0, -5),
    Country("BR", 0.0, -3),
    Country("JP", 0.0, 9),
    Country("TH", 0.0, 7),
)
CATEGORIES = (
    Category("groceries", 28.0, 0.60, 0.28, 0.03, 7, 22),
    Category("restaurants", 24.0, 0.50, 0.16, 0.10, 11, 24),
    Category("fuel", 52.0, 0.35, 0.08, 0.00, 5, 24),
    Category("transport", 9.0, 0.70, 0.10, 0.50, 5, 24),
    Category("clothing", 55.0, 0.60, 0.07, 0.40, 9, 21),
    Category("electronics", 160.0, 0.80, 0.04, 0.60, 9, 21),
    Category("pharmacy", 18.0, 0.60, 0.05, 0.10, 8, 20),
    Category("travel", 240.0, 0.80, 0.03, 0.85, 8, 20),
    Category("jewellery", 260.0, 0.70, 0.01, 0.15, 10, 19),
    Category("subscriptions", 11.0, 0.35, 0.07, 1.00, 0, 24),
    Category("games", 14.0, 0.70, 0.05, 1.00, 0, 24),
    Category("cash", 90.0, 0.50, 0.06, 0.00, 0, 24),
)
TIERS = ("standard", "gold", "platinum")
DEVICES = ("card", "phone", "laptop", "tablet", "unknown")
CARD, PHONE, LAPTOP, TABLET, UNKNOWN_DEVICE = range(5)
CHANNELS = ("chip", "contactless", "online", "phone_order", "atm")
CHIP, CONTACTLESS, ONLINE, PHONE_ORDER, ATM = range(5)

CATEGORY_NAMES = tuple(c.name for c in CATEGORIES)
SUBSCRIPTIONS = CATEGORY_NAMES.index("subscriptions")
CASH = CATEGORY_NAMES.index("cash")
UTC_OFFSET_HOURS = np.array([c.utc_offset_hours for c in COUNTRIES])
FAVOURITES = 10
FAVOURITE_DEVICES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchants:
    """M merchants, all arrays of shape (M,)."""

    category: Ints
    country: Ints
    level: Floats
    """Added to log amounts: how expensive this merchant is for its category."""
    weight: Floats
    """How often it is chosen among its country's merchants."""

    def __len__(self) -> int:
        return len(self.category)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """C customers, arrays of shape (C,) unless said."""

    home: Ints
    tier: Ints
    level: Floats
    """Added to log amounts: how much this customer spends."""
    payments_per_day: Floats
    peak_hour: Floats
    """Local hour around which the customer pays."""
    peak_width_hours: Floats
    favourites: Ints
    """Shape (C, K): merchants, most visited first."""
    device: Ints
    """Shape (C, D): what the customer pays online with."""
    device_age_days: Floats
    """Shape (C, D), at the start; negative where the device is bought later. The first is never negative."""
    trip_start_day: Floats
    """Infinite where the customer stays at home."""
    trip_end_day: Floats
    trip_country: Ints

    def __len__(self) -> int:
        return len(self.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everyone in the simulation."""

    customers: Customers
    merchants: Merchants

    @classmethod
    def draw(cls, rng: np.random.Generator, *, customers: int, merchants: int, days: float) -> "Population":
        """A population drawn from `rng`; `merchants` is raised to one of each category in each country."""
        shops = _draw_merchants(rng, merchants)
        return cls(customers=_draw_customers(rng, customers, shops, days), merchants=shops)


def weighted(rng: np.random.Generator, weights: npt.ArrayLike, size: int) -> Ints:
    """Indices drawn with probabilities proportional to `weights`, shape (size,)."""
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64))
    drawn: Ints = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right").astype(np.int64)
    return drawn


def merchants_of(rng: np.random.Generator, merchants: Merchants, country: Ints, allowed: Mask | None = None) -> Ints:
    """One merchant of each given country by weight, shape like `country`; `allowed` is a mask of shape (M,)."""
    chosen = np.zeros(len(country), dtype=np.int64)
    usable = np.ones(len(merchants), dtype=bool) if allowed is None else allowed
    for code in np.unique(country):
        rows = np.flatnonzero(country == code)
        pool = np.flatnonzero((merchants.country == code) & usable)
        chosen[rows] = pool[weighted(rng, merchants.weight[pool], len(rows))]
    return chosen


def _draw_merchants(rng: np.random.Generator, count: int) -> Merchants:
    every = np.indices((len(COUNTRIES), len(CATEGORIES))).reshape(2, -1)
    extra = max(0, count - every.shape[1])
    shares = [max(c.home_share, 0.02) for c in COUNTRIES]
    country = np.concatenate([every[0], weighted(rng, shares, extra)])
    category = np.concatenate([every[1], weighted(rng, [c.popularity for c in CATEGORIES], extra)])
    size = len(category)
    popularity = np.array([c.popularity for c in CATEGORIES])[category]
    crowd = np.bincount(country * len(CATEGORIES) + category, minlength=every.shape[1])
    weight = popularity / crowd[country * len(CATEGORIES) + category] * rng.lognormal(0.0, 0.7, size)
    return Merchants(category=category, country=country, level=rng.normal(0.0, 0.25, size), weight=weight)


def _draw_customers(rng: np.random.Generator, count: int, merchants: Merchants, days: float) -> Customers:
    home = weighted(rng, [c.home_share for c in COUNTRIES], count)
    tier = weighted(rng, [0.70, 0.22, 0.08], count)
    favourites = merchants_of(rng, merchants, np.repeat(home, FAVOURITES)).reshape(count, FAVOURITES)
    travels = rng.random(count) < min(0.9, 0.006 * days)
    trip_start = np.where(travels, rng.uniform(-4.0, days, count), np.inf)
    abroad = (home + rng.integers(1, len(COUNTRIES), count)) % len(COUNTRIES)
    device_age = rng.exponential(300.0, (count, FAVOURITE_DEVICES)) + 1.0
    buys = rng.random(count) < min(0.9, 0.005 * days)
    device_age[:, 1] = np.where(buys, -rng.uniform(0.0, days, count), device_age[:, 1])
    return Customers(
        home=home,
        tier=tier,
        level=np.array([0.0, 0.45, 0.95])[tier] + rng.normal(0.0, 0.30, count),
        payments_per_day=rng.gamma(3.0, 1.2, count),
        peak_hour=np.where(rng.random(count) < 0.06, 22.0, 15.0) + rng.normal(0.0, 1.5, count),
        peak_width_hours=rng.uniform(2.5, 4.0, count),
        favourites=favourites,
        device=rng.choice([PHONE, LAPTOP, TABLET], (count, FAVOURITE_DEVICES), p=[0.55, 0.33, 0.12]),
        device_age_days=device_age,
        trip_start_day=trip_start,
        trip_end_day=trip_start + rng.uniform(2.0, 9.0, count),
        trip_country=abroad,
    )
