"""Tables with every type and relation that preparation knows."""

import datetime as dt
import decimal
import uuid

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, make_field

START = np.datetime64("2025-03-03T00:00:00", "s")


SAID = ("please", "call", "me", "later", "or", "now")


def _uuid(high: int, low: int) -> str:
    return str(uuid.UUID(int=high << 64 | low, version=4))


def orders(rows: int = 2_000, *, seed: int = 0) -> pa.Table:
    """Orders without metadata: sums, products, orderings, functions, parts of times, identifiers, texts."""
    g = np.random.default_rng(seed)
    city = g.integers(0, 40, rows)
    net = np.round(g.lognormal(3, 0.8, rows), 2)
    tax = np.round(g.lognormal(1, 0.5, rows), 2)
    items = g.poisson(3, rows) + 1
    price = g.integers(100, 5_000, rows)
    made = START + (g.integers(0, 90 * 86_400, rows)).astype("m8[s]")
    sent = made + g.exponential(30_000, rows).astype(int).astype("m8[s]")
    age = g.integers(18, 90, rows)
    celsius = np.round(g.normal(15, 8, rows), 1)
    day = made.astype("M8[D]").astype(int)
    missing = g.random(rows) < 0.1
    columns = {
        "order": pa.array([f"A-{n:07d}" for n in g.permutation(rows) + 1]),
        "token": pa.array([_uuid(int(n), int(m)) for n, m in g.integers(0, 2**62, (rows, 2))]),
        "number": pa.array(g.permutation(rows) + 10_000),
        "made": pa.array(made),
        "sent": pa.array(sent, mask=missing),
        "weekday": pa.array([("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[(d + 3) % 7] for d in day.tolist()]),
        "hour": pa.array((made - made.astype("M8[D]")).astype("m8[h]").astype(int), pa.int8()),
        "date": pa.array(made.astype("M8[D]")),
        "city": pa.array([f"city {c}" for c in city.tolist()]).dictionary_encode(),
        "country": pa.array([f"country {c % 7}" for c in city.tolist()], pa.large_string()),
        "net": pa.array(net),
        "tax": pa.array(tax),
        "gross": pa.array(np.round(net + tax, 2)),
        "items": pa.array(items, pa.int16()),
        "price": pa.array(price, pa.uint32()),
        "total": pa.array(items * price),
        "age": pa.array(age, pa.uint8(), mask=missing),
        "group": pa.array(np.where(age < 30, "young", np.where(age < 60, "middle", "old")).tolist(), mask=missing),
        "hours": pa.array((sent - made).astype(int) // 3600, pa.int32(), mask=missing),
        "written": pa.array([f"{m}Z" for m in made.astype(str).tolist()]),
        "celsius": pa.array(celsius),
        "fahrenheit": pa.array(np.round(celsius * 1.8 + 32, 2), pa.float32()),
        "least": pa.array(np.round(celsius - g.exponential(0.5, rows), 1)),
        "note": pa.array([f"{' '.join(g.choice(SAID, g.integers(1, 9)))} {n}" for n in range(rows)]),
        "currency": pa.array(["EUR"] * rows),
        "nothing": pa.nulls(rows, pa.float64()),
        "kept": pa.array(g.choice(["yes", "no"], rows, p=[0.8, 0.2]).tolist()),
    }  # fmt: skip
    return pa.table(columns)


MADE_ANEW = ("order", "token", "number", "note")
"""Columns of `orders` that are replaced."""


def every_type() -> pa.Table:
    """Two values, a null and a repeat in every type that can be learned."""
    d, day = decimal.Decimal, dt.date
    halves = np.array([1.5, 2.5, 1.5], np.float16)
    texts = ["a", None, "b", "a"]
    arrays = {
        "int8": pa.array([1, None, -128, 1], pa.int8()),
        "int16": pa.array([1, None, -(2**15), 1], pa.int16()),
        "int32": pa.array([1, None, 2**31 - 1, 1], pa.int32()),
        "int64": pa.array([2**62 + 1, None, -5, 1], pa.int64()),
        "uint8": pa.array([1, None, 255, 1], pa.uint8()),
        "uint16": pa.array([1, None, 2**16 - 1, 1], pa.uint16()),
        "uint32": pa.array([1, None, 2**32 - 1, 1], pa.uint32()),
        "uint64": pa.array([1, None, 2**64 - 1, 2**63], pa.uint64()),
        "small uint64": pa.array([1, None, 5, 1], pa.uint64()),
        "float16": pa.concat_arrays([pa.array(halves), pa.nulls(1, pa.float16())]),
        "float32": pa.array([0.1, None, 3.0, 0.1], pa.float32()),
        "float64": pa.array([0.1, None, 1e300, 0.1]),
        "nan": pa.array([0.1, float("nan"), 3.0, 0.1], from_pandas=False),
        "decimal32": pa.array([d("1.23"), None, d("-99999.99"), d("1.23")], pa.decimal32(7, 2)),
        "decimal64": pa.array([d("1.23"), None, d("-99999.99"), d("1.23")], pa.decimal64(12, 2)),
        "decimal128": pa.array([d("1.23"), None, d("-99999.99"), d("1.23")], pa.decimal128(14, 2)),
        "decimal256": pa.array([d("1.23"), None, d("-99999.99"), d("1.23")], pa.decimal256(40, 2)),
        "bool": pa.array([True, None, False, True]),
        "string": pa.array(texts),
        "large string": pa.array(texts, pa.large_string()),
        "string view": pa.array(texts, pa.string_view()),
        "dictionary": pa.array(texts).dictionary_encode(),
        "dictionary of large": pa.array(texts).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.large_string())),
        "ordered": pa.DictionaryArray.from_arrays(
            pa.array([1, None, 0, 1], pa.int8()), pa.array(["low", "high"]), ordered=True
        ),
        "dictionary of numbers": pa.array([7, None, 9, 7]).dictionary_encode(),
        "date32": pa.array([day(2020, 1, 1), None, day(1960, 1, 1), day(2020, 1, 1)], pa.date32()),
        "date64": pa.array([day(2020, 1, 1), None, day(1960, 1, 1), day(2020, 1, 1)], pa.date64()),
        "time32": pa.array([1, None, 86_399_999, 1], pa.time32("ms")),
        "time64": pa.array([1, None, 3, 1], pa.time64("us")),
        "duration": pa.array([1, None, -3, 1], pa.duration("ms")),
        **{f"timestamp {unit}": pa.array([10**9, None, -3, 1], pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")},
        "timestamp zone": pa.array([10**18 + 1, None, 3, 1], pa.timestamp("ns", tz="Europe/Berlin")),
    }
    return pa.table(arrays).replace_schema_metadata({"source": "here"})


def people(rows: int = 600, *, seed: int = 0) -> pa.Table:
    """Entities with roles: personal columns of every shape, a key, a number."""
    g = np.random.default_rng(seed)
    who = g.integers(0, 60, rows)
    personal = [Role.PERSONAL]
    columns = {
        make_field("customer", Kind.CATEGORICAL, [Role.KEY, Role.PERSONAL]): [f"C{w:05d}" for w in who.tolist()],
        make_field("account", Kind.CATEGORICAL, [Role.PERSONAL], arrow_type=pa.int64()): (who + 4_000_000).tolist(),
        make_field("mail", Kind.TEXT, personal): [f"u{n}.x{n % 7}@mail{n % 3}.example" for n in range(rows)],
        make_field("phone", Kind.TEXT, personal): [f"+49 30 {n:04d} {n * 7 % 9973:04d}" for n in range(rows)],
        make_field("address", Kind.TEXT, personal): [f"10.{n % 200}.{n // 200}.7" for n in range(rows)],
        make_field("name", Kind.TEXT, personal): [f"Aa{chr(97 + n % 26)} Bb{chr(97 + n // 26)}" for n in range(rows)],
        make_field("plate", Kind.TEXT, personal): [f"QX-{n % 26:02d} {n:04d}" for n in range(rows)],
        make_field("age", Kind.NUMERIC, [Role.FEATURE, Role.PERSONAL], arrow_type=pa.int64()): (
            who % 50 + g.integers(18, 30, rows)
        ).tolist(),
        make_field("member", Kind.BOOLEAN, [Role.FEATURE, Role.PERSONAL]): (g.random(rows) < 0.5).tolist(),
        make_field("amount", Kind.NUMERIC, [Role.FEATURE]): np.round(g.lognormal(3, 1, rows), 2).tolist(),
    }
    return pa.table(list(map(pa.array, columns.values())), schema=pa.schema(list(columns)))
