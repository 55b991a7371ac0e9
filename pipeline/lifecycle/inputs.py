"""What training takes from the rest of the service: withdrawals, feedback, copies, rows of low quality."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates.rows import DuplicatesArchive, duplicate_rows
from pipeline.feedback.labels import FeedbackLabels, labels_of
from pipeline.lifecycle.ports import LifeCatalogue
from pipeline.lifecycle.rows import FeedbackJudge, LeftOut, Sort, copies, withdrawn
from pipeline.lineage.windows import Span, overlaps
from pipeline.lineage.withdrawn import withdrawn_times
from pipeline.masking import Masker
from pipeline.model_store import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """For one stream, as it stood when the training began."""

    spec: StreamSpec
    masker: Masker
    withdrawn: Sequence[Span] = ()
    """Times of the archive, start ≤ time < end."""
    labels: FeedbackLabels = field(default_factory=lambda: FeedbackLabels({}))
    sorts: Sequence[Sort] = ()
    """Of rows that are left out besides."""

    @classmethod
    def of(cls, spec: StreamSpec, catalogue: LifeCatalogue, masker: Masker, sorts: Sequence[Sort] = ()) -> "Inputs":
        """What the catalogue knows."""
        return cls(
            spec=spec,
            masker=masker,
            withdrawn=withdrawn_times(catalogue, spec.stream),
            labels=labels_of(catalogue.feedback(spec.stream)),
            sorts=sorts,
        )

    def judge(self, champion: Bundle | None) -> FeedbackJudge | None:
        """People's verdicts on rows; None where nobody said anything."""
        return FeedbackJudge(self.spec, self.labels, self.masker, champion) if self.labels else None

    def left_out(
        self, archive: DuplicatesArchive, *, start_ms: int | None, end_ms: int | None, champion: Bundle | None
    ) -> LeftOut:
        """What training on a window asks of each batch."""
        low, high = (-(2**62) if start_ms is None else start_ms), (2**62 if end_ms is None else end_ms)
        spans = overlaps(low, high, self.withdrawn)
        sorts = [withdrawn(spans)] if spans else []
        if self.spec.retraining.duplicates is not DuplicatePolicy.KEEP:
            sorts.append(copies(duplicate_rows(self.spec, archive, start_ms=start_ms, end_ms=end_ms)))
        return LeftOut([*sorts, *self.sorts], self.judge(champion))
