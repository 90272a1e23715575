"""Alembic's environment: the schema's history, from an empty database to this release."""
