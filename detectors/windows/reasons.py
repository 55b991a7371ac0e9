"""A window's contributions → reasons: which metric, since when, in what shape, and what its newest value should be.

For flagged rows only. The range is where the usual errors of training put 90 % of values; the note names the shape of
the last steps: missing, flat, shifted, spiked, noisier, or out of their pattern.

Shape legend: B rows, F metrics, L steps, W recent steps.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from detectors.base import FloatArray, Reason
from detectors.features import column_of
from detectors.windows.frame import Frame, WindowCodec, unscaled
from detectors.windows.kernel import Float32Array

NINETY = 1.645
FLAT_STEPS = 6
FAR = 3.0
"""Residuals count as off beyond this many of their usual sizes."""
LEAST_SPREAD = 0.02


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a model held likely, in scaled values."""

    expected_BF: Float32Array
    """The newest value."""
    spread_BF: FloatArray
    """The usual size of its error."""
    off_BFW: Float32Array
    """Errors at the recent steps, in usual sizes: when the window went off."""

    def end(self, b: int, f: int, side: float) -> float:
        """The lower (side −1) or upper (1) end of the plausible range, or its middle (0)."""
        return float(self.expected_BF[b, f] + side * NINETY * max(self.spread_BF[b, f], LEAST_SPREAD))


def window_reasons(
    codec: WindowCodec,
    frame: Frame,
    nats_BF: FloatArray,
    batch: pa.RecordBatch,
    outlook: Outlook,
    *,
    top: int,
) -> list[tuple[Reason, ...]]:
    """For each row its `top` metrics, largest contribution first."""
    times = column_of(batch, codec.time) if codec.time else None
    moments = times.to_pylist() if times is not None else [None] * batch.num_rows
    order_BF = np.argsort(-nats_BF, axis=1, kind="stable")[:, :top]
    found = []
    for b in range(batch.num_rows):
        row = []
        for f in order_BF[b]:
            center, scale = frame.center_BF[b, f], frame.scale_BF[b, f]
            low, middle, high = (unscaled(outlook.end(b, f, side), center, scale) for side in (-1.0, 0.0, 1.0))
            seen = bool(frame.seen_BFL[b, f, -1])
            row.append(
                Reason(
                    column=codec.metrics[f],
                    contribution_nats=float(nats_BF[b, f]),
                    actual=unscaled(float(frame.x_BFL[b, f, -1]), center, scale) if seen else None,
                    expected=middle,
                    low=low,
                    high=high,
                    note=_note(frame, b, f, outlook.off_BFW[b, f], moments[b], codec.step_seconds),
                )
            )
        found.append(tuple(row))
    return found


def _note(
    frame: Frame, b: int, f: int, sizes_W: FloatArray, moment: datetime | None, step_seconds: float | None
) -> str:
    """Shape and beginning of what is off in one metric's window."""
    x_L, seen_L = frame.x_BFL[b, f], frame.seen_BFL[b, f]
    if not seen_L[-1]:
        steps = _trailing(~seen_L)
        return f"missing, {_since(steps, moment, step_seconds)}"
    flat = _trailing(np.abs(np.diff(x_L)) == 0.0) + 1
    if FLAT_STEPS <= flat < len(x_L) and seen_L[-flat:].all():
        return f"flat, {_since(flat, moment, step_seconds)}"
    off_W = np.abs(sizes_W) > FAR
    if not off_W.any():
        return ""
    steps = len(off_W) - int(np.argmax(off_W))
    return f"{_shape(x_L, off_W, steps)}, {_since(steps, moment, step_seconds)}"


def _shape(x_L: Float32Array, off_W: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], steps: int) -> str:
    before, after = x_L[:-steps], x_L[-steps:]
    if len(before) < FLAT_STEPS:
        return "unusual"
    spread = max(float(np.quantile(before, 0.9) - np.quantile(before, 0.1)), LEAST_SPREAD)
    change = float(np.median(after) - np.median(before)) / spread
    if abs(change) > 1.0 and steps >= 3:
        return "shifted up" if change > 0 else "shifted down"
    if int(off_W.sum()) <= 3:
        return "spiked"
    widened = float(np.quantile(after, 0.9) - np.quantile(after, 0.1)) / spread
    return "noisier" if widened > 2.0 else "out of its pattern"


def _trailing(flags: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    """How many of the last flags are set in a row."""
    unset = np.flatnonzero(~flags)
    return len(flags) if not len(unset) else len(flags) - 1 - int(unset[-1])


def _since(steps: int, moment: datetime | None, step_seconds: float | None) -> str:
    """The beginning as a UTC time where the clock's step is known, else in steps."""
    counted = f"{steps} step{'s' if steps > 1 else ''}"
    if moment is None or step_seconds is None:
        return f"for {counted}"
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    begun = utc - timedelta(seconds=(steps - 1) * step_seconds)
    shown = f"{begun:%H:%M}" if begun.date() == utc.date() else f"{begun:%Y-%m-%d %H:%M}"
    return f"for {counted}, since {shown} UTC"
