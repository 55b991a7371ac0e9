"""Walks over any graph find everything, once, however deep; a circle ends no walk and is refused where order counts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalogue.service_entries import LineageEdge
from pipeline.errors import ConfigError
from pipeline.lineage.edges import edge
from pipeline.lineage.graph import EdgesOf, Reached, ancestors, child_of, descendants, layers, parent_of
from pipeline.lineage.layout import laid_out
from pipeline.lineage.nodes import Node, NodeKind


def node(number: int) -> Node:
    return Node(NodeKind.MODEL, f"m{number}")


def edges(pairs: list[tuple[int, int]]) -> list[LineageEdge]:
    return [edge(node(one), node(other), stream="s", made_ms=n) for n, (one, other) in enumerate(pairs)]


def outward(known: list[LineageEdge]) -> EdgesOf:
    return lambda one: [e for e in known if parent_of(e) == one]


def inward(known: list[LineageEdge]) -> EdgesOf:
    return lambda one: [e for e in known if child_of(e) == one]


PAIRS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda p: p[0] != p[1]), max_size=30)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(pairs=PAIRS)
def test_descendants_are_what_can_be_reached_and_ancestors_what_reaches(pairs: list[tuple[int, int]]) -> None:
    known = edges(pairs)
    reach = {n: {n} for n in range(13)}
    for _ in range(13):
        for one, other in pairs:
            for found in reach.values():
                if one in found:
                    found.add(other)
    for n in range(13):
        down = descendants([node(n)], outward(known))
        assert set(down.nodes) == {node(other) for other in reach[n]}
        assert len(down.nodes) == len(set(down.nodes))
        assert set(ancestors([node(n)], inward(known)).nodes) == {node(other) for other in reach if n in reach[other]}


@settings(max_examples=60, derandomize=True, deadline=None)
@given(pairs=PAIRS)
def test_layers_put_children_behind_their_parents_unless_there_is_a_circle(pairs: list[tuple[int, int]]) -> None:
    known = edges(pairs)
    reached = Reached((), tuple(node(n) for n in range(13)), tuple(known))
    reach = {n: descendants([node(n)], outward(known)).nodes for n in range(13)}
    if any(node(one) in reach[other] for one, other in pairs):
        with pytest.raises(ConfigError, match="goes in a circle"):
            layers(reached)
        return
    found = layers(reached)
    assert all(found[node(one)] < found[node(other)] for one, other in pairs)
    places = laid_out(reached).places
    assert len(set(places.values())) == 13, "no two in one place"
    assert all(places[node(one)][0] < places[node(other)][0] for one, other in pairs)


def test_a_walk_goes_as_deep_as_there_is_something_and_no_further_than_asked() -> None:
    deep = {node(n): [made] for n, made in enumerate(edges([(n, n + 1) for n in range(20_000)]))}
    reached = descendants([node(0)], lambda one: deep.get(one, []))
    assert len(reached.nodes) == 20_001
    assert reached.whole
    short = descendants([node(0)], lambda one: deep.get(one, []), most=10)
    assert (len(short.nodes), short.whole) == (10, False)


def test_nothing_comes_from_itself() -> None:
    with pytest.raises(ValueError, match="itself"):
        edge(node(1), node(1), stream="s", made_ms=0)


def test_fewest_arrows_cross_in_a_picture_of_two_chains() -> None:
    known = edges([(0, 11), (1, 10), (11, 21), (10, 20)])
    layout = laid_out(Reached((), tuple(node(n) for n in (0, 1, 10, 11, 20, 21)), tuple(known)))
    rows = {at: place[1] for at, place in layout.places.items()}
    assert rows[node(0)] == rows[node(11)] == rows[node(21)]
