"""A challenger and the baselines beside it, fitted on the older rows of a window; the newest part is for comparing.

The window is shared out in time: fit 60 % | calibrate 20 % | compare 20 %. Neither challenger nor baselines see any of
the last part. A champion whose own training reaches into it is compared on the rows after its training where there
are enough of them; else on all of the part, which flatters the champion and is written down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from detectors.base import Detector
from detectors.errors import UnusableDataError
from detectors.feedback import RowLabels
from detectors.forest import ForestDetector
from detectors.pca import PcaDetector
from detectors.thresholds import Threshold
from pipeline.batch_profile import BatchProfile
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.choice import DetectorMaker
from pipeline.jobs.split import Split, split_at
from pipeline.jobs.train import Fitted, calibrated, fit_table, score_held_out, training_facts
from pipeline.jobs.training_data import Archive, TrainingData
from pipeline.lifecycle.flagged import FlaggedRows, leave_out_flagged
from pipeline.lifecycle.replay import LEAST_ROWS
from pipeline.lifecycle.rows import LeftOut
from pipeline.model_store import Bundle

COMPARE_SHARE = 0.2
CALIBRATION_SHARE = 0.25
"""Of what is left for training: a fifth of the window."""
BASELINES: tuple[type[Detector], ...] = (PcaDetector, ForestDetector)
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How a window is shared out. Times are milliseconds since the epoch."""

    start_ms: int
    cut_ms: int
    """Training sees rows before, comparing those at or after."""
    compare_ms: int
    """Where comparing begins: the cut, or after what the champion has seen."""
    end_ms: int
    """After the newest row."""
    champion_saw: bool
    """The champion has learned from rows that it is compared on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """A challenger, not saved yet, and the baselines fitted on the same rows."""

    detector: Detector
    threshold: Threshold
    schema: pa.Schema
    facts: dict[str, Any]
    baselines: dict[str, Detector]
    profile: BatchProfile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person or a job asks of one training."""

    start_ms: int | None = None
    end_ms: int | None = None
    detector: str | None = None
    """The spec's where None."""
    seed: int | None = None
    """The spec's where None."""
    device: str = "cpu"


def share_out(spec: StreamSpec, archive: Archive, asked: Asked, champion: Bundle | None) -> Parts:
    """Where fitting ends and comparing begins. Raises ConfigError where nothing is archived in the window."""
    split, counted = None, 0
    if archive.files(spec.stream):
        split = split_at(_times(spec, archive, asked.start_ms, asked.end_ms), share=COMPARE_SHARE)
    if split is None:
        raise ConfigError(
            f"nothing of stream {spec.stream!r} is archived in that window: run `eddyline archive` while events "
            "arrive, or name another window with start and end"
        )
    after_champion = -1 if champion is None else int(champion.facts.get("end_ms", -1)) + 1
    compare = max(split.cut_ms, after_champion)
    if compare > split.cut_ms:
        counted = sum(len(times) for times in _times(spec, archive, compare, asked.end_ms))
        compare = compare if counted >= LEAST_ROWS else split.cut_ms
    return Parts(
        start_ms=_start(split, asked),
        cut_ms=split.cut_ms,
        compare_ms=compare,
        end_ms=split.end_ms + 1,
        champion_saw=after_champion > compare,
    )


def _times(spec: StreamSpec, archive: Archive, start_ms: int | None, end_ms: int | None) -> Any:
    found = archive.iterate_in_order(spec.stream, start_ms=start_ms, end_ms=end_ms, columns=["_time"], history=False)
    return (rows.times_ms for rows in found)


def _start(split: Split, asked: Asked) -> int:
    return split.start_ms if asked.start_ms is None else asked.start_ms


def make_challenger(
    spec: StreamSpec,
    archive: Archive,
    parts: Parts,
    asked: Asked,
    *,
    left_out: LeftOut,
    champion: Bundle | None,
    report: Report,
) -> Challenger:
    """Fit, calibrate, and fit the baselines. Raises ConfigError where the window cannot be learned from."""
    seed = spec.detector.seed if asked.seed is None else asked.seed
    report(0.0, "reading the archive")
    data = TrainingData(
        spec,
        archive,
        start_ms=parts.start_ms,
        end_ms=parts.cut_ms,
        seed=seed,
        calibration_share=CALIBRATION_SHARE,
        leave_out=left_out,
    )
    maker = DetectorMaker(spec, named=asked.detector, seed=seed, device=asked.device)
    told: Report = lambda fraction, text: report(0.05 + 0.75 * fraction, text)  # noqa: E731
    fitted, flagged, baselines = _fitted(spec, data, maker, champion, seed, told)
    report(0.85, "scoring held-out rows")
    held_out = score_held_out(fitted.detector, data)
    report(0.95, "calibrating the threshold")
    facts = training_facts(spec, data, fitted, held_out, seed)
    return Challenger(
        detector=fitted.detector,
        threshold=calibrated(spec, held_out),
        schema=data.schema,
        facts={
            **facts,
            **left_out.facts(),
            "flagged_by_champion": None if flagged is None else flagged.document(),
            "compared_from_ms": parts.compare_ms,
        },
        baselines=baselines,
        profile=data.profile,
    )


def _fitted(
    spec: StreamSpec, data: TrainingData, maker: DetectorMaker, champion: Bundle | None, seed: int, report: Report
) -> tuple[Fitted, FlaggedRows | None, dict[str, Detector]]:
    """All that is fitted on the sample, which is let go of with this function's return."""
    table, labels, flagged = data.fit_sample(), data.labels, None
    if champion is not None:
        most = spec.retraining.most_left_out_share
        table, labels, flagged = leave_out_flagged(table, labels, champion, most_share=most)
    fitted = fit_table(maker, table, labels, stream=spec.stream, report=report)
    report(1.0, "fitting the baselines")
    return fitted, flagged, fit_baselines(table, labels, seed=seed)


def fit_baselines(table: pa.Table, labels: RowLabels | None, *, seed: int) -> dict[str, Detector]:
    """PCA and isolation forest on the same ordinary rows. One that cannot learn from them is no hurdle."""
    ordinary = table if labels is None else table.filter(pa.array(~labels.confirmed_N))
    made: dict[str, Detector] = {}
    for kind in BASELINES:
        make: Callable[..., Detector] = kind
        detector = make(seed=seed)
        try:
            detector.fit(ordinary)
        except UnusableDataError:
            continue
        made[detector.name] = detector
    return made
