"""What training takes from the rest of the service: withdrawals, feedback, copies, rows of low quality."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.config import StreamSpec
from pipeline.feedback.labels import FeedbackLabels, labels_of
from pipeline.lifecycle.challenger import Parts
from pipeline.lifecycle.ports import LifeCatalogue
from pipeline.lifecycle.rows import FeedbackJudge, LeftOut, Sort, withdrawn
from pipeline.masking import Masker
from pipeline.model_store import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """For one stream, as it stood when the training began."""

    spec: StreamSpec
    masker: Masker
    withdrawn: Sequence[tuple[int, int]] = ()
    """Windows, start ≤ time < end."""
    labels: FeedbackLabels = field(default_factory=lambda: FeedbackLabels({}))
    sorts: Sequence[Sort] = ()
    """Of rows that are left out besides."""

    @classmethod
    def of(cls, spec: StreamSpec, catalogue: LifeCatalogue, masker: Masker, sorts: Sequence[Sort] = ()) -> "Inputs":
        """What the catalogue knows."""
        return cls(
            spec=spec,
            masker=masker,
            withdrawn=[
                (one.start_ms, one.end_ms)
                for one in catalogue.withdrawals(spec.stream)
                if one.start_ms is not None and one.end_ms is not None
            ],
            labels=labels_of(catalogue.feedback(spec.stream)),
            sorts=sorts,
        )

    def judge(self, champion: Bundle | None) -> FeedbackJudge | None:
        """People's verdicts on rows; None where nobody said anything."""
        return FeedbackJudge(self.spec, self.labels, self.masker, champion) if self.labels else None

    def left_out(self, parts: Parts, champion: Bundle | None) -> LeftOut:
        """What training asks of each batch."""
        inside = [(start, end) for start, end in self.withdrawn if start < parts.end_ms and end > parts.start_ms]
        sorts = [withdrawn(inside)] if inside else []
        return LeftOut([*sorts, *self.sorts], self.judge(champion))
