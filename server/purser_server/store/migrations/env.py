"""Runs migrations on the connection that `store.migrate` hands over."""

from __future__ import annotations

from alembic import context

from purser_server.store.loyalty_tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
