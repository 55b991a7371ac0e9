"""What is asked of the catalogue. Safe to use from several threads and processes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from pipeline.catalogue.alerts import AlertRecords
from pipeline.catalogue.canaries import CanaryRecords
from pipeline.catalogue.connected import begins_with
from pipeline.catalogue.database import open_database
from pipeline.catalogue.entries import ChampionEntry, ModelEntry, WorkerBeat
from pipeline.catalogue.feedback import FeedbackRecords
from pipeline.catalogue.history import HistoryRecords
from pipeline.catalogue.jobs import JobRecords
from pipeline.catalogue.leases import LeaseRecords
from pipeline.catalogue.lifecycle import LifecycleRecords
from pipeline.catalogue.lineage import LineageRecords
from pipeline.catalogue.listed import ListedRecords
from pipeline.catalogue.quality import QualityRecords
from pipeline.catalogue.service_entries import Fence
from pipeline.catalogue.synthesis import SynthesisRecords
from pipeline.catalogue.tables import ChampionRow, ModelRow, StreamRow, WorkerRow
from pipeline.errors import ModelError

if TYPE_CHECKING:  # a bundle brings detectors along, which those who only ask for status need not load
    from pipeline.catalogue.backup import BackupFacts, CheckReport
    from pipeline.model_store import Bundle


class Catalogue(
    SynthesisRecords,
    LifecycleRecords,
    LeaseRecords,
    JobRecords,
    AlertRecords,
    FeedbackRecords,
    QualityRecords,
    LineageRecords,
    CanaryRecords,
    HistoryRecords,
    ListedRecords,
):
    """Every method raises CatalogueUnavailableError where the database does not answer."""

    @classmethod
    def open(cls, url: str) -> "Catalogue":
        """Connect and bring the database up to this version; several processes may do so at once.

        Raises CatalogueUnavailableError for a database of a newer version, ConfigError for a wrong address.
        """
        return cls(open_database(url))

    def fenced(self, fence: Fence) -> "Catalogue":
        """The same catalogue for one who works under a lease: every write raises LeaseLostError, and changes nothing,
        once the lease has another holder or epoch. That it expired loses nothing until another takes it."""
        return Catalogue(self._engine, fence)

    def backup(self, path: Path, *, now_ms: int) -> "BackupFacts":
        """Write everything, as it stands at this moment, into one file. Raises StorageUnavailableError too."""
        from pipeline.catalogue.backup import write_backup

        return write_backup(self._engine, path, now_ms=now_ms)

    def check(self) -> "CheckReport":
        """Whether the catalogue is whole."""
        from pipeline.catalogue.backup import check

        return check(self._engine)

    def register_stream(self, spec_document: dict[str, Any], name: str) -> None:
        """Remember a stream and the spec it is used with."""
        self._put(StreamRow, {"name": name}, {"spec": spec_document})

    def streams(self) -> dict[str, dict[str, Any]]:
        """The specs of all streams registered, by name."""
        with self._reading() as connection:
            rows = connection.execute(select(StreamRow.name, StreamRow.spec).order_by(StreamRow.name))
            return {row.name: row.spec for row in rows}

    def add_model(self, bundle: "Bundle") -> None:
        """Remember a model. Adding it again changes nothing: its id is its content."""
        row = {
            "stream": bundle.stream,
            "detector": bundle.detector.name,
            "created_ms": bundle.created_ms,
            "threshold_nats": float(bundle.threshold.nats),
            "facts": bundle.facts,
        }
        self._put(ModelRow, {"model_id": bundle.model_id}, row)

    def champions(self, stream: str) -> list[ChampionEntry]:
        """Every promotion, newest first."""
        query = select(ChampionRow.__table__).where(ChampionRow.stream == stream).order_by(ChampionRow.id.desc())
        with self._reading() as connection:
            return [
                ChampionEntry(stream=r.stream, model_id=r.model_id, reason=r.reason, since_ms=r.since_ms)
                for r in connection.execute(query)
            ]

    def models(self, stream: str) -> list[ModelEntry]:
        """A stream's models, newest first."""
        return self._models(ModelRow.stream == stream)

    def model(self, model_id: str) -> ModelEntry:
        """One model, by its id or the beginning of it. Raises ModelError where none or several fit."""
        found = self._models(begins_with(ModelRow.model_id, model_id))
        if len(found) != 1:
            fit = "no model has" if not found else f"{len(found)} models have"
            raise ModelError(f"{fit} an id that begins with {model_id!r}: `eddyline models list STREAM` shows them")
        return found[0]

    def _models(self, condition: Any) -> list[ModelEntry]:
        query = select(ModelRow.__table__).where(condition)
        query = query.order_by(ModelRow.created_ms.desc(), ModelRow.model_id)
        with self._reading() as connection:
            rows = list(connection.execute(query).mappings())
        current = {stream: self.champion(stream) for stream in {row["stream"] for row in rows}}
        return [ModelEntry(**row, champion=current[row["stream"]] == row["model_id"]) for row in rows]

    def heartbeat(self, beat: WorkerBeat) -> None:
        """Replace what this worker said before."""
        row = {name: getattr(beat, name) for name in WorkerBeat.__dataclass_fields__ if name != "worker_id"}
        self._put(WorkerRow, {"worker_id": beat.worker_id}, row)

    def workers(self) -> list[WorkerBeat]:
        """The last word of every worker, by stream, role and slot."""
        order = (WorkerRow.stream, WorkerRow.role, WorkerRow.slot, WorkerRow.worker_id)
        with self._reading() as connection:
            rows = connection.execute(select(WorkerRow.__table__).order_by(*order)).mappings()
            return [WorkerBeat(**row) for row in rows]

    def remove_worker(self, worker_id: str) -> None:
        """Forget a worker that stopped on purpose."""
        with self._writing() as connection:
            connection.execute(delete(WorkerRow).where(WorkerRow.worker_id == worker_id))
