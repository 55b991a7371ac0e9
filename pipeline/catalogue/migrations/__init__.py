"""Alembic migrations of the catalogue, shipped with the package."""
