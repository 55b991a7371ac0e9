"""What a report on a stream says of the model in service: live recall by canaries, precision by what people said."""

from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.canaries.recall import live_recall
from pipeline.expectations.document import QualityDocument
from pipeline.feedback.figures import feedback_slot

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue

FEEDBACK_MS = 28 * 86_400_000
"""Alerts that began this long ago or later are looked at."""


def with_live(document: QualityDocument, catalogue: "Catalogue", *, now_ms: int) -> QualityDocument:
    """The document with its slots `canaries` and `feedback`; None where no canary was put in, or nobody judged.

    Raises CatalogueUnavailableError.
    """
    champion = catalogue.champion(document.stream)
    recall = live_recall(catalogue, document.stream, champion, now_ms=now_ms)
    since_ms = now_ms - FEEDBACK_MS
    alerts = 0 if champion is None else catalogue.alert_counts(document.stream, champion, since_ms, now_ms)
    said = feedback_slot(catalogue.feedback(document.stream), alerts=alerts, since_ms=since_ms)
    return replace(
        document,
        canaries=recall.document() if recall.families else None,
        feedback=said if said["confirmed"] + said["false_positives"] else None,
    )
