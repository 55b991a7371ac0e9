"""The suite as it is asked of a synthetic dataset."""

import math
from collections.abc import Mapping, Sequence

from pipeline.expectations.suite import ColumnSuite, KeysSuite, Levels, RowsSuite, ShareBetween, Suite


def dataset_suite(
    suite: Suite,
    *,
    columns: Sequence[str],
    replaced: Sequence[str] = (),
    conditioned: bool = False,
    keys: int | None = None,
) -> Suite:
    """The stream's suite without times, volumes, keys or clocks. Of columns whose values are made up on purpose
    (`replaced`: identifiers, keys, free text, personal ones) only type, missing share and repeats are asked.

    A dataset that was asked for under conditions (a label's share, a column's value) has other shares on purpose: of
    it only types, missing shares and impossible values are asked. One of a keyed stream has as many independent draws
    as it has `keys`, for what belongs to a key does not change within it: its shares are given the room of so few.
    """
    entries = {
        name: _of_dataset(entry, replaced=name in replaced, conditioned=conditioned)
        for name, entry in suite.columns.items()
        if name in columns
    }
    if keys is not None:
        entries = {name: _of_keys(entry, keys, suite.chance) for name, entry in entries.items()}
    relations = () if conditioned else suite.relations
    copies = suite.rows.copies
    return suite.model_copy(
        update={
            "rows": RowsSuite(copies=None if copies is None else ShareBetween(most=copies.most)),
            "keys": KeysSuite(),
            "columns": entries,
            "relations": tuple(one for one in relations if {one.smaller, one.larger} <= set(columns)),
        }
    )


def moved_by_chance(known: Mapping[str, float], draws: int, chance: float) -> float:
    """How far the shares of names move at most when so many are drawn, but for `chance`: the mean of half the sum of
    differences (each share's mean absolute deviation), and McDiarmid's bound on what it may be beyond its mean."""
    deviations = sum(math.sqrt(2.0 * share * (1.0 - share) / (math.pi * draws)) for share in known.values())
    return 0.5 * deviations + math.sqrt(math.log(1.0 / chance) / (2.0 * draws))


def _of_dataset(entries: ColumnSuite, *, replaced: bool, conditioned: bool) -> ColumnSuite:
    if replaced:
        return ColumnSuite(type=entries.type, missing=entries.missing, repeated=entries.repeated)
    if not conditioned:
        return entries
    levels = None if entries.levels is None else entries.levels.model_copy(update={"moved": None})
    return entries.model_copy(update={"quantiles": None, "zeros": None, "true": None, "levels": levels})


def _of_keys(entries: ColumnSuite, keys: int, chance: float) -> ColumnSuite:
    room = math.sqrt(math.log(2.0 / chance) / (2.0 * max(1, keys)))  # Hoeffding
    shares = {"zeros": _wider(entries.zeros, room), "true": _wider(entries.true, room)}
    return entries.model_copy(update={**shares, "levels": _levels_of_keys(entries.levels, max(1, keys), chance)})


def _levels_of_keys(levels: Levels | None, keys: int, chance: float) -> Levels | None:
    if levels is None or levels.moved is None:
        return levels
    return levels.model_copy(update={"moved": min(1.0, levels.moved + moved_by_chance(levels.known, keys, chance))})


def _wider(share: ShareBetween | None, room: float) -> ShareBetween | None:
    if share is None:
        return None
    least = None if share.least is None else max(0.0, share.least - room)
    most = None if share.most is None else min(1.0, share.most + room)
    return share.model_copy(update={"least": least, "most": most})
