"""Going back to a model that was in service before, is whole and was not withdrawn."""

from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, ModelError
from pipeline.lifecycle.records import ROLLED_BACK, before_champion, decision
from pipeline.lineage.nodes import Node, NodeKind
from pipeline.lineage.withdrawn import why_withdrawn

if TYPE_CHECKING:
    from pipeline.catalogue import Catalogue
    from pipeline.model_store import ModelStore

MOST_DECISIONS = 1_000


def champion_before(catalogue: "Catalogue", store: "ModelStore", stream: str) -> str | None:
    """The newest champion before that is not withdrawn, was not rolled back and can be loaded; None without one."""

    def usable(model_id: str) -> bool:
        if why_withdrawn(catalogue, Node(NodeKind.MODEL, model_id)) is not None:
            return False
        try:
            store.load(model_id)
        except ModelError:
            return False
        return True

    decisions = catalogue.decisions(stream, limit=MOST_DECISIONS)
    return before_champion(catalogue.champions(stream), decisions, usable=usable)


def roll_back_to_sound(
    catalogue: "Catalogue", store: "ModelStore", stream: str, *, reason: str, by: str, now_ms: int
) -> str:
    """Put the newest champion before into service that is not withdrawn and can be loaded; returns its id.

    Raises ConfigError where there is none, or where another model was put into service meanwhile.
    """
    before = champion_before(catalogue, store, stream)
    if before is None:
        raise ConfigError(
            f"no model of {stream} was in service before that is not withdrawn: train again, `eddyline train {stream}`"
        )
    entry = decision(
        stream=stream,
        kind=ROLLED_BACK,
        model_id=before,
        before_id=catalogue.champion(stream),
        by=by,
        reason=f"the model in service was withdrawn: {reason}",
        decided_ms=now_ms,
    )
    if not catalogue.decide(entry, champion=before):
        raise ConfigError(f"another model of {stream} was put into service meanwhile: look at `eddyline models list`")
    return before
