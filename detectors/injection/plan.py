"""What is to be injected: kinds of anomaly, how many rows of each, how strong; and which kinds are whose.

A judge must not ask what the judged was taught: `families_for` hands training, gates and canaries families that have
no (kind, variant) in common, and `seed_for` gives each its own stream of random numbers.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from detectors.columns import Kind, Role, feature_fields, kind_of, names_with_role


class AnomalyKind(StrEnum):
    """How an injected anomaly differs from what belongs."""

    POINT = "point"
    """One value of a row that is strange by itself."""
    CONTEXTUAL = "contextual"
    """A usual value in the wrong row: swapped with another row's, so every column keeps its values as a whole."""
    COLLECTIVE = "collective"
    """Rows each usual by itself, strange in their number or order; these rows are added to the table."""
    DRIFT = "drift"
    """A column of one key (or of all rows) that moves away slowly, from a moment to the end."""
    STUCK = "stuck"
    """A column that repeats its last value for a while."""
    NOISY = "noisy"
    """A column with added noise for a while."""
    SPIKE = "spike"
    """A column that jumps for a few rows and falls back."""
    LEVEL_SHIFT = "level_shift"
    """A column that is moved by a constant for a while."""


VARIANTS: dict[AnomalyKind, tuple[str, ...]] = {
    AnomalyKind.POINT: ("number", "rare_level", "unseen_level"),
    AnomalyKind.CONTEXTUAL: ("columns", "key", "hour"),
    AnomalyKind.COLLECTIVE: ("burst", "replay", "duplicate"),
    AnomalyKind.DRIFT: ("run",),
    AnomalyKind.STUCK: ("run",),
    AnomalyKind.NOISY: ("run",),
    AnomalyKind.SPIKE: ("run",),
    AnomalyKind.LEVEL_SHIFT: ("run",),
}
"""The ways each kind can come. `contextual`: what the value does not fit (the row's other columns, its key, its hour).
`burst`: many events of one key at once; `replay`: an old sequence again; `duplicate`: a sequence twice in a row."""

