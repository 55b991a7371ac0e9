"""What the life of models asks of others: the archive, the catalogue, and what people said of rows."""

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from detectors.feedback import RowLabels
from pipeline.catalogue.entries import ChampionEntry, ModelEntry
from pipeline.catalogue.service_entries import (
    DecisionEntry,
    EvaluationEntry,
    FeedbackEntry,
    LineageEdge,
    WithdrawalEntry,
)
from pipeline.jobs.score_summary import Int64s
from pipeline.jobs.train import ModelCatalogue
from pipeline.jobs.training_data import Archive
from pipeline.lineage.windows import WindowedArchive


class Judge(Protocol):
    """What people said of alerts, brought back to the rows."""

    def labels(self, partition: str, batch: pa.RecordBatch, offsets_B: Int64s) -> RowLabels:
        """Verdicts on rows of a partition (`<topic id>/<number>`), under the stream's schema or an enriched one."""


class LifeArchive(Archive, WindowedArchive, Protocol):
    """The part of the lake that is read."""

    def columns(self, stream: str) -> list[str]:
        """The columns that any file of a stream's archive has."""


class LifeCatalogue(ModelCatalogue, Protocol):
    """The part of the catalogue that is read and written."""

    def champions(self, stream: str) -> list[ChampionEntry]:
        """Every promotion, newest first."""

    def models(self, stream: str) -> list[ModelEntry]:
        """A stream's models, newest first."""

    def decisions(self, stream: str, limit: int = 100) -> list[DecisionEntry]:
        """A stream's decisions, newest first."""

    def decide(self, entry: DecisionEntry, *, champion: str | None = None) -> bool:
        """Write a decision down and act on it; False where the champion is another by now."""

    def add_evaluation(self, entry: EvaluationEntry) -> None:
        """Remember figures."""

    def add_edges(self, edges: Sequence[LineageEdge]) -> None:
        """Remember what came from what."""

    def feedback(self, stream: str, after_id: int = 0) -> list[FeedbackEntry]:
        """The newest word on each alert."""

    def withdrawals(self, stream: str | None = None) -> list[WithdrawalEntry]:
        """What was withdrawn."""

    def parents(self, kind: str, id: str) -> list[LineageEdge]:
        """The edges that lead to something."""
