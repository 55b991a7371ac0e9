"""What people call anomalies, and which families of `detectors/injection` that is."""

from detectors.injection import AnomalyKind
from detectors.injection.plan import VARIANTS

Way = tuple[AnomalyKind, str]

_POINT, _CONTEXT, _COLLECTIVE = AnomalyKind.POINT, AnomalyKind.CONTEXTUAL, AnomalyKind.COLLECTIVE


def _all(*kinds: AnomalyKind) -> tuple[Way, ...]:
    return tuple((kind, way) for kind in kinds for way in VARIANTS[kind])


FAMILIES: dict[str, tuple[Way, ...]] = {
    "all": _all(*AnomalyKind),
    "point": _all(_POINT),
    "number": ((_POINT, "number"),),
    "rare_level": ((_POINT, "rare_level"),),
    "unseen_level": ((_POINT, "unseen_level"),),
    "contextual": _all(_CONTEXT),
    "wrong_row": ((_CONTEXT, "columns"),),
    "wrong_customer": ((_CONTEXT, "key"),),
    "wrong_hour": ((_CONTEXT, "hour"),),
    "collective": _all(_COLLECTIVE),
    "velocity": ((_COLLECTIVE, "burst"),),
    "replay": ((_COLLECTIVE, "replay"),),
    "duplicate": ((_COLLECTIVE, "duplicate"),),
    "sensor": _all(AnomalyKind.STUCK, AnomalyKind.NOISY, AnomalyKind.SPIKE, AnomalyKind.LEVEL_SHIFT),
    "drift": _all(AnomalyKind.DRIFT),
    "stuck": _all(AnomalyKind.STUCK),
    "noisy": _all(AnomalyKind.NOISY),
    "spike": _all(AnomalyKind.SPIKE),
    "level_shift": _all(AnomalyKind.LEVEL_SHIFT),
}
"""By name. One with several families asks for those of them that the table can show."""

ALIASES = {
    "outlier": "number", "extreme": "number", "value": "number", "amount": "number",
    "rare": "rare_level", "unseen": "unseen_level", "new_level": "unseen_level", "unknown_level": "unseen_level",
    "context": "contextual", "wrong_columns": "wrong_row", "columns": "wrong_row", "mismatch": "wrong_row",
    "wrong_key": "wrong_customer", "wrong_entity": "wrong_customer",
    "customer": "wrong_customer", "key": "wrong_customer",
    "wrong_time": "wrong_hour", "hour": "wrong_hour", "time": "wrong_hour",
    "burst": "velocity", "bursts": "velocity", "flood": "velocity", "replayed": "replay", "repeat": "replay",
    "duplicates": "duplicate", "double": "duplicate", "doubled": "duplicate", "sequence": "collective",
    "fault": "sensor", "faults": "sensor", "sensor_fault": "sensor", "sensor_faults": "sensor",
    "drifting": "drift", "flatline": "stuck", "frozen": "stuck", "noise": "noisy", "spikes": "spike", "peak": "spike",
    "shift": "level_shift", "step": "level_shift", "level": "level_shift", "points": "point",
    **{f"{kind}_{way}": name for name, ways in FAMILIES.items() if len(ways) == 1 for kind, way in ways},
}  # fmt: skip
"""Other words for the same."""


def family_name(text: str) -> str | None:
    """The name in FAMILIES that a word stands for; None where it stands for none."""
    word = text.strip().lower().replace("-", "_").replace(" ", "_").replace(":", "_")
    name = ALIASES.get(word, word)
    return name if name in FAMILIES else None