USUAL_SEVERITY: dict[AnomalyKind, float] = dict.fromkeys(AnomalyKind, 4.0) | {
    AnomalyKind.CONTEXTUAL: 2.0,
    AnomalyKind.COLLECTIVE: 100.0,
}
RUN_ROWS: dict[AnomalyKind, int] = dict.fromkeys(AnomalyKind, 20) | {AnomalyKind.SPIKE: 3, AnomalyKind.POINT: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of anomaly, its share of the rows and its strength.

    Severity is counted in robust standard deviations of the column (of the key's own where it has 30 values, for
    runs); for levels and contextual values in nats: how many times rarer, as a natural logarithm; for collective
    ones as how many times faster than usual a burst comes.
    """

    kind: AnomalyKind
    variant: str = ""
    """One of VARIANTS[kind]; the first where empty."""
    share: float = 0.01
    """Anomalous rows as a share of the table's."""
    severity: tuple[float, float] | None = None
    """Least and greatest, drawn evenly between; the kind's usual one where None."""
    columns: int = 1
    """How many columns one anomaly touches (at most; collective ones touch the key's rhythm instead)."""
    run_rows: int | None = None
    """Rows of one event, for all but point and contextual anomalies; the kind's usual number where None."""

    def __post_init__(self) -> None:
        if self.variant not in ("", *VARIANTS[self.kind]):
            raise ValueError(f"{self.kind} has no variant {self.variant!r}: choose of {', '.join(VARIANTS[self.kind])}")
        if not 0.0 < self.share <= 0.5:
            raise ValueError(f"a share of {self.share} of the rows is not above 0 and at most 0.5: lower it")
        low, high = self.strength
        if not 0.0 < low <= high:
            raise ValueError(f"severity {low} to {high} is not a range above 0: give the least first")
        if self.columns < 1 or (self.run_rows is not None and self.run_rows < 1):
            raise ValueError("an anomaly touches one column and one row at least: raise columns or run_rows")

    @property
    def way(self) -> str:
        """The variant, never empty."""
        return self.variant or VARIANTS[self.kind][0]

    @property
    def name(self) -> str:
        """The kind, with its variant where it has several."""
        return f"{self.kind}:{self.way}" if len(VARIANTS[self.kind]) > 1 else str(self.kind)

    @property
    def label(self) -> str:
        """The name, and how many columns where those are several: tells the families of a plan apart."""
        return self.name if self.columns == 1 else f"{self.name} in {self.columns} columns"

    @property
    def strength(self) -> tuple[float, float]:
        """Least and greatest severity."""
        usual = USUAL_SEVERITY[self.kind]
        return self.severity or (usual, usual)

    @property
    def rows(self) -> int:
        """Rows of one event."""
        return self.run_rows or RUN_ROWS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Families to inject into one table, each into rows of its own; where names are None, roles decide."""

    families: tuple[Family, ...]
    columns: tuple[str, ...] | None = None
    """Columns that may be changed; all features where None."""
    key: tuple[str, ...] | None = None
    clock: tuple[str, ...] | None = None
    """Time columns that move together when rows are added; the first is read."""


class Purpose(StrEnum):
    """What injected anomalies are for."""

    TRAINING = "training"
    """A detector learns from them."""
    CHOICE = "choice"
    """`auto` and `eddyline evaluate` compare detectors with them."""
    GATE = "gate"
    """They decide whether a challenger is better."""
    CANARY = "canary"
    """They are scored beside the live stream."""


_OWNERS: dict[str, Purpose] = {
    "point:rare_level": Purpose.TRAINING,
    "contextual:hour": Purpose.TRAINING,
    "collective:replay": Purpose.TRAINING,
    "spike": Purpose.TRAINING,
    "noisy": Purpose.TRAINING,
    "point:unseen_level": Purpose.CANARY,
    "collective:duplicate": Purpose.CANARY,
    "stuck": Purpose.CANARY,
}
"""Families that belong to training and to canaries; gates and choices share the others, under seeds of their own."""


def seed_for(purpose: Purpose, seed: int) -> int:
    """A seed that no other purpose gets from the same number (63 bits of a hash)."""
    digest = hashlib.sha256(f"{purpose.value}:{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def families_for(purpose: Purpose, families: Iterable[Family]) -> tuple[Family, ...]:
    """Those of `families` that `purpose` may use. What trains is never used by gates, choices or canaries."""
    wanted = Purpose.GATE if purpose is Purpose.CHOICE else purpose
    return tuple(family for family in families if _OWNERS.get(family.name, Purpose.GATE) is wanted)


def possible_families(schema: pa.Schema, *, share: float = 0.01, ordered: bool = True) -> tuple[Family, ...]:
    """One family of every kind that columns of this schema can show, at usual strength, `share` of the rows each.

    Runs (drift, stuck ...) are for rows that follow one another: leave them out with `ordered=False` where the table
    has no order. Collective ones need a key.
    """
    kinds = {kind_of(field) for field in feature_fields(schema)}
    keyed = bool(names_with_role(schema, Role.KEY))
    timed = bool(names_with_role(schema, Role.TIME))
    many = len(feature_fields(schema)) > 1
    fits = {
        "point:number": Kind.NUMERIC in kinds,
        "point:rare_level": Kind.CATEGORICAL in kinds,
        "point:unseen_level": Kind.CATEGORICAL in kinds,
        "contextual:columns": many,
        "contextual:key": keyed,
        "contextual:hour": timed,
        **{f"collective:{way}": keyed and ordered for way in VARIANTS[AnomalyKind.COLLECTIVE]},
    }
    everything = [Family(kind=kind, variant=way, share=share) for kind in AnomalyKind for way in VARIANTS[kind]]
    return tuple(f for f in everything if fits.get(f.name, ordered and Kind.NUMERIC in kinds))
