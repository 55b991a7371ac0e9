"""What a command works with: settings, specs, and the ways to the broker, the lake, the catalogue and the models."""

import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.commands.streams import stream_named
from pipeline.config import Settings, StreamSpec, environment_secret
from pipeline.repartition.plan import downstream
from pipeline.yaml_files import Loaded, load_files

if TYPE_CHECKING:
    from pipeline.catalogue.catalogue import Catalogue
    from pipeline.kafka.port import Broker
    from pipeline.lake.lake import Lake
    from pipeline.masking import Masker
    from pipeline.model_store import ModelStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything a command is handed. What is heavy to import is imported when it is asked for."""

    settings: Settings
    specs: dict[str, StreamSpec]
    """By stream, as scorer, archiver and training see it: behind its repartition step, where it has one."""
    stated: dict[str, StreamSpec] = field(default_factory=dict)
    """By stream, as its file states it, where that differs."""
    masking_key: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, loaded: Loaded) -> "Context":
        """What was loaded. Raises ConfigError where a repartition step cannot be had."""
        specs = {name: downstream(spec) for name, spec in loaded.specs.items()}
        stated = {name: spec for name, spec in loaded.specs.items() if specs[name] is not spec}
        return cls(settings=loaded.settings, specs=specs, stated=stated, masking_key=loaded.masking_key)

    def stated_spec(self, name: str) -> StreamSpec:
        """A stream as its file states it: the topic that producers write to. Raises ConfigError for an unknown one."""
        return self.stated.get(name) or stream_named(self.specs, name)

    @property
    def instance(self) -> str:
        """What this host is called in consumer groups."""
        return self.settings.instance or host_instance(socket.gethostname())

    def broker(self) -> "Broker":
        """Clients of the cluster. Raises ConfigError where a variable with a credential is not set."""
        from pipeline.kafka.kafka_python import KafkaPythonBroker

        kafka = self.settings.kafka
        return KafkaPythonBroker(
            kafka,
            username=environment_secret(kafka.username_env).decode() if kafka.username_env else None,
            password=environment_secret(kafka.password_env).decode() if kafka.password_env else None,
        )

    def lake(self) -> "Lake":
        """The lake's folder."""
        from pipeline.lake.lake import Lake

        return Lake(self.settings.lake)

    def catalogue(self) -> "Catalogue":
        """The catalogue, brought up to this version."""
        from pipeline.catalogue.catalogue import Catalogue

        return Catalogue.open(self.settings.catalogue)

    def model_store(self) -> "ModelStore":
        """Where model bundles lie."""
        from pipeline.model_store import ModelStore

        return ModelStore(self.settings.models)

    def masker(self, spec: StreamSpec) -> "Masker":
        """Hides a stream's personal values, with pseudonyms where a masking key is set."""
        from pipeline.masking import Masker

        return Masker(spec, masking_key=self.masking_key)


def load(config: Path | None = None) -> Context:
    """The context of a settings file (`eddyline.yaml` here by default, else the built-in settings).

    Raises ConfigError with every error of the settings and of all stream specs.
    """
    return Context.of(load_files(config))


def host_instance(host: str) -> str:
    """A host's name as an instance name: letters, digits, - and _ only, never empty."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", host).strip("-_")[:100] or "host"
