"""What is done about columns that are about people.

By role (`personal`); without any roles, texts that look like e-mail addresses or phone numbers count too. Texts and
codes whose values come back are learned under pseudonyms; other texts are faked by their look. Numbers, moments and
truths are learned as any other column is: smoothed, bounded, no rare value handed out again.
"""

from collections.abc import Mapping

import pyarrow as pa

from detectors.columns import ROLES_KEY, Kind, Role, roles_of
from synth.preparation.disguise import Disguise, disguise_of
from synth.preparation.fakes import IPV4, IPV6, MAIL, PHONE, Fake, look_of
from synth.preparation.frame import Rule
from synth.preparation.kinds import learned_kind, mostly_distinct
from synth.preparation.patterns import pattern_of
from synth.preparation.placeholders import placeholder_of
from synth.preparation.shapes import shapes_of


def personal_names(frame: Mapping[str, pa.Array], schema: pa.Schema) -> tuple[set[str], list[str]]:
    """The personal columns, and what should be said about others that look so."""
    found, notes = set(), []
    for field in schema:
        if Role.PERSONAL in roles_of(field):
            found.add(field.name)
        elif ROLES_KEY not in (field.metadata or {}) and frame[field.name].type == pa.string():
            look = look_of(frame[field.name])
            if look in (MAIL, PHONE):
                found.add(field.name)
                notes.append(f"{field.name}: looks like {'e-mail addresses' if look == MAIL else 'phone numbers'}")
            elif look in (IPV4, IPV6):
                notes.append(f"{field.name}: looks like IP addresses; give it the role personal to have it replaced")
    return found, notes


def disguises_of(
    frame: Mapping[str, pa.Array],
    schema: pa.Schema,
    personal: set[str],
    *,
    label: str | None,
    seed: int,
    least_rows: int,
) -> tuple[dict[str, Disguise], list[str]]:
    """Pseudonyms for personal columns of names whose values come back; what was done, in words."""
    found, notes = {}, []
    for field in schema:
        array = frame[field.name]
        if field.name not in personal or field.name == label:
            continue
        if (
            array.type in (pa.string(), pa.int64())
            and learned_kind(field) is Kind.CATEGORICAL
            and _returns(field, array)
        ):
            found[field.name] = disguise_of(field.name, array, seed=seed, least_rows=least_rows)
            notes.append(f"{field.name}: personal; learned under pseudonyms")
        elif array.type != pa.string():
            notes.append(f"{field.name}: personal; learned as other columns are, smoothed")
    return found, notes


def fake_rule(name: str, array: pa.Array, *, seed: int, least_rows: int) -> Rule:
    """How a personal column of texts that do not come back is made anew."""
    look = look_of(array)
    share = array.null_count / max(len(array), 1)
    if look not in (None, PHONE):
        return Fake(column=name, look=str(look), missing_share=share)
    return (
        pattern_of(name, array, seed=seed)
        or shapes_of(name, array, seed=seed, least_rows=least_rows)
        or placeholder_of(name, array, least_rows=least_rows)
    )


def _returns(field: pa.Field, array: pa.Array) -> bool:
    """Whether a column's values are entities that come back."""
    if Role.ID in roles_of(field):
        return False
    return Role.KEY in roles_of(field) or array.type == pa.int64() or not mostly_distinct(array)
