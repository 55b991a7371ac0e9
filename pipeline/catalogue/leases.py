"""The catalogue's leases: one holder at a time, an epoch that rises with every change of it."""

from typing import Any

from sqlalchemy import BigInteger, Connection, cast, extract, func, select, update

from pipeline.catalogue.connected import Connected, upsert
from pipeline.catalogue.service_entries import LeaseEntry
from pipeline.catalogue.service_tables import LeaseRow


class LeaseRecords(Connected):
    """Leases run by the database's own clock, so that hosts need not agree on the time."""

    def acquire_lease(self, name: str, holder: str, seconds: float) -> LeaseEntry | None:
        """Take a lease that is free or has expired, or renew one's own. None while another holds it.

        Every taking over, also of one's own lease once it has expired, raises the epoch.
        """
        with self._writing() as connection:
            upsert(connection, LeaseRow, [{"name": name, "epoch": 0, "holder": "", "expires_ms": 0}])
            row = connection.execute(_leases(name).with_for_update()).one()
            now_ms = database_ms(connection)  # once the row is locked: waiting for it took time
            is_live = bool(row.holder) and row.expires_ms > now_ms
            if is_live and row.holder != holder:
                return None
            epoch = row.epoch if is_live else row.epoch + 1
            expires_ms = now_ms + round(seconds * 1000)
            change = update(LeaseRow).where(LeaseRow.name == name)
            connection.execute(change.values(epoch=epoch, holder=holder, expires_ms=expires_ms))
        return LeaseEntry(name=name, epoch=epoch, holder=holder, expires_ms=expires_ms, left_ms=expires_ms - now_ms)

    def renew_lease(self, name: str, holder: str, epoch: int, seconds: float) -> bool:
        """Hold a lease for so long from now. False where another has taken it over: publish nothing more.

        One that expired and was taken by nobody is still one's own.
        """
        with self._writing() as connection:
            connection.execute(_leases(name).with_for_update())
            expires_ms = database_ms(connection) + round(seconds * 1000)
            change = _of(name, holder, epoch).values(expires_ms=expires_ms)
            return bool(connection.execute(change).rowcount)

    def release_lease(self, name: str, holder: str, epoch: int) -> None:
        """Give a lease back, for others to take at once; what still stands behind it writes no more."""
        with self._writing() as connection:
            connection.execute(_of(name, holder, epoch).values(holder="", expires_ms=0))

    def lease(self, name: str) -> LeaseEntry | None:
        """How a lease stands; None where it was never taken."""
        with self._reading() as connection:
            row = connection.execute(_leases(name)).first()
            now_ms = database_ms(connection)
        if row is None:
            return None
        left_ms = row.expires_ms - now_ms
        return LeaseEntry(name=name, epoch=row.epoch, holder=row.holder, expires_ms=row.expires_ms, left_ms=left_ms)


def database_ms(connection: Connection) -> int:
    """Now, by the database's clock."""
    if connection.dialect.name == "postgresql":
        now: Any = extract("epoch", func.clock_timestamp()) * 1000
    else:
        now = (func.julianday("now") - 2440587.5) * 86_400_000.0
    return int(connection.execute(select(cast(now, BigInteger))).scalar_one())


def _leases(name: str) -> Any:
    return select(LeaseRow.epoch, LeaseRow.holder, LeaseRow.expires_ms).where(LeaseRow.name == name)


def _of(name: str, holder: str, epoch: int) -> Any:
    return update(LeaseRow).where(LeaseRow.name == name, LeaseRow.holder == holder, LeaseRow.epoch == epoch)
