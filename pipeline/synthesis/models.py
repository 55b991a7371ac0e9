"""Which generator learns a table: the model asked for, by itself or inside the one for keyed streams.

The one place where the pipeline chooses among `synth`'s generators.
"""

from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.errors import ConfigError
from pipeline.synthesis.split import is_keyed_stream

if TYPE_CHECKING:
    from synth.base import Generator

STREAM = "stream"


def new_generator(
    name: str, schema: pa.Schema, *, seed: int, budget_seconds: float, device: str = "cpu"
) -> "Generator":
    """An unfitted generator of rows, or of histories where the table is a keyed stream. Raises ConfigError for an
    unknown model."""
    # Imported late: generators bring torch.
    from synth.registry import generator_class

    check_model(name)
    rows = generator_class(name)
    if not is_keyed_stream(schema):
        return rows(seed=seed, time_budget_seconds=budget_seconds, device=device)
    from synth.streams.generator import StreamGenerator
    from synth.token_generator import TokenGenerator

    if not issubclass(rows, TokenGenerator):
        raise ConfigError(f"--model {name} learns rows and not histories: choose another for a table with key and time")
    return StreamGenerator(seed=seed, time_budget_seconds=budget_seconds, device=device, row_model=rows)


def check_model(name: str) -> None:
    """Raise ConfigError for a model that there is not, naming those there are."""
    from synth.registry import generator_class

    try:
        generator_class(name)
    except KeyError as error:
        raise ConfigError(f"--model: {error.args[0]}") from error


def check_device(device: str) -> None:
    """Raise ConfigError for a device that is not here."""
    if device == "cpu":
        return
    import torch

    if device != "cuda" or not torch.cuda.is_available():
        raise ConfigError(f"--device {device}: there is no such device here: leave the option out for the CPU")


def class_named(name: str) -> "type[Generator]":
    """The class whose state a bundle holds. Raises KeyError for one that this version does not have."""
    if name == STREAM:
        from synth.streams.generator import StreamGenerator

        return StreamGenerator
    from synth.registry import generator_class

    return generator_class(name)
