"""What the hops read and write, and what everyone after them reads."""

import re

import pytest
from pydantic import ValidationError

from detectors.columns import Role
from pipeline.config import CodecFormat, ContextSpec, Missing, WindowSpec
from pipeline.errors import ConfigError, ModelError
from pipeline.repartition.plan import downstream, hops_of, in_one_partition, needs_repartition
from pipeline.state.fitting import FACT, check_fits, enrichment_fact
from pipeline.state.recipe import Recipe
from tests.repartition.streams import COLUMNS, CUSTOMER, SHOP, TERMINAL, make_spec

PLACE = ["_source_offset", "_source_row", "_source_time"]


def test_a_stream_that_asks_for_nothing_stays_as_it_is() -> None:
    spec = make_spec(CUSTOMER)
    assert downstream(spec) is spec
    with pytest.raises(ConfigError, match="needs no repartition step"):
        hops_of(spec)


def test_hops_follow_each_other_and_the_last_goes_home() -> None:
    split, terminal, shop = hops_of(make_spec(TERMINAL, CUSTOMER, SHOP))
    assert [hop.reads.topic for hop in (split, terminal, shop)] == ["payments", split.target, terminal.target]
    assert split.target == "eddyline.pay.by.terminal"
    assert re.fullmatch(r"eddyline\.pay\.by\.shop-country-[0-9a-f]{8}", terminal.target)
    assert shop.target == "eddyline.pay.joined"
    assert [hop.key for hop in (split, terminal, shop)] == [("terminal",), ("shop", "country"), None]
    assert not split.reads.is_enriched
    assert len({hop.group for hop in (split, terminal, shop)}) == 3


def test_derived_columns_are_columns_like_any_other_afterwards() -> None:
    spec = make_spec(TERMINAL, CUSTOMER)
    seen = downstream(spec)
    assert downstream(seen) is seen
    assert not needs_repartition(seen)
    assert (seen.topic, seen.format) == ("eddyline.pay.joined", CodecFormat.ARROW)
    derived = {c.name: c for c in seen.columns[len(COLUMNS) + len(PLACE) :]}
    assert [c.name for c in seen.columns[: len(COLUMNS) + len(PLACE)]] == [*(c.name for c in COLUMNS), *PLACE]
    assert list(derived) == [
        "terminal.count_1m",
        "terminal.amount_deviation",
        "terminal.new_share_customer",
        "terminal.new_share_country",
    ]
    assert derived["terminal.amount_deviation"].roles == {Role.FEATURE, Role.PERSONAL}, "personal stays personal"
    assert all(c.path is None and c.missing is Missing.ALLOWED for c in seen.columns)
    assert seen.own_context[0].key == ("customer",)
    assert [name for name in seen.enriched_schema().names if name.startswith("customer.")]


def test_defaults_follow_from_the_streams_own_columns_not_from_derived_ones() -> None:
    seen = downstream(make_spec(TERMINAL, CUSTOMER, windows=WindowSpec()))
    plain = Recipe.of(make_spec(CUSTOMER, windows=WindowSpec()))
    assert Recipe.of(seen).digest == plain.digest


def test_hops_derive_by_the_settings_a_scorer_would_have_used() -> None:
    hop = hops_of(make_spec(TERMINAL))[1]
    plain = make_spec(TERMINAL.model_copy(update={"repartition": False}))
    assert Recipe.of(hop.reads).digest == Recipe.of(plain).digest


def test_rows_of_a_file_have_all_context_without_a_step() -> None:
    whole = in_one_partition(make_spec(TERMINAL, CUSTOMER))
    names = whole.enriched_schema().names
    assert {"terminal.count_1m", "customer.count_1m"} <= set(names)
    assert whole.topic == "payments"


def test_a_stream_without_times_of_its_own_goes_by_when_events_were_appended() -> None:
    columns = tuple(c for c in COLUMNS if c.name != "when")
    spec = make_spec(TERMINAL).model_copy(update={"columns": columns})
    assert downstream(spec).column_with(Role.TIME) == "_source_time"
    assert downstream(make_spec(TERMINAL)).column_with(Role.TIME) == "when"


def test_the_streams_own_key_needs_no_step() -> None:
    with pytest.raises(ValidationError, match=r"context\[0\].repartition: customer is the stream's own key"):
        make_spec(CUSTOMER.model_copy(update={"repartition": True})).model_validate(
            make_spec(CUSTOMER.model_copy(update={"repartition": True})).model_dump()
        )


def test_names_that_clash_are_said() -> None:
    twice = (TERMINAL, ContextSpec(key=("shop",), half_lives_seconds=(60.0,), prefix="terminal", repartition=True))
    with pytest.raises(ConfigError, match=r"two contexts derive 'terminal\."):
        downstream(make_spec(*twice))
    columns = (*COLUMNS, COLUMNS[2].model_copy(update={"name": "_source_row"}))
    with pytest.raises(ConfigError, match="uses the name _source_row itself"):
        downstream(make_spec(TERMINAL).model_copy(update={"columns": columns}))


def test_a_model_of_other_repartitioned_context_is_refused() -> None:
    spec = downstream(make_spec(TERMINAL, CUSTOMER))
    bundle = _Bundle(enrichment_fact(spec))
    check_fits(bundle, spec)  # type: ignore[arg-type]
    changed = TERMINAL.model_copy(update={"norm_half_life_seconds": 7_200.0})
    with pytest.raises(ModelError, match="eddyline train pay"):
        check_fits(bundle, downstream(make_spec(changed, CUSTOMER)))  # type: ignore[arg-type]


class _Bundle:
    model_id = "m"

    def __init__(self, fact: object) -> None:
        self.facts = {FACT: fact}
