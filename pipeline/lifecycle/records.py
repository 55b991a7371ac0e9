"""Decisions as they are written down. Ids are drawn from what was decided, so that writing one again is seen."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pipeline.bundles import canonical
from pipeline.catalogue.entries import ChampionEntry
from pipeline.catalogue.service_entries import DecisionEntry, EvaluationEntry
from pipeline.lifecycle.documents import known

ID_DIGITS = 16
PROMOTED, REFUSED, ROLLED_BACK, KEPT = "promoted", "refused", "rolled_back", "kept"
"""Kinds of decisions."""
SERVICE = "service"
"""Who decides where no person does."""


class Promotions(Protocol):
    """The catalogue's history of champions."""

    def champions(self, stream: str) -> list[ChampionEntry]:
        """Every promotion, newest first."""


def decision(
    *,
    stream: str,
    kind: str,
    model_id: str | None,
    before_id: str | None,
    by: str,
    reason: str,
    decided_ms: int,
    evaluation_id: str | None = None,
    run_id: str | None = None,
    figures: dict[str, Any] | None = None,
) -> DecisionEntry:
    """A decision with an id of its own."""
    of = [stream, kind, model_id, before_id, by, run_id, decided_ms]
    return DecisionEntry(
        decision_id=hashlib.sha256(canonical(of)).hexdigest()[:ID_DIGITS],
        stream=stream,
        kind=kind,
        model_id=model_id,
        before_id=before_id,
        evaluation_id=evaluation_id,
        run_id=run_id,
        by=by,
        reason=reason,
        figures=known(figures or {}),
        decided_ms=decided_ms,
    )


def evaluation(*, stream: str, model_id: str, created_ms: int, figures: dict[str, Any]) -> EvaluationEntry:
    """Figures of a comparison, under an id that is drawn from them."""
    cleaned = known(figures)
    digest = hashlib.sha256(canonical([stream, model_id, created_ms, cleaned])).hexdigest()
    return EvaluationEntry(
        evaluation_id=digest[:ID_DIGITS], stream=stream, model_id=model_id, created_ms=created_ms, figures=cleaned
    )


def before_champion(
    champions: Sequence[ChampionEntry],
    decisions: Sequence[DecisionEntry],
    *,
    usable: Callable[[str], bool] = lambda model_id: True,
) -> str | None:
    """The model to go back to: in service before the present one, never taken out of service for its alerts, and
    usable.

    `champions` are promotions newest first. None where there is none.
    """
    if not champions:
        return None
    taken_back = {one.before_id for one in decisions if one.kind == ROLLED_BACK}
    current = champions[0].model_id
    for promotion in champions[1:]:
        one = promotion.model_id
        if one != current and one not in taken_back and usable(one):
            return one
    return None
