"""Rows of a catalogue that has served for years: 10⁶ alerts, 10⁵ runs, and what goes with them."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from pipeline.catalogue.alert_tables import CanaryRow, FeedbackRow
from pipeline.catalogue.connected import table_of
from pipeline.catalogue.service_tables import DecisionRow, EvaluationRow, JobRunRow, LineageRow, QualityRow
from pipeline.catalogue.tables import (
    Base,
    ChampionRow,
    DatasetRow,
    GenerationRequestRow,
    GeneratorRow,
    ModelRow,
    StreamRow,
)

ALERTS, RUNS, MODELS, DATASETS, VERDICTS, FEEDBACK = 1_000_000, 100_000, 200, 500, 20_000, 10_000
STREAMS = ("payments", "payments", "payments", "logins")
NOW_MS = 1_780_000_000_000
STEP_MS = 30_000
AT_ONCE = 10_000
SPREAD = 2_654_435_761
FIRST_NUMBERS = {
    "generator": 10_000_000, "dataset": 20_000_000, "request": 30_000_000, "evaluation": 40_000_000,
    "report": 50_000_000, "decision": 60_000_000,
}  # fmt: skip
_HEX = {
    "sqlite": "printf('%08x%0{rest}x', ({n} * {spread}) % 4294967296, {n})",
    "postgresql": "lpad(to_hex(({n} * {spread}) % 4294967296), 8, '0') || lpad(to_hex({n}), {rest}, '0')",
}
_NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :count) ",
    "postgresql": "WITH s AS (SELECT generate_series(0::bigint, :count - 1) AS n) ",
}
_COLUMNS = (
    "alert_id, stream, revision, kind, status, severity, cause, started_ms, last_ms, published_ms, model_id, shadow, "
    "document"
)
Row = Mapping[str, Any]


def identifier(number: int, length: int = 32) -> str:
    """The id of one thing: hexadecimal and spread evenly, as those of a service are. `_ALERTS` makes the same."""
    return f"{number * SPREAD % 2**32:08x}{number:0{length - 8}x}"


def id_of(kind: str, number: int, length: int = 32) -> str:
    """The id of one thing that is neither alert, run nor model: things of two kinds never have the same, as in a
    service, where ids are drawn from what a thing is."""
    return identifier(FIRST_NUMBERS[kind] + number, length)


def fill(engine: Engine, *, share: float, document: Mapping[str, Any]) -> None:
    """Put a share of all those rows into an empty catalogue. `document` is an alert as published."""
    for table, rows in _tables(share, document):
        chunk = iter(rows)
        while some := list(itertools.islice(chunk, AT_ONCE)):
            with engine.begin() as connection:
                connection.execute(insert(table_of(table)), some)
    with engine.begin() as connection:
        _fill_alerts(connection, round(ALERTS * share), document)
    if engine.dialect.name == "postgresql":  # which does so by itself after a while
        with engine.begin() as connection:
            connection.execute(text("ANALYZE"))


def _fill_alerts(connection: Connection, count: int, document: Mapping[str, Any]) -> None:
    """By the database itself, in a tenth of the time."""
    hexadecimal = _HEX[connection.dialect.name]
    alert, model = (hexadecimal.format(n=n, rest=rest, spread=SPREAD) for n, rest in (("n", 24), ("(n / 5000)", 56)))
    moment = f"{NOW_MS} - (:count - n) * {STEP_MS}"
    values = (
        f"{alert}, CASE n % 4 WHEN 3 THEN 'logins' ELSE 'payments' END, 2, 'anomaly', 'resolved', 'warning', "
        f"CASE n % 50000 WHEN 0 THEN 'bad_data' ELSE 'odd_behaviour' END, {moment}, {moment}, {moment}, {model}, "
        "false, :document"
    )
    is_postgres = connection.dialect.name == "postgresql"
    values = values.replace(":document", "CAST(:document AS json)" if is_postgres else ":document")
    statement = f"INSERT INTO alerts ({_COLUMNS}) {_NUMBERS[connection.dialect.name]} SELECT {values} FROM s"  # noqa: S608
    connection.execute(text(statement), {"count": count, "document": json.dumps({**document, "id": identifier(0)})})


def _tables(share: float, document: Mapping[str, Any]) -> list[tuple[type[Base], Iterator[Row]]]:
    return [
        (StreamRow, ({"name": name, "spec": {}} for name in dict.fromkeys(STREAMS))),
        (ModelRow, _models()),
        (ChampionRow, _champions()),
        (EvaluationRow, _evaluations()),
        (DecisionRow, _decisions()),
        (GeneratorRow, _generators()),
        (DatasetRow, _datasets()),
        (GenerationRequestRow, _requests()),
        (JobRunRow, (_run(n) for n in range(round(RUNS * share)))),
        (QualityRow, (_verdict(n) for n in range(round(VERDICTS * share)))),
        (LineageRow, (_edge(n) for n in range(round(VERDICTS * share)))),
        (CanaryRow, (_canary(n) for n in range(round(VERDICTS * share)))),
        (FeedbackRow, (_feedback(n, document) for n in range(round(FEEDBACK * share)))),
    ]


def _moment(number: int, of: int) -> int:
    return NOW_MS - (of - number) * STEP_MS


def _models() -> Iterator[Row]:
    for n in range(MODELS):
        yield {
            "model_id": identifier(n, 64), "stream": "payments", "detector": "blend",
            "created_ms": _moment(n, MODELS), "threshold_nats": 3.0, "facts": {"rows": 100_000, "seconds": 60.0},
        }  # fmt: skip


def _champions() -> Iterator[Row]:
    for n in range(MODELS):
        model = identifier(n, 64)
        yield {"stream": "payments", "model_id": model, "reason": "better", "since_ms": _moment(n, MODELS)}


def _evaluations() -> Iterator[Row]:
    for n in range(MODELS):
        yield {
            "evaluation_id": id_of("evaluation", n), "stream": "payments",
            "model_id": identifier(n, 64), "created_ms": _moment(n, MODELS),
            "figures": {f"family {k}": 0.5 for k in range(20)},
        }  # fmt: skip


def _decisions() -> Iterator[Row]:
    for n in range(1_000):
        yield {
            "decision_id": id_of("decision", n), "stream": "payments", "kind": "refused",
            "model_id": identifier(n % MODELS, 64), "before_id": None,
            "evaluation_id": id_of("evaluation", n % MODELS), "run_id": identifier(n), "by": "schedule",
            "reason": "not better beyond noise", "figures": {"ap": 0.5}, "decided_ms": _moment(n, 1_000),
        }  # fmt: skip


def _generators() -> Iterator[Row]:
    for n in range(50):
        yield {
            "generator_id": id_of("generator", n, 64), "stream": "payments", "model": "vae",
            "created_ms": _moment(n, 50), "source": {"rows": 100_000}, "facts": {},
        }  # fmt: skip


def _datasets() -> Iterator[Row]:
    for n in range(DATASETS):
        yield {
            "dataset_id": id_of("dataset", n), "stream": "payments",
            "generator_id": id_of("generator", n % 50, 64), "status": "published", "rows": 1_000,
            "size_bytes": 10_000, "created_ms": _moment(n, DATASETS), "manifest_sha256": "0" * 64, "reason": "",
            "verdict": {"passed": True},
        }  # fmt: skip


def _requests() -> Iterator[Row]:
    for n in range(DATASETS):
        yield {
            "request_id": id_of("request", n), "stream": "payments",
            "generator_id": id_of("generator", n % 50, 64), "parent_id": None,
            "dataset_id": id_of("dataset", n), "status": "published", "asked_ms": _moment(n, DATASETS),
            "ended_ms": _moment(n, DATASETS), "asked": {"rows": 1_000, "seed": 1}, "reason": "",
        }  # fmt: skip


def _run(n: int) -> Row:
    moment = NOW_MS - (RUNS - n) * 300_000
    return {
        "run_id": identifier(n), "stream": STREAMS[n % 4], "job": ("nightly", "hourly")[n % 8 > 0],
        "kind": "quality_report", "fire_ms": moment, "status": "failed" if n % 5_000 == 0 else "succeeded",
        "origin": "schedule", "arguments": {}, "attempt": 1, "failures": 0, "not_before_ms": moment, "epoch": 1,
        "host": "host", "pid": 1, "started_ms": moment, "ended_ms": moment + 9_000, "progress": 1.0, "doing": "",
        "reason": "passed", "last_lines": "a line of what it said\n" * 20, "result": {"passed": 40},
    }  # fmt: skip


def _verdict(n: int) -> Row:
    moment = _moment(n, VERDICTS)
    return {
        "result_id": id_of("report", n), "stream": STREAMS[n % 4], "subject": ("archive", "drift")[n % 2],
        "subject_id": "", "start_ms": moment, "end_ms": moment, "verdict": "passed", "evaluated": 40, "failed": 0,
        "created_ms": moment, "run_id": None, "page": "payments/page.html",
        "summary": {f"column {k}": {"drift": 0.01, "null": 0.0} for k in range(20)},
    }  # fmt: skip


def _edge(n: int) -> Row:
    return {
        "parent_kind": "window", "parent_id": f"payments:{n}-{n + 1}:{identifier(n, 12)}",
        "child_kind": "model" if n < MODELS else "report",
        "child_id": identifier(n, 64) if n < MODELS else id_of("report", n),
        "stream": "payments", "made_ms": _moment(n, VERDICTS), "facts": {},
    }  # fmt: skip


def _canary(n: int) -> Row:
    return {
        "stream": "payments", "model_id": identifier(n // 2_000, 64), "family": f"family {n % 10}",
        "hour_ms": NOW_MS // 3_600_000 * 3_600_000 - (n // 10) * 3_600_000, "injected": 6, "caught": 5,
    }  # fmt: skip


def _feedback(n: int, document: Mapping[str, Any]) -> Row:
    return {
        "alert_id": identifier(n * 100), "stream": "payments", "verdict": "false_positive", "user": "ada",
        "score": None, "note": "a known batch", "given_ms": NOW_MS, "alert": dict(document),
    }  # fmt: skip
