"""Settings that are more than fields."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from pipeline.config import MetricsSettings, ServicePorts

SLOTS = 64


def test_the_processes_of_one_host_have_ports_of_their_own_by_default() -> None:
    settings = MetricsSettings()
    ports = [settings.port_of(service, slot) for service in ServicePorts for slot in range(SLOTS)]
    assert ports[0] == settings.port
    assert len(set(ports)) == len(ports)


def test_port_0_is_any_free_port_for_all() -> None:
    assert {MetricsSettings(port=0).port_of(service, 5) for service in ServicePorts} == {0}


def test_the_highest_port_leaves_room_for_every_slot() -> None:
    highest = MetricsSettings(port=64_872)
    assert highest.port_of(max(ServicePorts), SLOTS - 1) == 65_535
    with pytest.raises(ValidationError):
        MetricsSettings(port=64_873)


def test_reading_settings_loads_no_library_that_only_learning_needs() -> None:
    code = "import sys, pipeline.yaml_files; print(*(n for n in ('scipy', 'torch', 'pandas') if n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], "every command reads its settings first"
