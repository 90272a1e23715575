"""Runs migrations on the connection that `store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from purser_server.store import loyalty_tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=loyalty_tables.lots.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
