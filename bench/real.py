"""Real input, whole, through Kafka: kdd99's http connections and JumpStarter's 30 services; PCA and forest beside.

Each set is cut in order of time: the first part is archived and learned from, then the rest comes and is scored. No
label is read before the end. The peers are fitted on the rows that the VAE was fitted on and score the same rows, in
memory: their rows/s are the model's alone, ours are from topic to committed transaction.
"""

import os
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bench.real_data import RealStream, http_connections, service_metrics
from bench.stage import PARTITIONS, Stage, apache_kafka
from detectors.budget import RateInterval, observed_rate
from detectors.evaluation import auroc, average_precision
from detectors.registry import detector_class
from pipeline.alerts.model import Alert, AlertStatus
from pipeline.alerts.wire import decode_alert
from pipeline.clock import SystemClock
from pipeline.codecs.registry import make_codec
from pipeline.commands.context import load
from pipeline.config import CodecFormat, StreamSpec
from pipeline.event_files import conform
from pipeline.inference import infer_spec
from pipeline.jobs.score_summary import anomalous
from pipeline.jobs.train import Trained, TrainOptions, train
from pipeline.jobs.training_data import CALIBRATION_SHARE
from pipeline.jobs.truth import Truth
from pipeline.kafka.port import Block, TopicPartition
from pipeline.records import RecordMaker
from pipeline.role_guesses import Wishes

PEERS = ("pca", "forest")
DAY_STEPS = 288
MORE: dict[str, dict[str, Any]] = {
    "http": {"budget": {"share_of_events": 0.01}, "alerts": {"group_gap_seconds": 0.001}},
    "services": {"budget": {"alerts_per_day": 20}, "alerts": {"group_gap_seconds": 900}},
}
"""What a person adds to the inferred specs. The http connections have no clock: every flagged one is an alert."""

SMALL_BATCHES: dict[str, Any] = {"scoring": {"max_batch_events": 2_048}}
"""The sets are small: speed is counted from the first committed batch, which must not be most of the set."""


@dataclass
class Outcome:
    """What one detector came to on one set. A figure that does not exist is NaN."""

    name: str
    rows: int
    train_seconds: float
    rows_per_second: float
    auroc: float
    average_precision: float
    key_auroc: float
    """Mean over the keys that have labelled rows: scores of different keys need not be comparable."""
    archive_rows_per_second: float = float("nan")
    alerts: int | None = None
    promised: float | None = None
    observed: RateInterval | None = None
    unit: str = ""


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where every row was scored once and the VAE ranks better than chance."""
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("real: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    data = Path(folder)
    http = http_connections(data, every=5 if quick else 1)
    services = service_metrics(data, services=(19, 27, 29), every=4) if quick else service_metrics(data)
    with apache_kafka() as bootstrap, tempfile.TemporaryDirectory() as temporary:
        outcomes = [o for s in (http, services) for o in _measure(Path(temporary), bootstrap, s)]
    console.print(_table(outcomes))
    return all(o.auroc > 0.5 for o in outcomes if o.alerts is not None)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("set: detector", "rows", "archive rows/s", "train s", "scoring rows/s", "AUROC (mean by key)", "AP")
    for column in ("alerts", "promised", "on normal rows (95%)"):
        table.add_column(column)
    for o in outcomes:
        ours = o.alerts is not None and o.observed is not None and o.promised is not None
        scale = 1000.0 if o.unit == "in 1,000" else 1.0
        table.add_row(
            o.name,
            f"{o.rows:,}",
            f"{o.archive_rows_per_second:,.0f}" if ours else "",
            f"{o.train_seconds:.1f}",
            f"{o.rows_per_second:,.0f}",
            f"{o.auroc:.3f}" + ("" if np.isnan(o.key_auroc) else f" ({o.key_auroc:.3f})"),
            f"{o.average_precision:.3f}",
            "" if o.alerts is None else f"{o.alerts:,}",
            "" if o.promised is None else f"{o.promised * scale:g} {o.unit}",
            "" if o.observed is None else _interval(o.observed, scale),
        )
    return table


def _interval(rate: RateInterval, scale: float) -> str:
    return f"{rate.rate * scale:.1f} ({rate.low * scale:.1f} to {rate.high * scale:.1f})"


def _measure(folder: Path, bootstrap: str, data: RealStream) -> list[Outcome]:
    stream = f"{data.name}-{uuid.uuid4().hex[:8]}"  # a broker handed to us may have seen this before
    guessed = infer_spec(
        data.first,
        stream=stream,
        topic=f"{stream}-events",
        format=CodecFormat.JSON,
        wishes=Wishes(key=data.key, label=data.label, time=None),
    ).spec
    document = guessed.model_dump(mode="json", exclude_defaults=True) | SMALL_BATCHES | MORE[data.name]
    stage = Stage(folder / data.name, bootstrap, stream, document)
    _send(stage, data.first)
    archived = stage.child("bench.real_child", str(data.first.num_rows))
    context = load(stage.config)
    begun = time.monotonic()
    trained = train(
        stage.spec,
        lake=context.lake(),
        store=context.model_store(),
        catalogue=context.catalogue(),
        clock=SystemClock(),
        options=TrainOptions(),
    )
    seconds = time.monotonic() - begun
    starts = _send(stage, data.rest)
    total = data.first.num_rows + data.rest.num_rows
    scored = stage.child("bench.scoring_child", "score", str(total))
    result = _Result(stage, data, starts)
    ours = result.outcome(trained, seconds, scored["events_per_second"])
    ours.archive_rows_per_second = archived["rows_per_second"]
    return [ours, *_peers(stage.spec, data)]


def _send(stage: Stage, table: pa.Table) -> dict[TopicPartition, int]:
    """Produce a table's rows as `eddyline replay` does. Returns where the partitions ended before."""
    spec, codec = stage.spec, make_codec(stage.spec)
    partitions = [TopicPartition(spec.topic, p) for p in range(PARTITIONS)]
    admin = stage.broker.admin()
    before = admin.latest_offsets(partitions)
    admin.close()
    key = next((c.name for c in spec.columns if "key" in c.roles), None)
    maker = RecordMaker(topic=spec.topic, encode=lambda rows, size: codec.encode(rows, rows_per_record=size), key=key)
    producer = stage.broker.producer()
    for batch in _conformed(table, spec).to_batches(max_chunksize=8_192):
        for record in maker.records(batch):
            producer.send(record)
    producer.close()
    return dict(before)


