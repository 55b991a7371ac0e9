"""Synthetic rows never pass for observed ones, wherever those are read; and are read in order where that is asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.demo.plan import file_plan
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile
from pipeline.event_samples import events_of_file
from pipeline.jobs.evaluation_rows import rows_of_file, spec_of_file
from pipeline.jobs.training_data import TrainingData
from pipeline.synthesis.requests import GenerationRequest
from pipeline.synthesis.source import SourceRequest, read_source
from tests.pipeline.archive.bench import number_spec
from tests.pipeline.lake.test_reader import write
from tests.pipeline.synthesis.making import GENERATOR_ID, Workshop

SAID = "synthetic rows .* observed events are wanted here"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path)
    yield workshop
    workshop.catalogue.close()


@pytest.fixture
def made(shop: Workshop, tmp_path: Path) -> Path:
    """A synthetic file that somebody copied and renamed."""
    places = shop.make(shop.request(rows=150)).places
    return Path(shutil.copy(places.published / "part-00000.parquet", tmp_path / "real_events.parquet"))


def test_no_reader_of_files_takes_one(shop: Workshop, made: Path) -> None:
    spec = number_spec(columns=("amount",))
    for read in (
        lambda: EventFile.open(made),
        lambda: EventFile.open(made, spec),
        lambda: events_of_file(made),
        lambda: spec_of_file(made, key=None, label=None),
        lambda: rows_of_file(spec, made, most=100),
        lambda: file_plan(made, spec),
        lambda: read_source(SourceRequest(name="x", file=str(made)), lake=shop.lake, spec=None),
    ):
        with pytest.raises(ConfigError, match=SAID):
            read()
    assert EventFile.open(made, allow_synthetic=True).rows == 150


def test_a_file_rewritten_by_another_arrow_program_still_says_it(made: Path, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(made), tmp_path / "copy.parquet")
    with pytest.raises(ConfigError, match=SAID):
        EventFile.open(tmp_path / "copy.parquet")


def test_no_reader_of_the_archive_takes_one(shop: Workshop, made: Path) -> None:
    write(shop.lake, range(600))
    archive = shop.lake.real("s") / "t" / "date=2026-01-01"
    shutil.copy(made, archive / "p0-600-900.parquet")
    with pytest.raises(ConfigError, match=SAID):
        shop.lake.read_real("s")
    with pytest.raises(ConfigError, match=SAID):
        list(shop.lake.iterate_in_order("s"))
    spec = number_spec().model_copy(update={"stream": "s"})
    with pytest.raises(ConfigError, match=SAID):
        TrainingData(spec, shop.lake)
    with pytest.raises(ConfigError, match=SAID):
        read_source(SourceRequest(name="s"), lake=shop.lake, spec=spec)


def test_a_real_file_is_no_dataset(shop: Workshop) -> None:
    places = shop.make(shop.request(rows=150)).places
    pq.write_table(pa.table({"amount": [1.0]}), places.published / "part-00001.parquet")
    with pytest.raises(ConfigError, match="does not say that it is synthetic"):
        shop.lake.read_synthetic("payments", places.dataset_id)


@pytest.mark.parametrize("window_rows", [40, 3_000, 100_000])
def test_rows_come_in_order_of_time_each_once_in_bounded_memory(shop: Workshop, window_rows: int) -> None:
    request = GenerationRequest(generator_id=GENERATOR_ID, rows=20_000, chunk_rows=2_000, chunks_a_part=3)
    places = shop.make(request).places
    batches = list(shop.lake.iterate_synthetic("payments", places.dataset_id, time="at", window_rows=window_rows))
    table = pa.Table.from_batches(batches)
    times = table["at"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    every = shop.lake.read_synthetic("payments", places.dataset_id)
    assert sorted(table["amount"].to_pylist()) == sorted(every["amount"].to_pylist())
    # windows are cut by a sample of the times, a row in 256 of each of ten row groups
    assert max(batch.num_rows for batch in batches) <= window_rows + 10 * 256


def test_columns_are_chosen_and_unknown_ones_named(shop: Workshop) -> None:
    places = shop.make(shop.request(rows=150)).places
    assert shop.lake.read_synthetic("payments", places.dataset_id, columns=["fraud"]).column_names == ["fraud"]
    with pytest.raises(ConfigError, match="no column 'nope': it has amount"):
        shop.lake.read_synthetic("payments", places.dataset_id, columns=["nope"])
    with pytest.raises(ConfigError, match="no times in 'country'"):
        list(shop.lake.iterate_synthetic("payments", places.dataset_id, time="country"))
