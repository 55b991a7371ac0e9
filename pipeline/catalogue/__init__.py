"""The catalogue: streams, models, which model is in service, synthetic datasets, what the workers last said."""

from pipeline.catalogue.catalogue import Catalogue
from pipeline.catalogue.entries import (
    ChampionEntry,
    DatasetEntry,
    DatasetStatus,
    GeneratorEntry,
    ModelEntry,
    RequestEntry,
    RequestStatus,
    WorkerBeat,
)

__all__ = [
    "Catalogue",
    "ChampionEntry",
    "DatasetEntry",
    "DatasetStatus",
    "GeneratorEntry",
    "ModelEntry",
    "RequestEntry",
    "RequestStatus",
    "WorkerBeat",
]
