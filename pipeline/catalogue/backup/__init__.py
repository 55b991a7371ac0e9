"""Backups of the catalogue: one file that restores into SQLite and Postgres alike, whichever it came from."""

from pipeline.catalogue.backup.checking import CheckReport, check
from pipeline.catalogue.backup.file import BackupFacts, read_facts
from pipeline.catalogue.backup.restoring import restore
from pipeline.catalogue.backup.writing import write_backup

__all__ = ["BackupFacts", "CheckReport", "check", "read_facts", "restore", "write_backup"]
