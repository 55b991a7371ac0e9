"""What is asked for: how many rows are to be anomalous, and in which ways; and whether a table can show them."""

import re
from dataclasses import dataclass

import pyarrow as pa

from detectors.columns import Kind, Role, feature_fields, kind_of, names_with_role
from detectors.injection import AnomalyKind, Family, possible_families
from synth.anomalies.names import FAMILIES, Way, family_name
from synth.errors import ImpossibleConditionsError

_SHARE = re.compile(r"^\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<percent>%?)\s*$")
GREATEST_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyRequest:
    """A share of the rows, and the families that share it evenly."""

    share: float
    """Of the rows that come out, above 0 and at most 0.5."""
    names: tuple[str, ...]
    """Names in `FAMILIES`."""

    def __str__(self) -> str:
        return f"{self.share * 100:g}%:{','.join(self.names)}"


def parse_anomalies(text: str) -> AnomalyRequest:
    """The request in a text such as `2%:velocity,spike`, or `2%` for everything that the table can show.

    Raises ImpossibleConditionsError for a share that is none, and for names that are not known, with those that are.
    """
    share_text, _, names_text = text.partition(":")
    found = _SHARE.match(share_text)
    share = float(found["number"]) / (100.0 if found["percent"] else 1.0) if found else 0.0
    if not 0.0 < share <= GREATEST_SHARE:
        raise ImpossibleConditionsError(
            f"{share_text.strip()!r} is no share of anomalous rows: write one above 0% and at most 50%, as in 2%:spike"
        )
    names = []
    for part in names_text.split(",") if names_text.strip() else ["all"]:
        name = family_name(part)
        if name is None:
            raise ImpossibleConditionsError(f"{part.strip()!r} is no anomaly known here: name {', '.join(FAMILIES)}")
        names.append(name)
    return AnomalyRequest(share=share, names=tuple(dict.fromkeys(names)))


def families_of(request: AnomalyRequest, schema: pa.Schema, *, ordered: bool) -> tuple[Family, ...]:
    """The families that a table of this schema (kinds and roles in it) is to show, the share spread evenly.

    Raises ImpossibleConditionsError where a name asks for what the schema cannot show, with what is lacking.
    """
    possible = {(family.kind, family.way) for family in possible_families(schema, ordered=ordered)}
    wanted: dict[Way, None] = {}
    for name in request.names:
        ways = [way for way in FAMILIES[name] if way in possible]
        if not ways:
            raise ImpossibleConditionsError(f"{name} cannot be shown by this table: {_lacking(name, schema)}")
        wanted.update(dict.fromkeys(ways))
    # Drift first: it has one place a key, the end, and equals are placed in this order.
    ordered_ways = sorted(wanted, key=lambda way: way[0] is not AnomalyKind.DRIFT)
    return tuple(Family(kind=kind, variant=way, share=request.share / len(wanted)) for kind, way in ordered_ways)


def _lacking(name: str, schema: pa.Schema) -> str:
    """What a table lacks for all families of a name, and what to do."""
    kind, way = FAMILIES[name][0]
    kinds = {kind_of(field) for field in feature_fields(schema)}
    keyless, timeless = not names_with_role(schema, Role.KEY), not names_with_role(schema, Role.TIME)
    if kind in (AnomalyKind.COLLECTIVE,) or way == "key":
        if keyless:
            return "no column names the entity; give one the role key, or ask for point anomalies"
        return "no column has the time; give one the role time, or ask for point anomalies"
    if way == "hour":
        return "no column has the time; give one the role time, or ask for wrong_row"
    if kind is AnomalyKind.CONTEXTUAL:
        return "it has fewer than two columns that could contradict each other; ask for point anomalies"
    if way in ("rare_level", "unseen_level"):
        return "it has no column of names; ask for number"
    if Kind.NUMERIC not in kinds:
        return "it has no column of numbers; ask for rare_level or unseen_level"
    return "its rows follow no order; give a column the role time" if timeless else "ask for point anomalies"
