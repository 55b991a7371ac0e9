"""What a generator of a stream learns from, and what it is held against: shared by commands and jobs."""

from detectors.columns import Role
from pipeline.config import StreamSpec
from pipeline.lake.lake import Lake
from pipeline.synthesis.columns import Roles
from pipeline.synthesis.generator_store import GeneratorBundle
from pipeline.synthesis.source import read_again
from pipeline.synthesis.split import Halves, halves


def stream_roles(spec: StreamSpec, label: str | None) -> Roles:
    """The roles of a stream's columns: those of its spec, with the label named or, by default, its own."""
    return Roles(label=label or spec.column_with(Role.LABEL), label_is_default=label is None)


def real_halves(lake: Lake, bundle: GeneratorBundle) -> Halves:
    """The rows that a generator learned from and those held back, read again from where they lie.

    Raises ConfigError where they are no longer to be had.
    """
    return halves(read_again(bundle.source, lake=lake), seed=bundle.facts["split_seed"])
