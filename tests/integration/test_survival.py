"""What happens around a scorer: brokers restart, topics are deleted, made anew and grown, models are damaged."""

import time
from collections import Counter
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient, TopicPartition

from pipeline.errors import BrokerUnavailableError
from pipeline.scoring.supervisor import Worker
from tests.integration.service import Service, eventually
from tests.integration.test_exactly_once import MakeService, assert_each_once, done
from tests.kafka_fixture import OwnKafka


@pytest.mark.parametrize("kill", [False, True])
def test_the_broker_restarts_mid_stream(own_kafka: OwnKafka, make_service: MakeService, kill: bool) -> None:
    service = make_service(own_kafka.bootstrap, partitions=2, scoring={"max_batch_events": 200})
    service.train()
    service.start_worker()
    service.send_events(4_000, partitions=2)
    eventually("scoring begins", lambda: service.committed() > 0)
    own_kafka.stop(kill=kill)
    own_kafka.start()
    service.send_events(2_000, partitions=2, seed=2)
    eventually("scoring goes on", lambda: done(service, 6_000))
    assert_each_once(service, 2, 6_000)


def test_an_unreachable_broker_is_said_within_seconds(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap)
    settings = service.config.read_text().replace(kafka_bootstrap, "127.0.0.1:1")
    service.config.write_text(settings)
    started = time.monotonic()
    process = service.start("score", service.stream)
    assert process.wait(60) == 1
    assert time.monotonic() - started < 30
    log = service.logs()
    assert "127.0.0.1:1" in log
    assert "kafka.bootstrap" in log
    assert "Traceback" not in log


def test_a_damaged_model_leaves_the_old_one_in_service(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    old = service.train(seed=0)
    new = service.save_model(seed=1)
    [weights] = (service.folder / "models" / new.model_id).rglob("*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    service.start("score", service.stream)
    service.send_events(300, partitions=1)
    eventually("the old one scores", lambda: done(service, 300))
    catalogue = service.catalogue()
    catalogue.add_model(new)
    catalogue.set_champion(service.stream, new.model_id, "test", 1)
    eventually("the file is named", lambda: weights.name in str(worker_state(service).get("last_error")))
    service.send_events(300, partitions=1, seed=2)
    eventually("the old one goes on", lambda: done(service, 600))
    assert set(service.models_used(1)) == {old.model_id}
    weights.write_bytes(whole)
    eventually("the mended one is put into service", lambda: worker_state(service)["model_id"] == new.model_id)
    service.send_events(300, partitions=1, seed=3)
    eventually("it scores", lambda: done(service, 900))
    assert service.models_used(1)[-1] == new.model_id
    assert_each_once(service, 1, 900)


def worker_state(service: Service) -> dict[str, object]:
    beats = service.catalogue().workers()
    return beats[0].state if beats else {}


def test_a_scorer_waits_for_its_first_model(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.send_events(300, partitions=1)
    service.start("score", service.stream)
    eventually("it says what it waits for", lambda: "eddyline train" in str(worker_state(service).get("waiting")))
    service.train()
    eventually("it scores from the beginning", lambda: done(service, 300))
    assert_each_once(service, 1, 300)


def test_a_topic_grown_while_it_is_read(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    service.start("score", service.stream)
    service.send_events(300, partitions=1)
    eventually("scoring begins", lambda: done(service, 300))
    admin = service.broker.admin()
    admin.grow(service.spec.topic, 3)
    service.send_events(900, partitions=3, seed=2, anomalies=0.05)
    eventually("the new partitions are scored", lambda: done(service, 1_200))
    assert_each_once(service, 3, 1_200)
    assert {a.partition for a in service.alerts()} == {0, 1, 2}
    admin.close()


def test_a_topic_deleted_and_made_anew(kafka_bootstrap: str, make_service: MakeService) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    service.start("score", service.stream)
    service.send_events(500, partitions=1)
    eventually("the first is scored", lambda: done(service, 500))
    admin = service.broker.admin()
    admin.delete([service.spec.topic])
    eventually("it is gone", lambda: not admin.describe([service.spec.topic]))
    service.create_topic(1)
    service.send_events(800, partitions=1, seed=2)
    eventually("the new one is scored from its start", lambda: len(service.scored(1)) >= 1_300)
    places = Counter(service.scored(1))
    expected = Counter({(0, o, 0): 1 for o in range(800)}) + Counter({(0, o, 0): 1 for o in range(500)})
    assert places == expected
    ids = {(a.topic_id, a.first_offset) for a in service.alerts()}
    assert len({topic for topic, _ in ids}) == 2
    admin.close()


def test_events_deleted_before_they_were_read_are_a_recorded_gap(
    kafka_bootstrap: str, make_service: Callable[..., Service]
) -> None:
    service = make_service(kafka_bootstrap, partitions=1)
    service.train()
    worker = service.start_worker()
    service.send_events(300, partitions=1)
    eventually("scoring begins", lambda: done(service, 300))
    stop(worker)
    service.send_events(600, partitions=1, seed=2)
    delete_before(service, 700)
    service.start_worker()
    eventually("scoring goes on after the gap", lambda: done(service, 900))
    assert len(service.scored(1)) == 500
    eventually("the gap is said", lambda: worker_state(service).get("gaps") == 1)


def delete_before(service: Service, offset: int) -> None:
    """As retention does."""
    admin = KafkaAdminClient(bootstrap_servers=service.bootstrap)
    admin.delete_records({TopicPartition(service.spec.topic, 0): offset})
    admin.close()


def stop(worker: Worker) -> None:
    worker.terminate()
    assert worker.wait(60) == 0


def test_the_port_says_what_it_cannot_reach() -> None:
    from pipeline.config import KafkaSettings
    from pipeline.kafka.kafka_python import KafkaPythonBroker

    broker = KafkaPythonBroker(KafkaSettings(bootstrap=("127.0.0.1:1",), connect_timeout_seconds=1))
    for make in (broker.admin, broker.producer, lambda: broker.transactional_sink(transactional_id="x")):
        with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1"):
            make()
