"""How long to wait before a run is tried again."""

import random

FIRST_SECONDS = 5.0
GREATEST_SECONDS = 600.0
JITTER_SHARE = 0.25


def backoff_ms(failures: int, rng: random.Random) -> int:
    """The wait after so many failures (from 1): doubling from five seconds to ten minutes, a quarter more at random, so
    that what failed together is not tried together."""
    seconds = min(GREATEST_SECONDS, FIRST_SECONDS * 2.0 ** min(30, max(0, failures - 1)))
    return round(seconds * (1.0 + JITTER_SHARE * rng.random()) * 1000)
