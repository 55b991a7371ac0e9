"""What lists ask: the newest few, how many more, and of a stream's models always the champion."""

from dataclasses import replace

import pytest

from pipeline.catalogue import Catalogue, WithdrawalEntry
from pipeline.catalogue.listed import DecisionLine, Listed, ListedDataset, ListedGenerator
from tests.pipeline.catalogue.test_catalogue import stub
from tests.pipeline.catalogue.test_service_records import DECISION
from tests.pipeline.catalogue.test_synthesis import DATASET, GENERATOR, request


@pytest.fixture
def filled(catalogue: Catalogue) -> Catalogue:
    """Three of everything, of two streams."""
    for number, stream in enumerate(("payments", "logins", "payments")):
        generator = f"aa{number}"
        catalogue.add_generator(replace(GENERATOR, generator_id=generator, stream=stream, created_ms=number))
        catalogue.put_dataset(
            replace(DATASET, dataset_id=f"dd{number}", stream=stream, generator_id=generator, created_ms=number)
        )
        catalogue.begin_request(request(f"r{number}", stream=stream, generator_id=generator, asked_ms=number))
    return catalogue


def test_the_newest_are_listed_and_the_others_counted(filled: Catalogue) -> None:
    newest = ListedDataset(
        dataset_id="dd2", stream="payments", created_ms=2, rows=10, generator_id="aa2", status="published", reason=""
    )
    assert filled.listed_datasets(None, 1) == Listed([newest], 2)
    assert filled.listed_datasets("payments", 1) == Listed([newest], 1)
    assert [entry.dataset_id for entry in filled.listed_datasets(None, 9).shown] == ["dd2", "dd1", "dd0"]
    learned = ListedGenerator(generator_id="aa1", stream="logins", created_ms=1, model="vae", rows=5)
    assert filled.listed_generators("logins", 9) == Listed([learned], 0)
    asked = filled.listed_requests("payments", 1)
    assert (asked.more, [(one.request_id, one.asked) for one in asked.shown]) == (1, [("r2", {"rows": 10})])
    assert filled.listed_requests("nobody", 1) == Listed([], 0)
    assert [entry.dataset_id for entry in filled.datasets("payments", 1)] == ["dd2"]
    assert [entry.generator_id for entry in filled.generators(limit=2)] == ["aa2", "aa1"]


def test_all_ids_are_asked_for_where_a_list_must_know_them(filled: Catalogue) -> None:
    assert filled.dataset_ids("payments") == {"dd0", "dd2"}
    assert filled.dataset_ids() == {"dd0", "dd1", "dd2"}
    assert filled.generator_streams() == {"payments", "logins"}
    marks = [("generator", "aa0", "payments"), ("generator", "aa1", "logins"), ("model", "m", "payments")]
    filled.add_withdrawals(
        [
            WithdrawalEntry(kind=k, id=i, stream=s, because_kind=k, because_id=i, reason="", withdrawn_ms=1)
            for k, i, s in marks
        ]
    )
    assert filled.withdrawn_ids("generator") == {"aa0", "aa1"}
    assert filled.withdrawn_ids("generator", "payments") == {"aa0"}


def test_the_champion_is_listed_however_old_with_what_was_decided(catalogue: Catalogue) -> None:
    for number, model in enumerate(("aa", "bb", "cc", "dd")):
        catalogue.add_model(stub(model, created_ms=number))
    figures = {"figures": {"challenger": {"average_precision": {"value": 0.25}}}}
    first = replace(DECISION, model_id="aa", before_id=None, figures=figures, decided_ms=1)
    catalogue.decide(first, champion="aa")
    for number, model in enumerate(("bb", "cc", "dd")):
        refused = replace(DECISION, decision_id=f"e{number}", kind="refused", model_id=model, decided_ms=2 + number)
        catalogue.decide(refused)
    catalogue.decide(replace(DECISION, decision_id="f", kind="kept", model_id=None, decided_ms=9))
    found = catalogue.listed_models("payments", 1)
    assert [(one.model_id, one.champion) for one in found.shown] == [("dd", False), ("aa", True)]
    assert found.more == 2
    assert catalogue.listed_models("payments", 9).more == 0
    assert catalogue.decisions_on_listed("payments", 1)[0] == DecisionLine("aa", None, "promoted", 1, 0.25)
    about = [(one.model_id, one.average_precision) for one in catalogue.decisions_on_listed("payments", 1)]
    assert ("dd", None) in about
