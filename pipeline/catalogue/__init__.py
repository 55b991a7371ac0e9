"""The catalogue: streams, models, which model is in service, and what the workers last said."""

from pipeline.catalogue.catalogue import Catalogue
from pipeline.catalogue.entries import ChampionEntry, ModelEntry, WorkerBeat

__all__ = ["Catalogue", "ChampionEntry", "ModelEntry", "WorkerBeat"]
