"""docker-compose.yml: only its shape can be tested without Docker, so everything of its shape is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline.config import Settings
from tests.project.repository import ROOT

SERVICES = {"kafka", "archive", "score", "notify"}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def test_it_fits_the_compose_specification() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_watched_restarted_and_waits_for_kafka() -> None:
    services = compose()["services"]
    assert set(services) == SERVICES
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        if name != "kafka":
            assert service["depends_on"] == {"kafka": {"condition": "service_healthy"}}, name


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in compose()["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert len({port.split(":")[1] for port in published}) == len(published), "two services want one port"


def test_what_must_survive_lies_in_named_volumes() -> None:
    document = compose()
    for name, service in document["services"].items():
        named = [mount.split(":")[0] for mount in service["volumes"] if not mount.startswith((".", "$"))]
        assert named, name
        assert set(named) <= set(document["volumes"]), name


def test_the_broker_is_the_one_that_the_tests_run() -> None:
    pom = (ROOT / "scripts" / "kafka.pom.xml").read_text(encoding="utf-8")
    version = pom.partition("<kafka.version>")[2].partition("<")[0]
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_settings_of_the_services_are_valid_and_lie_in_the_volume() -> None:
    settings = Settings.model_validate(yaml.safe_load((ROOT / "deploy" / "eddyline.yaml").read_text(encoding="utf-8")))
    kafka = compose()["services"]["kafka"]["environment"]
    assert f"INTERNAL://{settings.kafka.bootstrap[0]}" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert all("/var/lib/eddyline/" in place for place in (settings.lake, settings.models, settings.catalogue))


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [number for number, line in enumerate(lines) if line.startswith("USER ")]
    entry = next(number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert users
    assert users[-1] < entry
    assert lines[users[-1]] != "USER root"
