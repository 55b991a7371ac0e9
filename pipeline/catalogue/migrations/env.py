"""Run by Alembic: migrations on the connection that `pipeline.catalogue.database` hands over."""

from alembic import context

from pipeline.catalogue import service_tables  # noqa: F401 - registers its tables
from pipeline.catalogue.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
