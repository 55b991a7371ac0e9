"""Run by Alembic: migrations on the connection that `pipeline.catalogue.database` hands over."""

from alembic import context

from pipeline.catalogue import alert_tables, service_tables  # noqa: F401 - they register their tables
from pipeline.catalogue.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
