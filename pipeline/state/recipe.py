"""Which enrichments a stream's events go through, in order: from the spec, the same for scorer, training and backtest.

A recipe has a digest: of the enrichments' names, versions and settings, and of the types of the columns they read.
Snapshots and models carry it, so state or a model made by another recipe is never mixed with this one's.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from detectors.enrichment import Enrichment
from detectors.errors import UnusableDataError
from pipeline.config import ContextSpec, StreamSpec, WindowSpec
from pipeline.errors import ConfigError

CONTEXT_SETTINGS = (
    "half_lives_seconds",
    "norm_half_life_seconds",
    "numeric",
    "categorical",
    "measures",
    "max_keys",
)
"""What a spec's context may state; the enrichment's own default holds for what it does not."""
MOST_NORM_SECONDS = 86_400.0
"""A state that has seen a day is called warm, though its norms go on becoming surer."""
Maker = Callable[[], Enrichment]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One enrichment: how an empty one is made, what of the stream it reads, and for how long it remembers."""

    make: Maker
    settings: Any
    """A frozen dataclass that `asdict` turns into JSON."""
    columns: tuple[str, ...]
    horizon_seconds: float
    """Event time after which an empty state has seen most of what it would ever use."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The enrichments of one stream."""

    source: pa.Schema
    """Of the events as they come."""
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, spec: StreamSpec) -> "Recipe":
        """The recipe a spec asks for. Raises ConfigError where its columns or settings do not fit."""
        schema = spec.schema()
        try:
            steps = [context_step(context, schema) for context in spec.own_context]
            if spec.windows is not None:
                steps.append(_window_step(spec.windows, schema))
            recipe = cls(schema, tuple(steps))
            names = recipe.schema.names
        except UnusableDataError as error:
            raise ConfigError(f"stream {spec.stream!r}: {error}") from error
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ConfigError(
                f"stream {spec.stream!r}: two columns are called {doubled[0]!r}: rename the stream's own, or give a "
                "context another `prefix`"
            )
        return recipe

    def fresh(self) -> tuple[Enrichment, ...]:
        """Empty enrichments, for a partition begun at its first event."""
        return tuple(step.make() for step in self.steps)

    @property
    def schema(self) -> pa.Schema:
        """The source columns followed by all derived ones."""
        return pa.schema([*self.source, *(field for part in self.fresh() for field in part.fields)])

    @property
    def columns(self) -> tuple[str, ...]:
        """The source columns that any enrichment reads."""
        return tuple(dict.fromkeys(name for step in self.steps for name in step.columns))

    @property
    def horizon_ms(self) -> int:
        """How much event time a state must have seen to be warm."""
        return round(max((step.horizon_seconds for step in self.steps), default=0.0) * 1000)

    def document(self) -> list[dict[str, Any]]:
        """What the recipe is, as JSON."""
        return [
            {
                "name": part.name,
                "version": part.version,
                "settings": asdict(step.settings),
                "types": {name: str(self.source.field(name).type) for name in step.columns},
            }
            for step, part in zip(self.steps, self.fresh(), strict=True)
        ]

    @property
    def digest(self) -> str:
        """SHA-256 of `document`, in hex."""
        canonical = json.dumps(self.document(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def recipe_of(spec: StreamSpec) -> Recipe | None:
    """A spec's recipe; None for a stream whose events are scored each by itself."""
    return Recipe.of(spec) if spec.is_enriched else None


# Enrichments are imported where they are used: they are compiled, which streams without them need not wait for.


def context_step(context: ContextSpec, schema: pa.Schema) -> Step:
    """The step of one context over a schema. Raises UnusableDataError where its columns or settings do not fit."""
    from detectors.context.enrichment import ContextEnrichment
    from detectors.context.settings import context_settings_defaults

    defaults = context_settings_defaults(schema, key=context.key, prefix=context.prefix or "")
    stated = {name: value for name in CONTEXT_SETTINGS if (value := getattr(context, name)) is not None}
    settings = replace(defaults, **stated)
    norm_seconds = min(settings.norm_half_life_seconds, MOST_NORM_SECONDS)
    return Step(
        make=lambda: ContextEnrichment(settings, schema),
        settings=settings,
        columns=(*settings.key, *settings.numeric, *settings.categorical),
        horizon_seconds=max(*settings.half_lives_seconds, norm_seconds),
    )


def _window_step(windows: WindowSpec, schema: pa.Schema) -> Step:
    from detectors.windows.enrichment import WindowEnrichment
    from detectors.windows.settings import window_settings_defaults

    defaults = window_settings_defaults(schema, key=windows.key or ())
    settings = replace(
        defaults,
        length=windows.length,
        step_seconds=windows.step_seconds,
        metrics=defaults.metrics if windows.metrics is None else windows.metrics,
        max_keys=windows.max_keys,
    )
    return Step(
        make=lambda: WindowEnrichment(settings, schema),
        settings=settings,
        columns=(*settings.key, *settings.metrics),
        horizon_seconds=settings.length * (settings.step_seconds or 0.0),
    )
