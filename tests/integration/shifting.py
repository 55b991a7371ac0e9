"""A stream whose customers change their ways in the middle, labelled, and ending now."""

import numpy as np
import pyarrow as pa

DAY_MS = 86_400_000
ROWS_A_DAY = 2_500


def columns() -> list[dict[str, object]]:
    return [
        {"name": "id", "kind": "text", "roles": ["id"]},
        {"name": "time", "kind": "time", "roles": ["time"], "unit": "ms", "missing": "rejected"},
        {"name": "customer", "kind": "categorical", "roles": ["key"]},
        {"name": "amount", "kind": "numeric", "roles": ["feature"]},
        {"name": "seconds", "kind": "numeric", "roles": ["feature"]},
        {"name": "country", "kind": "categorical", "roles": ["feature"]},
        {"name": "channel", "kind": "categorical", "roles": ["feature"]},
        {"name": "fraud", "kind": "boolean", "roles": ["label"]},
    ]


def shifting_events(
    *, end_ms: int, days: float, before_end: float = 0.0, shifted: bool, seed: int, fraud_share: float = 0.01
) -> pa.Table:
    """Events from `days` + `before_end` to `before_end` days before `end_ms`, oldest first.

    Small and large amounts take long, usual ones are quick, and each country has its channel; fraud takes other times.
    Shifted, amounts are 1.8 times what they were, and countries and channels change places.
    """
    rng = np.random.default_rng(seed)
    n = round(days * ROWS_A_DAY)
    first = end_ms - (days + before_end) * DAY_MS
    times = np.sort(rng.uniform(first, first + days * DAY_MS, n)).astype(np.int64)
    size = rng.normal(0.0, 0.35, n)
    amount = np.exp(3.5 + size) * (1.8 if shifted else 1.0)
    seconds = np.exp(2.0 + 2.0 * np.abs(size) + rng.normal(0.0, 0.08, n))
    country = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    channel = (country + (1 if shifted else 0)) % 3
    odd = rng.random(n) < 0.02
    channel[odd] = rng.integers(0, 3, int(odd.sum()))
    fraud = rng.random(n) < fraud_share
    seconds[fraud] *= np.where(rng.random(int(fraud.sum())) < 0.5, 8.0, 0.12)
    return pa.table(
        {
            "id": [f"{seed}-{number}" for number in range(n)],
            "time": pa.array(times, pa.timestamp("ms", tz="UTC")),
            "customer": [f"c{number}" for number in rng.integers(0, 200, n)],
            "amount": amount.round(2),
            "seconds": seconds.round(2),
            "country": np.array(["DE", "FR", "BR"])[country],
            "channel": np.array(["web", "app", "shop"])[channel],
            "fraud": fraud,
        }
    )
