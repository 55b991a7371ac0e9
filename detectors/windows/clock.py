"""What a metric usually does at a time of the day or the week: an event at the wrong hour, or none at the right one.

Of each training row: how far its newest value stands from the mean of its own window, which no drift of the level
moves. A profile is the median of that by key, metric and slot of the day or the week, whichever tells more of the
periods that it was not made from. The statistic is how far a newest value is from it, less what all but one in a
hundred training rows are: most rows have 0, since a single step's noise, added for each of many metrics, would drown
the other views. So has a metric whose hours tell little, a key of which training saw fewer than four periods, and a row
without a time.

Shape legend: N training rows, B rows, K keys, F metrics, P profiles, S slots.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors
from detectors.windows.frame import UNKNOWN_TIME, Frame
from detectors.windows.kernel import Float32Array

Int64Array = npt.NDArray[np.int64]

HOUR_MICROSECONDS = 3_600_000_000
SLOT_MICROSECONDS = (HOUR_MICROSECONDS // 2, HOUR_MICROSECONDS)
SLOTS = (48, 168)
"""Half hours of a day, hours of a week."""
LEAST_ROWS = 200
"""Training rows of a key that has profiles."""
LEAST_SLOT_ROWS = 4
LEAST_PERIODS = 4
MOST_LEFT = 0.5
"""Of the variance, in periods that the profile was not made from; more and there is no rhythm."""
USUAL_SHARE = 0.99
WEEK_MUST_LEAVE = 0.9
"""Of what the day's profile leaves, or the week's is not worth its slots."""


@dataclass(frozen=True, slots=True)
class ClockProfiles:
    """Profiles of the keys that have one."""

    place_K: Int64Array
    """Which profile is a key's; −1 for none. The last entry is for new keys."""
    weekly_P: npt.NDArray[np.bool_]
    profile_PSF: Float32Array
    """NaN where a slot was seen too seldom or the metric has no rhythm."""
    usual_PF: Float32Array
    """What all but one in a hundred training rows are off by, in periods that the profile was not made from."""

    @classmethod
    def fit(cls, frame: Frame, keys: int) -> "ClockProfiles":
        """From training windows and the moments of their rows."""
        offset_NF, moment_N = _offsets(frame), frame.moment_B
        place_K = np.full(keys + 1, -1, dtype=np.int64)
        weekly: list[bool] = []
        profiles: list[FloatArray] = []
        usual: list[FloatArray] = []
        timed_N = moment_N != UNKNOWN_TIME
        order = np.argsort(frame.key_B, kind="stable")
        borders = np.searchsorted(frame.key_B[order], np.arange(keys + 1))
        for k in range(keys):
            rows = order[borders[k] : borders[k + 1]]
            rows = rows[timed_N[rows]]
            if len(rows) < LEAST_ROWS:
                continue
            tried = [_in_other_periods(offset_NF[rows], moment_N[rows], clock) for clock in (0, 1)]
            clock = int(tried[1][0].min() < WEEK_MUST_LEAVE * tried[0][0].min())
            left_F, usual_F = tried[clock]
            if (left_F < MOST_LEFT).any():
                profile_SF = _profile(offset_NF[rows], _slots(moment_N[rows], clock), clock)
                place_K[k] = len(profiles)
                weekly.append(clock == 1)
                profiles.append(np.where(left_F < MOST_LEFT, profile_SF, np.nan))
                usual.append(usual_F)
        F = offset_NF.shape[1]
        stacked_PSF = np.full((len(profiles), SLOTS[1], F), np.nan, dtype=np.float32)
        for p, profile_SF in enumerate(profiles):
            stacked_PSF[p, : len(profile_SF)] = profile_SF
        usual_PF = np.array(usual, dtype=np.float32).reshape(-1, F)
        return cls(place_K, np.array(weekly, dtype=np.bool_), stacked_PSF, usual_PF)

    def statistics(self, frame: Frame) -> FloatArray:
        """How far each newest value is from what its hour brings, beyond the usual, (B, F); 0 without a profile."""
        found_BF = np.zeros(frame.x_BFL.shape[:2])
        place_B = self.place_K[frame.key_B]
        rows = np.flatnonzero((place_B >= 0) & (frame.moment_B != UNKNOWN_TIME))
        if len(rows):
            moments, places = frame.moment_B[rows], place_B[rows]
            slots = np.where(self.weekly_P[places], _slots(moments, 1), _slots(moments, 0))
            off = np.abs(_offsets(frame)[rows] - self.profile_PSF[places, slots])
            beyond = np.maximum(off - self.usual_PF[places], 0.0)
            found_BF[rows] = np.where(np.isnan(off) | ~frame.seen_BFL[rows, :, -1], 0.0, beyond)
        return found_BF

    def tensors(self) -> Tensors:
        """Named arrays."""
        return {f"clock.{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> "ClockProfiles":
        """The profiles that `tensors` described."""
        return cls(*(tensors[f"clock.{name}"] for name in cls.__slots__))


def _offsets(frame: Frame) -> FloatArray:
    """Newest value less the mean of what its window saw, (B, F)."""
    seen_BFL = frame.seen_BFL.astype(np.float32)
    mean_BF = np.einsum("bfl,bfl->bf", frame.x_BFL, seen_BFL) / np.maximum(seen_BFL.sum(axis=2), 1.0)
    return np.asarray(frame.x_BFL[:, :, -1] - mean_BF, dtype=np.float64)


def _slots(moment_N: Int64Array, clock: int) -> Int64Array:
    slots: Int64Array = moment_N // SLOT_MICROSECONDS[clock] % SLOTS[clock]
    return slots


def _profile(offset_NF: FloatArray, slot_N: Int64Array, clock: int) -> FloatArray:
    """Medians by slot, (S, F)."""
    profile_SF = np.full((SLOTS[clock], offset_NF.shape[1]), np.nan)
    order = np.argsort(slot_N, kind="stable")
    borders = np.searchsorted(slot_N[order], np.arange(SLOTS[clock] + 1))
    for s in range(SLOTS[clock]):
        rows = order[borders[s] : borders[s + 1]]
        if len(rows) >= LEAST_SLOT_ROWS:
            profile_SF[s] = np.median(offset_NF[rows], axis=0)
    return profile_SF


def _in_other_periods(offset_NF: FloatArray, moment_N: Int64Array, clock: int) -> tuple[FloatArray, FloatArray]:
    """What the profiles of periods of the other parity leave of each metric: a share of its variance, and what most
    rows are off by at most, (F,) each; all is left where fewer than half of the rows have such a profile."""
    period_N, slot_N = moment_N // (SLOT_MICROSECONDS[clock] * SLOTS[clock]), _slots(moment_N, clock)
    everything = np.ones(offset_NF.shape[1])
    if len(np.unique(period_N)) < LEAST_PERIODS:
        return everything, everything
    odd_N = period_N % 2 == 1
    expected_NF = np.empty_like(offset_NF)
    for half_N in (odd_N, ~odd_N):
        expected_NF[half_N] = _profile(offset_NF[~half_N], slot_N[~half_N], clock)[slot_N[half_N]]
    known_N = ~np.isnan(expected_NF[:, 0])
    if known_N.mean() < 0.5:
        return everything, everything
    off_NF = np.abs(offset_NF[known_N] - expected_NF[known_N])
    variance_F = np.maximum(offset_NF[known_N].var(axis=0), 1e-9)
    return np.square(off_NF).mean(axis=0) / variance_F, np.quantile(off_NF, USUAL_SHARE, axis=0)
