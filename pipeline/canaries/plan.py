"""Which canaries a stream can have: families that nothing was trained, chosen or promoted by."""

from dataclasses import dataclass, replace

import pyarrow as pa

from detectors.columns import Role
from detectors.injection import AnomalyKind, Family, Plan, Purpose, families_for, possible_families
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryPlan:
    """What is put into the copies of one stream."""

    families: tuple[Family, ...]
    columns: tuple[str, ...]
    """That may be changed: the events' own features."""
    left_out: str = ""
    """Which families a stream like this could have and has not, and why."""

    def of(self, rows: int, *, each: int) -> Plan:
        """The plan of one copy: about `each` anomalies of every family in so many rows."""
        families = [replace(f, share=min(0.1, max(1.0, each * f.rows) / rows)) for f in self.families]
        return Plan(families=tuple(families), columns=self.columns)


def canary_plan(spec: StreamSpec, stated: StreamSpec) -> CanaryPlan:
    """The canaries of a stream. `stated` is its spec as the file has it, before a repartition step.

    What a repartition step derived lies in the events and cannot be derived anew from a copy: collective anomalies,
    which show in nothing else, are then left out. Raises ConfigError where no family is left.
    """
    own = {column.name for column in stated.columns}
    columns = tuple(c.name for c in spec.columns if Role.FEATURE in c.roles and c.name in own)
    schema = pa.schema([spec.schema().field(c.name) for c in spec.columns if c.name in own])
    families = families_for(Purpose.CANARY, possible_families(schema))
    left_out = ""
    if stated.repartitioned_context:
        families = tuple(f for f in families if f.kind is not AnomalyKind.COLLECTIVE)
        left_out = "collective anomalies, which would need the repartitioned context derived anew"
    if not families:
        raise ConfigError(
            f"stream {spec.stream!r} can have no canaries: they need a numeric or a categorical feature of its own; "
            "take `canaries` out of its spec"
        )
    return CanaryPlan(families=families, columns=columns, left_out=left_out)