def _conformed(table: pa.Table, spec: StreamSpec) -> pa.Table:
    return pa.Table.from_batches([conform(b, spec) for b in table.to_batches()], schema=spec.schema()).combine_chunks()


@dataclass
class _Result:
    """What came out of a stage's topics, for the rows after the training part."""

    stage: Stage
    data: RealStream
    starts: Mapping[TopicPartition, int]
    truth: dict[tuple[int, int], tuple[bool, str | None]] = field(default_factory=dict)
    """Label and key of every row, by partition and offset."""

    def outcome(self, trained: Trained, seconds: float, rows_per_second: float) -> Outcome:
        """Every figure of the run. Raises RuntimeError where a row was not scored, or twice."""
        self._read_truth()
        places, scores, flags = self._read_scores()
        if len(set(places)) != len(places) or len(places) != self.data.rest.num_rows:
            raise RuntimeError(f"{len(places)} scores of {len(set(places))} rows for {self.data.rest.num_rows}")
        labels = np.array([self.truth[place][0] for place in places])
        keys = np.array([str(self.truth[place][1]) for place in places])
        alerts, false = self._alerts(places, flags, labels)
        promised, exposure, unit = self._promise(trained, labels)
        return Outcome(
            name=f"{self.data.name}: {trained.bundle.detector.name}, Eddyline",
            rows=len(places),
            train_seconds=seconds,
            rows_per_second=rows_per_second,
            auroc=auroc(scores, labels),
            average_precision=average_precision(scores, labels),
            key_auroc=by_key(scores, labels, keys) if self.data.key else float("nan"),
            alerts=alerts,
            promised=promised,
            observed=observed_rate(false, exposure),
            unit=unit,
        )

    def _promise(self, trained: Trained, labels: npt.NDArray[np.bool_]) -> tuple[float, float, str]:
        """What was promised, over how many units the normal rows stretch, and the unit's name."""
        threshold = trained.bundle.threshold
        if threshold.promised_share is not None:
            return threshold.promised_share, float((~labels).sum()), "in 1,000"
        keys = len(set(self.data.rest[self.data.key].to_pylist())) if self.data.key else 1
        days = float((~labels).sum()) / keys / DAY_STEPS
        return threshold.promised_per_day or 0.0, days, "a day"

    def _read_truth(self) -> None:
        spec, label, key = self.stage.spec, self.data.label, self.data.key

        def keep(block: Block) -> None:
            rows = [msgspec.json.decode(value or b"{}") for value in block.values]
            found = anomalous(pa.array([row[label] for row in rows]))
            for offset, row, is_anomaly in zip(block.offsets, rows, found, strict=True):
                place = block.source.partition, int(offset)
                self.truth[place] = bool(is_anomaly), None if key is None else str(row[key])

        partitions = [TopicPartition(spec.topic, p) for p in range(PARTITIONS)]
        self.stage.broker.read_all(partitions, keep, timeout_seconds=120)

    def _is_later(self, partition: int, offset: int) -> bool:
        return offset >= self.starts[TopicPartition(self.stage.spec.topic, partition)]

    def _read(self, topic: str, partitions: int) -> list[bytes]:
        found: list[bytes] = []
        sources = [TopicPartition(topic, p) for p in range(partitions)]
        self.stage.broker.read_all(
            sources, lambda block: found.extend(v for v in block.values if v is not None), timeout_seconds=120
        )
        return found

    def _read_scores(self) -> tuple[list[tuple[int, int]], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        places, scores, flags = list[tuple[int, int]](), list[float](), list[bool]()
        for value in self._read(self.stage.spec.scores_topic, PARTITIONS):
            with pa.ipc.open_stream(value) as reader:
                table = reader.read_all()
            partition = int(table.schema.metadata[b"eddyline.partition"])
            columns = (table[name].to_pylist() for name in ("offset", "score_nats", "flagged"))
            for offset, score, flag in zip(*columns, strict=True):
                if self._is_later(partition, offset):
                    places.append((partition, offset))
                    scores.append(score)
                    flags.append(flag)
        return places, np.array(scores), np.array(flags)

    def _alerts(
        self, places: list[tuple[int, int]], flags: npt.NDArray[np.bool_], labels: npt.NDArray[np.bool_]
    ) -> tuple[int, int]:
        """Alerts opened on the rest, and those of them without a labelled row."""
        last: dict[str, Alert] = {}
        opened = set[str]()
        for value in self._read(self.stage.spec.alerts_topic, 1):
            alert = decode_alert(value)
            if self._is_later(alert.partition, alert.first_offset):
                last[alert.id] = alert
                opened |= {alert.id} if alert.status is AlertStatus.OPEN else set()
        if not last:
            return 0, 0
        truth = Truth(stream=self.stage.stream, topic_id=next(iter(last.values())).topic_id)
        for number in np.flatnonzero(flags):
            partition, offset = places[number]
            key = self.truth[places[number]][1]
            truth.sighted(partition=partition, offset=offset, row=0, key=key, anomalous=bool(labels[number]))
        return len(opened), sum(not truth.is_true(last[one]) for one in opened)


def by_key(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.bool_], keys: npt.NDArray[np.str_]) -> float:
    """Mean AUROC over the keys that have rows of both kinds."""
    chosen = [keys == key for key in np.unique(keys)]
    return float(np.mean([auroc(scores[k], labels[k]) for k in chosen if labels[k].any() and not labels[k].all()]))


def _peers(spec: StreamSpec, data: RealStream) -> list[Outcome]:
    first = _conformed(data.first, spec)
    fit, rest = first.slice(0, first.num_rows - round(first.num_rows * CALIBRATION_SHARE)), _conformed(data.rest, spec)
    labels = anomalous(rest[data.label])
    keys = np.array(rest[data.key].to_pylist()) if data.key else np.zeros(rest.num_rows, dtype=np.str_)
    outcomes = []
    for name in PEERS:
        detector = detector_class(name)(seed=0)  # type: ignore[call-arg]
        begun = time.monotonic()
        detector.fit(fit)
        fitted = time.monotonic()
        scores = np.concatenate([detector.score(b) for b in rest.to_batches(max_chunksize=16_384)])
        done = time.monotonic()
        outcomes.append(
            Outcome(
                name=f"{data.name}: {name}, alone",
                rows=rest.num_rows,
                train_seconds=fitted - begun,
                rows_per_second=rest.num_rows / (done - fitted),
                auroc=auroc(scores, labels),
                average_precision=average_precision(scores, labels),
                key_auroc=by_key(scores, labels, keys) if data.key else float("nan"),
            )
        )
    return outcomes
