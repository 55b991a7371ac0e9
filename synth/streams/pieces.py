"""Long histories cut into pieces that are drawn side by side, so that steps one after another stay few.

Shape legend: N events, K keys, S pieces, C curves, E entities.
"""

from dataclasses import dataclass

import numpy as np

from synth.streams.histories import FloatArray, Histories, Int64Array

KNOTS = 33
MOST_CURVES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """Histories whose keys are pieces, and where each piece comes from."""

    histories: Histories
    key_S: Int64Array
    """The key each piece is of."""
    offset_S: Int64Array
    """How many of the key's events come before the piece."""


def pieces_of(histories: Histories, longest: int) -> Pieces:
    """The same events, each key's in pieces of `longest` events; its last piece has the rest."""
    position_N = histories.position_N
    starts_N = position_N % longest == 0
    begin_S = np.flatnonzero(starts_N)
    cut = Histories(
        table=histories.table,
        time_us_N=histories.time_us_N,
        key_N=np.cumsum(starts_N) - 1,
        begin_K=begin_S,
        count_K=np.diff(begin_S, append=len(position_N)),
        left_out=histories.left_out,
    )
    return Pieces(histories=cut, key_S=histories.key_N[begin_S], offset_S=position_N[begin_S])


def curves_of(histories: Histories, longest: int, *, seed: int) -> FloatArray:
    """How events spread over the time of long histories: the share of its time gone by at each share of its events.

    Shape (C, KNOTS), each row rising from 0 to 1; C is 0 where no history is longer than `longest`.
    """
    long_K = np.flatnonzero((histories.count_K > longest) & (histories.last_us_K > histories.first_us_K))
    if len(long_K) > MOST_CURVES:
        long_K = np.sort(np.random.default_rng(seed).choice(long_K, MOST_CURVES, replace=False))
    share_Q = np.linspace(0.0, 1.0, KNOTS)
    place_CQ = np.round(share_Q * (histories.count_K[long_K, None] - 1)).astype(np.int64)
    time_CQ = histories.time_us_N[histories.begin_K[long_K, None] + place_CQ]
    gone_CQ = time_CQ - time_CQ[:, :1]
    curve_CQ: FloatArray = gone_CQ / np.maximum(gone_CQ[:, -1:], 1)
    return curve_CQ


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The pieces to draw, those with the most steps first."""

    entity_S: Int64Array
    offset_S: Int64Array
    count_S: Int64Array
    """Events it has."""
    stop_S: Int64Array
    """Events of it to draw: fewer for the last history of a chunk."""
    first_us_S: Int64Array
    last_us_S: Int64Array


def plan_of(
    first_us_E: Int64Array,
    span_us_E: Int64Array,
    count_E: Int64Array,
    wanted_E: Int64Array,
    *,
    longest: int,
    curve_CQ: FloatArray,
    rng: np.random.Generator,
) -> Plan:
    """Pieces of entities that are seen from a moment for a time with so many events, of which some are wanted."""
    pieces_E = -(-wanted_E // longest)
    entity_S = np.repeat(np.arange(len(count_E)), pieces_E)
    offset_S = (np.arange(len(entity_S)) - np.repeat(np.cumsum(pieces_E) - pieces_E, pieces_E)) * longest
    count_S = np.minimum(count_E[entity_S] - offset_S, longest)
    gaps_S = np.maximum(count_E[entity_S] - 1, 1)
    curve_E = rng.integers(0, max(len(curve_CQ), 1), len(count_E))
    ends = [
        first_us_E[entity_S] + span_us_E[entity_S] * _gone(place_S / gaps_S, curve_E[entity_S], curve_CQ)
        for place_S in (offset_S, offset_S + count_S - 1)
    ]
    order_S = np.argsort(-np.minimum(count_S, wanted_E[entity_S] - offset_S), kind="stable")
    return Plan(
        entity_S=entity_S[order_S],
        offset_S=offset_S[order_S],
        count_S=count_S[order_S],
        stop_S=np.minimum(count_S, wanted_E[entity_S] - offset_S)[order_S],
        first_us_S=ends[0].astype(np.int64)[order_S],
        last_us_S=ends[1].astype(np.int64)[order_S],
    )


def _gone(share_S: FloatArray, curve_S: Int64Array, curve_CQ: FloatArray) -> FloatArray:
    """The share of its time that has gone by when a share of an entity's events has."""
    if len(curve_CQ) == 0:
        return share_S
    at_S = share_S * (KNOTS - 1)
    low_S = np.minimum(at_S.astype(np.int64), KNOTS - 2)
    part_S = at_S - low_S
    gone_S: FloatArray = curve_CQ[curve_S, low_S] * (1 - part_S) + curve_CQ[curve_S, low_S + 1] * part_S
    return gone_S
