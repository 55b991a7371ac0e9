"""Two public sets as streams: KDD Cup 1999's http connections and JumpStarter's service metrics.

Both are cut in order of time, with what is anomalous left in: the first part is learned from, the rest is scored.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HTTP_FIRST_SHARE = 0.3
STEP_SECONDS = 300
TRAINING_STEPS = 5_760
"""20 days; the other 25 have labels."""
FIRST_STEP_MS = 1_767_225_600_000
"""2026-01-01; the set counts steps and does not say when it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealStream:
    """A set as a person would have it: a file to learn from, a file that comes after it."""

    name: str
    first: pa.Table
    rest: pa.Table
    key: str | None
    label: str = "label"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Both parts as Parquet files."""
        paths = folder / f"{self.name}.parquet", folder / f"{self.name}-rest.parquet"
        for path, table in zip(paths, (self.first, self.rest), strict=True):
            pq.write_table(table, path)
        return paths


def http_connections(folder: Path, *, every: int = 1) -> RealStream:
    """The http connections of kdd99, 64,293 rows in natural order; every so manieth of them. No clock, no key."""
    table = pq.read_table(folder / "kdd99_10pct.parquet", filters=pc.field("service") == "http")
    table = _plain(table.take(pa.array(np.arange(0, table.num_rows, every))))
    first = round(table.num_rows * HTTP_FIRST_SHARE)
    return RealStream(name="http", first=table.slice(0, first), rest=table.slice(first), key=None)


def service_metrics(folder: Path, *, services: Collection[int] = range(30), every: int = 1) -> RealStream:
    """JumpStarter's 19 metrics of each of 30 services, a row every 5 minutes, the services side by side; of some of the
    services, every so manieth step."""
    names = pa.array([f"service{n}" for n in services], pa.large_string())
    table = pq.read_table(folder / "jumpstarter_d2.parquet", filters=pc.field("service").isin(names))
    training = pc.equal(table["split"], "train").to_numpy()
    step = table["t"].to_numpy() + np.where(training, 0, TRAINING_STEPS)
    place = np.lexsort((pc.rank(table["service"], tiebreaker="dense").to_numpy(), step))
    place = place[step[place] % every == 0]
    times = pa.array(FIRST_STEP_MS + step * STEP_SECONDS * 1000).cast(pa.timestamp("ms", tz="UTC"))
    table = table.drop_columns(["split", "t"]).append_column("time", times).take(pa.array(place))
    first = pa.array(training[place])
    rows = _plain(table)
    return RealStream(name="services", first=rows.filter(first), rest=rows.filter(pc.invert(first)), key="service")


def _plain(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(None).combine_chunks()
