"""Whether a model was trained on events enriched as the spec now says."""

import hashlib
import json
from typing import Any

from pipeline.config import StreamSpec
from pipeline.errors import ModelError
from pipeline.model_store import Bundle
from pipeline.state.recipe import recipe_of

FACT = "enrichment"
"""The bundle's fact that holds the recipe it was trained under; null where events were scored each by itself."""


def enrichment_fact(spec: StreamSpec) -> dict[str, Any] | None:
    """What a bundle says of the recipe it was trained under."""
    recipe = recipe_of(spec)
    fact = None if recipe is None else {"sha256": recipe.digest, "steps": recipe.document()}
    upstream = [context.model_dump(mode="json") for context in spec.repartitioned_context]
    if not upstream:
        return fact
    both = json.dumps([fact, upstream], sort_keys=True, separators=(",", ":"))
    return {
        "sha256": hashlib.sha256(both.encode()).hexdigest(),
        "steps": recipe.document() if recipe is not None else [],
        "repartitioned": upstream,
    }


def check_fits(bundle: Bundle, spec: StreamSpec) -> None:
    """Raise ModelError where a bundle was trained on events enriched otherwise than the spec says: its columns would
    mean something else, or be missing in every event, and its threshold would hold for neither."""
    trained, stated = bundle.facts.get(FACT), enrichment_fact(spec)
    if (trained or {}).get("sha256") != (stated or {}).get("sha256"):
        raise ModelError(
            f"model {bundle.model_id} was trained with other `context` or `windows` than stream {spec.stream!r} now "
            f"states: run `eddyline train {spec.stream}`, or take the spec's change back"
        )
