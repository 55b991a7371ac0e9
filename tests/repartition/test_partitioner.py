"""Keys go where Kafka's own clients would send them."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from pipeline.repartition.partitioner import SEPARATOR, partitions_of, partitions_of_texts


def kafka_partition(key: str, partitions: int) -> int:
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=20), st.integers(1, 1_000), st.integers(0, 3))
def test_as_kafka_partitions(keys: list[str], partitions: int, skipped: int) -> None:
    texts = pa.array(keys, pa.large_string()).slice(skipped)
    assert partitions_of_texts(texts, partitions).tolist() == [kafka_partition(k, partitions) for k in keys[skipped:]]


def test_keys_of_any_type_and_of_several_columns_are_their_text() -> None:
    batch = pa.RecordBatch.from_pydict({"n": pa.array([7, -12, None]), "s": pa.array(["a", None, "ü"])})
    assert partitions_of(batch, ("n",), 50).tolist() == [kafka_partition(k, 50) for k in ("7", "-12", "")]
    both = [kafka_partition(SEPARATOR.join(k), 50) for k in (("7", "a"), ("-12", ""), ("", "ü"))]
    assert partitions_of(batch, ("n", "s"), 50).tolist() == both
