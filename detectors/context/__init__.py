"""Keyed context: per-key decayed aggregates, the same code for the archive and the live stream."""

from detectors.context.enrichment import ContextEnrichment
from detectors.context.settings import ContextSettings, Measure, context_settings_defaults

__all__ = ["ContextEnrichment", "ContextSettings", "Measure", "context_settings_defaults"]
