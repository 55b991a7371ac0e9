"""What may be asked of a generator, and which dataset that makes: the same request always makes the same one."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.bundles import ID_LENGTH, canonical

CHUNK_ROWS = 65_536
"""Rows that are made at a time, each chunk under a seed of its own."""
CHUNKS_A_PART = 16
"""Chunks in a file: about a million rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One dataset to be made. Its rows are a function of these fields and of nothing else."""

    generator_id: str
    rows: int
    seed: int = 0
    where: str = ""
    """Conditions as written, `country=BR,amount>500`."""
    balance: str = ""
    """A column whose levels come equally often."""
    anomalies: str = ""
    """Labelled anomalies to put in, `2%:velocity,spike`."""
    device: str = "cpu"
    """Where rows are made: another device makes others."""
    chunk_rows: int = CHUNK_ROWS
    chunks_a_part: int = CHUNKS_A_PART

    @property
    def dataset_id(self) -> str:
        """What the dataset is called: the beginning of the request's hash."""
        return hashlib.sha256(canonical(self.document())).hexdigest()[:ID_LENGTH]

    @property
    def parts(self) -> int:
        """Files of the dataset."""
        return -(-self.rows // (self.chunk_rows * self.chunks_a_part))

    def rows_of_part(self, part: int) -> int:
        """Rows that the generator makes for a file (anomalies may add some)."""
        most = self.chunk_rows * self.chunks_a_part
        return min(most, self.rows - part * most)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)
