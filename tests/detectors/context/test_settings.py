"""Settings that cannot work are refused with the column and the fix; defaults come from the schema."""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.context import ContextEnrichment, ContextSettings, context_settings_defaults
from detectors.context.layout import duration_name
from detectors.errors import UnusableDataError
from tests.detectors.context.streams import SCHEMA, SETTINGS


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": ()}, "no key column"),
        ({"key": ("client",)}, "'client'.*customer"),
        ({"numeric": ("price",)}, "'price'.*correct its name"),
        ({"numeric": ("terminal",)}, "'terminal' is string.*categorical"),
        ({"numeric": ("amount", "amount")}, "twice"),
        ({"half_lives_seconds": ()}, "half_lives_seconds"),
        ({"half_lives_seconds": (60.0, -1.0)}, "above zero"),
        ({"half_lives_seconds": (60.0, float("nan"))}, "above zero"),
        ({"half_lives_seconds": (3600.0, 60.0)}, "ascend"),
        ({"norm_half_life_seconds": 60.0}, "longer than every"),
        ({"max_keys": 0}, "max_keys"),
        ({"measures": ("count", "median")}, "'median'.*choose among"),
        ({"measures": ()}, "choose at least one"),
    ],
)
def test_what_cannot_work_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(UnusableDataError, match=says):
        ContextEnrichment(replace(SETTINGS, **change), SCHEMA)


def test_a_name_that_is_taken_is_refused() -> None:
    schema = SCHEMA.append(make_field("customer.count_1h", Kind.NUMERIC))
    with pytest.raises(UnusableDataError, match=r"'customer.count_1h'.*prefix"):
        ContextEnrichment(SETTINGS, schema)


def test_defaults_take_keys_and_features_of_the_schema() -> None:
    settings = context_settings_defaults(SCHEMA, key=("customer",), prefix="customer")
    assert settings.numeric == ("amount",)
    assert settings.categorical == ("account", "terminal", "device")
    assert context_settings_defaults(SCHEMA).key == ("customer", "account")
    ContextEnrichment(settings, SCHEMA)
    with pytest.raises(UnusableDataError, match="role key"):
        context_settings_defaults(pa.schema([make_field("amount", Kind.NUMERIC, [Role.FEATURE])]))


def test_columns_are_few_and_named_for_people() -> None:
    settings = ContextSettings(key=("customer",), numeric=("amount",), categorical=("terminal",))
    names = [field.name for field in ContextEnrichment(settings, SCHEMA).fields]
    assert names == ["customer.count_1m", "customer.amount_deviation", "customer.new_share_terminal"]


def test_durations_have_short_names() -> None:
    assert [duration_name(s) for s in (0.5, 60.0, 90.0, 3600.0, 86400.0, 604800.0, 5400.0)] == [
        "0.5s",
        "1m",
        "90s",
        "1h",
        "1d",
        "7d",
        "90m",
    ]
