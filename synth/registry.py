"""The generators there are: adding one is its file and its line here."""

from synth.autoregressive.generator import AutoregressiveGenerator
from synth.base import Generator
from synth.gan.generator import GanGenerator
from synth.independent import IndependentGenerator
from synth.vae.generator import VaeGenerator

GENERATORS: tuple[type[Generator], ...] = (AutoregressiveGenerator, VaeGenerator, GanGenerator, IndependentGenerator)
"""The first is the default."""


def generator_class(name: str) -> type[Generator]:
    """The generator of that name; KeyError, naming the ones there are, for another."""
    for generator in GENERATORS:
        if generator.name == name:
            return generator
    raise KeyError(f"no generator {name!r}: choose one of {', '.join(g.name for g in GENERATORS)}")
