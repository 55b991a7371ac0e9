"""docker-compose.yml: only its shape can be tested without Docker, so everything of its shape is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url
from typer.testing import CliRunner

from pipeline import logs
from pipeline.commands.main import app
from pipeline.config import MetricsSettings, ServicePorts, Settings
from tests.project.repository import ROOT

OURS = {"archive", "score", "notify", "repartition", "schedule", "canaries", "record"}
SERVICES = {"kafka", "postgres"} | OURS


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def deploy_settings() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "eddyline.yaml").read_text(encoding="utf-8"))
    return document


def test_it_fits_the_compose_specification() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [str(program), "--builtin-schema", "vendor.compose-spec", str(ROOT / "docker-compose.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_is_watched_restarted_and_waits_for_kafka_and_postgres() -> None:
    services = compose()["services"]
    assert set(services) == SERVICES
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name
        if name in OURS:
            healthy = {"condition": "service_healthy"}
            assert service["depends_on"] == {"kafka": healthy, "postgres": healthy}, name


def test_health_is_asked_and_published_on_the_port_that_each_service_serves() -> None:
    metrics = MetricsSettings.model_validate(deploy_settings()["metrics"])
    services = compose()["services"]
    exposed = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nEXPOSE ")[2].splitlines()[0].split()
    for service in ServicePorts:
        port, described = str(metrics.port_of(service)), services[service.name.lower()]
        assert f"http://127.0.0.1:{port}/healthz" in described["healthcheck"]["test"][-1]
        assert [published.split(":")[-1] for published in described["ports"]] == [port]
        assert port in exposed
        compile(described["healthcheck"]["test"][-1], service.name, "exec")


def test_every_service_is_a_command_that_starts_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "configure_logs", lambda **settings: None)  # it would outlive the runner's stderr
    for name in sorted(OURS):
        command = compose()["services"][name]["command"]
        done = CliRunner().invoke(app, [*command[:-1], str(ROOT / "no-such-folder" / "eddyline.yaml")])
        assert isinstance(done.exception, SystemExit), done.exception
        assert "no-such-folder" in done.output, f"{name} did not come as far as its settings: {done.output}"


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
    settings = Settings.model_validate(deploy_settings())
    kafka = compose()["services"]["kafka"]["environment"]
    assert f"INTERNAL://{settings.kafka.bootstrap[0]}" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    kept = (settings.lake, settings.models, settings.scheduler.reports, settings.scheduler.backups)
    assert all(place.startswith("/var/lib/eddyline/") for place in kept)


def test_the_database_is_postgres_and_its_password_is_in_no_file() -> None:
    settings = Settings.model_validate(deploy_settings())
    address = make_url(settings.catalogue)
    environment = compose()["services"]["postgres"]["environment"]
    assert (address.get_backend_name(), address.host, address.password) == ("postgresql", "postgres", None)
    assert (address.username, address.database) == (environment["POSTGRES_USER"], environment["POSTGRES_DB"])
    wanted = "${EDDYLINE_POSTGRES_PASSWORD:?"
    assert environment["POSTGRES_PASSWORD"].startswith(wanted)
    assert all(compose()["services"][name]["environment"]["PGPASSWORD"].startswith(wanted) for name in OURS)


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [number for number, line in enumerate(lines) if line.startswith("USER ")]
    entry = next(number for number, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    assert users
    assert users[-1] < entry
    assert lines[users[-1]] != "USER root"
